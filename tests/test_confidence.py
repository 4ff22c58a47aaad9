"""Calibration errors and the reliability table, by hand and against another way to count."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.proportion import proportion_confint

from lapel.confidence import adaptive_calibration_error, calibration_error, reliability
from lapel.errors import LapelError


def answers(count: int = 600) -> tuple[Any, Any]:
    random = np.random.default_rng(5)
    logits = random.normal(0, 2, (count, 4))
    powers = np.exp(logits)
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    labels = np.where(random.random(count) < 0.6, probabilities.argmax(axis=1), random.integers(0, 4, count))
    return probabilities, labels


def test_calibration_error_by_hand() -> None:
    # Two bins are used: 0.8 sure and half right (gap 0.3), 0.6 sure and both right (gap 0.4).
    probabilities = np.array([[0.8, 0.2], [0.8, 0.2], [0.6, 0.4], [0.6, 0.4]])
    labels = np.array([0, 1, 0, 0])
    expected = (2 * 0.3 + 2 * 0.4) / 4
    assert calibration_error(probabilities, labels) == pytest.approx(expected)
    # With two bins of as many answers these are the same; with one, all are 0.7 sure and 3 in 4 right.
    assert adaptive_calibration_error(probabilities, labels, 2) == pytest.approx(expected)
    assert adaptive_calibration_error(probabilities, labels, 1) == pytest.approx(0.05)


def test_calibration_error_of_certainty() -> None:
    certain = np.eye(3)[[0, 1, 2, 2]]
    for error in (calibration_error, adaptive_calibration_error):
        assert error(certain, np.array([0, 1, 2, 2])) == 0
        assert error(certain, np.array([1, 0, 0, 0])) == 1
        assert error(np.ones((4, 1)), np.zeros(4, int)) == 0


def test_equal_bins_of_an_independent_count() -> None:
    probabilities, labels = answers()
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, 16)
    expected = 0.0
    for low, high in pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            expected += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert calibration_error(probabilities, labels) == pytest.approx(expected)


def test_bins_of_as_many_answers_are_those_of_the_sorted_ones() -> None:
    probabilities, labels = answers()
    order = np.argsort(probabilities.max(axis=1))
    parts = np.array_split(order, 15)
    gaps = [
        len(part)
        * abs(np.mean(probabilities[part].max(1)) - np.mean(probabilities[part].argmax(1) == labels[part]))
        for part in parts
    ]
    assert adaptive_calibration_error(probabilities, labels) == pytest.approx(sum(gaps) / 600)
    table = reliability(probabilities, labels, equal_mass=True)
    assert [row.pictures for row in table] == [40] * 15
    assert table[0].low == probabilities.max(axis=1).min()
    assert all(one.high < other.low for one, other in pairwise(table))


def test_the_table_adds_up_to_the_error_and_has_intervals() -> None:
    probabilities, labels = answers()
    table = reliability(probabilities, labels)
    assert sum(row.pictures for row in table) == 600
    gap = sum(row.pictures * abs(row.confidence - row.accuracy) for row in table) / 600
    assert gap == pytest.approx(calibration_error(probabilities, labels))
    for row in table:
        assert row.low < row.confidence <= row.high
        right = round(row.accuracy * row.pictures)
        assert row.interval == pytest.approx(proportion_confint(right, row.pictures, method="wilson"))


def test_the_order_of_pictures_changes_no_bin_even_where_answers_are_equally_sure() -> None:
    random = np.random.default_rng(0)
    probabilities = np.repeat([[0.9, 0.1], [0.7, 0.3], [1.0, 0.0]], [50, 30, 20], axis=0)
    labels = random.integers(0, 2, 100)
    turned = random.permutation(100)
    first = reliability(probabilities, labels, 7, equal_mass=True)
    assert reliability(probabilities[turned], labels[turned], 7, equal_mass=True) == first
    assert [row.pictures for row in first] == [30, 50, 20]


@given(
    arrays(np.float64, (6, 3), elements=st.floats(0.01, 1)), arrays(np.int64, 6, elements=st.integers(0, 2))
)
def test_errors_stay_in_bounds(raw: Any, labels: Any) -> None:
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    for bins in (1, 4, 15):
        assert 0 <= calibration_error(probabilities, labels, bins) <= 1
        assert 0 <= adaptive_calibration_error(probabilities, labels, bins) <= 1


@pytest.mark.parametrize("call", [calibration_error, adaptive_calibration_error, reliability])
def test_what_cannot_be_binned(call: Any) -> None:
    with pytest.raises(LapelError, match="at least one; 0 came"):
        call(np.eye(2), np.arange(2), 0)
    with pytest.raises(LapelError, match="not finite"):
        call(np.full((1, 2), np.nan), np.array([0]))
    with pytest.raises(LapelError, match="at least one picture; none came"):
        call(np.zeros((0, 2)), np.zeros(0, int))
