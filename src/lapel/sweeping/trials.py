"""The trials of a sweep, how good the best of them is, and what may be said of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .space import Value


@dataclass(frozen=True)
class SweepTrial:
    """One trial: the settings that it tries, and what it came to on the validation pictures."""

    number: int
    state: str  # done, pruned, failed or running
    settings: dict[str, Value]
    accuracy: float | None  # of the epoch that is kept; of a pruned one, of its last epoch
    epochs: tuple[float, ...]  # accuracy after each
    reason: str = ""  # why it failed


@dataclass(frozen=True)
class Confirmed:
    """What the best recipe came to with seeds that did not choose it, on the same validation pictures."""

    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    mean: float
    spread: float
    interval: tuple[float, float]  # of the mean, 95 %, by Student's t
    study: str  # the name of its folder in that of the sweep


@dataclass(frozen=True)
class Best:
    """The best trial: its accuracy on the validation pictures, and of how many trials it is the best."""

    trial: int
    seed: int
    settings: dict[str, Value]
    accuracy: float
    interval: tuple[float, float]  # 95 %, Wilson's score
    pictures: int
    compared: int  # trials that were trained to their end or pruned
    caution: str
    confirmed: Confirmed | None = None


def leading(trials: Sequence[SweepTrial]) -> SweepTrial | None:
    """The trial of those trained to their end that has most right; of equal ones the first."""
    done = [one for one in trials if one.state == "done" and one.accuracy is not None]
    return max(done, key=lambda one: (one.accuracy or 0.0, -one.number)) if done else None


def ranked(trials: Sequence[SweepTrial]) -> list[SweepTrial]:
    """The trials as tables show them: those trained to their end first, the best of them before all."""
    return sorted(trials, key=lambda one: (one.state != "done", -(one.accuracy or 0.0), one.number))


def compared(trials: Sequence[SweepTrial]) -> int:
    """Among how many trials the best was chosen."""
    return sum(one.state in ("done", "pruned") for one in trials)


def count_states(trials: Sequence[SweepTrial]) -> str:
    """How the trials ended, in words.

    >>> count_states([SweepTrial(0, "done", {}, 0.9, ()), SweepTrial(1, "pruned", {}, 0.5, ())])
    '1 trained to its end, 1 pruned'
    """
    counts = {state: sum(one.state == state for one in trials) for state in _STATES}
    return ", ".join(
        f"{count} {words if count > 1 else words.replace('their', 'its')}"
        for (state, words), count in zip(_STATES.items(), counts.values(), strict=True)
        if count
    )


_STATES = {"done": "trained to their end", "pruned": "pruned", "failed": "failed", "running": "under way"}


def caution(among: int) -> str:
    """What is to be said beside the accuracy of the best of so many trials."""
    if among < 2:
        return ""
    return (
        f"The best of {among} trials on the same pictures is a little lucky, and the interval does not count "
        "that."
    )


def best_from(facts: Mapping[str, Any]) -> Best:
    """A Best from its plain data."""
    confirmed = facts["confirmed"]
    return Best(
        **{
            **facts,
            "interval": tuple(facts["interval"]),
            "confirmed": confirmed and Confirmed(**{key: _tuple(value) for key, value in confirmed.items()}),
        }
    )


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
