"""Calibration by a temperature or class by class, against scikit-learn, SciPy and planted distortions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from lapel.calibrate import temperature_of
from lapel.confidence import calibration_error
from lapel.errors import LapelError
from lapel.scaling import (
    Method,
    Scaling,
    _derivatives,
    _fit,
    _fit_table,
    _loss,
    _moves,
    _shares,
    fit_scaling,
    logarithms_of,
)

Floats = NDArray[np.float64]


def softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def drawn(count: int, seed: int, classes: int = 4) -> tuple[Floats, NDArray[Any]]:
    """Logarithms of true probabilities, and labels drawn from them."""
    random = np.random.default_rng(seed)
    truth = softmax(random.normal(0, 2, (count, classes)))
    labels = (truth.cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)
    return np.log(truth), labels


def distorted(truth: Floats) -> Floats:
    """Too sure of the first classes, and too fond of the last."""
    return np.log(softmax(truth * [2.5, 1.5, 1.0, 0.7] + [0, 0, 0, 1.2]))


def test_what_a_temperature_mends_gets_a_temperature() -> None:
    truth, labels = drawn(4000, 0)
    found = fit_scaling(2.5 * truth, labels)
    assert found.method == "temperature"
    assert found.temperature == temperature_of(2.5 * truth, labels) == pytest.approx(2.5, rel=0.1)
    assert (found.scale, found.bias, found.curve, found.fitted) == ((), (), 0.0, 4000)
    assert set(found.losses) == {"temperature", "curve", "vector", "vector and curve"}
    np.testing.assert_allclose(found.apply(truth), softmax(truth / found.temperature))


def test_what_is_wrong_by_class_is_scaled_by_class() -> None:
    truth, labels = drawn(6000, 0)
    found = fit_scaling(distorted(truth), labels)
    assert found.method != "temperature"
    others, right = drawn(6000, 1)
    given = distorted(others)
    mended, cooled = found.apply(given), softmax(given / temperature_of(distorted(truth), labels))
    assert log_loss(right, mended) < log_loss(right, cooled) - 0.02
    assert log_loss(right, mended) == pytest.approx(log_loss(right, softmax(others)), abs=0.005)
    assert calibration_error(mended, right) < 0.02 < calibration_error(softmax(given), right)


def test_what_smoothed_labels_do_to_the_surest_is_undone_by_the_curve() -> None:
    random = np.random.default_rng(0)
    truth = softmax(random.normal(0, 6, (6000, 4)))
    labels = (truth.cumsum(axis=1) > random.random((6000, 1))).argmax(axis=1)
    found = fit_scaling(np.log(0.9 * truth + 0.1 / 4), labels)
    assert found.method == "curve" and found.curve > 0
    assert found.losses["curve"] < min(found.losses["vector"], found.losses["temperature"]) - 0.005
    # One curve for all classes keeps their order, so that no label changes.
    given = np.log(0.9 * truth + 0.1 / 4)
    np.testing.assert_array_equal(found.apply(given).argmax(axis=1), given.argmax(axis=1))


def test_the_losses_are_those_of_answers_left_out() -> None:
    truth, labels = drawn(500, 3)
    found = fit_scaling(distorted(truth), labels)
    # What was fitted on all answers flatters itself on them.
    for method in ("temperature", "curve", "vector"):
        own = _fit(distorted(truth)[None], labels, temperature_of(distorted(truth), labels), method)  # type: ignore[arg-type]
        assert log_loss(labels, own.apply(distorted(truth))) < found.losses[method]


@pytest.mark.parametrize("method", ["curve", "vector", "vector and curve"])
def test_no_numbers_are_better_than_those_found(method: Method) -> None:
    truth, labels = drawn(400, 5)
    x = _shares(distorted(truth)[None])
    start = np.r_[np.ones(4), np.zeros(5)]

    def loss(numbers: Floats) -> float:
        full = numbers if method.endswith("curve") else np.r_[numbers[:-1], 0.0]
        full = np.r_[np.full(4, full[0]), np.zeros(4), full[-1]] if method == "curve" else full
        return _loss(x, labels, full) + float(np.square(full - start).sum()) / 800

    best = minimize(loss, start, method="L-BFGS-B", bounds=[(None, None)] * 8 + [(0, None)])
    table, curve = _fit_table(x, labels, 1.0, _moves(method, 4))
    assert loss(np.r_[table.ravel(), curve]) <= best.fun + 1e-7
    assert curve >= 0 if method.endswith("curve") else curve == 0


def test_two_classes_are_scaled_as_a_logistic_regression_does() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(0, 2, 5000)
    labels = (random.random(5000) < 1 / (1 + np.exp(-(0.6 * logit + 1)))).astype(int)
    shares = softmax(np.stack([np.zeros(5000), logit], axis=1))
    features = np.log(shares) * [-1, 1]
    expected = LogisticRegression(C=1e6).fit(features, labels).predict_proba(features)
    found = _fit(np.log(shares)[None], labels, 1.0, "vector")
    np.testing.assert_allclose(found.apply(np.log(shares)), expected, atol=5e-3)


@pytest.mark.parametrize("views", [1, 2])
def test_slopes_are_those_of_small_steps(views: int) -> None:
    truth, labels = drawn(50, 1)
    x = _shares(np.stack([truth, distorted(truth)])[:views])
    numbers = np.random.default_rng(0).normal(0.5, 0.2, 9)
    steps = 1e-6 * np.eye(9)
    slope, bend = _derivatives(x, labels, numbers)
    expected = [(_loss(x, labels, numbers + s) - _loss(x, labels, numbers - s)) / 2e-6 for s in steps]
    np.testing.assert_allclose(slope, expected, atol=1e-7)
    np.testing.assert_allclose(bend, bend.T, atol=1e-12)
    if views == 1:
        ahead, behind = (
            np.stack([_derivatives(x, labels, numbers + sign * s)[0] for s in steps]) for sign in (1, -1)
        )
        np.testing.assert_allclose(bend, (ahead - behind) / 2e-6, atol=1e-6)


def test_views_are_scaled_and_then_averaged() -> None:
    truth, labels = drawn(3000, 2)
    noise = np.random.default_rng(1).normal(0, 0.7, truth.shape)
    views = np.stack([distorted(truth), distorted(truth + noise)])
    found = fit_scaling(views, labels)
    assert found.method != "temperature"
    one, other = (found.apply(view) for view in views)
    np.testing.assert_allclose(found.apply(views), (one + other) / 2)


def test_few_answers_or_one_class_leave_the_temperature() -> None:
    truth, labels = drawn(39, 0)
    assert fit_scaling(distorted(truth), labels).losses == {}
    assert fit_scaling(np.zeros((50, 1)), np.zeros(50, int)).method == "temperature"


def test_certain_and_absent_answers_are_scaled_without_harm() -> None:
    labels = np.arange(400) % 3
    for given in (np.eye(4)[labels], np.eye(4)[(labels + 1) % 4], np.full((400, 4), 0.25)):
        found = fit_scaling(logarithms_of(given), labels)
        shares = found.apply(logarithms_of(given.astype(np.float32)))
        assert np.isfinite(shares).all()
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        assert log_loss(labels, shares, labels=range(4)) <= log_loss(labels, given, labels=range(4)) + 1e-3
    assert fit_scaling(logarithms_of(np.eye(4)[labels]), labels) == fit_scaling(
        logarithms_of(np.eye(4)[labels]), labels
    )


def test_what_cannot_be_scaled() -> None:
    with pytest.raises(LapelError, match=r"\(3, 2\) and 2 labels"):
        fit_scaling(np.zeros((3, 2)), np.zeros(2, int))
    with pytest.raises(LapelError, match="finite numbers"):
        fit_scaling(np.full((1, 2), np.nan), np.zeros(1, int))


def test_what_a_card_says_of_it() -> None:
    assert Scaling(fitted=9).to_dict() == {"method": "temperature", "fitted": 9, "losses": {}}
    vector = Scaling("vector", 1.0, (1.0, 2.0), (0.0, 0.5), 0.0, 9, {"vector": 0.2})
    assert vector.to_dict() == {
        "method": "vector",
        "fitted": 9,
        "losses": {"vector": 0.2},
        "scale": [1.0, 2.0],
        "bias": [0.0, 0.5],
        "curve": 0.0,
    }
