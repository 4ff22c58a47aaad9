"""How far figures of a confusion matrix would spread if other pictures of the same kind had been judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import LapelError
from .metrics import Numbers

_DRAWS = 2000
_AT_ONCE = 1 << 22  # numbers that are held at a time

Interval = tuple[float, float]


@dataclass(frozen=True)
class BootstrapIntervals:
    """95 % intervals: what the middle 95 of 100 samples, drawn with replacement, come to."""

    accuracy: Interval
    balanced_accuracy: Interval
    f1: Interval  # the mean over classes
    weighted_f1: Interval
    draws: int


def bootstrap_intervals(matrix: Numbers, draws: int = _DRAWS, seed: int = 0) -> BootstrapIntervals:
    """95 % percentile intervals of the figures of a confusion matrix (row = actual, column = predicted).

    To draw as many pictures with replacement is to draw the counts of the matrix's cells, so that its cost
    does not grow with the pictures. The same seed gives the same intervals. A class that a draw leaves out
    counts in none of that draw's means, as in `balanced_accuracy` and `macro`. Raises LapelError where the
    matrix holds no pictures, or `draws` is less than 1.
    """
    pictures = int(matrix.sum())
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or pictures < 1 or matrix.min() < 0:
        raise LapelError(
            f"A square matrix of counts, with a picture at least, is needed; {matrix.shape} came."
        )
    if draws < 1:
        raise LapelError(f"An interval needs draws, at least one; {draws} came.")
    actual, predicted = np.nonzero(matrix)
    shares = matrix[actual, predicted] / pictures
    classes = np.arange(len(matrix))
    of_class, as_class = actual[:, None] == classes, predicted[:, None] == classes
    random = np.random.default_rng(seed)
    parts, step = [], max(1, _AT_ONCE // (len(actual) + 3 * len(matrix)))
    for start in range(0, draws, step):
        counts = random.multinomial(pictures, shares, min(step, draws - start))
        parts.append(_figures(counts @ of_class, counts @ as_class, counts @ (of_class & as_class)))
    low, high = np.percentile(np.concatenate(parts), [2.5, 97.5], axis=0)
    right, balanced, f1, weighted = zip(low.tolist(), high.tolist(), strict=True)
    return BootstrapIntervals(right, balanced, f1, weighted, draws)


def _figures(support: Numbers, predicted: Numbers, right: Numbers) -> NDArray[np.float64]:
    """Accuracy, balanced accuracy, mean F1 and weighted F1 (draws, 4) of counts (draws, classes) each."""
    pictures = support.sum(axis=1)
    recall = right / np.maximum(support, 1)
    f1 = 2 * right / np.maximum(support + predicted, 1)
    return np.stack(
        [
            right.sum(axis=1) / pictures,
            recall.sum(axis=1) / (support > 0).sum(axis=1),
            f1.sum(axis=1) / (support + predicted > 0).sum(axis=1),
            (f1 * support).sum(axis=1) / pictures,
        ],
        axis=1,
    )
