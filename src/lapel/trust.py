"""How true confidence is before and after calibration, and conformal sets: each judged on other answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .confidence import ReliabilityBin, adaptive_calibration_error, calibration_error, reliability
from .conformal import METHODS, SetFigures, fit_sets, judge_sets
from .metrics import Numbers, Probabilities, accuracy, check_answers, log_loss
from .scaling import fit_scaling, logarithms_of

ALPHAS = (0.01, 0.05, 0.1)

_LEAST = 40  # answers that are worth being divided in two halves


@dataclass(frozen=True)
class Truth:
    """How true answers' confidence is."""

    accuracy: float
    loss: float
    calibration_error: float
    adaptive_calibration_error: float
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class Trust:
    """What calibration and conformal sets come to on answers that they were not fitted on.

    Where a run or a model has other held-out answers, `fitted_on` is "validation"; otherwise "half", and
    half of the judged answers, drawn by the seed 0, was fitted on and the other half judged. The sets are of
    the answers as they were given, so that their promise needs nothing else.
    """

    fitted_on: str
    fitted: int
    pictures: int  # judged
    method: str  # "temperature", "curve", "vector" or "vector and curve"
    temperature: float
    losses: dict[str, float]  # cross-validated log loss of each method where it was fitted
    before: Truth
    after: Truth
    sets: tuple[SetFigures, ...]  # of each method and alpha


def judge_trust(
    probabilities: Probabilities,
    labels: Numbers,
    held_out: tuple[Probabilities, Numbers] | None = None,
    alphas: Sequence[float] = ALPHAS,
) -> Trust | None:
    """Fit calibration and sets on held-out answers and judge them on these; None where these are too few.

    `held_out` are probabilities and labels of pictures that were neither learned from nor are among these;
    without them the answers are divided in two halves. Raises LapelError where answers do not fit together.
    """
    check_answers(probabilities, labels)
    if held_out is None:
        if len(labels) < _LEAST:
            return None
        drawn = np.random.default_rng(0).permutation(len(labels))
        first, second = np.sort(drawn[: len(labels) // 2]), np.sort(drawn[len(labels) // 2 :])
        held_out = probabilities[first], labels[first]
        probabilities, labels = probabilities[second], labels[second]
        fitted_on = "half"
    else:
        check_answers(*held_out)
        fitted_on = "validation"
    scaling = fit_scaling(logarithms_of(held_out[0]), held_out[1])
    after = scaling.apply(logarithms_of(probabilities))
    rules = [fit_sets(*held_out, alpha, method) for method in METHODS for alpha in alphas]
    return Trust(
        fitted_on=fitted_on,
        fitted=len(held_out[1]),
        pictures=len(labels),
        method=scaling.method,
        temperature=scaling.temperature,
        losses=scaling.losses,
        before=_truth(probabilities, labels),
        after=_truth(after, labels),
        sets=tuple(judge_sets(rule, probabilities, labels) for rule in rules),
    )


def _truth(probabilities: Probabilities, labels: Numbers) -> Truth:
    return Truth(
        accuracy=accuracy(probabilities.argmax(axis=1), labels),
        loss=log_loss(probabilities, labels),
        calibration_error=calibration_error(probabilities, labels),
        adaptive_calibration_error=adaptive_calibration_error(probabilities, labels),
        reliability=reliability(probabilities, labels),
    )
