"""Who looks on while a network learns, and what is to be seen."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ..errors import LapelError, did_you_mean
from ..recipes.schema import Recipe

Prepare = Callable[[str, int, int], None]  # (what is made, how much of it is done, of how much)
Progress = Callable[[int, int, float], None]  # (pictures done, pictures in the epoch, running loss)

_GROUP = "lapel.watches"  # entry points: how other packages add theirs
_WATCHES = {"tensorboard": "lapel.tensorboard:TensorBoard"}


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training pictures came to."""

    number: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float


@dataclass(frozen=True)
class Beginning:
    """What is known of a training when it begins, or goes on after the epochs of `history`."""

    path: Path  # of the run
    recipe: Recipe
    environment: dict[str, Any]
    history: tuple[Epoch, ...]


class Watch:
    """Looks on at a training. Whoever inherits from it writes only what it wants to know."""

    def prepare(self, what: str, done: int, count: int) -> None:
        """Before an epoch: so much of what it needs is done."""

    def begin(self, beginning: Beginning) -> None:
        """The training begins, or goes on."""

    def batch(self, done: int, count: int, loss: float) -> None:
        """So many of the epoch's pictures are learned."""

    def epoch(self, epoch: Epoch, seconds: float, best: bool) -> None:
        """An epoch has ended and is kept."""

    def end(self) -> None:
        """The training is over, in whatever way."""


class Watches:
    """Several watches as one."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = tuple(watches)

    @property
    def progress(self) -> Progress | None:
        """What an engine calls while it learns; None where nobody looks on."""
        return self._batch if self._watches else None

    @contextmanager
    def looking_on(self, beginning: Beginning) -> Iterator[None]:
        """While it lasts they look on; each that has begun also ends."""
        begun: list[Watch] = []
        try:
            for watch in self._watches:
                begun.append(watch)
                watch.begin(beginning)
            yield
        finally:
            for watch in begun:
                watch.end()

    def prepare(self, what: str, done: int, count: int) -> None:
        """Tell them how much of what an epoch needs is done."""
        for watch in self._watches:
            watch.prepare(what, done, count)

    def epoch(self, epoch: Epoch, seconds: float, best: bool) -> None:
        """Tell them that an epoch has ended."""
        for watch in self._watches:
            watch.epoch(epoch, seconds, best)

    def _batch(self, done: int, count: int, loss: float) -> None:
        for watch in self._watches:
            watch.batch(done, count, loss)


def load_watch(name: str) -> Watch:
    """The watch of this name: one of Lapel's own, or one that another package gives as an entry point.

    Raises LapelError where there is none, MissingExtra where what it needs is not installed.
    """
    if name in _WATCHES:
        module, _, attribute = _WATCHES[name].partition(":")
        make = getattr(importlib.import_module(module), attribute)
    else:
        others = {entry.name: entry for entry in entry_points(group=_GROUP)}
        if name not in others:
            raise LapelError(f'There is no watch "{name}".', did_you_mean(name, [*_WATCHES, *others]))
        make = others[name].load()
    watch: Watch = make()
    return watch
