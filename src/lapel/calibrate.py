"""From answers on held-out pictures to how sure a model may sound, in numpy alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .curves import risk_coverage
from .errors import LapelError

Floats = NDArray[np.floating[Any]]

_COLDEST, _HOTTEST = 0.05, 20.0
_GOLDEN = (math.sqrt(5) - 1) / 2
_SURE = 0.95  # no score from here on is strange, however sure held-out answers are
_ROUNDS = 40  # of the search; each leaves 62 % of what is left


def temperature_of(logits: Floats, labels: NDArray[np.integer[Any]], doubt: float = 0.0) -> float:
    """What to divide logits by, so that their softmax has the least log loss: from 0.05 to 20.

    `logits` (n, classes) may be logarithms of probabilities just as well. Where they are (views, n, classes),
    such as those of pictures and of their mirror images, the probabilities of the views are averaged. With
    `doubt`, so large a share of each label is taken to be of the other classes: a few answers that are all
    right are no reason to sound sure without measure.
    Raises LapelError where they do not fit the labels, are none, or are not finite numbers.
    """
    views = np.asarray(logits, dtype=np.float64)
    if views.ndim not in (2, 3) or views.shape[-2] != len(labels) or not len(labels):
        raise LapelError(
            f"A temperature needs logits of shape (n, classes) and n labels, at least one; "
            f"{views.shape} and {len(labels)} labels came."
        )
    if not np.isfinite(views).all():
        raise LapelError("A temperature needs logits that are finite numbers.")
    views = views.reshape(-1, *views.shape[-2:])
    places = np.arange(len(labels))

    def loss(heat: float) -> float:
        shares = np.maximum(probabilities_at(views, math.exp(heat)), np.finfo(np.float64).tiny)
        surprise = -np.log(shares[places, labels]).mean()
        if doubt:
            others = -np.log(shares).sum(axis=1).mean() - surprise
            surprise += doubt * (others / max(1, shares.shape[1] - 1) - surprise)
        return float(surprise)

    # The loss has one valley over the logarithm of the temperature; a golden section closes in on it.
    low, high = math.log(_COLDEST), math.log(_HOTTEST)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    on_left, on_right = loss(left), loss(right)
    for _ in range(_ROUNDS):
        if on_left <= on_right:
            high, right, on_right = right, left, on_left
            left = high - _GOLDEN * (high - low)
            on_left = loss(left)
        else:
            low, left, on_left = left, right, on_right
            right = low + _GOLDEN * (high - low)
            on_right = loss(right)
    return math.exp((low + high) / 2)


def probabilities_at(views: Floats, temperature: float) -> NDArray[np.float64]:
    """Softmax of logits (views, n, classes) divided by a temperature, averaged over the views."""
    warm = views.astype(np.float64) / temperature
    powers = np.exp(warm - warm.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = (powers / powers.sum(axis=-1, keepdims=True)).mean(axis=0)
    return shares


def threshold(scores: Floats, right: NDArray[np.bool_], goal: float = 0.95) -> float:
    """The score from which tags are to be accepted: where `goal` is reached, and not what is strange.

    It is that of `accept_at`, which raises, or if that is less, the score that 99 % of these reach or pass,
    though no more than 0.95, or than a higher `goal`: a calibrated score of 0.95 is right in 95 of 100 cases,
    and held-out pictures that are all easier than that are no reason to refuse it.
    """
    least = accept_at(scores, right, goal)
    usual = min(max(goal, _SURE), float(np.sort(scores)[len(scores) // 100]))
    # Where all of them may be accepted, the least of their scores says only how easy they are.
    return usual if right.mean() >= goal else min(1.0, max(least, usual))


def accept_at(scores: Floats, right: NDArray[np.bool_], goal: float = 0.95) -> float:
    """The least score such that of the answers with that score or a higher one at least `goal` are right.

    `scores` and `right` (n) are of the same answers. Where even the highest scores are right too seldom,
    it lies just above them, so that nothing is accepted. Raises LapelError where there are no scores, they
    are not finite, or `goal` is no share from 0 to 1.

    >>> accept_at(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]), goal=0.75)
    0.6
    """
    if len(scores) != len(right) or not len(scores) or not np.isfinite(scores).all():
        raise LapelError(
            f"A threshold needs a finite score for each answer, and at least one; "
            f"{len(scores)} scores of {len(right)} answers came."
        )
    least = risk_coverage(scores, right).accept_at(goal)
    return float(np.nextafter(float(scores.max()), np.inf)) if least is None else least


def usual_answers(
    class_names: Sequence[str], answers: NDArray[np.integer[Any]], accepted: NDArray[np.bool_]
) -> dict[str, Any]:
    """What a card says of usual pictures: the share accepted of these, and of each class among the answers.

    `answers` (n) are numbers of classes. Raises LapelError where there are none.

    >>> usual_answers(("Bag", "Coat"), np.array([0, 1, 1, 1]), np.array([True, True, True, False]))
    {'accepted': 0.75, 'labels': {'Bag': 0.25, 'Coat': 0.75}}
    """
    if len(answers) != len(accepted) or not len(answers):
        raise LapelError(
            f"What is usual is told from at least one answer, and whether it is accepted; "
            f"{len(answers)} answers and {len(accepted)} of these came."
        )
    counts = np.bincount(answers, minlength=len(class_names))
    shares = [count / len(answers) for count in counts.tolist()]
    return {"accepted": float(accepted.mean()), "labels": dict(zip(class_names, shares, strict=True))}
