"""An order of classes in which those that are taken for each other stand side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import LapelError
from .metrics import Numbers


def order_by_similarity(matrix: Numbers) -> tuple[int, ...]:
    """The numbers of a confusion matrix's classes, such that large counts lie near its diagonal.

    Classes are as similar as they are taken for each other, by shares of each class. The most similar rows
    of classes are joined first (by the mean of their pairs), so that their most similar ends meet; classes
    that are never mixed up keep their order. The same matrix gives the same order. Raises LapelError where it
    is not square.

    >>> order_by_similarity(np.array([[9, 0, 1], [0, 9, 0], [2, 0, 8]]))
    (0, 2, 1)
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise LapelError(f"A square confusion matrix is needed; one of shape {matrix.shape} came.")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    likeness = (shares + shares.T) / 2
    rows = [[number] for number in range(len(matrix))]
    near = likeness.copy()  # the mean likeness of two rows, at the places of their first members
    np.fill_diagonal(near, -1)
    places = list(range(len(matrix)))
    while len(rows) > 1:
        among = near[np.ix_(places, places)]
        one, other = sorted(divmod(int(among.argmax()), len(places)))
        left, right = rows[one], rows[other]
        rows[one] = _joined(left, right, likeness)
        kept, gone = places[one], places[other]
        mean = (len(left) * near[kept] + len(right) * near[gone]) / (len(left) + len(right))
        near[kept], near[:, kept] = mean, mean
        near[kept, kept] = -1
        del rows[other], places[other]
    (order,) = rows
    return tuple(order if order[0] <= order[-1] else order[::-1])


def _joined(left: list[int], right: list[int], likeness: NDArray[np.float64]) -> list[int]:
    """Both rows as one, each as it is or turned, so that the ends that meet are the most similar."""
    ways = [(left, right), (left, right[::-1]), (left[::-1], right), (left[::-1], right[::-1])]
    best = max(ways, key=lambda way: likeness[way[0][-1], way[1][0]])
    return [*best[0], *best[1]]
