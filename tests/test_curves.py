"""Risk against coverage, ROC and precision-recall, against scikit-learn and every threshold tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from lapel.curves import (
    class_curves,
    macro_precision_recall,
    macro_roc,
    precision_recall,
    risk_coverage,
    roc,
)
from lapel.errors import LapelError

SCORED = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40)


def of_both(pairs: list[tuple[int, bool]]) -> tuple[Any, Any]:
    """Scores with ties, and truth of both kinds."""
    scores = np.array([score for score, _ in pairs]) / 8
    truth = np.array([kind for _, kind in pairs])
    truth[0], truth[-1] = True, False
    return scores, truth


@given(SCORED)
@settings(max_examples=60, deadline=None)
def test_roc_and_precision_recall_are_those_of_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    scores, truth = of_both(pairs)
    found = roc(scores, truth)
    wrongly, caught, thresholds = reference.roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(found.false_positives, wrongly)
    np.testing.assert_allclose(found.true_positives, caught)
    np.testing.assert_array_equal(found.thresholds, thresholds)
    assert found.area == pytest.approx(reference.roc_auc_score(truth, scores))
    assert found.area == pytest.approx(np.trapezoid(found.true_positives, found.false_positives))
    other = precision_recall(scores, truth)
    precision, recall, thresholds = reference.precision_recall_curve(truth, scores)
    np.testing.assert_allclose(other.precision[::-1], precision[:-1])
    np.testing.assert_allclose(other.recall[::-1], recall[:-1])
    np.testing.assert_array_equal(other.thresholds[::-1], thresholds)
    assert other.average_precision == pytest.approx(reference.average_precision_score(truth, scores))


@given(SCORED)
@settings(max_examples=60, deadline=None)
def test_risk_and_coverage_are_those_of_every_threshold(pairs: list[tuple[int, bool]]) -> None:
    scores, right = np.array([score for score, _ in pairs]) / 8, np.array([kind for _, kind in pairs])
    curve = risk_coverage(scores, right)
    assert curve.scores.tolist() == sorted(set(scores.tolist()), reverse=True)
    for score, coverage, accuracy in zip(curve.scores, curve.coverage, curve.accuracy, strict=True):
        assert coverage == np.mean(scores >= score)
        assert accuracy == pytest.approx(right[scores >= score].mean())
    met = [1 - right[scores >= score].mean() for score in scores]
    assert curve.area == pytest.approx(np.mean(met))
    np.testing.assert_allclose(curve.risk, 1 - curve.accuracy)
    turned = np.random.default_rng(0).permutation(len(scores))
    assert risk_coverage(scores[turned], right[turned]).area == pytest.approx(curve.area)


def test_the_area_under_risk_by_hand() -> None:
    # Accepted one after the other: risks 0, 0, 1/3, 1/4.
    curve = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]))
    assert curve.area == pytest.approx((1 / 3 + 1 / 4) / 4)
    assert curve.accept_at(0.75) == 0.6
    assert curve.accept_at(0.9) == 0.8
    assert curve.at(0.6) == (0.7, 0.75, pytest.approx(2 / 3))
    assert curve.at(0)[0] == 0.9 and curve.at(1)[1] == 1
    assert risk_coverage(np.ones(3), np.zeros(3, bool)).accept_at(0.5) is None
    assert risk_coverage(np.ones(3), np.zeros(3, bool)).area == 1
    assert risk_coverage(np.ones(1), np.ones(1, bool)).area == 0


def test_each_class_against_the_others() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 300)
    scores = random.random((300, 4))
    scores[np.arange(300), labels] += 0.5
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    curves = class_curves(probabilities, labels)
    # The fourth class has no pictures, so that nothing can be said of it.
    assert [one.number for one in curves] == [0, 1, 2]
    for one in curves:
        truth, given_ = labels == one.number, probabilities[:, one.number]
        assert one.roc.area == pytest.approx(reference.roc_auc_score(truth, given_))
        expected = reference.average_precision_score(truth, given_)
        assert one.precision_recall.average_precision == pytest.approx(expected)
    wrongly, caught = macro_roc(curves, 2001)
    mean = np.mean([one.roc.area for one in curves])
    assert np.trapezoid(caught, wrongly) == pytest.approx(mean, abs=2e-3)
    recall, precision = macro_precision_recall(curves)
    assert (recall[0], recall[-1], len(precision)) == (0, 1, 101)
    assert (np.diff(precision) <= 1e-12).all()
    best = [one.precision_recall.precision[one.precision_recall.recall >= 0.5].max() for one in curves]
    assert precision[50] == pytest.approx(np.mean(best))


def test_certain_answers_have_curves() -> None:
    labels = np.arange(30) % 3
    right, wrong = class_curves(np.eye(3)[labels], labels), class_curves(np.eye(3)[(labels + 1) % 3], labels)
    assert [one.roc.area for one in right] == [1, 1, 1]
    assert [one.precision_recall.average_precision for one in right] == [1, 1, 1]
    assert [one.roc.area for one in wrong] == [0.25, 0.25, 0.25]
    assert [one.precision_recall.average_precision for one in wrong] == pytest.approx([1 / 3] * 3)
    assert macro_roc(right)[1].tolist() == [1] * 101


def test_one_picture_or_one_class_has_no_curve() -> None:
    assert class_curves(np.array([[0.5, 0.5]]), np.array([0])) == ()
    with pytest.raises(LapelError, match="a class that has pictures beside others"):
        macro_roc(())
    with pytest.raises(LapelError, match="a class that has pictures beside others"):
        macro_precision_recall(())


@pytest.mark.parametrize("call", [risk_coverage, roc, precision_recall])
def test_what_has_no_curve(call: Any) -> None:
    truth = np.array([True, False])
    for scores, words in (
        (np.array([0.5]), "1 scores of 2 answers"),
        (np.array([0.5, np.nan]), "a finite score"),
        (np.array([0.5, np.inf]), "a finite score"),
        (np.ones((2, 1)), "a finite score"),
    ):
        with pytest.raises(LapelError, match=words):
            call(scores, truth)
    with pytest.raises(LapelError, match="0 scores of 0 answers"):
        call(np.zeros(0), np.zeros(0, bool))


def test_what_a_curve_is_not_asked() -> None:
    curve = risk_coverage(np.array([0.5]), np.array([True]))
    for call in (curve.accept_at, curve.at):
        with pytest.raises(LapelError, match="95 came"):
            call(95)
    for call in (roc, precision_recall):
        with pytest.raises(LapelError, match="both kinds are needed; 2 and 0 came"):
            call(np.ones(2), np.ones(2, bool))
