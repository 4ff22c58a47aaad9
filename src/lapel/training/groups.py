"""Learning rates by layer: which share of the recipe's rate a weight has; a share of 0 freezes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import RecipeError

Rates = Mapping[str, float]  # the beginning of a weight's name, whole words of it -> times the learning rate


def rate_share(name: str, rates: Rates) -> float:
    """What the rate of the weight or layer of this name is multiplied with: the longest beginning decides.

    >>> rate_share("3.layers.0.weight", {"3": 0.1, "3.layers": 0.5})
    0.5
    """
    words = name.split(".")
    for count in range(len(words), 0, -1):
        if (share := rates.get(".".join(words[:count]))) is not None:
            return share
    return 1.0


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


def _layers(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))
