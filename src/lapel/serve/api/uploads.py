"""From the body of a request to photos: as a form, as they are, or as JSON."""

from __future__ import annotations

import asyncio
import binascii
from base64 import b64decode
from collections.abc import Iterator
from functools import partial
from typing import Any

import multipart

from ..http.messages import HttpError, Request
from .encoding import read_json

_FORM_PARTS = 64  # parts of a form that are no photos
_NAME_LENGTH = 300
_LARGE = 1 << 20  # bytes; a body from this size on is taken apart beside the event loop
_ENTRY = 8  # parts of JSON that one photo may have
_HINT = (
    "For example: curl -F photo=@shirt.jpg …/tag, "
    "or curl -H 'Content-Type: image/jpeg' --data-binary @shirt.jpg …/tag"
)
_CLASSES_HINT = (
    "For example: curl -F shirts=@one.jpg -F shirts=@two.jpg -F hats=@three.jpg -F hats=@four.jpg …/teach"
)


def read_photos(body: bytes, content_type: str, most: int) -> list[tuple[str, bytes]]:
    """The photos in a body of this type, each with its name: at least one and at most `most`.

    Raises HttpError where the body is something else, or more.
    """
    kind, options = multipart.parse_options_header(content_type)
    if kind == "multipart/form-data":
        photos = _read_form(body, options.get("boundary", ""), most)
    elif kind == "application/json":
        photos = _read_json(body, most)
    elif kind.startswith("image/") or kind in ("", "application/octet-stream"):
        photos = [("photo", body)] if body else []
    else:
        raise HttpError("media_type_unsupported", f"A body of type {kind} is not read here.", _HINT)
    if not photos:
        raise HttpError("no_photo", "There is no photo in the request.", _HINT)
    return photos


async def photos_in(body: bytes, request: Request, most: int) -> list[tuple[str, bytes]]:
    """What `read_photos` finds in the unpacked body of a request; no other waits for a large one."""
    work = partial(read_photos, body, request.headers.get("content-type", ""), most)
    return work() if len(body) < _LARGE else await asyncio.to_thread(work)


def read_classes(body: bytes, content_type: str, most: int) -> dict[str, list[tuple[str, bytes]]]:
    """The photos in a form by its fields, each with its name: at most `most` of all.

    Raises HttpError where the body is something else, or more.
    """
    kind, options = multipart.parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise HttpError("media_type_unsupported", "Classes come as a form.", _CLASSES_HINT)
    classes: dict[str, list[tuple[str, bytes]]] = {}
    parts = _form_photos(body, options.get("boundary", ""), most)
    for count, (label, name, data) in enumerate(parts, start=1):
        if count > most:
            raise HttpError("too_many_photos", f"More than the {most:,} photos that are taken.")
        # Browsers have no other way to say a quotation mark.
        classes.setdefault(label.replace("%22", '"'), []).append((name, data))
    if not classes:
        raise HttpError("no_photo", "There is no photo in the request.", _CLASSES_HINT)
    return classes


def _read_form(body: bytes, boundary: str, most: int) -> list[tuple[str, bytes]]:
    return [(name, data) for _, name, data in _form_photos(body, boundary, most)]


def _form_photos(body: bytes, boundary: str, most: int) -> Iterator[tuple[str, str, bytes]]:
    """The parts of a form that are files: field, name and bytes."""
    try:
        with multipart.PushMultipartParser(boundary, max_segment_count=most + _FORM_PARTS) as parser:
            chunks: list[bytes] = []
            part: Any = None
            for event in parser.parse(body):
                if isinstance(event, multipart.MultipartSegment):
                    part, chunks = event, []
                elif event:
                    chunks.append(bytes(event))
                elif part.filename is not None or (part.content_type or "").startswith("image/"):
                    yield part.name, _name(part.filename or part.name), b"".join(chunks)
    except multipart.ParserLimitReached as error:
        raise HttpError(
            "body_too_complex", f"The form has too many parts, or too long headers ({error})."
        ) from error
    except multipart.MultipartError as error:
        raise HttpError("invalid_body", f"The form is damaged or cut off ({error}).", _HINT) from error


def _read_json(body: bytes, most: int) -> list[tuple[str, bytes]]:
    data = read_json(body, _ENTRY * (most + 1))
    photos = data.get("photos") if isinstance(data, dict) else None
    if not isinstance(photos, list):
        raise HttpError("invalid_body", 'Expected {"photos": [...]} with photos in base64.', _HINT)
    if len(photos) > most:
        raise HttpError(
            "too_many_photos", f"{len(photos):,} photos in one request; at most {most:,} are taken."
        )
    return [_read_entry(place, photo) for place, photo in enumerate(photos)]


def _read_entry(place: int, photo: Any) -> tuple[str, bytes]:
    entry = {"data": photo} if isinstance(photo, str) else photo
    name = entry.get("name", f"photo {place + 1}") if isinstance(entry, dict) else None
    data = entry.get("data") if isinstance(entry, dict) else None
    if not isinstance(data, str) or not isinstance(name, str):
        raise HttpError(
            "invalid_body",
            f'Photo {place + 1} is not a text in base64, or {{"name": …, "data": …}} of two texts.',
            _HINT,
        )
    try:
        return _name(name), b64decode(
            data.partition(",")[2] if data.startswith("data:") else data, validate=True
        )
    except (binascii.Error, ValueError) as error:
        raise HttpError("invalid_body", f"Photo {place + 1} is not base64 ({error}).", _HINT) from error


def _name(text: str) -> str:
    """What a photo is called in its answer: as it was sent, as far as that is a name."""
    return "".join(letter for letter in text if letter.isprintable())[:_NAME_LENGTH] or "photo"
