"""Figures about answers, in numpy alone.

Everywhere `labels` (n; integers) are the actual classes, `predicted` (n; integers) the answered ones and
`probabilities` (n, classes; floats) what a network gave, each row adding up to one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import LapelError

Numbers = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]

Z95 = 1.959963984540054  # the normal quantile that leaves 2.5 % on each side
_CONFUSIONS = 10
_ROUNDING = 1e-3  # by which sums and quantised networks may miss 0 and 1


@dataclass(frozen=True)
class ClassFigures:
    """How one class came out. A share of nothing (never predicted, no pictures) counts as 0."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int  # pictures that are of this class
    predicted: int  # pictures that were said to be of this class
    recall_interval: tuple[float, float] | None = None  # 95 %, Wilson's score; None without pictures
    auroc: float | None = None  # against all others; None where there is one of the two alone
    average_precision: float | None = None


@dataclass(frozen=True)
class Confusion:
    """`count` pictures of class `actual` were taken for `predicted`: this `share` of that class."""

    actual: str
    predicted: str
    count: int
    share: float


def accuracy(predicted: Numbers, labels: Numbers) -> float:
    """Share of the pictures answered right."""
    _match(predicted, labels)
    return float(np.mean(predicted == labels))


def wilson_interval(right: int, pictures: int) -> tuple[float, float]:
    """95 % interval (Wilson's score) of an accuracy of `right` out of `pictures`.

    >>> tuple(round(end, 4) for end in wilson_interval(5, 10))
    (0.2366, 0.7634)
    """
    if pictures < 1 or not 0 <= right <= pictures:
        raise LapelError(f"An interval needs 0 to n right out of n ≥ 1 pictures, not {right} of {pictures}.")
    square = Z95**2
    share = right / pictures
    middle = (share + square / (2 * pictures)) / (1 + square / pictures)
    spread = math.sqrt(share * (1 - share) / pictures + square / (4 * pictures**2))
    half = Z95 / (1 + square / pictures) * spread
    # Exact ends: rounding must not push 0 of n above 0, or n of n below 1.
    low = 0.0 if right == 0 else max(0.0, middle - half)
    high = 1.0 if right == pictures else min(1.0, middle + half)
    return low, high


def top_k_accuracy(probabilities: Probabilities, labels: Numbers, k: int) -> float:
    """Share of the pictures whose class is among the `k` most probable; of equal ones the first counts.

    >>> top_k_accuracy(np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2]), 2)
    0.5
    """
    check_answers(probabilities, labels)
    if k < 1:
        raise LapelError(f"The first k labels are at least one; k = {k} came.")
    given = probabilities[np.arange(len(labels)), labels][:, None]
    first = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > given) | ((probabilities == given) & first)
    return float(np.mean(ahead.sum(axis=1) < k))


def log_loss(probabilities: Probabilities, labels: Numbers) -> float:
    """Mean cross-entropy in nats. A probability of 0 counts as the smallest step of its number type."""
    check_answers(probabilities, labels)
    smallest = float(np.finfo(probabilities.dtype).eps)
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(given, smallest, 1.0)).mean())


def brier(probabilities: Probabilities, labels: Numbers) -> float:
    """Mean squared distance between probabilities and truth, summed over classes: 0 (perfect) to 2."""
    check_answers(probabilities, labels)
    # Σ(p - y)² is Σp² - 2·p[label] + 1, which needs no table of ones and zeros.
    exact = probabilities.astype(np.float64)
    given = exact[np.arange(len(labels)), labels]
    return float(np.mean(np.square(exact).sum(axis=1) - 2 * given + 1))


def confusion_matrix(predicted: Numbers, labels: Numbers, classes: int) -> Numbers:
    """Counts (classes, classes): row = actual class, column = predicted class."""
    _match(predicted, labels)
    for numbers in (predicted, labels):
        if numbers.min() < 0 or numbers.max() >= classes:
            raise LapelError(
                f"Classes must be numbered 0 to {classes - 1}; {numbers.min()} to {numbers.max()} came."
            )
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def per_class(matrix: Numbers, class_names: tuple[str, ...]) -> tuple[ClassFigures, ...]:
    """Precision, recall with its interval, F1 and support of every class of a confusion matrix."""
    right, support, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return tuple(
        ClassFigures(
            name=name,
            precision=_share(right[i], predicted[i]),
            recall=_share(right[i], support[i]),
            f1=_share(2 * right[i], support[i] + predicted[i]),
            support=int(support[i]),
            predicted=int(predicted[i]),
            recall_interval=wilson_interval(int(right[i]), int(support[i])) if support[i] else None,
        )
        for i, name in enumerate(class_names)
    )


