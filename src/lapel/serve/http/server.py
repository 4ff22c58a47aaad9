"""The server: all its connections, what they hold together, and their end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from .connection import Connection
from .messages import Bounds, Service

_SWEEP = 0.25  # seconds between looks for connections whose time is over


@dataclass
class HttpServer:
    """Connections, and the service that answers what comes in on them; `lost` is told of each that ends."""

    service: Service
    bounds: Bounds = field(default_factory=Bounds)
    lost: Callable[[], None] = lambda: None
    connections: set[Connection] = field(default_factory=set)
    held: int = 0  # bytes of bodies that are in memory or promised
    closing: bool = False
    _prefix: str = field(default_factory=lambda: os.urandom(4).hex())
    _counted: int = 0
    _second: int = 0
    _date: bytes = b""
    _sweeper: asyncio.TimerHandle | None = None

    def connection(self) -> Connection:
        """The protocol for a new connection."""
        return Connection(self)

    def start(self) -> None:
        """Begin to look for connections whose time is over. Needs a running event loop."""
        loop = asyncio.get_running_loop()

        def sweep() -> None:
            now = loop.time()
            for connection in list(self.connections):
                connection.check(now)
            self._sweeper = loop.call_later(_SWEEP, sweep)

        sweep()

    async def drain(self, seconds: float) -> None:
        """Take no further request; wait until those that came are answered, and end every connection."""
        self.closing = True
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        for connection in list(self.connections):
            connection.last()
        while self.connections and loop.time() < end:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()
        if self._sweeper:
            self._sweeper.cancel()

    def next_id(self) -> str:
        """A name for a request that has none."""
        self._counted += 1
        return f"{self._prefix}-{self._counted:x}"

    def date(self) -> bytes:
        """The header with the time, made once a second."""
        now = int(asyncio.get_running_loop().time())
        if now != self._second:
            self._second = now
            self._date = f"Date: {formatdate(usegmt=True)}\r\n".encode()
        return self._date
