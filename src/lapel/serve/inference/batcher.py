"""The batcher: photos wait in one queue, and threads label them, as many at a time as are there.

Nobody waits for a batch to fill: a thread takes what has come while it was busy. Decoding and the network
leave Python's lock, so that two threads keep two cores busy. Only pictures that need no decoding, for a model
that is quick, are labelled by the event loop itself, all those of one turn together: to hand them to a thread
and back would take about as long as the model does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ...colour import Colour, find_colours
from ...errors import PictureError
from ...picture import Picture
from ...tagger import Tagger
from ..http.messages import HttpError, busy

T = TypeVar("T")

MAX_PHOTOS: Final = 256  # in one request
_BATCH = 32  # photos that one thread takes at once
_INLINE_SECONDS = 0.002  # that the event loop may give to one request
_BATCH_BYTES = 512 * 1024  # of encoded photos that one thread takes at once; one photo may have more


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model saw of a photo, and what it answered: the shares of the classes and of the rejects.

    Of what came as a picture, the colours are not looked for.
    """

    picture: Picture
    probabilities: NDArray[np.float32]
    rejected: NDArray[np.float32]
    colours: tuple[Colour, ...] = ()


@dataclass(slots=True, eq=False)
class _Job:
    """What one thread does at one time: label a photo, or anything else."""

    group: _Group
    work: bytes | Picture | Callable[[], Any]
    since: float
    started: bool = False  # by a thread
    released: bool = False  # its place in the queue is given away
    result: Any = None


@dataclass(slots=True, eq=False)
class _Group:
    """Jobs that came together; the answer is there when all are done."""

    tagger: Tagger | None
    done: asyncio.Future[None]
    remaining: int
    jobs: list[_Job] = field(default_factory=list)
    abandoned: bool = False  # nobody waits for it any more


# Called with the number of jobs, the seconds that the oldest waited, and the seconds that they took.
BatchObserver: TypeAlias = Callable[[int, float, float], None]


