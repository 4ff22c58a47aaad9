"""How well a score tells what a model knows from what it does not, in numpy alone; see `metrics.auroc`, too.

Everywhere `inside` and `outside` (n; floats) are the scores of the two kinds; the known should have more.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import LapelError

Floats = NDArray[np.floating[Any]]


def average_precision(inside: Floats, outside: Floats) -> float:
    """The area under precision over recall, where the known are to be found: AUPR, as steps.

    It depends on how many there are of each kind. Raises LapelError where one of the two is empty.

    >>> average_precision(np.array([0.9, 0.4]), np.array([0.5]))
    0.8333333333333333
    """
    _both(inside, outside)
    scores = np.concatenate([inside, outside]).astype(np.float64)
    known = np.arange(len(scores)) < len(inside)
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(known[order])
    # Of equal scores none can be taken without the others.
    last = np.append(scores[order][1:] < scores[order][:-1], True)
    precision, recall = (found / np.arange(1, len(scores) + 1))[last], found[last] / len(inside)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def false_positive_rate(inside: Floats, outside: Floats, kept: float = 0.95) -> float:
    """The share of the unknown that passes where the share `kept` of the known has to pass: FPR at 95 % TPR.

    Raises LapelError where one of the two is empty.

    >>> false_positive_rate(np.array([0.9, 0.8]), np.array([0.85, 0.1]), kept=1.0)
    0.5
    """
    _both(inside, outside)
    least = np.sort(inside)[::-1][max(1, math.ceil(kept * len(inside))) - 1]
    return float(np.mean(outside >= least))


def _both(inside: Floats, outside: Floats) -> None:
    if not len(inside) or not len(outside):
        raise LapelError(f"Scores of both kinds are needed; {len(inside)} and {len(outside)} came.")
