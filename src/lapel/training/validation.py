"""How a network is judged after every epoch: in fp32, just as `evaluate` judges the run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..data.dataset import Labels

_JUDGED = 1024  # pictures judged at a time, at most
_NUMBERS = 1 << 26  # that a layer gives for them, at most: a quarter of a gigabyte


def judged_at_once(largest: int) -> int:
    """How many pictures are judged at a time by a network whose layers give so many numbers, at most."""
    return max(1, min(_JUDGED, _NUMBERS // largest))


def judge(probabilities: NDArray[np.float32], labels: Labels) -> tuple[float, float]:
    """The loss and the accuracy of probabilities (n, classes); both are no numbers where these are none."""
    if not np.isfinite(probabilities).all():
        return np.nan, metrics.accuracy(probabilities.argmax(axis=1), labels)
    return metrics.log_loss(probabilities, labels), metrics.accuracy(probabilities.argmax(axis=1), labels)


def chance(labels: Labels) -> float:
    """What whoever always gives the most frequent label gets right."""
    return float(np.bincount(labels).max() / len(labels))


def beats_chance(accuracy: float, labels: Labels) -> bool:
    """Whether an accuracy on pictures of these labels is more than chance would give now and then."""
    low, _ = metrics.wilson_interval(round(accuracy * len(labels)), len(labels))
    return low > chance(labels)
