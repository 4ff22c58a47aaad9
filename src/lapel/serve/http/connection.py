"""HTTP/1.1 within limits: requests come in whole or not at all, and every connection is given an end.

Parsing is httptools' (llhttp), sockets are asyncio's. What stands here is what both leave open: how much of
what is taken on, how long anybody may take, and what is said to whom sends too much, too slowly or nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

import httptools

from .encode import encode_response
from .ledger import Ledger
from .messages import HttpError, Request, Response, Service, body_too_large, busy, is_refusal_for_now

_LINGER = 2.0  # seconds in which a client that was refused may read why
_PIPELINE = 16  # requests that may wait on one connection
_WRITE_BUFFER = 256 * 1024  # bytes of answers that may wait for a client to read them
_DRAIN_LIMIT = 256 * 1024  # a refused body up to this size is read and dropped, and the connection is kept


@dataclass(slots=True)
class _Entry:
    """A request that waits for its turn, or an answer that does."""

    request: Request
    answer: Response | None
    keep: bool  # whether the connection goes on afterwards
    reserved: int  # bytes


class Connection(asyncio.Protocol):
    """One client. Requests are answered in the order in which they came."""

    def __init__(self, service: Service, ledger: Ledger) -> None:
        self._service, self._ledger, self._bounds = service, ledger, ledger.bounds
        self._loop = asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._pending: deque[_Entry] = deque()
        self._task: asyncio.Task[None] | None = None
        self._delay: asyncio.TimerHandle | None = None  # an answer that waits on purpose
        self._answer_bytes = 0  # held for the request that is being answered
        self._paused = False  # the client does not read its answers
        self._ignores_input = False  # nothing more is wanted from this client
        self._finishing = False  # what was asked is answered, then the connection ends
        self._deadline = 0.0
        self._reset()

    def _reset(self) -> None:
        """Nothing of a request is there."""
        self._reading = False
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_size = 0
        self._request: Request | None = None
        self._length: int | None = None
        self._body = bytearray()
        self._reserved = 0
        self._refusal: HttpError | None = None
        self._started = 0.0

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there: let them speak, or say that there are too many."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        self._ledger.connections.add(self)
        self._deadline = self._loop.time() + self._bounds.head_seconds
        if self._ledger.is_crowded:
            self._service.record_refusal("connections")
            self._end_with(busy("too_many_connections", "There are too many connections."))

    def data_received(self, data: bytes) -> None:
        """Parse what has come, as far as it is wanted."""
        if self._ignores_input:
            return
        in_head = self._request is None
        if in_head:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ignores_input = True  # what follows would be another protocol
            self.finish()
        except httptools.HttpParserError as error:
            if not self._ignores_input:
                self._service.record_refusal("malformed")
                self._end_with(
                    HttpError("malformed_request", f"This is not HTTP/1.1 as it should be ({error}).")
                )
        else:
            if in_head and self._request is None and self._head_size > self._bounds.max_head:
                self._refuse_head()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        self._paused = True
        self._deadline = self._loop.time() + self._bounds.write_seconds

    def resume_writing(self) -> None:
        """It has caught up."""
        self._paused = False
        self._deadline = self._loop.time() + self._bounds.idle_seconds
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Nobody is there any more: drop what they asked."""
        self._ledger.remove(self)
        self._ledger.release(self._reserved + self._answer_bytes)
        self._reserved = self._answer_bytes = 0
        self._ignores_input = True
        self._drop_pending()
        for work in (self._task, self._delay):
            if work:
                work.cancel()

    # Called by httptools.

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._reading = True
        self._started = time.perf_counter()
        self._deadline = self._loop.time() + self._bounds.head_seconds

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which nobody asks for."""
        if self._request is not None or self._ignores_input:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if key in self._headers:
            self._headers[key] += f", {text}"
        elif len(self._headers) < self._bounds.max_headers:
            self._headers[key] = text
        else:
            self._refuse_head()

    def on_headers_complete(self) -> None:
        """All but the body is there: refuse now what is not wanted."""
        if self._ignores_input:
            return
        headers, bounds = self._headers, self._bounds
        path, _, search = self._url.partition(b"?")
        name = self._ledger.request_id(headers.get("x-request-id", ""))
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
        self._deadline = self._loop.time() + bounds.seconds_for(length)
        try:
            if length > bounds.max_body:
                raise self._too_large()
            self._service.gate(self._request, length)
            self._reserve(length)
        except HttpError as error:
            self._refuse(error)
        else:
            if headers.get("expect", "").lower() == "100-continue" and self._transport:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._ignores_input or self._refusal:
            return
        if self._length is None:
            # Of a body of unknown length, each piece is taken on by itself, and buys the time for its bytes.
            self._deadline += len(body) / self._bounds.least_rate
            try:
                if len(self._body) + len(body) > self._bounds.max_body:
                    raise self._too_large()
                self._reserve(len(body))
            except HttpError as error:
                self._refuse(error)
                return
        self._body += body

    def on_message_complete(self) -> None:
        """The request is whole."""
        request = self._request
        if self._ignores_input or request is None:
            return
        request.body = bytes(self._body)
        answer = self._service.error_response(self._refusal, request) if self._refusal else None
        self._pending.append(_Entry(request, answer, self._parser.should_keep_alive(), self._reserved))
        self._reset()
        if len(self._pending) > _PIPELINE:
            self._service.record_refusal("pipeline")
            self.abort()
        else:
            self._next()

    # What follows from it.

    def check(self, now: float) -> None:
        """End what takes too long."""
        answering = (self._task or self._delay) and not self._paused  # that has a deadline of its own
        if answering or now < self._deadline:
            return
        if self._reading and not self._ignores_input and not self._pending:
            self._service.record_refusal("slow")
            self._end_with(
                HttpError("request_timeout", "The request did not come in time.", "Send it faster.")
            )
        else:
            self.abort()

    def finish(self) -> None:
        """Answer what was asked, and end."""
        self._finishing = True
        if not (self._task or self._delay or self._pending or self._reading):
            self._close()

    def abort(self) -> None:
        """End at once."""
        self._ignores_input = True
        if self._transport:
            self._transport.abort()

    def _next(self) -> None:
        """Answer the next request, if there is one and nothing is in the way."""
        while self._pending and not self._task and not self._delay and not self._paused:
            entry = self._pending.popleft()
            self._answer_bytes = entry.reserved
            if entry.answer is None:
                self._task = self._loop.create_task(self._answer(entry))
            else:
                self._respond(entry, entry.answer)

    async def _answer(self, entry: _Entry) -> None:
        response = await self._service.answer(entry.request)
        self._task = None
        self._respond(entry, response)
        self._next()

    def _respond(self, entry: _Entry, response: Response) -> None:
        if is_refusal_for_now(response):
            self._delay = self._loop.call_later(self._bounds.pause, self._send_delayed, entry, response)
        else:
            self._send(entry, response)

    def _send_delayed(self, entry: _Entry, response: Response) -> None:
        self._delay = None
        self._send(entry, response)
        self._next()

    def _send(self, entry: _Entry, response: Response) -> None:
        self._ledger.release(self._answer_bytes)
        self._answer_bytes = 0
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        keep = entry.keep and not self._finishing and not self._ledger.closing
        transport.write(encode_response(response, entry.request, keep, self._ledger.date_header()))
        self._service.record_answer(entry.request, response.status)
        if not keep:
            self._drop_pending()
            self._close()
        elif not self._reading and not self._paused:
            self._deadline = self._loop.time() + self._bounds.idle_seconds

    def _drop_pending(self) -> None:
        """Drop what waits to be answered."""
        self._ledger.release(sum(entry.reserved for entry in self._pending))
        self._pending.clear()

    def _reserve(self, count: int) -> None:
        """Take on that many bytes of a body."""
        try:
            self._ledger.reserve(count)
        except HttpError:
            self._service.record_refusal("bytes")
            raise
        self._reserved += count

    def _too_large(self) -> HttpError:
        self._service.record_refusal("too_large")
        return body_too_large(self._bounds.max_body)

    def _refuse(self, error: HttpError) -> None:
        """Answer with an error and do not hold the body; one that is large is not even read."""
        self._ledger.release(self._reserved)
        self._reserved = 0
        self._body.clear()
        if self._length is None or self._length > _DRAIN_LIMIT or "expect" in self._headers:
            self._end_with(error)
        else:
            self._refusal = error

    def _refuse_head(self) -> None:
        self._service.record_refusal("head")
        self._end_with(HttpError("headers_too_large", "The headers are too many or too long."))

    def _end_with(self, error: HttpError) -> None:
        """Answer what came before, then say what is wrong, and end."""
        self._ledger.release(self._reserved)
        self._reserved = 0
        request = self._request or Request("", "", b"", {}, b"", self._ledger.request_id(), self._started)
        self._ignores_input = True
        self._pending.append(
            _Entry(request, self._service.error_response(error, request), keep=False, reserved=0)
        )
        self._next()

    def _close(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._ignores_input and transport.can_write_eof():
            # A client that is still sending would lose the answer if its bytes met a closed door.
            self._deadline = self._loop.time() + _LINGER
            transport.write_eof()
        else:
            self._ignores_input = True
            self._deadline = self._loop.time() + self._bounds.write_seconds
            transport.close()
