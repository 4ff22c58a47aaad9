"""What is answered to whom: the routes, who may use them, and the words for what goes wrong."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import orjson
from PIL import Image

from ...encode import image_uri, to_image
from ...errors import LapelError, PictureError
from ...explain import heat_map, overlay
from ...tagger import Tag, Tagger, discount_rejects
from ..http.messages import Bounds, HttpError, Request, Response, busy, check_method, json_response
from ..inference.batcher import LARGEST, Batcher, Seen
from ..inference.models import Models
from ..telemetry.counters import Recorder
from ..telemetry.logs import Log
from ..telemetry.prometheus import CONTENT_TYPE
from ..telemetry.registry import Telemetry
from .auth import Access
from .encoding import inflated
from .open_inference import V2
from .openapi import docs_page, document
from .uploads import photos_of

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

# What requests are counted by.
ROUTES = (
    *("/", "/page", "/tag", "/model", "/models", "/v2", "/v2/infer"),
    *("/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"),
)
PAGE = Path(__file__).parents[2] / "page"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_PAGE_HEADERS = (
    ("Content-Security-Policy", CONTENT_POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(self), microphone=(), geolocation=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
_LARGE = 1 << 20  # bytes; a body from this size on is taken apart beside the event loop
_EXPLAINED = 8  # photos in one request that are explained
_LONGEST = 600.0  # seconds that a client may set


@dataclass
class App:
    """Answers requests."""

    models: Models
    batcher: Batcher
    access: Access
    log: Log
    telemetry: Telemetry
    recorder: Recorder
    seconds: float = 10.0  # for an answer, where the client says nothing
    bounds: Bounds = field(default_factory=Bounds)
    stopping: bool = False
    _held: int = 0  # bytes of bodies that were sent packed, beyond what was sent
    _v2: V2 = field(init=False)
    _routes: dict[str, tuple[str, Handler]] = field(default_factory=dict)
    _files: dict[str, Response] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._v2 = V2(
            self.models, self.batcher, self.left, lambda: self.ready, self._unpacked, self.recorder.photo
        )
        self._routes = {
            "/tag": ("POST", self._tag),
            "/model": ("GET", self._model),
            "/models": ("GET", self._list),
            "/health/live": ("GET", self._live),
            "/health/ready": ("GET", self._ready),
            "/metrics": ("GET", self._metrics),
        }
        self._files = {
            f"/page/{path.name}": _static(path.read_bytes(), path.suffix) for path in sorted(PAGE.iterdir())
        }
        self._files["/"] = self._files.pop("/page/index.html")
        about = document()
        self._files["/openapi.json"] = _static(orjson.dumps(about), ".json")
        self._files["/docs"] = _static(docs_page(about), ".html")

    @property
    def ready(self) -> bool:
        """Whether requests should come here."""
        return self.models.ready and not self.stopping

    def gate(self, request: Request, length: int) -> None:
        """Refuse what need not be read: requests of strangers, and photos while there are too many."""
        if request.path in self._files or request.path.startswith(("/health/", "/v2/health/")):
            return
        if request.method != "OPTIONS":
            self.access.check(request)
        if length and (request.path == "/tag" or request.path.endswith("/infer")):
            self.batcher.admit()

    async def answer(self, request: Request) -> Response:
        """Answer a request; whatever goes wrong is an answer, too."""
        try:
            if request.method == "OPTIONS":
                response = self.access.preflight(request)
            else:
                response = await self._handler(request)(request)
        except HttpError as error:
            return self.failure(error, request)
        except LapelError as error:
            self.log.say("failed", id=request.id, path=request.path, error=error.message)
            return self.failure(HttpError(500, error.message, error.hint), request)
        except Exception as error:  # a defect; the client is told no more than that
            self.log.say("defect", id=request.id, path=request.path, error=repr(error))
            return self.failure(HttpError(500, "Something is wrong here."), request)
        finally:
            self._held -= request.unpacked
        response.headers += self.access.shared(request)  # each response is one request's own
        return response

    def failure(self, error: HttpError, request: Request) -> Response:
        """An error as an answer."""
        told = {"error": error.message, "hint": error.hint, "id": request.id}
        return json_response(told, error.status, (*error.headers.items(), *self.access.shared(request)))

    def sent(self, request: Request, status: int) -> None:
        """Count an answer, and log it if that is asked for."""
        seconds = time.perf_counter() - request.received
        self.recorder.request(_route(request.path), status, seconds)
        if self.log.requests:
            self.log.say(
                "answered",
                id=request.id,
                method=request.method,
                path=request.path[:200],
                status=status,
                ms=_ms(seconds),
            )

    def refused(self, reason: str) -> None:
        """Count what was not taken on."""
        self.recorder.refused(reason)

    def _handler(self, request: Request) -> Handler:
        path = request.path
        if path.startswith("/v2"):
            return self._v2.answer
        handler: Handler
        if path in self._files:
            method, handler = "GET", self._static
        elif path in self._routes:
            method, handler = self._routes[path]
        else:
            raise HttpError(404, f"There is nothing at {path[:200]}.", "What there is: /docs")
        check_method(request, method)
        return handler

    def left(self, request: Request) -> float:
        """The seconds in which a request must be answered yet."""
        text = request.headers.get("x-request-timeout", "")
        try:
            seconds = float(text) if text else self.seconds
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= _LONGEST:
            raise HttpError(400, f"X-Request-Timeout is {text[:50]}; expected seconds, up to {_LONGEST:g}.")
        return max(0.001, seconds - (time.perf_counter() - request.received))

    async def _unpacked(self, request: Request) -> bytes:
        """The body, unpacked where it came packed: that is counted, too, and nobody else waits for it."""
        if "content-encoding" not in request.headers:
            return request.body
        body = await asyncio.to_thread(inflated, request, self.bounds.max_body)
        more = max(0, len(body) - len(request.body))
        if self._held + more > self.bounds.max_held:
            self.refused("bytes")
            raise busy("More is being sent at once than is taken on.")
        request.unpacked = more
        self._held += more
        return body

    async def _static(self, request: Request) -> Response:
        file = self._files[request.path]
        tag = dict(file.headers)["ETag"]
        known = request.headers.get("if-none-match") == tag
        return Response(304 if known else 200, b"" if known else file.body, file.type, file.headers)

    async def _live(self, _request: Request) -> Response:
        return json_response({"live": True})

    async def _ready(self, _request: Request) -> Response:
        return json_response({"ready": self.ready}, 200 if self.ready else 503)

    async def _metrics(self, _request: Request) -> Response:
        return Response(200, self.telemetry.text().encode(), CONTENT_TYPE, (("Cache-Control", "no-store"),))

    async def _list(self, _request: Request) -> Response:
        models = [{"name": name, "ready": self.models.get(name).ready} for name in self.models.names]
        return json_response({"models": models, "default": self.models.names[0]})

    async def _model(self, request: Request) -> Response:
        name = request.query.get("model")
        tagger = self.models.tagger(name)
        served = {"served_as": self.models.get(name).name, "fingerprint": tagger.fingerprint}
        return json_response({**asdict(tagger.card), **served})

    async def _tag(self, request: Request) -> Response:
        query = request.query
        loaded = self.models.get(query.get("model"))
        tagger = self.models.tagger(loaded.name)
        top = _whole(query, "top", 3, most=len(tagger.card.class_names))
        shown, explained = _yes(query, "picture"), _yes(query, "explain")
        body = await self._unpacked(request)
        work = partial(photos_of, body, request.headers.get("content-type", ""), LARGEST)
        photos = work() if len(body) < _LARGE else await asyncio.to_thread(work)
        if explained and len(photos) > _EXPLAINED:
            raise HttpError(
                400, f"{len(photos)} photos to explain; at most {_EXPLAINED} are, in one request."
            )
        read = time.perf_counter()
        found = await self.batcher.ask(tagger, [data for _, data in photos], self.left(request))
        labelled = time.perf_counter()
        rows = []
        for (name, _), one in zip(photos, found, strict=True):
            result = _tagged(tagger, name, one)
            self.recorder.photo(loaded.name, result)
            rows.append(_row(name, result, top))
        if shown or explained:
            more = await self.batcher.run(
                lambda: [_extras(tagger, one, shown, explained) for one in found], self.left(request)
            )
            for row, extras in zip(rows, more, strict=True):
                row.update(extras)
        now = time.perf_counter()
        timings = {
            "received_ms": _ms(read - request.received),
            "labelled_ms": _ms(labelled - read),
            "total_ms": _ms(now - request.received),
        }
        answer: dict[str, Any] = {"id": request.id, "model": loaded.name, "tags": rows, "timings": timings}
        if all("error" in row for row in rows):
            return json_response({"error": rows[0]["error"], "hint": rows[0]["hint"], **answer}, 400)
        return json_response(answer)


def _tagged(tagger: Tagger, name: str, one: Seen | PictureError) -> Tag | PictureError:
    if isinstance(one, PictureError):
        return PictureError(f"{name}{one.message.removeprefix('bytes')}", one.hint)
    [tag] = tagger.tags([name], one.probabilities[None], one.rejected[None])
    return tag


def _row(name: str, result: Tag | PictureError, top: int) -> dict[str, Any]:
    """What is answered for one photo."""
    if isinstance(result, PictureError):
        return {"source": name, "error": result.message, "hint": result.hint}
    return result.to_dict(top)


def _extras(tagger: Tagger, one: Seen | PictureError, shown: bool, explained: bool) -> dict[str, Any]:
    """The picture that the model saw, and what in it mattered."""
    if isinstance(one, PictureError):
        return {}
    extras: dict[str, Any] = {}
    if shown:
        extras["picture"] = image_uri(to_image(one.picture))
    if explained:
        found = heat_map(
            lambda pictures: discount_rejects(*tagger.answers(pictures)),
            one.picture,
            int(one.probabilities.argmax()),
        )
        extras["heat"] = image_uri(Image.fromarray(overlay(found.heat)))
        extras["fall"] = found.fall
    return extras


def _static(data: bytes, ending: str) -> Response:
    mark = hashlib.sha256(data).hexdigest()[:16]
    headers = (*_PAGE_HEADERS, ("Cache-Control", "no-cache"), ("ETag", f'"{mark}"'))
    return Response(200, data, _TYPES[ending], headers)


def _route(path: str) -> str:
    """What a path is counted as."""
    if path in ROUTES:
        return path
    if path.startswith("/v2"):
        return "/v2/infer" if path.endswith("/infer") else "/v2"
    return "/page" if path.startswith("/page/") else "other"


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _yes(query: dict[str, str], name: str) -> bool:
    value = query.get(name, "0")
    if value not in ("0", "1"):
        raise HttpError(400, f"{name} is 0 or 1; this was {value[:50]!r}.")
    return value == "1"


def _whole(query: dict[str, str], name: str, usual: int, *, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return min(usual, most)
    if not text.isdecimal() or not text.isascii() or len(text) > 6 or int(text) < 1:
        raise HttpError(400, f"{name} is a whole number from 1; this was {text[:50]!r}.")
    return min(int(text), most)