def macro(figures: tuple[ClassFigures, ...]) -> tuple[float, float, float]:
    """Mean (precision, recall, F1) over the classes that occur as actual or as predicted."""
    seen = [one for one in figures if one.support or one.predicted]
    if not seen:
        raise LapelError("A mean over classes needs at least one picture; none came.")
    count = len(seen)
    return (
        sum(one.precision for one in seen) / count,
        sum(one.recall for one in seen) / count,
        sum(one.f1 for one in seen) / count,
    )


def weighted_f1(figures: tuple[ClassFigures, ...]) -> float:
    """Mean F1 over the classes, each weighing as much as it has pictures."""
    pictures = sum(one.support for one in figures)
    if not pictures:
        raise LapelError("A mean over classes needs at least one picture; none came.")
    return sum(one.f1 * one.support for one in figures) / pictures


def balanced_accuracy(figures: tuple[ClassFigures, ...]) -> float:
    """Mean recall over the classes that have pictures: every class weighs the same."""
    recalls = [one.recall for one in figures if one.support]
    if not recalls:
        raise LapelError("A balanced accuracy needs at least one picture; none came.")
    return sum(recalls) / len(recalls)


def top_confusions(
    matrix: Numbers, class_names: tuple[str, ...], limit: int = _CONFUSIONS
) -> tuple[Confusion, ...]:
    """The most frequent (actual, predicted) mistakes, most frequent first; at most `limit`."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    flat = wrong.ravel()
    order = np.argsort(-flat, kind="stable")[:limit]
    support = matrix.sum(axis=1)
    found = []
    for place in order[flat[order] > 0]:
        actual, predicted = divmod(int(place), len(class_names))
        count = int(flat[place])
        share = _share(count, support[actual])
        found.append(Confusion(class_names[actual], class_names[predicted], count, share))
    return tuple(found)


def worst_mistakes(probabilities: Probabilities, labels: Numbers, limit: int) -> NDArray[np.intp]:
    """Places of the pictures answered wrong, the most confident first; at most `limit`."""
    check_answers(probabilities, labels)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    confidence = probabilities[wrong].max(axis=1)
    worst: NDArray[np.intp] = wrong[np.argsort(-confidence, kind="stable")][:limit]
    return worst


def auroc(inside: Probabilities, outside: Probabilities) -> float:
    """How well scores tell two kinds apart: the chance that one `inside` is above one `outside`.

    Equal scores count as half. 1 tells them apart always, 0.5 not at all. Raises LapelError where one of
    the two is empty.

    >>> auroc(np.array([0.9, 0.5]), np.array([0.5, 0.1]))
    0.875
    """
    if not len(inside) or not len(outside):
        raise LapelError(f"Scores of both kinds are needed; {len(inside)} and {len(outside)} came.")
    ranked = np.sort(outside)
    below = np.searchsorted(ranked, inside, side="left")
    not_above = np.searchsorted(ranked, inside, side="right")
    return float((below + not_above).mean() / (2 * len(ranked)))


def check_answers(probabilities: Probabilities, labels: Numbers) -> None:
    """Raise LapelError unless there are as many rows of probabilities as labels, and at least one."""
    if probabilities.ndim != 2 or labels.ndim != 1 or len(probabilities) != len(labels):
        raise LapelError(
            f"Probabilities of shape (n, classes) and n labels are needed; "
            f"{probabilities.shape} and {len(labels)} labels came."
        )
    _match(labels, labels)
    if not np.isfinite(probabilities).all():
        raise LapelError(
            "The network gave probabilities that are not finite numbers.",
            "Its training has most likely diverged: train again with a lower learning rate.",
        )
    least, most = probabilities.min(), probabilities.max()
    if least < -_ROUNDING or most > 1 + _ROUNDING:
        raise LapelError(f"Probabilities lie between 0 and 1; {least:.4g} to {most:.4g} came.")
    classes = probabilities.shape[1]
    if not np.issubdtype(labels.dtype, np.integer):
        raise LapelError(f"Labels are numbers of classes, whole ones; {labels.dtype} came.")
    if labels.min() < 0 or labels.max() >= classes:
        raise LapelError(
            f"Labels must lie between 0 and {classes - 1}; {labels.min()} to {labels.max()} came."
        )


def _match(predicted: Numbers, labels: Numbers) -> None:
    if len(predicted) != len(labels):
        raise LapelError(f"{len(predicted)} predictions came for {len(labels)} labels.")
    if len(labels) == 0:
        raise LapelError("Figures need at least one picture; none came.")


def _share(part: int | np.int64, whole: int | np.int64) -> float:
    return float(part) / float(whole) if whole else 0.0
