"""The supervisor: hands connections to workers, starts them anew, and passes messages between them.

A connection goes to the worker that has the fewest, which the kernel's own choice would not see to. The
supervisor loads no model and answers nobody.
"""

from __future__ import annotations

import logging
import mmap
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from ...errors import LapelError, ModelError
from ..telemetry.logs import log_event
from .channel import Channel

_DEATHS, _MINUTE = 5, 60.0  # so many workers that die in that time do so for a reason that a new one shares
_PATIENCE = 30.0  # seconds until workers that do not end are ended

# Lives as a worker: its number, its channel, and what to call whenever a connection has ended.
Start = Callable[[int, Channel, Callable[[], None]], None]


@dataclass
class _Slot:
    """A place for a worker, and the process that has it."""

    number: int
    channel: Channel
    process: int
    ready: bool = False
    assigned: int = 0  # connections, since it began


class Supervisor:
    """Keeps `count` workers; `start` makes a process one of them; `on_ready` is called when all are."""

    def __init__(
        self,
        count: int,
        listening: socket.socket,
        start: Start,
        on_ready: Callable[[], None],
        grace: float,
    ) -> None:
        self._count, self._listening, self._start = count, listening, start
        self._on_ready, self._grace = on_ready, grace
        self._closed = memoryview(mmap.mmap(-1, 8 * count)).cast(
            "Q"
        )  # connections that have ended, by worker
        self._slots: dict[int, _Slot] = {}
        self._selector = selectors.DefaultSelector()
        self._tasks: dict[str, tuple[_Slot, set[int], list[str] | None]] = {}
        self._deaths: list[float] = []
        self._is_ready = False
        self._ends_since = 0.0  # since when, once it was told to end

    def run(self) -> None:
        """Until a signal ends it and all workers are gone. Raises LapelError where they cannot live."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, _ignore) for number in signals}
        signal.set_wakeup_fd(theirs.fileno())
        self._listening.setblocking(False)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._handle_signals(ours.recv(64)))
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        try:
            for number in range(self._count):
                self._fork(number)
            while self._slots:
                for key, _ in self._selector.select(0.2):
                    key.data()
                self._check_deadlines()
        finally:
            for slot in self._slots.values():
                os.kill(slot.process, signal.SIGKILL)
                slot.channel.close()
            signal.set_wakeup_fd(-1)
            self._selector.close()
            for end in (ours, theirs, self._listening):
                end.close()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _fork(self, number: int) -> None:
        ours, theirs = Channel.pair()
        self._closed[number] = 0
        process = os.fork()
        if not process:
            self._run_worker(number, theirs, [ours, *(slot.channel for slot in self._slots.values())])
        theirs.close()
        slot = self._slots[number] = _Slot(number, ours, process)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._receive(slot))

    def _run_worker(self, number: int, channel: Channel, others: Sequence[Channel]) -> NoReturn:
        """Be a worker, to the end of this process."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._listening.close()
        for other in others:
            other.close()

        def count_closed() -> None:
            self._closed[number] += 1

        status = 1
        try:
            self._start(number, channel, count_closed)
            status = 0
        except LapelError as error:
            channel.send({"type": "failed", "error": [error.message, error.hint]})
        except BaseException as error:
            log_event("defect", logging.ERROR, worker=number, error=repr(error))
        finally:
            os._exit(status)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return
        with connection:
            able = [slot for slot in self._slots.values() if slot.ready]
            for slot in sorted(able, key=lambda slot: slot.assigned - self._closed[slot.number]):
                try:
                    slot.channel.send({"type": "connection"}, [connection.fileno()])
                except OSError:
                    continue
                slot.assigned += 1
                return

    def _receive(self, slot: _Slot) -> None:
        received = slot.channel.receive()
        if received is None:
            self._replace(slot)
            return
        for message in received[0]:
            match message["type"]:
                case "ready":
                    slot.ready = True
                    if not self._is_ready and all(one.ready for one in self._slots.values()):
                        self._is_ready = True
                        self._on_ready()
                case "failed":
                    if not self._is_ready:
                        raise ModelError(*message["error"])
                    log_event("worker failed", logging.ERROR, worker=slot.number, error=message["error"][0])
                case "broadcast":
                    self._tasks[message["id"]] = slot, {one.number for one in self._slots.values()}, None
                    for one in self._slots.values():
                        one.channel.send({**message, "type": "run"})
                case "result":
                    self._collect_result(message["id"], slot.number, message["error"])

    def _collect_result(self, name: str, number: int, error: list[str] | None) -> None:
        origin, awaited, before = self._tasks[name]
        self._tasks[name] = origin, awaited - {number}, before or error
        if not self._tasks[name][1]:
            del self._tasks[name]
            if self._slots.get(origin.number) is origin:
                origin.channel.send({"type": "done", "id": name, "error": before or error})

    def _replace(self, slot: _Slot) -> None:
        """A worker is gone: put another in its place, unless all are to go."""
        self._selector.unregister(slot.channel)
        slot.channel.close()
        _, status = os.waitpid(slot.process, 0)
        del self._slots[slot.number]
        for name in [name for name, (_, awaited, _) in self._tasks.items() if slot.number in awaited]:
            self._collect_result(name, slot.number, ["A worker has died.", "Ask again."])
        if self._ends_since:
            return
        now = time.monotonic()
        self._deaths = [death for death in self._deaths if now - death < _MINUTE] + [now]
        log_event("worker died", logging.ERROR, worker=slot.number, status=os.waitstatus_to_exitcode(status))
        if len(self._deaths) >= _DEATHS or not self._is_ready:
            raise LapelError("The workers die again and again.", "What they last said stands above.")
        self._fork(slot.number)

    def _handle_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGHUP:
                self._forward_signal(signal.SIGHUP)
            elif not self._ends_since:
                self._ends_since = time.monotonic()
                self._forward_signal(signal.SIGTERM)
            elif number == signal.SIGINT:
                raise LapelError("Ended before all was answered: Ctrl-C came twice.")

    def _check_deadlines(self) -> None:
        passed = time.monotonic() - self._ends_since if self._ends_since else 0.0
        if passed > self._grace and self._listening.fileno() >= 0:
            self._selector.unregister(self._listening)
            self._listening.close()
        if passed > self._grace + _PATIENCE:
            self._forward_signal(signal.SIGKILL)

    def _forward_signal(self, number: int) -> None:
        for slot in self._slots.values():
            os.kill(slot.process, number)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """What there is to do is read from the wake-up socket."""
