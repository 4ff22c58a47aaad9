"""Who may use the service."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from .messages import HttpError, Request, Response

_METHODS = "GET, HEAD, POST, DELETE, OPTIONS"
_LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Auth:
    """Who may use the service.

    Without a token, whoever reaches it may; with `local_only`, only under a name of this machine, since a
    page elsewhere can give this machine a name of its own. `origins` are the pages elsewhere that may ask.
    """

    token: str = ""
    local_only: bool = False
    origins: frozenset[str] = frozenset()

    def check(self, request: Request) -> None:
        """Raise HttpError where this request may not be answered."""
        headers = request.headers
        host = headers.get("host", "")
        if self.local_only and _host_name(host) not in _LOCAL_NAMES:
            raise HttpError(
                "host_forbidden",
                f'"{host[:100]}" is no name of this machine, and only this machine may ask without a token.',
                "Ask localhost, or start the service with --token, or with --no-auth.",
            )
        origin = headers.get("origin", "null" if headers.get("sec-fetch-site") == "cross-site" else "")
        if origin and origin.partition("://")[2] != host and origin not in self.origins:
            raise HttpError(
                "origin_forbidden",
                f"Pages of {origin[:100]} may not ask here.",
                f"Allow them: --allow-origin {origin[:100]}",
            )
        if self.token:
            sent = headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(sent.encode("latin-1"), self.token.encode()):
                raise HttpError(
                    "token_wrong" if sent else "token_missing",
                    "A token is needed." if not sent else "This is not the token.",
                    "Send it as: Authorization: Bearer TOKEN",
                    {"WWW-Authenticate": "Bearer"},
                )

    def preflight(self, request: Request) -> Response:
        """What a browser asks before it lets a page elsewhere send more than a form could."""
        if not self.cors_headers(request):
            return Response(204)
        return Response(
            204,
            headers=(
                ("Access-Control-Allow-Methods", _METHODS),
                (
                    "Access-Control-Allow-Headers",
                    "Authorization, Content-Type, Content-Encoding, Inference-Header-Content-Length, "
                    "X-Request-Id, X-Request-Timeout",
                ),
                ("Access-Control-Max-Age", "600"),
            ),
        )

    def cors_headers(self, request: Request) -> tuple[tuple[str, str], ...]:
        """The headers that let a page of an allowed origin read the answer."""
        origin = request.headers.get("origin", "")
        if origin not in self.origins:
            return ()
        return (
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", "Inference-Header-Content-Length, Retry-After, X-Request-Id"),
            ("Vary", "Origin"),
        )


@lru_cache(64)
def _host_name(host: str) -> str | None:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
