"""How well confidence says how often answers are right: calibration errors and the reliability table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import LapelError
from .metrics import Numbers, Probabilities, check_answers, wilson_interval

_BINS = 15  # as in Guo et al. 2017


@dataclass(frozen=True)
class ReliabilityBin:
    """The answers whose confidence lies above `low` and up to `high`: how sure, and how often right."""

    low: float
    high: float
    pictures: int
    confidence: float  # their mean
    accuracy: float
    interval: tuple[float, float]  # 95 % of the accuracy, Wilson's score


def calibration_error(probabilities: Probabilities, labels: Numbers, bins: int = _BINS) -> float:
    """Expected calibration error: how far confidence lies from accuracy, over equal bins of confidence."""
    confidence, right = _answers(probabilities, labels)
    return _error(confidence, right, _equal_width(confidence, bins), bins)


def adaptive_calibration_error(probabilities: Probabilities, labels: Numbers, bins: int = _BINS) -> float:
    """The same over bins that hold as many pictures each; answers that are equally sure share a bin.

    Most answers of a good network are nearly certain and lie in one bin of equal width, which hides whether
    the surest of them deserve it.
    """
    confidence, right = _answers(probabilities, labels)
    return _error(confidence, right, _equal_mass(confidence, bins), bins)


def reliability(
    probabilities: Probabilities, labels: Numbers, bins: int = _BINS, *, equal_mass: bool = False
) -> tuple[ReliabilityBin, ...]:
    """The reliability table: a row for each bin of confidence that holds an answer, the least sure first.

    Bins are equally wide, or with `equal_mass` hold as many pictures each as ties allow; then `low` and
    `high` are the least and the greatest confidence in the bin.
    """
    confidence, right = _answers(probabilities, labels)
    place = (_equal_mass if equal_mass else _equal_width)(confidence, bins)
    rows = []
    for number in np.unique(place):
        inside = place == number
        sure, count = confidence[inside], int(inside.sum())
        low, high = (sure.min(), sure.max()) if equal_mass else (number / bins, (number + 1) / bins)
        hits = int(right[inside].sum())
        rows.append(
            ReliabilityBin(
                low=float(low),
                high=float(high),
                pictures=count,
                confidence=float(sure.mean()),
                accuracy=hits / count,
                interval=wilson_interval(hits, count),
            )
        )
    return tuple(rows)


def _answers(
    probabilities: Probabilities, labels: Numbers
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How sure each answer is, and 1 where it is right."""
    check_answers(probabilities, labels)
    confidence = probabilities.max(axis=1).astype(np.float64)
    return confidence, (probabilities.argmax(axis=1) == labels).astype(np.float64)


def _error(
    confidence: NDArray[np.float64], right: NDArray[np.float64], place: NDArray[np.int64], bins: int
) -> float:
    gap = np.bincount(place, weights=confidence - right, minlength=bins)
    return float(np.abs(gap).sum() / len(place))


def _equal_width(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """The number of each answer's bin; bins are open below and closed above, as in Guo et al. 2017."""
    _check_bins(bins)
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def _equal_mass(confidence: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """The same for bins of as many pictures, so that the order of the pictures changes nothing."""
    _check_bins(bins)
    _, group, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    # Where the middle of those that are equally sure lies among all.
    middle = np.cumsum(counts) - counts / 2
    place: NDArray[np.int64] = np.floor(middle * bins / len(confidence)).astype(np.int64)[group]
    return place


def _check_bins(bins: int) -> None:
    if bins < 1:
        raise LapelError(f"Confidence is put into bins, at least one; {bins} came.")
