"""Learning rates by layer: which share of the recipe's rate a weight has; a share of 0 freezes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..errors import RecipeError
from ..layers.composite import Composite
from ..recipes.plan import Step
from ..recipes.schema import Training

Rates = Mapping[str, float]  # the beginning of a weight's name, whole words of it -> times the learning rate


def rate_share(name: str, rates: Rates) -> float:
    """What the rate of the weight or layer of this name is multiplied with: the longest beginning decides.

    >>> rate_share("3.layers.0.weight", {"3": 0.1, "3.layers": 0.5})
    0.5
    """
    share = _own_rate(name, rates)
    return 1.0 if share is None else share


def layer_rates(training: Training, steps: Sequence[Step]) -> dict[str, float]:
    """The recipe's rates by layer, and for the layers that it has none for, those that fall from the head.

    A batch norm learns at the rate of the layer before it, a block of layers at one rate.
    """
    if training.layer_decay == 1:
        return dict(training.rates)
    units: list[list[str]] = []
    for step in _units(steps):
        if step.layer.needs_batch and units:
            units[-1].append(step.name)
        elif step.parameters:
            units.append([step.name])
    falling = {
        name: training.layer_decay**depth for depth, unit in enumerate(reversed(units)) for name in unit
    }
    unsaid = {name: share for name, share in falling.items() if _own_rate(name, training.rates) is None}
    return {**unsaid, **training.rates}


def keeps_statistics(training: Training) -> bool:
    """Whether batch norm goes by the figures that it came with, and does not move them.

    Where a learned network goes on with few pictures, those of a batch would be a poor estimate.
    """
    return training.learn == "head-first"


def check_rates(rates: Rates, names: Iterable[str]) -> None:
    """Raise RecipeError for a rate of no layer, or where all weights, of these names, are frozen."""
    learned = list(names)
    for prefix in rates:
        if not any(name.startswith(f"{prefix}.") or name == prefix for name in learned):
            raise RecipeError(
                f'"training.rates" has a rate for "{prefix}", but no layer of that name learns.',
                f"Layers are named by their place: {', '.join(_layers(learned))}.",
            )
    if rates and not any(rate_share(name, rates) for name in learned):
        raise RecipeError(
            'All layers are frozen by "training.rates": nothing is left to learn.', "Leave one of them out."
        )


def _own_rate(name: str, rates: Rates) -> float | None:
    words = name.split(".")
    for count in range(len(words), 0, -1):
        if (share := rates.get(".".join(words[:count]))) is not None:
            return share
    return None


def _units(steps: Sequence[Step]) -> Iterator[Step]:
    """The layers one after the other, those within a composite that is a network of its own, too."""
    for step in steps:
        if isinstance(step.layer, Composite) and step.layer.deep:
            for branch in step.branches.values():
                yield from _units(branch)
        else:
            yield step


def _layers(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))
