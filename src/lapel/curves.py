"""What every possible threshold would give: risk against coverage, ROC, precision against recall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import LapelError
from .metrics import Numbers, Probabilities, auroc, check_answers

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class RiskCoverage:
    """What is accepted from each score on: a point for each score that occurs, the highest first."""

    scores: Floats
    coverage: Floats  # share of the answers with that score or a higher one
    accuracy: Floats  # share of these that are right
    area: float  # AURC: the mean risk over all coverages; less is better

    @property
    def risk(self) -> Floats:
        """Share of the accepted answers that are wrong."""
        return 1 - self.accuracy

    def accept_at(self, goal: float) -> float | None:
        """The least score from which at least the share `goal` is right; None where none is high enough."""
        if not 0 <= goal <= 1:
            raise LapelError(
                f"The goal is the share of accepted answers that are right, 0 to 1; {goal} came."
            )
        reached = np.flatnonzero(self.accuracy >= goal)
        return float(self.scores[reached[-1]]) if len(reached) else None

    def at(self, coverage: float) -> tuple[float, float, float]:
        """The first point that accepts at least this share: (score, coverage, accuracy)."""
        if not 0 <= coverage <= 1:
            raise LapelError(f"Coverage is a share, 0 to 1; {coverage} came.")
        place = min(int(np.searchsorted(self.coverage, coverage)), len(self.scores) - 1)
        return float(self.scores[place]), float(self.coverage[place]), float(self.accuracy[place])


@dataclass(frozen=True, eq=False, repr=False)
class Roc:
    """One class against all others: what each threshold catches, and what it catches wrongly."""

    thresholds: Floats  # the highest first; the first is infinite, so that nothing is caught
    false_positives: Floats  # share of the others
    true_positives: Floats  # share of the class
    area: float  # AUROC


@dataclass(frozen=True, eq=False, repr=False)
class PrecisionRecall:
    """One class against all others: how much of what is caught is of the class, and how much of the class."""

    thresholds: Floats  # the highest first
    precision: Floats
    recall: Floats
    average_precision: float  # the precision at each step of recall, weighed by the step


@dataclass(frozen=True, eq=False, repr=False)
class ClassCurves:
    """Both curves of one class, by its number."""

    number: int
    roc: Roc
    precision_recall: PrecisionRecall


def risk_coverage(scores: Probabilities, right: NDArray[np.bool_]) -> RiskCoverage:
    """The curve of answers with these scores (n), of which some are right (n).

    Of equal scores none can be accepted without the others. Raises LapelError where there are no scores, or
    they are not finite.

    >>> risk_coverage(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])).accuracy.round(2).tolist()
    [1.0, 0.5, 0.67]
    """
    ranked, last, right = _ranked(scores, right)
    counts = np.arange(1, len(ranked) + 1)
    accuracy = (np.cumsum(right) / counts)[last]
    # Each answer meets the risk that is run where it is accepted.
    met = np.diff(last, prepend=-1)
    area = float(((1 - accuracy) * met).sum() / len(ranked))
    return RiskCoverage(ranked[last], counts[last] / len(ranked), accuracy, area)


def roc(scores: Probabilities, truth: NDArray[np.bool_]) -> Roc:
    """The ROC curve of scores (n) that should be high where `truth` (n) holds.

    Raises LapelError where one of the two kinds is missing, or scores are not finite.
    """
    ranked, last, truth = _ranked(scores, truth)
    _check_both(truth)
    caught = np.cumsum(truth)[last]
    wrongly = last + 1 - caught
    return Roc(
        np.append(np.inf, ranked[last]),
        np.append(0.0, wrongly / (~truth).sum()),
        np.append(0.0, caught / truth.sum()),
        auroc(ranked[truth], ranked[~truth]),
    )


def precision_recall(scores: Probabilities, truth: NDArray[np.bool_]) -> PrecisionRecall:
    """Precision against recall of the same. Raises LapelError as `roc` does."""
    ranked, last, truth = _ranked(scores, truth)
    _check_both(truth)
    caught = np.cumsum(truth)[last]
    precision, recall = caught / (last + 1), caught / truth.sum()
    average = float((np.diff(recall, prepend=0.0) * precision).sum())
    return PrecisionRecall(ranked[last], precision, recall, average)


def class_curves(probabilities: Probabilities, labels: Numbers) -> tuple[ClassCurves, ...]:
    """Both curves of every class against all others, where there are pictures of it and of others."""
    check_answers(probabilities, labels)
    found = []
    for number in range(probabilities.shape[1]):
        truth = labels == number
        if truth.any() and not truth.all():
            scores = probabilities[:, number]
            found.append(ClassCurves(number, roc(scores, truth), precision_recall(scores, truth)))
    return tuple(found)


def macro_roc(curves: tuple[ClassCurves, ...], points: int = 101) -> tuple[Floats, Floats]:
    """The mean ROC curve of classes, each alike: (false positives, true positives), both (points)."""
    grid = np.linspace(0, 1, points)
    met = [np.interp(grid, one.roc.false_positives, one.roc.true_positives) for one in _some(curves)]
    return grid, np.mean(met, axis=0)


def macro_precision_recall(curves: tuple[ClassCurves, ...], points: int = 101) -> tuple[Floats, Floats]:
    """The mean of the classes' precision at each recall: (recall, precision), both (points).

    The precision at a recall is the best of all thresholds that reach it.
    """
    grid = np.linspace(0, 1, points)
    met = []
    for one in _some(curves):
        curve = one.precision_recall
        best = np.maximum.accumulate(curve.precision[::-1])[::-1]
        met.append(best[np.searchsorted(curve.recall, grid)])
    return grid, np.mean(met, axis=0)


def _ranked(
    scores: Probabilities, kind: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]:
    """Scores, the highest first, the place of the last of each group of equal ones, and kinds likewise."""
    if np.ndim(scores) != 1 or len(scores) != len(kind) or not len(scores) or not np.isfinite(scores).all():
        raise LapelError(
            f"A curve needs a finite score for each answer, and at least one; "
            f"{len(scores)} scores of {len(kind)} answers came."
        )
    order = np.argsort(-scores, kind="stable")
    ranked = np.asarray(scores, dtype=np.float64)[order]
    last = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))
    return ranked, last, np.asarray(kind, dtype=bool)[order]


def _check_both(truth: NDArray[np.bool_]) -> None:
    if truth.all() or not truth.any():
        raise LapelError(f"Answers of both kinds are needed; {truth.sum()} and {(~truth).sum()} came.")


def _some(curves: tuple[ClassCurves, ...]) -> tuple[ClassCurves, ...]:
    if not curves:
        raise LapelError("A mean over classes needs a class that has pictures beside others; none came.")
    return curves
