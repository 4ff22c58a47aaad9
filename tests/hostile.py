"""Files that are no pictures, and pictures that are more than they seem."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image

# Bytes, and what is said of them.
NO_PICTURES = [
    (b"", "empty; it holds no bytes at all"),
    (b"This is a note, not a photo.\n", "it looks like text"),
    (b"PK\x03\x04rest of an archive", "it looks like a zip archive"),
    (b"%PDF-1.7", "it looks like a PDF"),
    (b"<!DOCTYPE html><html>", "it looks like a web page or SVG"),
    (b"<?xml version='1.0'?><svg/>", "it looks like a web page or SVG"),
    (b"\0\0\0\x18ftypisom\0\0\0\0", "it looks like a film"),
    (b"\xff\xff\xff\xffftypisom", "it looks like a film"),
    (b"II*\0\xff\xff\xff\xff", "damaged or cut off (it ends too early)"),
    (b"II+\0\x08\0\0\0" + b"\xff" * 8, "damaged or cut off"),
    (b"GIF89a", "damaged or cut off (it ends too early)"),
    (b"\x00\x01\x02\x03 noise", "it looks like nothing known"),
    (b"\xff\xd8\xff\xe0", "damaged or cut off"),
    (b"\x89PNG\r\n\x1a\n", "damaged or cut off"),
]


def encoded(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def scene(garment: int = 20, ground: int = 250, size: tuple[int, int] = (300, 400)) -> Image.Image:
    """A garment, twice as high as wide, on plain ground and off the centre."""
    image = Image.new("RGB", size, (ground,) * 3)
    image.paste((garment,) * 3, (40, 60, 140, 260))
    return image


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tags(count: int, length: int) -> bytes:
    """A TIFF, or EXIF, of that many tags which all say that their value is all the rest of it."""
    entries = b"".join(struct.pack("<HHLL", tag, 1, length, 0) for tag in range(count))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", count) + entries + bytes(4 + length)


def bombs() -> dict[str, tuple[bytes, bytes]]:
    """Small files that unpack to gigabytes or keep a decoder busy for minutes; and what is left of each."""
    png, gif, jpeg = (encoded(scene(size=(160, 280)), kind) for kind in ("PNG", "GIF", "JPEG"))
    mebibyte = b"a\0\0" + zlib.compress(bytes(2**20), 9)
    frames = chunk(b"fcTL", bytes(26)) + chunk(b"fdAT", bytes(10))
    exif = b"\xff\xe1" + struct.pack(">H", 60_000) + b"Exif\0\0" + bytes(59_992)
    start = 13 + (3 << (gif[10] & 7) + 1)
    return {
        "20 GB of profiles": (png[:33] + chunk(b"iCCP", mebibyte) * 20_000 + png[33:], png),
        "64 GB of EXIF": (png[:33] + chunk(b"eXIf", tags(65_000, 10**6)) + png[33:], png),
        "a million frames of PNG": (png[:-12] + frames * 1_000_000 + png[-12:], png),
        "a million frames of GIF": (gif[:-1] + b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0" * 10**6, gif),
        "comments": (gif[:start] + (b"\x21\xfe\xff" + bytes(256)) * 45_000 + gif[start:], gif),
        "segments": (jpeg[:2] + exif * 1_000 + jpeg[2:], jpeg),
    }
