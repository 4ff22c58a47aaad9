"""The server: it makes connections, looks after those whose time is over, and ends them all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from .connection import Connection
from .ledger import Ledger
from .messages import Service

_CHECK_EVERY = 0.25  # seconds between looks for connections whose time is over


@dataclass
class HttpServer:
    """Connections, and the service that answers what comes in on them."""

    service: Service
    ledger: Ledger = field(default_factory=Ledger)
    _timer: asyncio.TimerHandle | None = None

    def connection(self) -> Connection:
        """The protocol for a new connection."""
        return Connection(self.service, self.ledger)

    def start(self) -> None:
        """Begin to look for connections whose time is over. Needs a running event loop."""
        loop = asyncio.get_running_loop()

        def check() -> None:
            now = loop.time()
            for connection in list(self.ledger.connections):
                connection.check(now)
            self._timer = loop.call_later(_CHECK_EVERY, check)

        check()

    async def drain(self, seconds: float) -> None:
        """Take no further request; wait until those that came are answered, and end every connection."""
        ledger = self.ledger
        ledger.closing = True
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        for connection in list(ledger.connections):
            connection.finish()
        while ledger.connections and loop.time() < end:
            await asyncio.sleep(0.01)
        for connection in list(ledger.connections):
            connection.abort()
        if self._timer:
            self._timer.cancel()
