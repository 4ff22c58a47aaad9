"""Lessons: own classes are learned one after the other, on a thread beside those that label.

What was taught is kept in this process alone, and forgotten when it is told to be, when nobody has asked for
it for an hour, or when there are too many.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from ...decode import Limits
from ...errors import LapelError, PictureError
from ...tagger import Tagger
from ...teaching.teach import Taught, teach
from ..http.messages import HttpError, busy
from ..inference.models import Models
from ..telemetry.logs import log_event

State: TypeAlias = Literal["waiting", "learning", "done", "failed"]
Photos: TypeAlias = dict[str, list[tuple[str, bytes]]]  # by class: names and files

MAX_WAITING: Final = 4  # lessons that are not done yet
_MAX_KEPT = 16  # that are
_IDLE_SECONDS = 3600.0


class _Cancelled(Exception):
    """Nobody waits for this lesson any more."""


@dataclass(eq=False)
class Lesson:
    """Photos on their way to becoming a model. `done` of `total` have been looked at."""

    name: str  # nobody guesses it: who knows it may use the lesson
    base: str | Path  # the model to build on
    photos: Photos = field(repr=False)  # none once it is over
    counts: dict[str, int]
    state: State = "waiting"
    done: int = 0
    taught: Taught | None = None
    skipped: list[tuple[str, str, LapelError]] = field(default_factory=list)  # class, photo, why
    error: LapelError | None = None
    cancelled: bool = False
    timer: asyncio.TimerHandle | None = None  # that forgets it

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to be waited for."""
        return self.state in ("done", "failed")


@dataclass
class Lessons:
    """All of them. Everything but the learning itself happens in the event loop.

    `hold` and `release` are called with the bytes of photos that are kept until a lesson is over; `hold` may
    raise HttpError.
    """

    models: Models
    limits: Limits
    hold: Callable[[int], None] = lambda _count: None
    release: Callable[[int], None] = lambda _count: None
    on_refusal: Callable[[str], None] = lambda _reason: None
    idle_seconds: float = _IDLE_SECONDS
    most_kept: int = _MAX_KEPT
    _lessons: dict[str, Lesson] = field(default_factory=dict)  # the one that was asked for last comes last
    _executor: ThreadPoolExecutor | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def admit(self) -> None:
        """Raise HttpError (503) while as many lessons wait as may."""
        if sum(not lesson.is_over for lesson in self._lessons.values()) >= MAX_WAITING:
            self.on_refusal("lessons")
            raise busy("lessons_full", f"{MAX_WAITING} lessons wait already.")

    def add(self, base: str | Path, photos: Photos) -> Lesson:
        """Begin a lesson. Raises HttpError (503) where there is no room for it."""
        self.admit()
        counts = {label: len(own) for label, own in photos.items()}
        lesson = Lesson(os.urandom(16).hex(), base, photos, counts)
        size = sum(len(data) for own in photos.values() for _, data in own)
        self.hold(size)
        self._lessons[lesson.name] = lesson
        self._touch(lesson)
        over = [one for one in self._lessons.values() if one.is_over]
        for one in over[: max(0, len(over) + 1 - self.most_kept)]:
            self.forget(one.name)
        task = asyncio.get_running_loop().create_task(self._run(lesson, size))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return lesson

    def get(self, name: str) -> Lesson:
        """A lesson; asking for it keeps it for another hour. Raises HttpError (404) where there is none."""
        lesson = self._lessons.get(name)
        if lesson is None:
            raise HttpError(
                "lesson_unknown",
                "There is no such lesson here, or it has been forgotten.",
                "Teach again; download the model file to keep it.",
            )
        self._touch(lesson)
        return lesson

    def forget(self, name: str) -> None:
        """Drop a lesson and what it has taught. Raises HttpError (404) where there is none."""
        lesson = self.get(name)
        if lesson.timer:
            lesson.timer.cancel()
        lesson.cancelled = True
        del self._lessons[name]
        self.models.remove_taught(name)

    def stop(self) -> None:
        """Forget all, and end the thread."""
        for name in list(self._lessons):
            self._lessons[name].cancelled = True
            self.models.remove_taught(name)
        self._lessons.clear()
        if self._executor:
            self._executor.shutdown()
            self._executor = None

    def _touch(self, lesson: Lesson) -> None:
        if lesson.timer:
            lesson.timer.cancel()
        self._lessons[lesson.name] = self._lessons.pop(lesson.name)
        loop = asyncio.get_running_loop()
        lesson.timer = loop.call_later(self.idle_seconds, self._expire, lesson)

    def _expire(self, lesson: Lesson) -> None:
        if self._lessons.get(lesson.name) is lesson:
            self.forget(lesson.name)

    async def _run(self, lesson: Lesson, size: int) -> None:
        self._executor = self._executor or ThreadPoolExecutor(1, "teacher")
        loop = asyncio.get_running_loop()
        try:
            taught, tagger = await loop.run_in_executor(self._executor, self._learn, lesson)
        except _Cancelled:
            return
        except LapelError as error:
            lesson.error, lesson.state = error, "failed"
        except Exception as error:  # a defect; the client is told no more than that
            log_event("defect", logging.ERROR, path="/teach", error=repr(error))
            lesson.error, lesson.state = LapelError("Something is wrong here."), "failed"
        else:
            lesson.taught, lesson.state = taught, "done"
            if not lesson.cancelled:
                self.models.add_taught(lesson.name, tagger, lambda: self._touch(lesson))
        finally:
            lesson.photos = {}
            self.release(size)

    def _learn(self, lesson: Lesson) -> tuple[Taught, Tagger]:
        """What the thread does."""
        check_cancelled(lesson)
        lesson.state = "learning"

        def count(done: int, _total: int) -> None:
            check_cancelled(lesson)
            lesson.done = done

        files = {label: [data for _, data in own] for label, own in lesson.photos.items()}
        taught = teach(files, lesson.base, limits=self.limits, on_progress=count)
        for skipped in taught.skipped:
            name = lesson.photos[skipped.label][skipped.place][0]
            text = f"{name}{skipped.error.message.removeprefix(skipped.source)}"
            lesson.skipped.append((skipped.label, name, PictureError(text, skipped.error.hint)))
        tagger = taught.tagger(self.limits)
        # The first answer of a session is slow.
        tagger.answers(np.zeros((1, *tagger.card.picture.shape), np.uint8))
        return taught, tagger


def check_cancelled(lesson: Lesson) -> None:
    """End the work on a lesson that nobody waits for."""
    if lesson.cancelled:
        raise _Cancelled
