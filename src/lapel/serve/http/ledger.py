"""What all connections of a server share: who is there, what they hold together, and when it closes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Protocol

from .messages import Bounds, busy

_ID_LENGTH = 128


class Client(Protocol):
    """A connection as the server sees it."""

    def check(self, now: float) -> None:
        """End what takes too long."""

    def finish(self) -> None:
        """Answer what came, and end."""

    def abort(self) -> None:
        """End at once."""


@dataclass
class Ledger:
    """Counts what is taken on, within the bounds; `on_close` is called for each connection that ends."""

    bounds: Bounds = field(default_factory=Bounds)
    on_close: Callable[[], None] = lambda: None
    connections: set[Client] = field(default_factory=set)
    reserved: int = 0  # bytes of bodies that are in memory or promised
    closing: bool = False
    _prefix: str = field(default_factory=lambda: os.urandom(4).hex())
    _count: int = 0
    _second: int = 0
    _date: bytes = b""

    @property
    def is_crowded(self) -> bool:
        """Whether more clients are there than are wanted."""
        return len(self.connections) > self.bounds.max_connections

    def remove(self, client: Client) -> None:
        """A connection has ended."""
        self.connections.discard(client)
        self.on_close()

    def reserve(self, count: int) -> None:
        """Take on that many bytes of a body. Raises HttpError where they are too many, with all others."""
        if self.reserved + count > self.bounds.max_held:
            raise busy("too_many_bytes", "More is being sent at once than is taken on.")
        self.reserved += count

    def release(self, count: int) -> None:
        """That many bytes are no longer held."""
        self.reserved -= count

    def request_id(self, sent: str = "") -> str:
        """The id of a request: what the client calls it, or a new one where that is nothing to be called."""
        if 0 < len(sent) <= _ID_LENGTH and sent.isascii() and sent.isprintable():
            return sent
        self._count += 1
        return f"{self._prefix}-{self._count:x}"

    def date_header(self) -> bytes:
        """The header with the time, made once a second."""
        now = int(asyncio.get_running_loop().time())
        if now != self._second:
            self._second = now
            self._date = f"Date: {formatdate(usegmt=True)}\r\n".encode()
        return self._date
