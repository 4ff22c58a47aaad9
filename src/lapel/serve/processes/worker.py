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
from typing import Any

from ...errors import LapelError, ModelError
from ..api.app import App
from ..http.ledger import Ledger
from ..http.server import HttpServer
from ..settings import Settings
from ..telemetry.logs import log_event
from ..telemetry.registry import Telemetry
from .channel import Channel

BACKLOG = 1024  # connections that may wait to be accepted
_ARENA_MAX = -8  # of glibc's mallopt
_DRAIN_SECONDS = 25.0  # seconds in which what was taken on is answered when the service ends


class Worker:
    """Answers connections: those that it accepts itself, or that come over a channel from the supervisor."""

    def __init__(
        self,
        settings: Settings,
        telemetry: Telemetry,
        *,
        number: int = 0,
        on_ready: Callable[[], None],
        listening: socket.socket | None = None,
        channel: Channel | None = None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings, self._telemetry, self._number = settings, telemetry, number
        self._listening, self._channel = listening, channel
        self._on_ready, self._on_close = on_ready, on_close
        self._stop = asyncio.Event()
        self._broadcasts: dict[str, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """From loading the models to the last answer."""
        settings, loop = self._settings, asyncio.get_running_loop()
        _keep_few_heaps()
        app = App.from_settings(settings, self._telemetry, self._number)
        self._models = app.models
        self._server = HttpServer(app, Ledger(settings.bounds, self._on_close))
        self._signals(loop)
        app.batcher.start()
        self._server.start()
        listener = None
        if self._listening:
            listener = await loop.create_server(
                self._server.connection, sock=self._listening, backlog=BACKLOG
            )
        if self._channel:
            self._models.broadcast = self._broadcast
            loop.add_reader(self._channel, self._receive)
        self._spawn(self._update_gauges(app))
        # What is there now stays: it need not be looked through again for what has gone.
        gc.collect()
        gc.freeze()
        self._on_ready()
        await self._stop.wait()
        app.stopping = self._server.ledger.closing = True
        await asyncio.sleep(settings.grace)
        if listener:
            listener.close()
        await self._server.drain(_DRAIN_SECONDS)
        app.stop()

    def _signals(self, loop: asyncio.AbstractEventLoop) -> None:
        def stop_or_exit() -> None:
            if self._stop.is_set():
                os._exit(130)  # Ctrl-C twice
            self._stop.set()

        with contextlib.suppress(NotImplementedError):  # Windows ends the loop by an exception
            loop.add_signal_handler(signal.SIGTERM, self._stop.set)
            loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload()))
            if self._channel:
                loop.add_signal_handler(signal.SIGINT, lambda: None)  # the supervisor has it, too
            else:
                loop.add_signal_handler(signal.SIGINT, stop_or_exit)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _update_gauges(self, app: App) -> None:
        """Write down every second how much there is."""
        while True:
            app.recorder.set_gauge("queue_photos", app.batcher.pending)
            app.recorder.set_gauge("connections", len(self._server.ledger.connections))
            app.recorder.set_gauge("inflight_bytes", self._server.ledger.reserved)
            await asyncio.sleep(1)

    async def _reload(self) -> None:
        for name in self._models.names:
            try:
                await self._models.load_local(name)
            except LapelError as error:
                log_event("not reloaded", model=name, error=error.message)
            else:
                log_event("reloaded", model=name)

    # Messages from the supervisor, and to it.

    def _receive(self) -> None:
        assert self._channel is not None
        received = self._channel.receive()
        if received is None:  # the supervisor is gone
            asyncio.get_running_loop().remove_reader(self._channel)
            self._stop.set()
            return
        messages, descriptors = received
        for descriptor in descriptors:
            self._spawn(self._accept(socket.socket(fileno=descriptor)))
        for message in messages:
            if message["type"] == "run":
                self._spawn(self._run_task(message))
            elif message["type"] == "done" and (future := self._broadcasts.pop(message["id"], None)):
                if message["error"]:
                    future.set_exception(ModelError(*message["error"]))
                else:
                    future.set_result(None)

    async def _accept(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._server.connection, connection)
        except OSError:  # it is gone already
            connection.close()
            self._on_close()

    async def _run_task(self, message: dict[str, Any]) -> None:
        error = None
        try:
            work = self._models.load_local if message["verb"] == "load" else self._models.unload_local
            await work(message["model"])
        except LapelError as failure:
            error = [failure.message, failure.hint]
        self._send({"type": "result", "id": message["id"], "error": error})

    async def _broadcast(self, verb: str, model: str) -> None:
        """Have every worker do something with a model, this one too."""
        name = os.urandom(8).hex()
        self._broadcasts[name] = asyncio.get_running_loop().create_future()
        self._send({"type": "broadcast", "id": name, "verb": verb, "model": model})
        await self._broadcasts[name]

    def _send(self, message: dict[str, Any]) -> None:
        assert self._channel is not None
        self._channel.send(message)


def _keep_few_heaps() -> None:
    """Have all threads share two heaps: photos of all sizes leave holes in each, which add up."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # other systems have no such thing
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 2)
