"""What is asked and what is answered, and within what bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qsl

import orjson

from ...errors import LapelError
from .codes import CODES, Code

Headers: TypeAlias = tuple[tuple[str, str], ...]


class HttpError(LapelError):
    """A request that is not answered as asked: a code, which says the status, a message and a hint."""

    def __init__(
        self, code: Code, message: str, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, hint)
        self.code = code
        self.status = CODES[code].status
        self.headers = dict(headers or {})


@dataclass(slots=True)
class Request:
    """One request, whole. Names of headers are in lower case."""

    method: str
    path: str
    search: bytes  # what comes after the question mark
    headers: dict[str, str]
    body: bytes
    id: str
    received: float  # when its first byte came, by time.perf_counter
    unpacked: int = 0  # bytes that its body has more since it was unpacked

    @property
    def query(self) -> dict[str, str]:
        """The settings in the address. They are read anew each time: most requests are not asked for them."""
        return dict(parse_qsl(self.search.decode("latin-1"), keep_blank_values=True))


@dataclass(slots=True)
class Response:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    type: str = "application/json"
    headers: Headers = ()


@dataclass(frozen=True)
class Bounds:
    """What is taken on before a client is refused or let go; times are in seconds."""

    max_body: int = 32 * 1024 * 1024
    max_held: int = 256 * 1024 * 1024  # bytes of all bodies at once
    max_head: int = 16 * 1024
    max_headers: int = 100
    max_connections: int = 2048
    head_seconds: float = 10.0  # for the first line and the headers
    idle_seconds: float = 60.0  # between requests
    body_seconds: float = 10.0  # for a body, and a second more for each `least_rate` bytes
    least_rate: int = 32 * 1024
    write_seconds: float = 20.0  # for a client to read its answer
    pause: float = 0.035  # before those are answered for whom there is no room: most ask again at once

    def seconds_for(self, length: int) -> float:
        """How long the body of a request may take to come."""
        return self.body_seconds + length / self.least_rate


class Service(Protocol):
    """What answers requests."""

    def gate(self, request: Request, length: int) -> None:
        """Raise HttpError for a request that is not wanted: `length` bytes of it are then never held."""

    async def answer(self, request: Request) -> Response:
        """Answer; this must not raise."""

    def error_response(self, error: HttpError, request: Request) -> Response:
        """An error as the answer to a request."""

    def record_answer(self, request: Request, status: int) -> None:
        """Called for each answer that is sent."""

    def record_refusal(self, reason: str) -> None:
        """Called with one word for what was not taken on."""


def is_refusal_for_now(response: Response) -> bool:
    """Whether the client is to ask again: such answers wait for `Bounds.pause`."""
    return response.status == 503 and "Retry-After" in dict(response.headers)


def json_response(data: Any, status: int = 200, headers: Headers = ()) -> Response:
    """Plain data as JSON, not to be kept by anyone on the way."""
    return Response(status, orjson.dumps(data), headers=(("Cache-Control", "no-store"), *headers))


def busy(code: Code, message: str) -> HttpError:
    """The error for those who come when there is no room."""
    return HttpError(code, message, "Try again soon.", {"Retry-After": "1"})


def body_too_large(limit: int) -> HttpError:
    """The error for a body of more than `limit` bytes."""
    return HttpError(
        "body_too_large",
        f"The request has more than {limit:,} bytes.",
        "Send fewer or smaller photos at once.",
    )
