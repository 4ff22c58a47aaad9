"""Answers as HTTP/1.1 has them on the wire."""

from __future__ import annotations

from http import HTTPStatus

from .messages import Request, Response

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def encode_response(response: Response, request: Request, keep: bool, date_header: bytes) -> bytes:
    """The bytes of an answer; `keep` says whether the connection goes on afterwards."""
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
    return b"%s%s\r\n%s" % (head.encode("latin-1"), date_header, body)
