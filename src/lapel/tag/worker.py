"""A process that decodes photos for `decoders`: paths or bytes come in on stdin, pictures go out on stdout.

A message is a list as JSON and bytes that belong to it. Requests are paths, and the lengths of photos whose
bytes follow; replies are null for each picture that follows, and message and hint for each that cannot.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Sequence
from typing import IO, Any

from ..decode import Limits
from ..errors import PictureError
from ..picture import PictureSpec, read_picture

_LENGTHS = struct.Struct("<QQ")


def send(file: IO[bytes], items: list[Any], parts: Sequence[bytes]) -> None:
    """Write one message."""
    text = json.dumps(items).encode()
    file.write(b"".join([_LENGTHS.pack(len(text), sum(map(len, parts))), text, *parts]))
    file.flush()


def receive(file: IO[bytes]) -> tuple[list[Any], bytes]:
    """Read one message. Raises EOFError where the other side has ended."""
    text, rest = _LENGTHS.unpack(_exactly(file, _LENGTHS.size))
    items: list[Any] = json.loads(_exactly(file, text))
    return items, _exactly(file, rest)


def work() -> None:
    """Answer until stdin ends. The first message holds the settings of pictures and the limits."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    try:
        (spec, limits), _ = receive(requests)
        send(replies, [], [])
        while True:
            items, rest = receive(requests)
            answers, pictures = _answers(items, rest, PictureSpec.from_dict(spec), Limits(**limits))
            send(replies, answers, pictures)
    except (EOFError, BrokenPipeError):
        # Without Python's own farewell, which would flush into a pipe that nobody reads.
        os._exit(0)


def _answers(
    items: list[Any], rest: bytes, spec: PictureSpec, limits: Limits
) -> tuple[list[Any], list[bytes]]:
    answers: list[Any] = []
    pictures = []
    place = 0
    for item in items:
        source = item if isinstance(item, str) else rest[place : place + item]
        place += 0 if isinstance(item, str) else item
        try:
            pictures.append(read_picture(source, spec, limits).tobytes())
            answers.append(None)
        except PictureError as error:
            answers.append([error.message, error.hint])
    return answers, pictures


def _exactly(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError
    return data
