"""Temperatures and thresholds, against scikit-learn and every possible answer tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lapel.calibrate import accept_at, probabilities_at, temperature_of, threshold, usual_answers
from lapel.errors import LapelError

Floats = NDArray[np.float64]


def softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def drawn(sharpness: float, count: int = 4000) -> tuple[Floats, NDArray[Any]]:
    """Logits that are too sharp by this much, and labels drawn from what they truly mean."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (count, 5))
    labels = (softmax(logits).cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)
    return logits * sharpness, labels


@pytest.mark.parametrize("sharpness", [0.25, 1.0, 4.0])
def test_the_temperature_undoes_what_made_logits_too_sharp(sharpness: float) -> None:
    logits, labels = drawn(sharpness)
    assert temperature_of(logits, labels) == pytest.approx(sharpness, rel=0.06)


@pytest.mark.parametrize("sharpness", [0.25, 1.0, 4.0])
def test_no_temperature_has_a_lower_log_loss_by_scikit_learn(sharpness: float) -> None:
    logits, labels = drawn(sharpness, 500)
    found = temperature_of(logits, labels)
    tried = np.concatenate([np.geomspace(0.05, 20, 60), np.geomspace(found / 1.2, found * 1.2, 201)])
    losses = [reference.log_loss(labels, softmax(logits / one)) for one in tried]
    assert found == pytest.approx(tried[np.argmin(losses)], rel=0.004)
    assert reference.log_loss(labels, softmax(logits / found)) <= min(losses) + 1e-9


def test_logarithms_of_probabilities_are_as_good_as_logits() -> None:
    logits, labels = drawn(3.0)
    logarithms = np.log(softmax(logits)).astype(np.float32)
    assert temperature_of(logarithms, labels) == pytest.approx(temperature_of(logits, labels), rel=1e-4)


def test_the_temperature_of_two_views_suits_their_mean() -> None:
    logits, labels = drawn(3.0, 500)
    views = np.stack([logits, logits + np.random.default_rng(1).normal(0, 2, logits.shape)])
    found = temperature_of(views, labels)
    tried = np.concatenate([np.geomspace(0.05, 20, 60), np.geomspace(found / 1.2, found * 1.2, 201)])
    losses = [
        reference.log_loss(labels, (softmax(views[0] / one) + softmax(views[1] / one)) / 2) for one in tried
    ]
    assert found == pytest.approx(tried[np.argmin(losses)], rel=0.004)
    mean = (softmax(views[0] / found) + softmax(views[1] / found)) / 2
    np.testing.assert_allclose(probabilities_at(views, found), mean)


def test_the_temperature_stays_within_its_bounds() -> None:
    logits = np.eye(3)
    assert temperature_of(logits, np.arange(3)) == pytest.approx(0.05, rel=1e-5)
    assert temperature_of(logits, np.array([1, 2, 0])) == pytest.approx(20, rel=1e-5)
    assert np.isfinite(temperature_of(logits * 1e4, np.array([1, 2, 0])))


@pytest.mark.parametrize(
    ("logits", "labels", "words"),
    [
        (np.zeros((3, 2)), np.zeros(2, int), r"\(3, 2\) and 2 labels"),
        (np.zeros((0, 2)), np.zeros(0, int), "at least one"),
        (np.zeros(3), np.zeros(3, int), r"shape \(n, classes\)"),
        (np.full((1, 2), np.nan), np.zeros(1, int), "finite numbers"),
        (np.full((1, 2), -np.inf), np.zeros(1, int), "finite numbers"),
    ],
)
def test_what_has_no_temperature(logits: Floats, labels: NDArray[Any], words: str) -> None:
    with pytest.raises(LapelError, match=words):
        temperature_of(logits, labels)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=30),
    st.sampled_from([0.0, 0.5, 0.75, 0.95, 1.0]),
)
@settings(max_examples=300, deadline=None)
def test_the_threshold_is_the_best_of_all_that_there_are(
    answers: list[tuple[int, bool]], goal: float
) -> None:
    scores, right = np.array([one for one, _ in answers]) / 8, np.array([one for _, one in answers])
    good = [one for one in set(scores) if right[scores >= one].mean() >= goal]
    found = accept_at(scores, right, goal)
    if good:
        assert found == min(good)
    else:
        assert found == np.nextafter(scores.max(), 2)
        assert not (scores >= found).any()


def test_the_threshold_by_hand() -> None:
    scores = np.array([0.2, 0.9, 0.8, 0.8, 0.5])
    right = np.array([False, True, True, False, True])
    assert accept_at(scores, right, 0.75) == 0.5
    assert accept_at(scores, right, 0.8) == 0.9  # the two of 0.8 stand or fall together
    assert accept_at(scores, right, 0.6) == 0.2
    assert accept_at(scores, ~right, 0.9) == np.nextafter(0.9, 1)


def test_pictures_that_are_all_easy_are_no_reason_to_refuse_what_is_sure_enough() -> None:
    easy, right = np.linspace(0.9999, 1, 200), np.ones(200, bool)
    assert threshold(easy, right, 0.95) == 0.95
    assert threshold(easy, right, 0.99) == 0.99
    # Harder ones refuse what is less sure than 99 of 100 of them.
    scores = np.linspace(0.5, 1, 200)
    assert threshold(scores, right, 0.95) == scores[2]
    assert threshold(scores, right, 0.4) == scores[2]
    assert threshold(easy, right, 0.4) == 0.95
    # And where those that are sure are wrong too often, only still surer ones are accepted.
    wrong = np.arange(200) % 5 != 0
    wrong[-20:] = True
    assert threshold(easy, wrong, 0.95) == accept_at(easy, wrong, 0.95) > 0.999


def test_what_has_no_threshold() -> None:
    right = np.array([True])
    with pytest.raises(LapelError, match="0 scores of 0 answers"):
        accept_at(np.array([]), np.array([], bool))
    with pytest.raises(LapelError, match="2 scores of 1 answers"):
        accept_at(np.array([0.1, 0.2]), right)
    with pytest.raises(LapelError, match="a finite score"):
        accept_at(np.array([np.nan]), right)
    with pytest.raises(LapelError, match="0 to 1; 95 came"):
        accept_at(np.array([0.5]), right, 95)


def test_what_is_usual_by_hand() -> None:
    answers, accepted = np.array([2, 0, 2, 2]), np.array([True, False, True, True])
    labels = {"a": 0.25, "b": 0.0, "c": 0.75}
    assert usual_answers(("a", "b", "c"), answers, accepted) == {"accepted": 0.75, "labels": labels}
    with pytest.raises(LapelError, match="0 answers and 0 of these"):
        usual_answers(("a",), answers[:0], accepted[:0])
    with pytest.raises(LapelError, match="4 answers and 3 of these"):
        usual_answers(("a",), answers, accepted[1:])
