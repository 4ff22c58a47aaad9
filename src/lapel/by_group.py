"""Figures for each group of pictures (a photographer, a shop, a class), and the worst of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .confidence import calibration_error
from .metrics import Numbers, Probabilities

ENOUGH = 20  # pictures of a group before it can be the worst: a handful is wrong by chance

_Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class PhotoFigures:
    """Figures of labelled pictures: all, those of one class, or those of one group.

    `pictures` are of the model's classes, `others` are not. A share of nothing is None, and so is what only a
    model says, of a run; intervals are 95 %, Wilson's score.
    """

    name: str
    pictures: int
    accuracy: float | None
    interval: tuple[float, float] | None
    classes: int  # of which there are pictures
    balanced_accuracy: float | None  # each of these classes alike
    accepted: float | None
    accepted_interval: tuple[float, float] | None
    accepted_accuracy: float | None  # of those that are accepted
    accepted_accuracy_interval: tuple[float, float] | None
    others: int
    others_accepted: float | None
    others_accepted_interval: tuple[float, float] | None
    auroc: float | None  # how well the score tells the classes from other things
    f1: float | None = None  # mean over the classes that occur
    loss: float | None = None
    brier: float | None = None
    calibration_error: float | None = None


@dataclass(frozen=True)
class Groups:
    """Figures for each group that `by` tells apart, by name, and which of the large enough ones is worst."""

    by: str
    figures: tuple[PhotoFigures, ...]
    worst: str | None  # least right, of those with 20 pictures or more

    @property
    def of_worst(self) -> PhotoFigures | None:
        """The figures of the worst."""
        return next((one for one in self.figures if one.name == self.worst), None)


@dataclass(frozen=True, eq=False)
class Judged:
    """Answers to n pictures: classes (n; below 0 what is none of them) and probabilities (n, classes).

    `accepted` and `scores` (n) are what a model says beside; of a run they are None.
    """

    labels: Numbers
    probabilities: Probabilities
    accepted: _Bools | None = None
    scores: NDArray[np.floating[Any]] | None = None

    def take(self, which: _Bools) -> Judged:
        """Some of them."""
        return Judged(
            self.labels[which],
            self.probabilities[which],
            None if self.accepted is None else self.accepted[which],
            None if self.scores is None else self.scores[which],
        )


class Named(Protocol):
    """A group: its name, and how many pictures it has."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def pictures(self) -> int:
        """How many pictures it has."""


_Group = TypeVar("_Group", bound=Named)


def grouped(by: str, names: Sequence[str], judged: Judged) -> Groups:
    """The figures of each group; `names` says for each picture which it is of."""
    found = each_group(names, judged)
    return Groups(by, found, worst(found, lambda one: one.accuracy))


def each_group(names: Sequence[str], judged: Judged) -> tuple[PhotoFigures, ...]:
    """The figures of each group, by name."""
    known = np.asarray(names, dtype=object)
    return tuple(figures(name, judged.take(known == name)) for name in sorted(set(names)))


def worst(groups: Sequence[_Group], figure: Callable[[_Group], float | None]) -> str | None:
    """The name of the group where a figure is least, of those that are large enough."""
    large = [group for group in groups if group.pictures >= ENOUGH]
    found = [(value, group.name) for group in large if (value := figure(group)) is not None]
    return min(found)[1] if found else None


def figures(name: str, judged: Judged) -> PhotoFigures:
    """Every figure of some answers; None stands for those that they are too few for."""
    inside = judged.labels >= 0
    labels, probabilities = judged.labels[inside], judged.probabilities[inside]
    right = np.asarray(probabilities.argmax(axis=1) == labels)
    alike = [right[labels == label].mean() for label in np.unique(labels)]
    nothing = np.zeros(0, bool)
    accepted = nothing if judged.accepted is None else judged.accepted[inside]
    right_of_accepted = right[accepted] if len(accepted) else nothing
    others = nothing if judged.accepted is None else judged.accepted[~inside]
    scores = [] if judged.scores is None else [judged.scores[inside], judged.scores[~inside]]
    some = len(labels) > 0
    return PhotoFigures(
        name=name,
        pictures=len(labels),
        accuracy=_mean(right),
        interval=_interval(right),
        classes=len(alike),
        balanced_accuracy=float(np.mean(alike)) if alike else None,
        accepted=_mean(accepted),
        accepted_interval=_interval(accepted),
        accepted_accuracy=_mean(right_of_accepted),
        accepted_accuracy_interval=_interval(right_of_accepted),
        others=int((~inside).sum()),
        others_accepted=_mean(others),
        others_accepted_interval=_interval(others),
        auroc=metrics.auroc(*scores) if scores and all(map(len, scores)) else None,
        f1=_f1(probabilities, labels) if some else None,
        loss=metrics.log_loss(probabilities, labels) if some else None,
        brier=metrics.brier(probabilities, labels) if some else None,
        calibration_error=calibration_error(probabilities, labels) if some else None,
    )


def _f1(probabilities: Probabilities, labels: Numbers) -> float:
    classes = probabilities.shape[1]
    matrix = metrics.confusion_matrix(probabilities.argmax(axis=1), labels, classes)
    return metrics.macro(metrics.per_class(matrix, tuple(map(str, range(classes)))))[2]


def _mean(values: _Bools) -> float | None:
    return float(values.mean()) if len(values) else None


def _interval(values: _Bools) -> tuple[float, float] | None:
    return metrics.wilson_interval(int(values.sum()), len(values)) if len(values) else None
