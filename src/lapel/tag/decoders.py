"""Photos become pictures in processes beside this one, in order, few at a time in memory.

The processes are Python's own, talked to over pipes: unlike those of multiprocessing they import nothing of
the program that uses Lapel, and one that dies takes nothing with it but the photo it died of.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import numpy as np

from ..ahead import ahead
from ..decode import Limits, source_name
from ..errors import LapelError, PictureError
from ..picture import Picture, PictureSpec
from ..runtime import cores
from .inputs import Photo
from .worker import receive, send

_PHOTOS = 64  # asked of a process at once
_BYTES = 8 * 1024 * 1024  # of photos that come as bytes, asked at once; a larger one is asked alone
_AHEAD = 3  # questions to a process that may wait, so that none is ever idle
_SETTINGS = {
    "OPENBLAS_NUM_THREADS": "1",  # there is a process for each core
    # glibc hands memory back after each photo and fetches it anew, which takes a third of the time.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024 * 1024),
}

Read = tuple[Photo, Picture | PictureError]


class Decoders:
    """Processes that decode. Use it in a `with` block, which ends them."""

    def __init__(self, spec: PictureSpec, limits: Limits, processes: int | None = None) -> None:
        self._spec, self._limits = spec, limits
        self._processes = processes or cores()
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        self._all: set[_Process] = set()
        self._lock = threading.Lock()
        self._over = False
        self._threads = ThreadPoolExecutor(self._processes)

    def __enter__(self) -> Self:
        for _ in range(self._processes):
            self._idle.put(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._over = True
            for process in self._all:
                process.end()
        self._threads.shutdown(cancel_futures=True)

    def read(self, photos: Iterable[Photo]) -> Iterator[list[Read]]:
        """The pictures of photos, in their order, some at a time; of one that cannot be read, the reason.

        Raises LapelError where no process can be started.
        """
        return ahead(self._threads, self._read, _chunks(photos), self._processes * _AHEAD)

    def _read(self, chunk: list[Photo]) -> list[Read]:
        """In a thread of its own: ask an idle process."""
        sources = [photo.source for photo in chunk if not isinstance(photo.source, PictureError)]
        process = self._idle.get()
        try:
            try:
                answers = process.ask(sources)
            except _DiedError:
                # Which photo it died of only asking one by one can tell.
                answers = []
                for source in sources:
                    process = self._again(process)
                    try:
                        answers += process.ask([source])
                    except _DiedError as error:
                        answers.append(_fatal(source, error))
        finally:
            self._idle.put(process)
        remaining = iter(answers)
        return [
            (photo, photo.source if isinstance(photo.source, PictureError) else next(remaining))
            for photo in chunk
        ]

    def _again(self, process: _Process) -> _Process:
        """The same process while it lives, or another in its place."""
        if process.alive:
            return process
        with self._lock:
            self._all.discard(process)
        process.end()
        return self._start()

    def _start(self) -> _Process:
        with self._lock:
            if self._over:
                raise LapelError("The processes that decode photos were ended.")
            process = _Process(self._spec, self._limits)
            self._all.add(process)
            return process


class _DiedError(Exception):
    """A process ended while it was asked; the argument is its exit code."""


class _Process:
    """One process that decodes."""

    def __init__(self, spec: PictureSpec, limits: Limits) -> None:
        self.alive = True
        self._ready = False
        self._shape = spec.shape
        # What this process can import, the other one shall find in the same places.
        code = f"import sys; sys.path[:] = {sys.path!r}; from lapel.tag.worker import work; work()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**_SETTINGS, **os.environ},
            # Ctrl-C is for this process alone: it ends the others when it has written what it has.
            start_new_session=True,
        )
        self._settings = [spec.to_dict(), asdict(limits)]

    def ask(self, sources: list[str | bytes]) -> list[Picture | PictureError]:
        """The picture of each source, or why there is none. Raises _DiedError."""
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        try:
            if not self._ready:
                send(requests, self._settings, [])
                receive(replies)
                self._ready = True
            parts = [source for source in sources if isinstance(source, bytes)]
            send(requests, [len(item) if isinstance(item, bytes) else item for item in sources], parts)
            answers, data = receive(replies)
        except (EOFError, OSError, ValueError) as error:
            self.alive = False
            code = self._process.wait()
            if not self._ready:
                raise LapelError(
                    f"A process that decodes photos did not start (it ended with {code}).",
                    "Is there enough memory?",
                ) from error
            raise _DiedError(code) from error
        pictures = iter(np.frombuffer(data, np.uint8).reshape(-1, *self._shape))
        return [next(pictures) if answer is None else PictureError(*answer) for answer in answers]

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            # What was never sent cannot be flushed any more.
            with suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()


def _chunks(photos: Iterable[Photo]) -> Iterator[list[Photo]]:
    chunk: list[Photo] = []
    held = 0
    for photo in photos:
        size = len(photo.source) if isinstance(photo.source, bytes) else 0
        if chunk and (len(chunk) == _PHOTOS or held + size > _BYTES):
            yield chunk
            chunk, held = [], 0
        chunk.append(photo)
        held += size
    if chunk:
        yield chunk


def _fatal(source: str | bytes, error: _DiedError) -> PictureError:
    code = int(error.args[0])
    how = f"exit code {code}"
    with suppress(ValueError):
        how = signal.Signals(-code).name
    return PictureError(
        f"{source_name(source)}: the process that decoded it died ({how}).",
        "The file is damaged, or takes more memory than there is.",
    )
