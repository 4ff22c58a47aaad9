"""Answers -> how sure they are: whether confidence is true, what may be accepted, and in which sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..calibrate import probabilities_at, temperature_of
from ..confidence import ReliabilityBin, adaptive_calibration_error, calibration_error, reliability
from ..conformal import METHODS, SetFigures, fit_sets, judge_sets
from ..curves import RiskCoverage, risk_coverage
from ..metrics import Numbers, Probabilities, wilson_interval

GOALS = (0.95, 0.98, 0.99)  # shares of the accepted answers that are to be right
_ALPHAS = (0.05, 0.01)  # shares of the sets that may miss the right class
_ENOUGH = 40  # answers, of which one half says something of the other
_FEW_BINS = 5  # for fewer answers than fill fifteen
_FILL = 150

Kept: TypeAlias = tuple[Probabilities, Numbers]


@dataclass(frozen=True)
class Scaled:
    """The same answers after temperature scaling, fitted on others than these: `source` says which."""

    temperatures: tuple[float, ...]
    source: str
    table: tuple[ReliabilityBin, ...]
    error: float
    adaptive_error: float


@dataclass(frozen=True)
class Accepted:
    """What is accepted from a score on, so that the share `goal` of it is right, read off these answers."""

    goal: float
    score: float
    coverage: float
    accuracy: float
    interval: tuple[float, float]  # 95 %, Wilson's score


@dataclass(frozen=True)
class Certainty:
    """What is known of how sure some answers are."""

    table: tuple[ReliabilityBin, ...]
    error: float
    adaptive_error: float
    scaled: Scaled | None  # None where the answers are scaled already, or too few
    curve: RiskCoverage
    accepted: tuple[Accepted, ...]
    sets: tuple[SetFigures, ...]
    sets_source: str


def judge_certainty(
    probabilities: Probabilities,
    labels: Numbers,
    *,
    validation: Kept | None = None,
    scores: NDArray[np.float64] | None = None,
    scaled: bool = False,
) -> Certainty:
    """Work it out for answers (n, classes) and labels (n).

    What is fitted is fitted on the `validation` answers, where these are others; else on one half of the
    answers for the other. `scores` (n) are what answers are accepted by, their confidence by default.
    `scaled` says that the answers are of a model whose temperature is set.
    """
    bins = 15 if len(labels) >= _FILL else _FEW_BINS
    right = probabilities.argmax(axis=1) == labels
    curve = risk_coverage(probabilities.max(axis=1) if scores is None else scores, right)
    half = np.random.default_rng(0).permutation(len(labels)) % 2 == 0
    enough = validation is not None or len(labels) >= _ENOUGH
    sets: tuple[SetFigures, ...] = ()
    if enough:
        fitted = validation or (probabilities[half], labels[half])
        judged = (probabilities, labels) if validation else (probabilities[~half], labels[~half])
        sets = _sets(fitted, judged)
    return Certainty(
        table=reliability(probabilities, labels, bins),
        error=calibration_error(probabilities, labels),
        adaptive_error=adaptive_calibration_error(probabilities, labels),
        scaled=_scaled(probabilities, labels, validation, half, bins) if enough and not scaled else None,
        curve=curve,
        accepted=_accepted(curve, len(labels)),
        sets=sets,
        sets_source="the validation pictures" if validation else "one half of these pictures, for the other",
    )


def _scaled(
    probabilities: Probabilities,
    labels: Numbers,
    validation: Kept | None,
    half: NDArray[np.bool_],
    bins: int,
) -> Scaled:
    logits = _logits(probabilities)
    after = np.empty(probabilities.shape)
    if validation is not None:
        temperatures = [temperature_of(_logits(validation[0]), validation[1])]
        after[:] = probabilities_at(logits[None], temperatures[0])
    else:
        temperatures = []
        for fitted in (half, ~half):
            temperatures.append(temperature_of(logits[fitted], labels[fitted]))
            after[~fitted] = probabilities_at(logits[None, ~fitted], temperatures[-1])
    return Scaled(
        temperatures=tuple(temperatures),
        source="fitted on the validation pictures" if validation else "each half by the other half's",
        table=reliability(after, labels, bins),
        error=calibration_error(after, labels),
        adaptive_error=adaptive_calibration_error(after, labels),
    )


def _logits(probabilities: Probabilities) -> NDArray[np.float64]:
    return np.log(np.maximum(probabilities.astype(np.float64), 1e-12))


def _accepted(curve: RiskCoverage, answers: int) -> tuple[Accepted, ...]:
    """For each goal that not everything reaches anyway, the most that may be accepted; each point once."""
    found: list[Accepted] = []
    for goal in GOALS:
        score = curve.accept_at(goal)
        known = found and found[-1].score == score
        if score is not None and float(curve.accuracy[-1]) < goal and not known:
            place = int(np.flatnonzero(curve.scores == score)[-1])
            coverage, accuracy = float(curve.coverage[place]), float(curve.accuracy[place])
            count = round(coverage * answers)
            interval = wilson_interval(round(accuracy * count), count)
            found.append(Accepted(goal, score, coverage, accuracy, interval))
    return tuple(found)


def _sets(fitted: Kept, judged: Kept) -> tuple[SetFigures, ...]:
    # With fewer answers than 1 / alpha nothing can be promised but sets of all classes.
    alphas = [alpha for alpha in _ALPHAS if (len(fitted[1]) + 1) * alpha >= 1]
    return tuple(
        judge_sets(fit_sets(*fitted, alpha, method), *judged) for alpha in alphas for method in METHODS
    )
