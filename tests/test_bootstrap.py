"""Intervals from pictures drawn again, against SciPy's bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.stats import bootstrap

from lapel.bootstrap import bootstrap_intervals
from lapel.errors import LapelError
from lapel.metrics import balanced_accuracy, confusion_matrix, macro, per_class, weighted_f1

NAMES = ("a", "b", "c")


def answers(count: int = 200) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    labels = random.choice(3, count, p=[0.6, 0.3, 0.1])
    predicted = np.where(random.random(count) < 0.7, labels, random.integers(0, 3, count))
    return labels, predicted


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("accuracy", reference.accuracy_score),
        ("balanced_accuracy", reference.balanced_accuracy_score),
        ("f1", lambda labels, predicted: reference.f1_score(labels, predicted, average="macro")),
        ("weighted_f1", lambda labels, predicted: reference.f1_score(labels, predicted, average="weighted")),
    ],
)
def test_intervals_are_those_of_scipy_and_scikit_learn(name: str, figure: Any) -> None:
    labels, predicted = answers()
    found = bootstrap_intervals(confusion_matrix(predicted, labels, 3), draws=20_000)
    expected = bootstrap(
        (labels, predicted),
        figure,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=200,
        rng=np.random.default_rng(1),
    ).confidence_interval
    # 200 draws leave the ends of an interval of 0.12 to 0.18 uncertain by some 0.01 each.
    assert getattr(found, name) == pytest.approx((expected.low, expected.high), abs=0.025)


def test_the_interval_of_the_accuracy_is_that_of_the_binomial() -> None:
    low, high = bootstrap_intervals(np.array([[4500, 500], [300, 4700]]), draws=20_000).accuracy
    half = 1.96 * np.sqrt(0.92 * 0.08 / 10_000)
    assert (low, high) == pytest.approx((0.92 - half, 0.92 + half), abs=3e-4)


def test_intervals_hold_the_figures_and_the_seed_gives_the_same() -> None:
    labels, predicted = answers(2000)
    matrix = confusion_matrix(predicted, labels, 3)
    found, figures = bootstrap_intervals(matrix), per_class(matrix, NAMES)
    assert found == bootstrap_intervals(matrix, seed=0) != bootstrap_intervals(matrix, seed=1)
    assert found.draws == 2000
    for (low, high), value in (
        (found.accuracy, np.mean(labels == predicted)),
        (found.balanced_accuracy, balanced_accuracy(figures)),
        (found.f1, macro(figures)[2]),
        (found.weighted_f1, weighted_f1(figures)),
    ):
        assert low < value < high


def test_what_is_degenerate_has_an_interval() -> None:
    one = bootstrap_intervals(np.array([[1, 0], [0, 0]]))
    assert one.accuracy == one.f1 == one.balanced_accuracy == one.weighted_f1 == (1, 1)
    wrong = bootstrap_intervals(np.array([[0, 9], [9, 0]]))
    assert wrong.accuracy == wrong.f1 == (0, 0)


def test_many_classes_are_drawn_in_parts_and_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = np.random.default_rng(0).integers(0, 3, (40, 40))
    whole = bootstrap_intervals(matrix, draws=300)
    monkeypatch.setattr("lapel.bootstrap._AT_ONCE", 10_000)
    assert bootstrap_intervals(matrix, draws=300) == whole


@pytest.mark.parametrize(
    ("matrix", "draws", "words"),
    [
        (np.zeros((2, 2), int), 9, "with a picture at least"),
        (np.ones((2, 3), int), 9, r"\(2, 3\) came"),
        (np.array([[3, -1], [0, 1]]), 9, "square matrix of counts"),
        (np.eye(2, dtype=int), 0, "at least one; 0 came"),
    ],
)
def test_what_has_no_interval(matrix: Any, draws: int, words: str) -> None:
    with pytest.raises(LapelError, match=words):
        bootstrap_intervals(matrix, draws)
