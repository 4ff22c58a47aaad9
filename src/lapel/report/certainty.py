"""Answers -> what may be accepted of them so that enough of it is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..curves import RiskCoverage, risk_coverage
from ..metrics import wilson_interval

GOALS = (0.95, 0.98, 0.99)  # shares of the accepted answers that are to be right


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
    """What is right of what is accepted, at every score and at some goals."""

    curve: RiskCoverage
    accepted: tuple[Accepted, ...]


def judge_certainty(scores: NDArray[np.floating], right: NDArray[np.bool_]) -> Certainty:
    """Work it out for answers with these scores (n), of which some are right (n).

    Of the goals that not everything reaches anyway each has the most that may be accepted; where several
    come to the same, it is told once.
    """
    curve = risk_coverage(scores, right)
    found: list[Accepted] = []
    for goal in GOALS:
        score = curve.accept_at(goal)
        known = found and found[-1].score == score
        if score is not None and float(curve.accuracy[-1]) < goal and not known:
            place = int(np.flatnonzero(curve.scores == score)[-1])
            coverage, accuracy = float(curve.coverage[place]), float(curve.accuracy[place])
            count = round(coverage * len(scores))
            interval = wilson_interval(round(accuracy * count), count)
            found.append(Accepted(goal, score, coverage, accuracy, interval))
    return Certainty(curve, tuple(found))
