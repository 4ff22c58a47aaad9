"""Which epoch's weights a run keeps, whether the pictures it is judged on chose it, and what then follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .engines.protocol import Epoch
from .metrics import wilson_interval
from .recipes.schema import Recipe
from .runs import Run

LAST = "--set training.keep=last"  # how a training is asked to choose nothing by its validation pictures


@dataclass(frozen=True)
class KeptEpoch:
    """The epoch whose weights are judged, and what the last one came to on the validation pictures.

    `number` is None where runs of a study each keep one of their own; `epochs` are then the most of any.
    """

    number: int | None
    epochs: int  # that were trained
    chosen: bool  # by the validation pictures, as the best of several
    last_accuracy: float
    last_interval: tuple[float, float]  # 95 %, Wilson's score; the last epoch was chosen by nobody

    def describe(self, split: str) -> str:
        """What is to be said beside an accuracy on a split.

        >>> KeptEpoch(37, 60, True, 0.75, (0.55, 0.88)).describe("validation")
        'chosen on these pictures: epoch 37 of 60; last epoch 75.0 %'
        """
        which = f"epoch {self.number} of {self.epochs}"
        if self.number is None:
            which = "in each fold its best epoch" if self.chosen else "in each fold its last epoch"
        if not self.chosen:
            return f"{which}, which no picture chose"
        if split == "test":
            return f"{which}, chosen on the validation pictures"
        last = "last epochs" if self.number is None else "last epoch"
        return f"chosen on these pictures: {which}; {last} {100 * self.last_accuracy:.1f} %"


def kept_epoch(recipe: Recipe, history: Sequence[Epoch]) -> Epoch:
    """The epoch of a history whose weights a run keeps: the leader, or the last where the recipe says so."""
    return history[-1] if recipe.training.keep == "last" else leader(history)


def leader(history: Sequence[Epoch]) -> Epoch:
    """The epoch with the best validation accuracy."""
    # Of equally accurate epochs the first, so that patience is not spent on standing still.
    return max(history, key=lambda epoch: (epoch.validation_accuracy, -epoch.number))


def kept_by(run: Run) -> KeptEpoch | None:
    """The epoch that a run keeps; None where it has no history, as one that was trained elsewhere."""
    recipe, history = run.recipe, run.history
    if not history:
        return None
    held = run.environment["dataset"]["validation"]
    last = history[-1].validation_accuracy
    return KeptEpoch(
        number=kept_epoch(recipe, history).number,
        epochs=len(history),
        chosen=recipe.training.keep == "best" and len(history) > 1,
        last_accuracy=last,
        last_interval=wilson_interval(round(last * held), held),
    )


def kept_by_folds(folds: Sequence[tuple[KeptEpoch | None, int]]) -> KeptEpoch | None:
    """The same of the runs of a study, each with the number of pictures that it held out."""
    known = [(kept, pictures) for kept, pictures in folds if kept is not None]
    if not known or len(known) < len(folds):
        return None
    pictures = sum(count for _, count in known)
    right = sum(round(kept.last_accuracy * count) for kept, count in known)
    return KeptEpoch(
        number=None,
        epochs=max(kept.epochs for kept, _ in known),
        chosen=any(kept.chosen for kept, _ in known),
        last_accuracy=right / pictures,
        last_interval=wilson_interval(right, pictures),
    )


def caution(run: Run, kept: KeptEpoch | None, split: str, pictures: int, *, has_test: bool) -> str:
    """What a reader may conclude from a figure of a run, where that is less than it seems; else nothing."""
    if split == "test":
        looks = len(run.test_accuracies)
        return _worn(looks) if looks > 1 else ""
    if kept is None or not kept.chosen:
        return ""
    flattered = f"These {pictures:,} pictures chose the epoch that they judge, so the figure flatters"
    if run.fold is not None:
        number, folds = run.fold
        return (
            f"{flattered}. This is fold {number} of {folds}: `lapel evaluate` of the study judges all of "
            f"them, and with `{LAST}` none of them chooses."
        )
    if has_test:
        return (
            f"{flattered}, and its interval does not count that. For a figure that was not chosen, look at "
            f"the test pictures, once and last: `lapel evaluate {run.name} --test`."
        )
    low, high = kept.last_interval
    return (
        f"{flattered}, its interval does not count that, and there are no others to judge on. What may be "
        f"concluded is what the last epoch says, which nobody chose: {100 * kept.last_accuracy:.1f} %, 95 % "
        f"interval {100 * low:.1f} to {100 * high:.1f} %. To judge every picture once, by a run that has "
        f"neither learned from it nor been chosen by it: `lapel train … --folds 5 {LAST}`."
    )


def caution_of_folds(kept: KeptEpoch | None) -> str:
    """The same for the folds of a study together."""
    if kept is None or not kept.chosen:
        return ""
    low, high = kept.last_interval
    return (
        "Each fold chose the epoch of the run that it judges, so the figure flatters. The last epochs, which "
        f"nobody chose, have {100 * kept.last_accuracy:.1f} % right, 95 % interval {100 * low:.1f} to "
        f"{100 * high:.1f} %; `{LAST}` keeps those."
    )


def _worn(looks: int) -> str:
    return (
        f"The test pictures have been looked at {looks} times. Whatever was changed after a look was chosen "
        "with their help, and the figure is too high by as much as that gave."
    )
