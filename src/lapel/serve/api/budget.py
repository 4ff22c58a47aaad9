"""What one request may cost: its seconds, and the bytes of its body once that is unpacked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..http.messages import Bounds, HttpError, Request, busy
from .encoding import unpack

_MAX_SECONDS = 600.0  # that a client may set


@dataclass
class Budget:
    """Seconds for an answer, where the client says nothing, and bounds for all bodies together."""

    seconds: float = 10.0
    bounds: Bounds = field(default_factory=Bounds)
    on_refusal: Callable[[str], None] = lambda _reason: None
    _held: int = 0  # bytes of bodies that were sent packed, beyond what was sent; and of photos of lessons

    def seconds_left(self, request: Request) -> float:
        """The seconds in which a request must be answered yet. Raises HttpError for a header that is none."""
        text = request.headers.get("x-request-timeout", "")
        try:
            seconds = float(text) if text else self.seconds
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= _MAX_SECONDS:
            raise HttpError(
                "invalid_header",
                f"X-Request-Timeout is {text[:50]}; expected seconds, up to {_MAX_SECONDS:g}.",
            )
        return max(0.001, seconds - (time.perf_counter() - request.received))

    async def unpack(self, request: Request) -> bytes:
        """The body, unpacked where it came packed: that is counted, too, and nobody else waits for it."""
        if "content-encoding" not in request.headers:
            return request.body
        body = await asyncio.to_thread(unpack, request, self.bounds.max_body)
        more = max(0, len(body) - len(request.body))
        self.hold(more)
        request.unpacked = more
        return body

    def hold(self, count: int) -> None:
        """Keep so many bytes beside the bodies that came. Raises HttpError (503) where they are too many."""
        if self._held + count > self.bounds.max_held:
            self.on_refusal("bytes")
            raise busy("too_many_bytes", "More is being sent at once than is taken on.")
        self._held += count

    def drop(self, count: int) -> None:
        """They are no longer kept."""
        self._held -= count

    def release(self, request: Request) -> None:
        """The request is answered: its unpacked body is no longer held."""
        self.drop(request.unpacked)
