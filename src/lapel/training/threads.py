"""How many threads a step is computed on: the number that it was timed to be quickest with."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

_WARM, _TIMED = 2, 4  # steps with each number of threads
_WORTH = 0.9  # more threads are taken only where a step takes less than this share of its time on one
_SLOW = 2.0  # an epoch that takes so many times what its steps promised is looked into

Using = Callable[[int], AbstractContextManager[None]]


class Threads:
    """The number of threads, chosen by measuring steps, and again where an epoch turns out much slower.

    `measure` gives the best number and how many seconds a step takes so. Without it there is no choice.
    """

    def __init__(self, count: int, measure: Callable[[], tuple[int, float]] | None = None) -> None:
        self.count, self._measure, self._promised = count, measure, 0.0
        if measure:
            self.count, self._promised = measure()

    def look_again(self, seconds: float, steps: int) -> None:
        """Take in how long an epoch's steps took; where that is much longer than promised, choose anew."""
        taken = seconds / steps
        if self._measure is None or taken <= _SLOW * self._promised:
            return
        self.count, promised = self._measure()
        # What is slow about an epoch may be beside its steps: then the next one is to take no longer.
        self._promised = max(promised, taken / _SLOW)

    def fix(self, count: int) -> None:
        """Keep to this number from now on: that of the run that goes on."""
        self.count, self._measure = count, None


def fastest(time_step: Callable[[int], float], most: int) -> tuple[int, float]:
    """One thread or `most`, and how many seconds a step takes so; `time_step` times one on some threads."""
    best: dict[int, float] = {}
    for turn in range(_WARM + _TIMED):
        for count in (1, most):
            seconds = time_step(count)
            if turn >= _WARM:
                best[count] = min(seconds, best.get(count, seconds))
    chosen = most if best[most] < _WORTH * best[1] else 1
    return chosen, best[chosen]


def timed(step: Callable[[], object], using: Using) -> Callable[[int], float]:
    """A function that takes a step on some threads, and says how many seconds it took."""

    def seconds(count: int) -> float:
        with using(count):
            began = time.perf_counter()
            step()
            return time.perf_counter() - began

    return seconds
