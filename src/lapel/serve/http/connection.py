"""HTTP/1.1 within limits: requests come in whole or not at all, and every connection is given an end.

Parsing is httptools' (llhttp), sockets are asyncio's. What stands here is what both leave open: how much of
what is taken on, how long anybody may take, and what is said to whom sends too much, too slowly or nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools

from .messages import HttpError, Request, Response, busy

if TYPE_CHECKING:
    from .server import HttpServer

_LINGER = 2.0  # seconds in which a client that was refused may read why
_PIPELINE = 16  # requests that may wait on one connection
_WRITTEN = 256 * 1024  # bytes of answers that may wait for a client to read them
_DRAINED = 256 * 1024  # a refused body up to this size is read and dropped, and the connection is kept
_ID_LENGTH = 128
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True)
class _Entry:
    """A request that waits for its turn, or an answer that does."""

    request: Request
    answer: Response | None
    keep: bool  # whether the connection goes on afterwards
    held: int  # bytes


class Connection(asyncio.Protocol):
    """One client. Requests are answered in the order in which they came."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._pending: deque[_Entry] = deque()
        self._task: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None  # an answer that waits on purpose
        self._serving = 0  # bytes held for the request that is being answered
        self._paused = False  # the client does not read its answers
        self._deaf = False  # nothing more is wanted from this client
        self._ending = False  # what was asked is answered, then the connection ends
        self._deadline = 0.0
        self._begin()

    def _begin(self) -> None:
        """Nothing of a request is there."""
        self._reading = False
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head = 0
        self._request: Request | None = None
        self._length: int | None = None
        self._body = bytearray()
        self._held = 0
        self._refusal: HttpError | None = None
        self._started = 0.0

    # What asyncio says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there: let them speak, or say that there are too many."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITTEN)
        server = self._server
        server.connections.add(self)
        self._deadline = self._loop.time() + server.bounds.head_seconds
        if len(server.connections) > server.bounds.max_connections:
            server.service.refused("connections")
            self._end_with(busy("There are too many connections."))

    def data_received(self, data: bytes) -> None:
        """Parse what has come, as far as it is wanted."""
        if self._deaf:
            return
        in_head = self._request is None
        if in_head:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # what follows would be another protocol; the request itself is answered
            self.last()
        except httptools.HttpParserError as error:
            if not self._deaf:
                self._server.service.refused("malformed")
                self._end_with(HttpError(400, f"This is not HTTP/1.1 as it should be ({error})."))
        else:
            if in_head and self._request is None and self._head > self._server.bounds.max_head:
                self._refuse_head()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        self._paused = True
        self._deadline = self._loop.time() + self._server.bounds.write_seconds

    def resume_writing(self) -> None:
        """It has caught up."""
        self._paused = False
        self._deadline = self._loop.time() + self._server.bounds.idle_seconds
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Nobody is there any more: drop what they asked."""
        self._server.connections.discard(self)
        self._server.lost()
        self._server.held -= self._held + self._serving
        self._held = self._serving = 0
        self._deaf = True
        self._forget()
        for work in (self._task, self._later):
            if work:
                work.cancel()

    # What httptools says.

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._reading = True
        self._started = time.perf_counter()
        self._deadline = self._loop.time() + self._server.bounds.head_seconds

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which nobody asks for."""
        if self._request is not None or self._deaf:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if key in self._headers:
            self._headers[key] += f", {text}"
        elif len(self._headers) < self._server.bounds.max_headers:
            self._headers[key] = text
        else:
            self._refuse_head()

    def on_headers_complete(self) -> None:
        """All but the body is there: refuse now what is not wanted."""
        if self._deaf:
            return
        headers, server, bounds = self._headers, self._server, self._server.bounds
        path, _, search = self._url.partition(b"?")
        name = headers.get("x-request-id", "")
        if not 0 < len(name) <= _ID_LENGTH or not (name.isascii() and name.isprintable()):
            name = server.next_id()
        self._request = Request(
            self._parser.get_method().decode(),
            unquote(path.decode("latin-1")),
            search,
            headers,
            b"",
            name,
            self._started,
        )
        self._length = None if "transfer-encoding" in headers else int(headers.get("content-length", 0))
        length = self._length or 0
        self._deadline = self._loop.time() + bounds.body_seconds + length / bounds.least_rate
        try:
            if length > bounds.max_body:
                raise self._too_large()
            server.service.gate(self._request, length)
            self._hold(length)
        except HttpError as error:
            self._refuse(error)
        else:
            if headers.get("expect", "").lower() == "100-continue" and self._transport:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._deaf or self._refusal:
            return
        if self._length is None:
            # Of a body of unknown length, each piece is taken on by itself, and buys the time for its bytes.
            self._deadline += len(body) / self._server.bounds.least_rate
            try:
                if len(self._body) + len(body) > self._server.bounds.max_body:
                    raise self._too_large()
                self._hold(len(body))
            except HttpError as error:
                self._refuse(error)
                return
        self._body += body

    def on_message_complete(self) -> None:
        """The request is whole."""
        request = self._request
        if self._deaf or request is None:
            return
        request.body = bytes(self._body)
        answer = self._server.service.failure(self._refusal, request) if self._refusal else None
        self._pending.append(_Entry(request, answer, self._parser.should_keep_alive(), self._held))
        self._begin()
        if len(self._pending) > _PIPELINE:
            self._server.service.refused("pipeline")
            self.abort()
        else:
            self._next()

    # What follows from it.

    def check(self, now: float) -> None:
        """End what takes too long."""
        answering = (self._task or self._later) and not self._paused  # that has a deadline of its own
        if answering or now < self._deadline:
            return
        if self._reading and not self._deaf and not self._pending:
            self._server.service.refused("slow")
            self._end_with(HttpError(408, "The request did not come in time.", "Send it faster."))
        else:
            self.abort()

    def last(self) -> None:
        """Answer what was asked, and end."""
        self._ending = True
        if not (self._task or self._later or self._pending or self._reading):
            self._close()

    def abort(self) -> None:
        """End at once."""
        self._deaf = True
        if self._transport:
            self._transport.abort()

    def _next(self) -> None:
        """Answer the next request, if there is one and nothing is in the way."""
        while self._pending and not self._task and not self._later and not self._paused:
            entry = self._pending.popleft()
            self._serving = entry.held
            if entry.answer is None:
                self._task = self._loop.create_task(self._answer(entry))
            else:
                self._answered(entry, entry.answer)

    async def _answer(self, entry: _Entry) -> None:
        response = await self._server.service.answer(entry.request)
        self._task = None
        self._answered(entry, response)
        self._next()

    def _answered(self, entry: _Entry, response: Response) -> None:
        if response.status == 503 and "Retry-After" in dict(response.headers):
            self._later = self._loop.call_later(self._server.bounds.pause, self._send_late, entry, response)
        else:
            self._send(entry, response)

    def _send_late(self, entry: _Entry, response: Response) -> None:
        self._later = None
        self._send(entry, response)
        self._next()

    def _send(self, entry: _Entry, response: Response) -> None:
        self._server.held -= self._serving
        self._serving = 0
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        keep = entry.keep and not self._ending and not self._server.closing
        transport.write(self._encoded(response, entry.request, keep))
        self._server.service.sent(entry.request, response.status)
        if not keep:
            self._forget()
            self._close()
        elif not self._reading and not self._paused:
            self._deadline = self._loop.time() + self._server.bounds.idle_seconds

    def _forget(self) -> None:
        """Drop what waits to be answered."""
        self._server.held -= sum(entry.held for entry in self._pending)
        self._pending.clear()

    def _encoded(self, response: Response, request: Request, keep: bool) -> bytes:
        head = (
            f"HTTP/1.1 {response.status} {_PHRASES.get(response.status, '')}\r\n"
            f"Content-Type: {response.type}\r\n"
            f"Content-Length: {len(response.body)}\r\n"
            f"X-Request-Id: {request.id}\r\n"
            "X-Content-Type-Options: nosniff\r\n"
        )
        for key, value in response.headers:
            head += f"{key}: {value}\r\n"
        if not keep:
            head += "Connection: close\r\n"
        body = b"" if request.method == "HEAD" else response.body
        return b"%s%s\r\n%s" % (head.encode("latin-1"), self._server.date(), body)

    def _hold(self, count: int) -> None:
        """Take on that many bytes of a body."""
        server = self._server
        if server.held + count > server.bounds.max_held:
            server.service.refused("bytes")
            raise busy("More is being sent at once than is taken on.")
        server.held += count
        self._held += count

    def _too_large(self) -> HttpError:
        self._server.service.refused("too_large")
        return HttpError(
            413,
            f"The request has more than {self._server.bounds.max_body:,} bytes.",
            "Send fewer or smaller photos at once.",
        )

    def _refuse(self, error: HttpError) -> None:
        """Answer with an error and do not hold the body; one that is large is not even read."""
        self._server.held -= self._held
        self._held = 0
        self._body.clear()
        if self._length is None or self._length > _DRAINED or "expect" in self._headers:
            self._end_with(error)
        else:
            self._refusal = error

    def _refuse_head(self) -> None:
        self._server.service.refused("head")
        self._end_with(HttpError(431, "The headers are too many or too long."))

    def _end_with(self, error: HttpError) -> None:
        """Answer what came before, then say what is wrong, and end."""
        server = self._server
        server.held -= self._held
        self._held = 0
        request = self._request or Request("", "", b"", {}, b"", server.next_id(), self._started)
        self._deaf = True
        self._pending.append(_Entry(request, server.service.failure(error, request), keep=False, held=0))
        self._next()

    def _close(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._deaf and transport.can_write_eof():
            # A client that is still sending would lose the answer if its bytes met a closed door.
            self._deadline = self._loop.time() + _LINGER
            transport.write_eof()
        else:
            self._deaf = True
            self._deadline = self._loop.time() + self._server.bounds.write_seconds
            transport.close()
