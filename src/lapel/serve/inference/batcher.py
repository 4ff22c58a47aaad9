"""The batcher: photos wait in one line, and threads label them, as many at a time as are there.

Nobody waits for a batch to fill: a thread takes what has come while it was busy. Decoding and the network
leave Python's lock, so that two threads keep two cores busy. Only pictures that need no decoding, for a model
that is quick, are labelled by the event loop itself, all those of one turn together: to hand them to a thread
and back would take about as long as the model does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import PictureError
from ...picture import Picture
from ...tagger import Tagger
from ..http.messages import HttpError, busy

T = TypeVar("T")

LARGEST = 256  # photos in one request
_BATCH = 32  # photos that one thread takes at once
_LIGHT = 0.002  # seconds that the event loop may give to one question
_WEIGHT = 512 * 1024  # bytes of encoded photos that one thread takes at once; one photo may have more


@dataclass(frozen=True, slots=True)
class Seen:
    """What the model saw of a photo, and what it answered: the shares of the classes and of the rejects."""

    picture: Picture
    probabilities: NDArray[np.float32]
    rejected: NDArray[np.float32]


@dataclass(slots=True, eq=False)
class _Job:
    """What one thread does at one time: label a photo, or anything else."""

    question: _Question
    photo: bytes | Picture | Callable[[], Any]
    since: float
    taken: bool = False  # by a thread
    freed: bool = False  # its place in the line is given away
    found: Any = None


@dataclass(slots=True, eq=False)
class _Question:
    """Jobs that came together; the answer is there when all are done."""

    tagger: Tagger | None
    answered: asyncio.Future[None]
    left: int
    jobs: list[_Job] = field(default_factory=list)
    unwanted: bool = False  # nobody waits for it any more


Batched: TypeAlias = (
    "Callable[[int, float, float], None]"  # told: jobs, seconds that the oldest waited, seconds
)


@dataclass
class Batcher:
    """A bounded line before a few threads. All but the threads' own work happens in the event loop."""

    threads: int = 2
    most: int = 32  # while so many photos wait or are worked on, no more are taken
    batched: Batched = lambda _size, _waited, _ran: None
    refused: Callable[[str], None] = lambda _reason: None
    waiting: int = 0  # photos, those that are being worked on included
    _line: SimpleQueue[_Job | None] = field(default_factory=SimpleQueue)
    _near: list[_Job] = field(default_factory=list)  # for the event loop itself
    _pace: dict[int, float] = field(default_factory=dict)  # seconds a picture, by the id of its tagger
    _workers: list[Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin. Needs a running event loop."""
        loop = asyncio.get_running_loop()
        for number in range(self.threads):
            worker = Thread(target=self._work, args=(loop,), name=f"batcher-{number}", daemon=True)
            worker.start()
            self._workers.append(worker)

    def stop(self) -> None:
        """End the threads, when they have done what waits."""
        for _ in self._workers:
            self._line.put(None)
        for worker in self._workers:
            worker.join()

    def admit(self, count: int = 1) -> None:
        """Raise HttpError where photos cannot be taken: 503 while the line is full, 413 for too many at once.

        The line is full once `most` wait, so it may grow longer than that by the photos of one request.
        """
        if count > LARGEST:
            raise HttpError(
                413, f"{count:,} photos in one request; at most {LARGEST} are taken.", "Send fewer at once."
            )
        if self.waiting >= self.most:
            self.refused("photos")
            raise busy("There is more to do than can be done.")

    async def ask(
        self, tagger: Tagger, photos: Sequence[bytes | Picture], seconds: float
    ) -> list[Seen | PictureError]:
        """What the model answers for photos: the bytes of files, or pictures as the model sees them.

        Raises HttpError: 503 where the line is full, 504 where the seconds are over. Raises ModelError where
        the model fails.
        """
        return await self._asked(tagger, photos, seconds) if photos else []

    async def run(self, work: Callable[[], T], seconds: float) -> T:
        """Do anything else on one of the threads, in its turn; it counts as one photo."""
        [result] = await self._asked(None, [work], seconds)
        answer: T = result
        return answer

    async def _asked(
        self, tagger: Tagger | None, things: Sequence[bytes | Picture | Callable[[], Any]], seconds: float
    ) -> list[Any]:
        self.admit(len(things))
        loop = asyncio.get_running_loop()
        question = _Question(tagger, loop.create_future(), len(things))
        now = time.perf_counter()
        question.jobs = [_Job(question, thing, now) for thing in things]
        self.waiting += len(things)
        if near := self._is_light(question):
            if not self._near:
                loop.call_soon(self._answer_near)
            self._near += question.jobs
        else:
            for job in question.jobs:
                self._line.put(job)
        try:
            # The event loop would not come to look at the clock before it has answered by itself.
            async with asyncio.timeout(None if near else seconds):
                await question.answered
        except TimeoutError as error:
            self.refused("deadline")
            raise HttpError(504, f"There was no answer within {seconds:.3g} seconds.") from error
        finally:
            if question.left:
                self._give_up(question)
        for job in question.jobs:
            if isinstance(job.found, Exception) and not isinstance(job.found, PictureError):
                raise job.found
        return [job.found for job in question.jobs]

    def _is_light(self, question: _Question) -> bool:
        """Whether the event loop may answer by itself: nothing to decode, and little to compute."""
        pace = self._pace.get(id(question.tagger), _LIGHT)
        return pace * question.left < _LIGHT and all(
            isinstance(job.photo, np.ndarray) for job in question.jobs
        )

    def _answer_near(self) -> None:
        batch, self._near = self._near, []
        self._deliver(batch, *_labelled(batch))

    def _give_up(self, question: _Question) -> None:
        """Free the places of what no thread has taken yet."""
        question.unwanted = True
        for job in question.jobs:
            if not job.taken:
                self._free(job)

    def _free(self, job: _Job) -> None:
        if not job.freed:
            job.freed = True
            self.waiting -= 1

    def _deliver(self, batch: list[_Job], waited: float, ran: float) -> None:
        for job in batch:
            question = job.question
            self._free(job)
            question.left -= 1
            if not question.left and not question.answered.done():
                question.answered.set_result(None)
        if all(isinstance(job.photo, np.ndarray) for job in batch):
            tagger, seconds = batch[0].question.tagger, ran / len(batch)
            self._pace[id(tagger)] = 0.9 * self._pace.get(id(tagger), seconds) + 0.1 * seconds
        self.batched(len(batch), waited, ran)

    # What the threads do.

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while batch := self._take():
            loop.call_soon_threadsafe(self._deliver, batch, *_labelled(batch))

    def _take(self) -> list[_Job]:
        """This thread's share of the line; nothing where there is no more to come."""
        batch: list[_Job] = []
        weight = 0
        job = self._line.get()
        share = min(_BATCH, 1 + self._line.qsize() // self.threads)
        while job is not None:
            job.taken = True
            batch.append(job)
            weight += len(job.photo) if isinstance(job.photo, bytes) else 0
            if len(batch) >= share or weight >= _WEIGHT:
                return batch
            try:
                job = self._line.get_nowait()
            except Empty:
                return batch
        if batch:
            self._line.put(None)  # for the next time
        return batch


def _labelled(batch: list[_Job]) -> tuple[float, float]:
    """Do what is still wanted of these; the seconds that the first had waited, and those that it took."""
    began = time.perf_counter()
    wanted = [job for job in batch if not job.question.unwanted]
    for tagger in {id(job.question.tagger): job.question.tagger for job in wanted}.values():
        _do([job for job in wanted if job.question.tagger is tagger], tagger)
    return began - batch[0].since, time.perf_counter() - began


def _do(batch: list[_Job], tagger: Tagger | None) -> None:
    """Put into each job what was found, or what went wrong. Nothing is raised: the threads must live on."""
    if tagger is None:
        for job in batch:
            job.found = _result(cast("Callable[[], Any]", job.photo))
        return
    for job in batch:
        photo = job.photo
        job.found = _result(partial(tagger.read, photo)) if isinstance(photo, bytes) else photo
    read = [job for job in batch if isinstance(job.found, np.ndarray)]
    if not read:
        return
    answers = _result(lambda: tagger.answers(np.stack([job.found for job in read])))
    for place, job in enumerate(read):
        job.found = (
            answers
            if isinstance(answers, Exception)
            else Seen(job.found, answers[0][place], answers[1][place])
        )


def _result(work: Callable[[], Any]) -> Any:
    """What it gives, or what it raises."""
    try:
        return work()
    except Exception as error:
        return error
