"""The order of classes in a confusion matrix, against planted ones and SciPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from lapel.class_order import order_by_similarity
from lapel.errors import LapelError


def band(classes: int) -> Any:
    """Each class is taken for its neighbours, the less the farther on."""
    apart = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes)))
    return np.round(1000 * 0.3**apart).astype(int)


@pytest.mark.parametrize("seed", range(5))
def test_a_hidden_order_is_found(seed: int) -> None:
    hidden = np.random.default_rng(seed).permutation(9)
    place = np.argsort(hidden)
    mixed = band(9)[np.ix_(place, place)]
    found = order_by_similarity(mixed)
    assert list(found) in (hidden.tolist(), hidden.tolist()[::-1])
    likeness = mixed / mixed.sum(axis=1, keepdims=True)
    distance = 1 - (likeness + likeness.T) / 2
    np.fill_diagonal(distance, 0)
    condensed = squareform(distance)
    ordered = leaves_list(optimal_leaf_ordering(linkage(condensed, "average"), condensed)).tolist()
    assert list(found) in (ordered, ordered[::-1])


def test_kinds_that_are_never_mixed_up_stand_apart() -> None:
    matrix = np.eye(6, dtype=int) * 50
    for one, other, count in ((0, 4, 20), (4, 2, 12), (1, 5, 30)):
        matrix[one, other] = matrix[other, one] = count
    assert order_by_similarity(matrix) == (0, 4, 2, 1, 5, 3)


def test_nothing_to_go_by_keeps_the_order() -> None:
    assert order_by_similarity(np.eye(7, dtype=int)) == tuple(range(7))
    assert order_by_similarity(np.zeros((4, 4), int)) == (0, 1, 2, 3)
    assert order_by_similarity(np.array([[3]])) == (0,)


@given(arrays(np.int64, (5, 5), elements=st.integers(0, 3)))
@settings(deadline=None)
def test_every_class_stands_once(matrix: Any) -> None:
    found = order_by_similarity(matrix)
    assert sorted(found) == list(range(5))
    assert found == order_by_similarity(matrix.copy())
    # A matrix that is turned about says the same of its classes where all have as many pictures.
    assert found[0] <= found[-1]


def test_what_has_no_order() -> None:
    for matrix in (np.zeros((2, 3), int), np.zeros((0, 0), int), np.zeros(4, int)):
        with pytest.raises(LapelError, match="A square confusion matrix"):
            order_by_similarity(matrix)