@dataclass
class Batcher:
    """A bounded queue before a few threads. All but the threads' own work happens in the event loop."""

    threads: int = 2
    capacity: int = 32  # while so many photos wait or are worked on, no more are taken
    on_batch: BatchObserver = lambda _size, _waited, _ran: None
    on_refusal: Callable[[str], None] = lambda _reason: None
    pending: int = 0  # photos that wait or are being worked on
    _queue: SimpleQueue[_Job | None] = field(default_factory=SimpleQueue)
    _inline: list[_Job] = field(default_factory=list)  # for the event loop itself
    # Seconds a picture; a model's pace goes with the model, so that no other is taken for it.
    _paces: WeakKeyDictionary[Tagger, float] = field(default_factory=WeakKeyDictionary)
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
            self._queue.put(None)
        for worker in self._workers:
            worker.join()
        self._workers.clear()

    def admit(self, count: int = 1) -> None:
        """Raise HttpError for photos that cannot be taken: 503 while the queue is full, 413 for too many.

        The queue is full once `capacity` wait, so it may grow longer than that by the photos of one request.
        """
        if count > MAX_PHOTOS:
            raise HttpError(
                "too_many_photos",
                f"{count:,} photos in one request; at most {MAX_PHOTOS} are taken.",
                "Send fewer at once.",
            )
        if self.pending >= self.capacity:
            self.on_refusal("photos")
            raise busy("queue_full", "There is more to do than can be done.")

    async def predict(
        self, tagger: Tagger, photos: Sequence[bytes | Picture], seconds: float
    ) -> list[Prediction | PictureError]:
        """What the model answers for photos: the bytes of files, or pictures as the model sees them.

        Raises HttpError: 503 where the queue is full, 504 where the seconds are over. Raises ModelError where
        the model fails.
        """
        return await self._submit(tagger, photos, seconds) if photos else []

    async def run(self, work: Callable[[], T], seconds: float) -> T:
        """Do anything else on one of the threads, in its turn; it counts as one photo."""
        [result] = await self._submit(None, [work], seconds)
        answer: T = result
        return answer

    async def _submit(
        self, tagger: Tagger | None, works: Sequence[bytes | Picture | Callable[[], Any]], seconds: float
    ) -> list[Any]:
        self.admit(len(works))
        loop = asyncio.get_running_loop()
        group = _Group(tagger, loop.create_future(), len(works))
        now = time.perf_counter()
        group.jobs = [_Job(group, work, now) for work in works]
        self.pending += len(works)
        if inline := self._runs_inline(group):
            if not self._inline:
                loop.call_soon(self._run_inline)
            self._inline += group.jobs
        else:
            for job in group.jobs:
                self._queue.put(job)
        try:
            # The event loop would not come to look at the clock before it has answered by itself.
            async with asyncio.timeout(None if inline else seconds):
                await group.done
        except TimeoutError as error:
            self.on_refusal("deadline")
            raise HttpError(
                "deadline_exceeded", f"There was no answer within {seconds:.3g} seconds."
            ) from error
        finally:
            if group.remaining:
                self._abandon(group)
        for job in group.jobs:
            if isinstance(job.result, Exception) and not isinstance(job.result, PictureError):
                raise job.result
        return [job.result for job in group.jobs]

    def _runs_inline(self, group: _Group) -> bool:
        """Whether the event loop may answer by itself: nothing to decode, and little to compute."""
        if group.tagger is None:
            return False
        pace = self._paces.get(group.tagger, _INLINE_SECONDS)
        return pace * group.remaining < _INLINE_SECONDS and all(
            isinstance(job.work, np.ndarray) for job in group.jobs
        )

    def _run_inline(self) -> None:
        batch, self._inline = self._inline, []
        self._deliver(batch, *_run_batch(batch))

    def _abandon(self, group: _Group) -> None:
        """Free the places of what no thread has taken yet."""
        group.abandoned = True
        for job in group.jobs:
            if not job.started:
                self._release(job)

    def _release(self, job: _Job) -> None:
        if not job.released:
            job.released = True
            self.pending -= 1

    def _deliver(self, batch: list[_Job], waited: float, ran: float) -> None:
        for job in batch:
            group = job.group
            self._release(job)
            group.remaining -= 1
            if not group.remaining and not group.done.done():
                group.done.set_result(None)
        tagger = batch[0].group.tagger
        if tagger is not None and all(isinstance(job.work, np.ndarray) for job in batch):
            seconds = ran / len(batch)
            self._paces[tagger] = 0.9 * self._paces.get(tagger, seconds) + 0.1 * seconds
        self.on_batch(len(batch), waited, ran)

    # What the threads do.

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while batch := self._take():
            answers = _run_batch(batch)
            with suppress(RuntimeError):  # the loop is closed, where another program ended it: nobody waits
                loop.call_soon_threadsafe(self._deliver, batch, *answers)
            del batch, answers  # while this thread waits for more, it keeps no model alive

    def _take(self) -> list[_Job]:
        """This thread's share of the queue; nothing where there is no more to come."""
        batch: list[_Job] = []
        size = 0
        job = self._queue.get()
        share = min(_BATCH, 1 + self._queue.qsize() // self.threads)
        while job is not None:
            job.started = True
            batch.append(job)
            size += len(job.work) if isinstance(job.work, bytes) else 0
            if len(batch) >= share or size >= _BATCH_BYTES:
                return batch
            try:
                job = self._queue.get_nowait()
            except Empty:
                return batch
        if batch:
            self._queue.put(None)  # for the next time
        return batch


def _run_batch(batch: list[_Job]) -> tuple[float, float]:
    """Do what is still wanted of these; the seconds that the first had waited, and those that it took."""
    began = time.perf_counter()
    wanted = [job for job in batch if not job.group.abandoned]
    for tagger in {id(job.group.tagger): job.group.tagger for job in wanted}.values():
        _run_jobs([job for job in wanted if job.group.tagger is tagger], tagger)
    return began - batch[0].since, time.perf_counter() - began


def _run_jobs(batch: list[_Job], tagger: Tagger | None) -> None:
    """Put into each job its result, or what went wrong. Nothing is raised: the threads must live on."""
    if tagger is None:
        for job in batch:
            job.result = _result(cast("Callable[[], Any]", job.work))
        return
    for job in batch:
        work = job.work
        job.result = _result(partial(tagger.read, work)) if isinstance(work, bytes) else work
    read = [job for job in batch if isinstance(job.result, np.ndarray)]
    if not read:
        return
    answers = _result(lambda: tagger.answers(np.stack([job.result for job in read])))
    photos = [job.result for job in read if isinstance(job.work, bytes)]
    colours = iter(find_colours(np.stack(photos)) if photos else [])
    for place, job in enumerate(read):
        found = next(colours) if isinstance(job.work, bytes) else ()
        job.result = (
            answers
            if isinstance(answers, Exception)
            else Prediction(job.result, answers[0][place], answers[1][place], found)
        )


def _result(work: Callable[[], Any]) -> Any:
    """What it gives, or what it raises."""
    try:
        return work()
    except Exception as error:
        return error
