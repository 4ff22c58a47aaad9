"""Figures, against scikit-learn, SciPy and values worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from lapel import metrics
from lapel.errors import LapelError

NAMES = ("bag", "boot", "coat", "dress")


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Probabilities (float64) and labels of 500 pictures of four classes, right about two times in three."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 4, 500)
    scores = random.normal(size=(500, 4))
    scores[np.arange(500), labels] += 1.5
    exponential = np.exp(scores)
    return exponential / exponential.sum(axis=1, keepdims=True), labels


def test_figures_agree_with_scikit_learn(answers: Any) -> None:
    probabilities, labels = answers
    predicted = probabilities.argmax(axis=1)
    matrix = metrics.confusion_matrix(predicted, labels, 4)
    assert (matrix == reference.confusion_matrix(labels, predicted)).all()
    assert metrics.accuracy(predicted, labels) == pytest.approx(reference.accuracy_score(labels, predicted))
    assert metrics.log_loss(probabilities, labels) == pytest.approx(reference.log_loss(labels, probabilities))
    truth = np.eye(4)[labels]
    assert metrics.brier(probabilities, labels) == pytest.approx(((probabilities - truth) ** 2).sum() / 500)
    figures = metrics.per_class(matrix, NAMES)
    expected = reference.precision_recall_fscore_support(labels, predicted)
    for values, name in zip(expected, ("precision", "recall", "f1", "support"), strict=True):
        assert [getattr(one, name) for one in figures] == pytest.approx(list(values))
    assert metrics.macro(figures) == pytest.approx(
        reference.precision_recall_fscore_support(labels, predicted, average="macro")[:3]
    )
    assert metrics.balanced_accuracy(figures) == pytest.approx(
        reference.balanced_accuracy_score(labels, predicted)
    )
    assert metrics.weighted_f1(figures) == pytest.approx(
        reference.f1_score(labels, predicted, average="weighted")
    )
    for k in (1, 2, 3):
        expected = reference.top_k_accuracy_score(labels, probabilities, k=k)
        assert metrics.top_k_accuracy(probabilities, labels, k) == pytest.approx(expected)


def test_of_labels_that_are_as_likely_the_first_counts() -> None:
    level, labels = np.full((4, 4), 0.25), np.arange(4)
    assert [metrics.top_k_accuracy(level, labels, k) for k in (1, 2, 3, 4, 9)] == [0.25, 0.5, 0.75, 1, 1]
    assert metrics.top_k_accuracy(level, labels, 1) == metrics.accuracy(level.argmax(axis=1), labels)


@pytest.mark.parametrize("steps", [3, 10, 10_000])
def test_auroc_agrees_with_scikit_learn_whatever_the_ties(steps: int) -> None:
    random = np.random.default_rng(steps)
    inside, outside = random.integers(0, steps, 400) / steps + 0.1, random.integers(0, steps, 150) / steps
    truth = np.repeat([1, 0], [400, 150])
    expected = reference.roc_auc_score(truth, np.concatenate([inside, outside]))
    assert metrics.auroc(inside, outside) == pytest.approx(expected)


def test_auroc_by_hand() -> None:
    assert metrics.auroc(np.array([2.0, 3.0]), np.array([1.0])) == 1
    assert metrics.auroc(np.array([1.0]), np.array([2.0, 3.0])) == 0
    assert metrics.auroc(np.ones(5), np.ones(3)) == 0.5
    with pytest.raises(LapelError, match="0 and 3 came"):
        metrics.auroc(np.array([]), np.ones(3))


def test_log_loss_of_a_certain_mistake_is_finite_and_as_scikit_learn_has_it() -> None:
    probabilities = np.array([[1.0, 0.0], [0.25, 0.75]], dtype=np.float32)
    labels = np.array([1, 1])
    assert metrics.log_loss(probabilities, labels) == pytest.approx(
        reference.log_loss(labels, probabilities, labels=[0, 1]), rel=1e-5
    )


@pytest.mark.parametrize(
    ("right", "pictures", "low", "high"),
    [
        (5, 10, 0.23659, 0.76341),
        (0, 20, 0.0, 0.16113),
        (20, 20, 0.83887, 1.0),
        (9100, 10000, 0.90424, 0.91545),
    ],
)
def test_wilson_interval(right: int, pictures: int, low: float, high: float) -> None:
    interval = binomtest(right, pictures).proportion_ci(0.95, "wilson")
    found = metrics.wilson_interval(right, pictures)
    assert found == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert found == pytest.approx((low, high), abs=1e-5)


def test_the_interval_of_each_class_is_that_of_statsmodels() -> None:
    matrix = np.array([[90, 10, 0], [0, 50, 0], [0, 0, 0]])
    boot, coat, dress = metrics.per_class(matrix, NAMES[1:])
    assert boot.recall_interval == pytest.approx(proportion_confint(90, 100, method="wilson"))
    assert coat.recall_interval == pytest.approx(proportion_confint(50, 50, method="wilson"))
    assert dress.recall_interval is None


@given(st.integers(1, 100_000), st.floats(0, 1))
def test_the_interval_holds_the_accuracy(pictures: int, share: float) -> None:
    right = round(share * pictures)
    low, high = metrics.wilson_interval(right, pictures)
    assert 0 <= low <= right / pictures <= high <= 1


def test_top_confusions_come_most_frequent_first_and_without_zeros() -> None:
    matrix = np.array([[5, 3, 0, 0], [7, 9, 0, 0], [0, 0, 4, 3], [0, 0, 0, 1]])
    found = metrics.top_confusions(matrix, NAMES)
    assert [(one.actual, one.predicted, one.count) for one in found] == [
        ("boot", "bag", 7),
        ("bag", "boot", 3),
        ("coat", "dress", 3),
    ]
    assert found[0].share == pytest.approx(7 / 16)
    assert len(metrics.top_confusions(matrix, NAMES, limit=1)) == 1


def test_a_class_that_is_never_predicted_counts_as_zero() -> None:
    labels, predicted = np.array([0, 0, 1]), np.array([0, 0, 0])
    figures = metrics.per_class(metrics.confusion_matrix(predicted, labels, 3), ("a", "b", "c"))
    assert (figures[1].precision, figures[1].recall, figures[1].f1) == (0, 0, 0)
    assert figures[2] == metrics.ClassFigures("c", 0, 0, 0, support=0, predicted=0)
    assert metrics.weighted_f1(figures) == pytest.approx(
        reference.f1_score(labels, predicted, average="weighted", zero_division=0)
    )
    # Class c occurs nowhere and takes no part in the means, as in scikit-learn.
    expected = reference.precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    assert metrics.macro(figures) == pytest.approx(expected[:3])
    assert metrics.balanced_accuracy(figures) == pytest.approx(0.5)


def test_one_class_alone() -> None:
    labels = np.zeros(4, dtype=np.int64)
    figures = metrics.per_class(metrics.confusion_matrix(labels, labels, 1), ("only",))
    assert metrics.macro(figures) == (1, 1, 1)
    assert metrics.log_loss(np.ones((4, 1)), labels) == 0


def test_worst_mistakes_come_most_confident_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.99, 0.01], [0.2, 0.8]])
    labels = np.array([1, 1, 0, 0])
    assert metrics.worst_mistakes(probabilities, labels, 9).tolist() == [0, 3, 1]
    assert metrics.worst_mistakes(probabilities, labels, 1).tolist() == [0]


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_the_exact_binomial_test(only_first: int, only_second: int) -> None:
    n = only_first + only_second + 5
    labels = np.zeros(n, dtype=np.int64)
    first, second = labels.copy(), labels.copy()
    second[:only_first] = 1
    first[only_first : only_first + only_second] = 1
    duel = metrics.mcnemar(first, second, labels)
    assert (duel.only_first, duel.only_second) == (only_first, only_second)
    differ = only_first + only_second
    expected = binomtest(only_first, differ, 0.5).pvalue if differ else 1.0
    assert duel.p == pytest.approx(expected, rel=1e-9)


def test_mcnemar_stays_a_number_for_thousands_of_differences() -> None:
    labels = np.zeros(9000, dtype=np.int64)
    first, second = labels.copy(), labels.copy()
    first[:5000] = 1
    second[5000:] = 1
    assert metrics.mcnemar(first, second, labels).p == pytest.approx(
        binomtest(4000, 9000, 0.5).pvalue, rel=1e-6
    )


@given(
    arrays(np.int64, st.shared(st.integers(1, 40), key="n"), elements=st.integers(0, 3)),
    arrays(np.int64, st.shared(st.integers(1, 40), key="n"), elements=st.integers(0, 3)),
)
def test_a_confusion_matrix_counts_every_picture_once(labels: Any, predicted: Any) -> None:
    matrix = metrics.confusion_matrix(predicted, labels, 4)
    assert matrix.sum() == len(labels)
    assert np.trace(matrix) / len(labels) == metrics.accuracy(predicted, labels)
    assert (metrics.confusion_matrix(labels, predicted, 4) == matrix.T).all()
    figures = metrics.per_class(matrix, NAMES)
    assert all(0 <= value <= 1 for one in figures for value in (one.precision, one.recall, one.f1))
    assert sum(one.count for one in metrics.top_confusions(matrix, NAMES, 99)) == len(labels) - np.trace(
        matrix
    )


@given(
    arrays(np.float64, (6, 3), elements=st.floats(0.01, 1)), arrays(np.int64, 6, elements=st.integers(0, 2))
)
def test_scores_of_probabilities_stay_in_bounds(raw: Any, labels: Any) -> None:
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    assert metrics.log_loss(probabilities, labels) >= 0
    assert 0 <= metrics.brier(probabilities, labels) <= 2


NONE = np.array([], dtype=np.int64)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.accuracy(NONE, NONE), "at least one picture; none came"),
        (lambda: metrics.log_loss(np.zeros((0, 3)), NONE), "at least one picture; none came"),
        (lambda: metrics.macro(()), "at least one picture; none came"),
        (lambda: metrics.balanced_accuracy(()), "at least one picture; none came"),
        (lambda: metrics.accuracy(np.array([1]), np.array([1, 2])), "1 predictions came for 2 labels"),
        (lambda: metrics.wilson_interval(3, 2), "not 3 of 2"),
        (lambda: metrics.wilson_interval(0, 0), "not 0 of 0"),
        (lambda: metrics.confusion_matrix(np.array([5]), np.array([0]), 3), "numbered 0 to 2; 5 to 5 came"),
        (lambda: metrics.brier(np.ones((2, 2)), np.array([0])), r"\(2, 2\) and 1 labels came"),
        (lambda: metrics.log_loss(np.full((1, 2), np.nan), np.array([0])), "not finite"),
        (lambda: metrics.brier(np.full((1, 2), np.inf), np.array([0])), "not finite"),
        (lambda: metrics.brier(np.ones((1, 2)) / 2, np.array([2])), "between 0 and 1; 2 to 2 came"),
        (lambda: metrics.brier(np.ones((1, 2)) / 2, np.array([-1])), "between 0 and 1; -1 to -1 came"),
        (lambda: metrics.brier(np.ones((1, 2)) / 2, np.array([0.0])), "whole ones; float64 came"),
        (lambda: metrics.brier(np.array([[3.0, -2.0]]), np.array([0])), "between 0 and 1; -2 to 3 came"),
        (lambda: metrics.brier(np.ones(2) / 2, np.array([0, 1])), r"\(2,\) and 2 labels came"),
        (lambda: metrics.brier(np.ones((1, 2)) / 2, np.array([[0]])), r"n labels are needed"),
        (lambda: metrics.top_k_accuracy(np.ones((1, 2)) / 2, np.array([0]), 0), "k = 0 came"),
        (lambda: metrics.weighted_f1(()), "at least one picture; none came"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_words(call: Any, words: str) -> None:
    with pytest.raises(LapelError, match=words):
        call()
