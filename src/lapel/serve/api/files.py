"""The files that browsers ask for: the page, the OpenAPI document, and the page of that."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..http.messages import HttpError, Request, Response
from .openapi.docs_page import docs_page
from .openapi.document import load_document, write_document

PAGE = Path(__file__).parents[2] / "page"
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = (
    ("Content-Security-Policy", _CONTENT_POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(self), microphone=(), geolocation=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Cache-Control", "no-cache"),
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


@dataclass(frozen=True)
class _File:
    data: bytes
    type: str
    mark: str  # its ETag

    @classmethod
    def of(cls, data: bytes, ending: str) -> _File:
        return cls(data, _TYPES[ending], f'"{hashlib.sha256(data).hexdigest()[:16]}"')


@dataclass
class Files:
    """The page is read when the service starts; the document is made ready when it is first asked for."""

    _page: dict[str, _File] = field(default_factory=dict)
    _documents: dict[str, _File] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._page = {path.name: _File.of(path.read_bytes(), path.suffix) for path in sorted(PAGE.iterdir())}

    async def page(self, request: Request) -> Response:
        """The page."""
        return _answer(request, self._page["index.html"])

    async def page_file(self, request: Request, file: str) -> Response:
        """A file of the page."""
        if file not in self._page or file == "index.html":
            raise HttpError(
                "route_unknown", f"There is nothing at {request.path[:200]}.", "What there is: /docs"
            )
        return _answer(request, self._page[file])

    async def openapi(self, request: Request) -> Response:
        """The document."""
        return await self._document(request, ".json", write_document)

    async def docs(self, request: Request) -> Response:
        """The document as a page."""
        return await self._document(request, ".html", lambda: docs_page(load_document()))

    async def _document(self, request: Request, ending: str, make: Callable[[], bytes]) -> Response:
        if ending not in self._documents:
            self._documents[ending] = _File.of(await asyncio.to_thread(make), ending)
        return _answer(request, self._documents[ending])


def _answer(request: Request, file: _File) -> Response:
    known = request.headers.get("if-none-match") == file.mark
    return Response(
        304 if known else 200, b"" if known else file.data, file.type, (*_HEADERS, ("ETag", file.mark))
    )
