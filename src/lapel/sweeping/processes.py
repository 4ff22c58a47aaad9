"""Several workers beside each other, each a process of its own."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from ..errors import LapelError, RunError
from ..training.watch import Beginning, Epoch, Watch
from .folder import Sweep
from .worker import Tell, Work, work_on


def work_together(sweep: Sweep, work: Work, workers: int, tell: Tell | None) -> None:
    """Let so many processes work on a sweep, and wait for them.

    They end with this process, however it ends. `tell` is called in each of them. Raises LapelError where one
    of them does, RunError where one is killed, both when all have ended.
    """
    # PyTorch and TensorFlow do not outlive a fork.
    context = multiprocessing.get_context("spawn")
    ours, theirs = zip(*(context.Pipe() for _ in range(workers)), strict=True)
    arguments = [(str(sweep.path.resolve()), work, end, tell) for end in theirs]
    processes = [context.Process(target=_work, args=one) for one in arguments]
    for process in processes:
        process.start()
    for end in theirs:
        end.close()
    faults: list[LapelError] = []
    try:
        for end, process in zip(ours, processes, strict=True):
            faults += _faults_from(end)
            process.join()
    finally:
        for end in ours:
            end.close()  # which stops those that still work
        for process in processes:
            process.join()
    if faults:
        raise faults[0]
    killed = [process.exitcode for process in processes if process.exitcode]
    if killed:
        raise RunError(
            f"{sweep.path}: {len(killed)} of {workers} workers were ended, with code {killed[0]}.",
            "The same command goes on with their trials; fewer --workers have more memory each.",
        )


def _faults_from(end: Connection) -> list[LapelError]:
    """What a worker says went wrong; nothing where it ends without a word."""
    try:
        message, hint = end.recv()
    except EOFError:
        return []
    return [LapelError(message, hint)]


def _work(path: str, work: Work, end: Connection, tell: Tell | None) -> None:
    # Whoever presses Ctrl-C stops all at once: the process that started this one passes it on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sweep = Sweep(Path(path))
    try:
        work_on(sweep, work, sweep.dataset(), watches=[_Stop(end)], tell=tell)
    except LapelError as error:
        end.send((error.message, error.hint))
    except KeyboardInterrupt:
        pass


class _Stop(Watch):
    """Stops a training, as Ctrl-C does, when whoever started this worker lets go of it or has ended."""

    def __init__(self, end: Connection) -> None:
        self._end = end

    def prepare(self, what: str, done: int, count: int) -> None:  # noqa: ARG002
        self._look()

    def begin(self, beginning: Beginning) -> None:  # noqa: ARG002
        self._look()

    def batch(self, done: int, count: int, loss: float) -> None:  # noqa: ARG002
        self._look()

    def epoch(self, epoch: Epoch, seconds: float, best: bool) -> None:  # noqa: ARG002
        self._look()

    def _look(self) -> None:
        if self._end.poll():
            raise KeyboardInterrupt
