"""A worker: the process that loads models and answers connections."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...errors import LapelError, ModelError
from ..api.app import App
from ..http.server import HttpServer
from ..inference.batcher import Batcher
from ..inference.models import Loaded, Models
from ..telemetry.counters import Recorder
from ..telemetry.registry import Telemetry
from .channel import Channel

if TYPE_CHECKING:
    from ..service import Settings

BACKLOG = 1024  # connections that may wait to be accepted
_ARENA_MAX = -8  # of glibc's mallopt
_LAST_WORD = 25.0  # seconds in which what was taken on is answered when the service ends


class Worker:
    """Answers connections: those that it accepts itself, or that come over a channel from the supervisor."""

    def __init__(
        self,
        settings: Settings,
        telemetry: Telemetry,
        *,
        number: int = 0,
        ready: Callable[[], None],
        listening: socket.socket | None = None,
        channel: Channel | None = None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings, self._log = settings, settings.log
        self._telemetry, self._number = telemetry, number
        self._listening, self._channel, self._say_ready, self._lost = listening, channel, ready, lost
        self._stop = asyncio.Event()
        self._asked: dict[str, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def live(self) -> None:
        """From loading the models to the last answer."""
        settings, loop = self._settings, asyncio.get_running_loop()
        _keep_few_heaps()
        recorder = self._telemetry.worker(self._number)
        self._models = Models.of(settings.models, settings.limits, self._changed)
        batcher = Batcher(
            settings.threads, -(-settings.queue // settings.workers), recorder.batch, recorder.refused
        )
        app = App(
            *(self._models, batcher, settings.access, self._log, self._telemetry, recorder),
            seconds=settings.seconds,
            bounds=settings.bounds,
        )
        self._server = HttpServer(app, settings.bounds, self._lost)
        self._signals(loop)
        batcher.start()
        self._server.start()
        listener = None
        if self._listening:
            listener = await loop.create_server(
                self._server.connection, sock=self._listening, backlog=BACKLOG
            )
        if self._channel:
            self._models.everywhere = self._ask_all
            loop.add_reader(self._channel, self._hear)
        self._begin(self._measure(batcher, recorder))
        # What is there now stays: it need not be looked through again for what has gone.
        gc.collect()
        gc.freeze()
        self._say_ready()
        await self._stop.wait()
        app.stopping = self._server.closing = True
        await asyncio.sleep(settings.grace)
        if listener:
            listener.close()
        await self._server.drain(_LAST_WORD)
        batcher.stop()

    def _signals(self, loop: asyncio.AbstractEventLoop) -> None:
        def leave_now_or_soon() -> None:
            if self._stop.is_set():
                os._exit(130)  # Ctrl-C twice
            self._stop.set()

        with contextlib.suppress(NotImplementedError):  # Windows ends the loop by an exception
            loop.add_signal_handler(signal.SIGTERM, self._stop.set)
            loop.add_signal_handler(signal.SIGHUP, lambda: self._begin(self._reload()))
            if self._channel:
                loop.add_signal_handler(signal.SIGINT, lambda: None)  # the supervisor has it, too
            else:
                loop.add_signal_handler(signal.SIGINT, leave_now_or_soon)

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _measure(self, batcher: Batcher, recorder: Recorder) -> None:
        """Tell every second how much there is."""
        while True:
            recorder.gauge("queue_photos", batcher.waiting)
            recorder.gauge("connections", len(self._server.connections))
            recorder.gauge("inflight_bytes", self._server.held)
            await asyncio.sleep(1)

    def _changed(self, model: Loaded) -> None:
        if model.tagger:
            self._telemetry.serves(model.name, model.tagger.card, model.tagger.fingerprint)
        else:
            self._telemetry.puts_away(model.name)

    async def _reload(self) -> None:
        for name in self._models.names:
            try:
                await self._models.load_here(name)
            except LapelError as error:
                self._log.say("not reloaded", model=name, error=error.message)
            else:
                self._log.say("reloaded", model=name)

    # What the supervisor says, and is told.

    def _hear(self) -> None:
        assert self._channel is not None
        heard = self._channel.hear()
        if heard is None:  # the supervisor is gone
            asyncio.get_running_loop().remove_reader(self._channel)
            self._stop.set()
            return
        messages, descriptors = heard
        for descriptor in descriptors:
            self._begin(self._take(socket.socket(fileno=descriptor)))
        for message in messages:
            if message["say"] == "do":
                self._begin(self._do(message))
            elif message["say"] == "done" and (asked := self._asked.pop(message["id"], None)):
                if message["error"]:
                    asked.set_exception(ModelError(*message["error"]))
                else:
                    asked.set_result(None)

    async def _take(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._server.connection, connection)
        except OSError:  # it is gone already
            connection.close()
            self._lost()

    async def _do(self, message: dict[str, Any]) -> None:
        error = None
        try:
            do = self._models.load_here if message["verb"] == "load" else self._models.unload_here
            await do(message["model"])
        except LapelError as failed:
            error = [failed.message, failed.hint]
        self._tell({"say": "did", "id": message["id"], "error": error})

    async def _ask_all(self, verb: str, model: str) -> None:
        """Have every worker do something with a model, this one too."""
        name = os.urandom(8).hex()
        self._asked[name] = asyncio.get_running_loop().create_future()
        self._tell({"say": "all", "id": name, "verb": verb, "model": model})
        await self._asked[name]

    def _tell(self, message: dict[str, Any]) -> None:
        assert self._channel is not None
        self._channel.say(message)


def _keep_few_heaps() -> None:
    """Have all threads share two heaps: photos of all sizes leave holes in each, which add up."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # other systems have no such thing
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 2)
