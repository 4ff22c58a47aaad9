"""The supervisor: hands connections to workers, starts them anew, and carries the word between them.

A connection goes to the worker that has the fewest, which the kernel's own choice would not see to. The
supervisor loads no model and answers nobody.
"""

from __future__ import annotations

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
from ..telemetry.logs import Log
from .channel import Channel

_DEATHS, _MINUTE = 5, 60.0  # so many workers that die in that time do so for a reason that a new one shares
_PATIENCE = 30.0  # seconds until workers that do not end are ended

# Lives as a worker: its number, its channel, and what to call whenever a connection has ended.
Start = Callable[[int, Channel, Callable[[], None]], None]


@dataclass
class _Place:
    """A place for a worker, and who has it."""

    number: int
    channel: Channel
    process: int
    ready: bool = False
    given: int = 0  # connections


class Supervisor:
    """Keeps `count` workers; `start` makes a process one of them, and `ready` is told when all are."""

    def __init__(
        self,
        count: int,
        listening: socket.socket,
        start: Start,
        ready: Callable[[], None],
        log: Log,
        grace: float,
    ) -> None:
        self._count, self._listening, self._start, self._ready = count, listening, start, ready
        self._log, self._grace = log, grace
        self._lost = memoryview(mmap.mmap(-1, 8 * count)).cast("Q")  # connections that have ended, by worker
        self._places: dict[int, _Place] = {}
        self._selector = selectors.DefaultSelector()
        self._tasks: dict[str, tuple[_Place, set[int], list[str] | None]] = {}
        self._deaths: list[float] = []
        self._told_ready = False
        self._ending = 0.0  # since when, once it was told to end

    def live(self) -> None:
        """Until a signal ends it and all workers are gone. Raises LapelError where they cannot live."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, _noted) for number in signals}
        signal.set_wakeup_fd(theirs.fileno())
        self._listening.setblocking(False)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._signalled(ours.recv(64)))
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        try:
            for number in range(self._count):
                self._begin(number)
            while self._places:
                for key, _ in self._selector.select(0.2):
                    key.data()
                self._look_at_the_clock()
        finally:
            for place in self._places.values():
                os.kill(place.process, signal.SIGKILL)
                place.channel.close()
            signal.set_wakeup_fd(-1)
            self._selector.close()
            for end in (ours, theirs, self._listening):
                end.close()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _begin(self, number: int) -> None:
        ours, theirs = Channel.pair()
        self._lost[number] = 0
        process = os.fork()
        if not process:
            self._become(number, theirs, [ours, *(place.channel for place in self._places.values())])
        theirs.close()
        place = self._places[number] = _Place(number, ours, process)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(place))

    def _become(self, number: int, channel: Channel, others: Sequence[Channel]) -> NoReturn:
        """Be a worker, to the end of this process."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._listening.close()
        for other in others:
            other.close()

        def lose() -> None:
            self._lost[number] += 1

        status = 1
        try:
            self._start(number, channel, lose)
            status = 0
        except LapelError as error:
            channel.say({"say": "failed", "error": [error.message, error.hint]})
        except BaseException as error:
            self._log.say("defect", worker=number, error=repr(error))
        finally:
            os._exit(status)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return
        with connection:
            able = [place for place in self._places.values() if place.ready]
            for place in sorted(able, key=lambda place: place.given - self._lost[place.number]):
                try:
                    place.channel.say({"say": "take"}, [connection.fileno()])
                except OSError:
                    continue
                place.given += 1
                return

    def _hear(self, place: _Place) -> None:
        heard = place.channel.hear()
        if heard is None:
            self._buried(place)
            return
        for message in heard[0]:
            match message["say"]:
                case "ready":
                    place.ready = True
                    if not self._told_ready and all(one.ready for one in self._places.values()):
                        self._told_ready = True
                        self._ready()
                case "failed":
                    if not self._told_ready:
                        raise ModelError(*message["error"])
                    self._log.say("worker failed", worker=place.number, error=message["error"][0])
                case "all":
                    self._tasks[message["id"]] = place, {one.number for one in self._places.values()}, None
                    for one in self._places.values():
                        one.channel.say({**message, "say": "do"})
                case "did":
                    self._did(message["id"], place.number, message["error"])

    def _did(self, name: str, number: int, error: list[str] | None) -> None:
        asking, waited, before = self._tasks[name]
        self._tasks[name] = asking, waited - {number}, before or error
        if not self._tasks[name][1]:
            del self._tasks[name]
            if self._places.get(asking.number) is asking:
                asking.channel.say({"say": "done", "id": name, "error": before or error})

    def _buried(self, place: _Place) -> None:
        """A worker is gone: put another in its place, unless all are to go."""
        self._selector.unregister(place.channel)
        place.channel.close()
        _, status = os.waitpid(place.process, 0)
        del self._places[place.number]
        for name in [name for name, (_, waited, _) in self._tasks.items() if place.number in waited]:
            self._did(name, place.number, ["A worker has died.", "Ask again."])
        if self._ending:
            return
        now = time.monotonic()
        self._deaths = [death for death in self._deaths if now - death < _MINUTE] + [now]
        self._log.say("worker died", worker=place.number, status=os.waitstatus_to_exitcode(status))
        if len(self._deaths) >= _DEATHS or not self._told_ready:
            raise LapelError("The workers die again and again.", "What they last said stands above.")
        self._begin(place.number)

    def _signalled(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGHUP:
                self._pass_on(signal.SIGHUP)
            elif not self._ending:
                self._ending = time.monotonic()
                self._pass_on(signal.SIGTERM)
            elif number == signal.SIGINT:
                raise LapelError("Ended before all was answered: Ctrl-C came twice.")

    def _look_at_the_clock(self) -> None:
        passed = time.monotonic() - self._ending if self._ending else 0.0
        if passed > self._grace and self._listening.fileno() >= 0:
            self._selector.unregister(self._listening)
            self._listening.close()
        if passed > self._grace + _PATIENCE:
            self._pass_on(signal.SIGKILL)

    def _pass_on(self, number: int) -> None:
        for place in self._places.values():
            os.kill(place.process, number)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """What there is to do is read from the wake-up socket."""
