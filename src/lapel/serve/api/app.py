"""The app: it finds the handler of a request, checks who asks, and turns errors into answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from ...errors import LapelError
from ..http.auth import Auth
from ..http.messages import Bounds, HttpError, Request, Response, json_response
from ..inference.batcher import Batcher
from ..inference.models import Loaded, Models
from ..settings import Settings
from ..telemetry.counters import OTHER, Recorder
from ..telemetry.logs import log_event
from ..telemetry.registry import Telemetry
from .budget import Budget
from .encoding import pack
from .files import Files
from .lessons import Lessons
from .open_inference import OpenInference
from .routes import ROUTES, find_route, methods_of
from .searching import Searching, open_indexes
from .status import Status
from .tagging import Tagging
from .teaching import Teaching
from .wardrobe import NAME as WARDROBE
from .wardrobe import WardrobeRoutes, open_served_wardrobe

if TYPE_CHECKING:
    from ...index.index import Index
    from ...wardrobe.folder import WardrobeFolder

Handler: TypeAlias = Callable[..., Awaitable[Response]]


@dataclass
class App:
    """Answers requests."""

    models: Models
    batcher: Batcher
    auth: Auth
    telemetry: Telemetry
    recorder: Recorder
    seconds: float = 10.0  # for an answer, where the client says nothing
    bounds: Bounds = field(default_factory=Bounds)
    log_requests: bool = False
    teach: bool = False  # whether own classes can be taught
    indexes: Mapping[str, Index] = field(default_factory=dict)
    folder: WardrobeFolder | None = None  # of the wardrobe that is served
    stopping: bool = False
    _handlers: dict[str, Handler] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._budget = budget = Budget(self.seconds, self.bounds, self.recorder.count_refusal)
        self.status = Status(
            self.models, self.telemetry, lambda: self.stopping, self.teach, bool(self.folder)
        )
        self.tagging = Tagging(self.models, self.batcher, budget, self.recorder.count_photo)
        self.inference = OpenInference(
            self.models, self.batcher, budget, self.status, self.recorder.count_photo
        )
        own = {WARDROBE: self.folder.index} if self.folder else {}
        self.searching = Searching({**self.indexes, **own}, self.batcher, budget)
        self.wardrobe = WardrobeRoutes(self.folder, self.batcher, budget)
        lessons = None
        if self.teach:
            lessons = Lessons(
                self.models, self.models.limits, budget.hold, budget.drop, self.recorder.count_refusal
            )
        self.teaching = Teaching(lessons, self.models, budget)
        self.files = Files()
        self._handlers = {route.handler: attrgetter(route.handler)(self) for route in ROUTES}

    @classmethod
    def from_settings(cls, settings: Settings, telemetry: Telemetry, number: int = 0) -> App:
        """The app of worker `number`, with its models loaded; its batcher is to be started.

        Raises LapelError where a model cannot be loaded or an index not be opened.
        """

        def record_model(model: Loaded) -> None:
            if model.tagger:
                telemetry.add_model(model.name, model.tagger.card, model.tagger.fingerprint)
            else:
                telemetry.remove_model(model.name)

        recorder = telemetry.recorder(number)
        capacity = -(-settings.queue // settings.workers)
        return cls(
            Models.load_all(settings.models, settings.limits, record_model),
            Batcher(settings.threads, capacity, recorder.count_batch, recorder.count_refusal),
            settings.auth,
            telemetry,
            recorder,
            seconds=settings.seconds,
            bounds=settings.bounds,
            log_requests=settings.log_requests,
            teach=settings.teach,
            indexes=open_indexes(settings.indexes),
            folder=open_served_wardrobe(settings.wardrobe),
        )

    def stop(self) -> None:
        """End the threads: those that label when they have done what waits, the one that learns at once."""
        if self.teaching.lessons:
            self.teaching.lessons.stop()
        self.batcher.stop()

    def gate(self, request: Request, length: int) -> None:
        """Refuse what need not be read: requests of strangers, and photos while there are too many."""
        found = find_route(request.method, request.path)
        if found and not found[0].token:
            return
        if request.method == "OPTIONS":
            return
        self.auth.check(request)
        if found and found[0].teaches:
            self.teaching.admit(begins=found[0].queues and bool(length))
            return
        if found and found[0].stores:
            self.wardrobe.admit()
        if found and found[0].queues and length:
            self.batcher.admit()

    async def answer(self, request: Request) -> Response:
        """Answer a request; whatever goes wrong is an answer, too."""
        try:
            if request.method == "OPTIONS":
                response = self.auth.preflight(request)
            else:
                response = await self._dispatch(request)
        except HttpError as error:
            return self.error_response(error, request)
        except LapelError as error:
            log_event("failed", logging.ERROR, id=request.id, path=request.path, error=error.message)
            return self.error_response(HttpError("model_failed", error.message, error.hint), request)
        except Exception as error:  # a defect; the client is told no more than that
            log_event("defect", logging.ERROR, id=request.id, path=request.path, error=repr(error))
            return self.error_response(HttpError("internal_error", "Something is wrong here."), request)
        finally:
            self._budget.release(request)
        response.headers += self.auth.cors_headers(request)  # each response is one request's own
        return response

    async def _dispatch(self, request: Request) -> Response:
        found = find_route(request.method, request.path)
        if found is None:
            raise HttpError(
                "route_unknown", f"There is nothing at {request.path[:200]}.", "What there is: /docs"
            )
        route, parts = found
        if request.method != route.method and (request.method, route.method) != ("HEAD", "GET"):
            methods = ", ".join(methods_of(route.path))
            raise HttpError(
                "method_not_allowed",
                f"{request.path} takes {methods}, not {request.method}.",
                headers={"Allow": methods},
            )
        response = await self._handlers[route.handler](request, **parts)
        return pack(request, response) if route.packs else response

    def error_response(self, error: HttpError, request: Request) -> Response:
        """An error as an answer."""
        body = {"error": error.message, "hint": error.hint, "code": error.code, "id": request.id}
        headers = (*error.headers.items(), *self.auth.cors_headers(request))
        return json_response(body, error.status, headers)

    def record_answer(self, request: Request, status: int) -> None:
        """Count an answer, and log it if that is asked for."""
        seconds = time.perf_counter() - request.received
        found = find_route(request.method, request.path)
        label = found[0].metrics_label if found else OTHER
        self.recorder.count_request(label, status, seconds)
        if self.log_requests:
            log_event(
                "answered",
                id=request.id,
                method=request.method,
                path=request.path[:200],
                status=status,
                ms=round(seconds * 1000, 3),
            )

    def record_refusal(self, reason: str) -> None:
        """Count what was not taken on."""
        self.recorder.count_refusal(reason)
