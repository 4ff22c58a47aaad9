"""Bodies as they come and go: packed or not, and JSON that is not out of proportion."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import orjson

from ..http.messages import HttpError, Request, Response

_WINDOWS = {"gzip": 31, "deflate": 15}  # what zlib calls them
_WORTH_PACKING = 1024  # bytes; less is hardly made smaller
_FEW = 16 * 1024  # bytes of JSON that can do no harm, whatever they say


def unpack(request: Request, limit: int) -> bytes:
    """The body of a request, unpacked where it came packed.

    Raises HttpError: 413 where it would have more than `limit` bytes, 415 for a packing that is not known,
    400 where it is damaged.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return request.body
    if encoding not in _WINDOWS:
        raise HttpError(
            "encoding_unsupported",
            f"The body is packed as {encoding[:60]!r}; gzip and deflate are unpacked here.",
            headers={"Accept-Encoding": ", ".join(_WINDOWS)},
        )
    unpacker = zlib.decompressobj(_WINDOWS[encoding])
    try:
        body = unpacker.decompress(request.body, limit + 1)
    except zlib.error as error:
        raise HttpError(
            "invalid_body", f"The body is not {encoding}, as its header says ({error})."
        ) from error
    if len(body) > limit:
        raise HttpError(
            "body_too_large",
            f"Unpacked, the body has more than {limit:,} bytes.",
            "Send fewer or smaller photos at once.",
        )
    if not unpacker.eof or unpacker.unused_data:
        wrong = "goes on after its end" if unpacker.eof else "is cut off"
        raise HttpError("invalid_body", f"The body is packed as {encoding}, but {wrong}.")
    return body


def pack(request: Request, response: Response) -> Response:
    """The answer, packed where the client asks for that and it is worth while."""
    if len(response.body) < _WORTH_PACKING or "accept-encoding" not in request.headers:
        return response
    encoding = _choose_encoding(request.headers["accept-encoding"])
    if encoding is None:
        return response
    # The first level: for numbers, the others take several times as long and save next to nothing.
    compress = gzip.compress if encoding == "gzip" else zlib.compress
    headers = (*response.headers, ("Content-Encoding", encoding))
    return Response(response.status, compress(response.body, 1), response.type, headers)


def _choose_encoding(header: str) -> str | None:
    """The packing to use, of those that the client names and does not rule out with q=0."""
    for choice in header.lower().split(","):
        encoding, _, weight = choice.partition(";")
        if encoding.strip() in _WINDOWS and weight.replace(" ", "").rstrip(".0") != "q=":
            return encoding.strip()
    return None


def read_json(text: bytes, most: int) -> Any:
    """What a JSON text says, where it has at most about `most` parts: values, lists and objects.

    The parts are counted first: "[[],[],[]…]" takes twenty times its length in memory.

    Raises HttpError: 400 where it is not JSON, 413 where it has more parts.
    """
    if len(text) > _FEW and sum(map(text.count, (b",", b"[", b"{"))) > most:
        raise HttpError(
            "body_too_complex",
            f"The JSON has more parts than the {most:,} that are read.",
            "Send less at once.",
        )
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise HttpError("invalid_body", f"The body is not valid JSON ({error}).") from error
