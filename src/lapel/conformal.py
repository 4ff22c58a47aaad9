"""Sets of classes that hold the right one as often as was promised, by split conformal prediction.

A rule is fitted on answers that the network has not learned from, and promises for others of the same kind:
on average over such fittings, at least the share 1 - alpha of its sets hold the right class, however good or
bad the network is. A bad network has large sets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .errors import LapelError
from .metrics import Numbers, Probabilities, check_answers, wilson_interval

Method = Literal["lac", "aps", "raps", "lac by class"]
METHODS: tuple[Method, ...] = ("lac", "aps", "raps", "lac by class")

Floats = NDArray[np.float64]
Sets = NDArray[np.bool_]

_PENALTIES = (0.001, 0.01, 0.1, 0.2, 0.5)  # those that the paper of RAPS tries
_TUNING = 5  # every fifth answer chooses among them, and the others fit the threshold


@dataclass(frozen=True)
class SetRule:
    """Which classes belong into the set of an answer: those whose score is at most their threshold.

    `lac`: a class scores one less its probability. `lac by class`: the same with a threshold for each class,
    so that the promise holds for each. `aps`: it scores the probabilities of all that are as likely or
    likelier, less a random part of its own. `raps`: that, and `penalty` for each rank after the first `free`.
    """

    method: Method
    alpha: float
    thresholds: tuple[
        float, ...
    ]  # of each class; infinite where there are too few answers to promise anything
    fitted: int  # on so many answers
    penalty: float = 0.0
    free: int = 0

    def sets(self, probabilities: Probabilities, seed: int = 0) -> Sets:
        """The sets (n, classes) of answers (n, classes). `seed` draws the random parts of aps and raps."""
        classes = len(self.thresholds)
        if probabilities.ndim != 2 or probabilities.shape[1] != classes:
            raise LapelError(f"This rule is for answers of shape (n, {classes}); {probabilities.shape} came.")
        if not np.isfinite(probabilities).all():
            raise LapelError("Sets need probabilities that are finite numbers.")
        scores = set_scores(
            probabilities, self.method, _chance(len(probabilities), seed, 1), self.penalty, self.free
        )
        inside: Sets = scores <= np.array(self.thresholds)
        return inside


@dataclass(frozen=True)
class SetFigures:
    """How a rule's sets came out on answers that it was not fitted on."""

    method: str
    alpha: float
    fitted: int
    pictures: int
    coverage: float  # share of the sets that hold the right class
    interval: tuple[float, float]  # 95 %, Wilson's score
    mean_size: float
    single: float  # share of the sets with one class
    empty: float  # share of the sets with none
    class_coverage: tuple[float | None, ...]  # of each class; None without pictures


def fit_sets(
    probabilities: Probabilities, labels: Numbers, alpha: float, method: Method = "lac", seed: int = 0
) -> SetRule:
    """Fit a rule on held-out answers: probabilities (n, classes) and labels (n).

    Of the n answers' own scores the threshold is the ceil((n + 1)(1 - alpha))-th smallest, which makes the
    promise hold for any n; with fewer than 1 / alpha - 1 answers every class is in every set. Raises
    LapelError where `alpha` is not between 0 and 1, or the answers do not fit together.
    """
    check_answers(probabilities, labels)
    if not 0 < alpha < 1:
        raise LapelError(f"Alpha is the share of sets that may miss the right class, 0 to 1; {alpha} came.")
    if method not in METHODS:
        raise LapelError(f'There is no way "{method}" to make sets.', f"Known: {', '.join(METHODS)}.")
    penalty, free = 0.0, 0
    if method == "raps":
        tuning = np.arange(len(labels)) % _TUNING == 0
        if tuning.all():
            tuning[:] = False
        penalty, free = _tuned(probabilities[tuning], labels[tuning], alpha)
        probabilities, labels = probabilities[~tuning], labels[~tuning]
    scores = set_scores(probabilities, method, _chance(len(labels), seed, 0), penalty, free)
    own, classes = scores[np.arange(len(labels)), labels], probabilities.shape[1]
    if method == "lac by class":
        thresholds = tuple(conformal_quantile(own[labels == number], alpha) for number in range(classes))
    else:
        thresholds = (conformal_quantile(own, alpha),) * classes
    return SetRule(method, alpha, thresholds, len(labels), penalty, free)


def judge_sets(rule: SetRule, probabilities: Probabilities, labels: Numbers, seed: int = 0) -> SetFigures:
    """How often a rule's sets hold the right class, and how large they are, on answers that are new to it."""
    check_answers(probabilities, labels)
    sets = rule.sets(probabilities, seed)
    held = sets[np.arange(len(labels)), labels]
    sizes = sets.sum(axis=1)
    right = int(held.sum())
    of_class = [held[labels == number] for number in range(sets.shape[1])]
    return SetFigures(
        method=rule.method,
        alpha=rule.alpha,
        fitted=rule.fitted,
        pictures=len(labels),
        coverage=right / len(labels),
        interval=wilson_interval(right, len(labels)),
        mean_size=float(sizes.mean()),
        single=float(np.mean(sizes == 1)),
        empty=float(np.mean(sizes == 0)),
        class_coverage=tuple(float(some.mean()) if len(some) else None for some in of_class),
    )


def conformal_quantile(scores: Probabilities, alpha: float) -> float:
    """The ceil((n + 1)(1 - alpha))-th smallest of n scores; infinite where there are not as many.

    >>> conformal_quantile(np.arange(1.0, 10.0), 0.1), conformal_quantile(np.arange(8.0), 0.1)
    (9.0, inf)
    """
    # Rounding must not ask for one more: 10 times 0.9 is 9.
    rank = math.ceil((len(scores) + 1) * (1 - alpha) - 1e-9)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def set_scores(
    probabilities: Probabilities, method: Method, chance: Floats, penalty: float = 0.0, free: int = 0
) -> Floats:
    """The score (n, classes) of every class as if it were the right one; a large one speaks against it.

    `chance` (n) are numbers from 0 to 1, of which aps and raps take one for each answer.
    """
    exact = probabilities.astype(np.float64)
    if method in ("lac", "lac by class"):
        unlikely: Floats = 1 - exact
        return unlikely
    order = np.argsort(-exact, axis=1, kind="stable")
    ranked = np.take_along_axis(exact, order, axis=1)
    ranks = np.arange(1, exact.shape[1] + 1)
    scores = np.cumsum(ranked, axis=1) - chance[:, None] * ranked + penalty * np.maximum(0, ranks - free)
    found: Floats = np.empty_like(scores)
    np.put_along_axis(found, order, scores, axis=1)
    return found


def _tuned(probabilities: Probabilities, labels: Numbers, alpha: float) -> tuple[float, int]:
    """The penalty of raps that gives the smallest sets, and the ranks that are free of it.

    Free are as many as hold the right class often enough by themselves.
    """
    if not len(labels):
        return _PENALTIES[0], 1
    given = probabilities[np.arange(len(labels)), labels][:, None]
    rank = conformal_quantile((probabilities > given).sum(axis=1) + 1.0, alpha)
    free = int(min(rank, probabilities.shape[1]))
    chance = np.full(len(labels), 0.5)

    def size(penalty: float) -> float:
        scores = set_scores(probabilities, "raps", chance, penalty, free)
        own = scores[np.arange(len(labels)), labels]
        return float((scores <= conformal_quantile(own, alpha)).sum(axis=1).mean())

    return min(_PENALTIES, key=size), free


def _chance(count: int, seed: int, stream: int) -> Floats:
    return np.random.default_rng([seed, stream]).random(count)
