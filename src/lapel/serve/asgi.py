"""The service as an ASGI application: for uvicorn and its like, or mounted in a program of your own.

>>> labels = app("photo")                                     # doctest: +SKIP
>>> site = Starlette(routes=[Mount("/labels", app=labels)])   # doctest: +SKIP

What a request may hold and cost is bounded as in `lapel serve`; how many clients there may be, how long their
headers, and how slowly they may read is for the server around it to say.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ..errors import LapelError
from ..runtime import cores
from .api.app import App
from .api.routes import LABELS
from .http.auth import Auth
from .http.ledger import Ledger
from .http.messages import Bounds, HttpError, Request, Response, body_too_large, is_refusal_for_now
from .inference.models import read_sources
from .settings import Settings
from .telemetry.registry import Telemetry

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_MODELS = "photo,wardrobe,fashion-mnist"


def app(
    *models: str,
    auth: Auth | None = None,
    bounds: Bounds | None = None,
    threads: int | None = None,
    queue: int = 32,
    seconds: float = 10.0,
    teach: bool = False,
) -> AsgiApp:
    """An application that serves models, each "name=file", a file, or the name of one that comes with Lapel.

    Where none is given, those of LAPEL_MODELS are served, with commas between them; the token is that of
    LAPEL_TOKEN where `auth` says nothing. With `teach`, own classes can be taught: they live in one
    process, which must be the only one. Raises ModelError where a model cannot be loaded.
    """
    names = models or tuple(os.environ.get("LAPEL_MODELS", _MODELS).split(","))
    return AsgiApp(
        Settings(
            models=read_sources(names),
            threads=threads or cores(),
            queue=queue,
            seconds=seconds,
            auth=auth or Auth(os.environ.get("LAPEL_TOKEN", "")),
            bounds=bounds or Bounds(),
            teach=teach,
        )
    )


class AsgiApp:
    """Hands requests to the service. Its threads start with the first event, and end with the lifespan."""

    def __init__(self, settings: Settings) -> None:
        telemetry = Telemetry(LABELS, list(settings.models))
        self._service = App.from_settings(settings, telemetry)
        self._ledger = Ledger(settings.bounds)
        self._loop: asyncio.AbstractEventLoop | None = None  # that the threads answer to

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One event loop's worth of life, or one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            self._start()
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            raise LapelError(f"Expected http or lifespan; {scope['type']} came.")

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            self._start()
            await send({"type": "lifespan.startup.complete"})
        self._service.stopping = True
        await asyncio.to_thread(self._service.stop)
        self._loop = None
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self) -> None:
        """Start the threads; a program that mounts this may not hand its lifespan on."""
        if self._loop is not asyncio.get_running_loop():
            self._service.stop()
            self._service.stopping = False
            self._service.batcher.start()
            self._loop = asyncio.get_running_loop()

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        request, body, response = self._request(scope), bytearray(), None
        service = self._service
        try:
            if await self._read(request, body, receive):
                request.body = bytes(body)
                response = await _unless_gone(service.answer(request), receive)
        except HttpError as error:
            response = service.error_response(error, request)
        finally:
            self._ledger.release(len(body))
            service.recorder.set_gauge("queue_photos", service.batcher.pending)
            service.recorder.set_gauge("inflight_bytes", self._ledger.reserved)
        if response is not None:
            await self._send(request, response, send)

    async def _read(self, request: Request, body: bytearray, receive: Receive) -> bool:
        """Put the body into `body`, all of which is reserved; false where the client goes away before.

        Raises HttpError for a request that is not wanted, and for a body that is too large or too slow.
        """
        bounds, text = self._ledger.bounds, request.headers.get("content-length", "")
        length = int(text) if text.isdecimal() else 0
        if length > bounds.max_body:
            raise self._too_large()
        self._service.gate(request, length)
        try:
            async with asyncio.timeout(bounds.seconds_for(length)) as limit:
                while (message := await receive())["type"] != "http.disconnect":
                    self._take(body, message.get("body", b""))
                    if not message.get("more_body", False):
                        return True
                    if not length:  # it was not announced, so that each piece buys the time for its bytes
                        seconds = len(message.get("body", b"")) / bounds.least_rate
                        limit.reschedule((limit.when() or 0) + seconds)
        except TimeoutError as error:
            self._service.record_refusal("slow")
            text = "The request did not come in time."
            raise HttpError("request_timeout", text, "Send it faster.") from error
        return False

    def _take(self, body: bytearray, piece: bytes) -> None:
        if len(body) + len(piece) > self._ledger.bounds.max_body:
            raise self._too_large()
        try:
            self._ledger.reserve(len(piece))
        except HttpError:
            self._service.record_refusal("bytes")
            raise
        body += piece

    async def _send(self, request: Request, response: Response, send: Send) -> None:
        if is_refusal_for_now(response):
            await asyncio.sleep(self._ledger.bounds.pause)
        headers = (
            ("Content-Type", response.type),
            ("Content-Length", str(len(response.body))),
            ("X-Request-Id", request.id),
            ("X-Content-Type-Options", "nosniff"),
            *response.headers,
        )
        raw = [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in headers]
        await send({"type": "http.response.start", "status": response.status, "headers": raw})
        body = b"" if request.method == "HEAD" else response.body
        await send({"type": "http.response.body", "body": body})
        self._service.record_answer(request, response.status)

    def _request(self, scope: Message) -> Request:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return Request(
            scope["method"],
            scope["path"].removeprefix(scope.get("root_path", "")),
            scope.get("query_string", b""),
            headers,
            b"",
            self._ledger.request_id(headers.get("x-request-id", "")),
            time.perf_counter(),
        )

    def _too_large(self) -> HttpError:
        self._service.record_refusal("too_large")
        return body_too_large(self._ledger.bounds.max_body)


async def _unless_gone(work: Awaitable[Response], receive: Receive) -> Response | None:
    """What the work gives; where the client goes away before, it is given up."""

    async def wait_until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    answer, gone = asyncio.ensure_future(work), asyncio.ensure_future(wait_until_gone())
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() and gone.exception() is None:
            return None
        return await answer  # a server that cannot be asked whether the client is there is no reason to end
    finally:
        answer.cancel()
        gone.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)
