"""A file cut down to what its first frame needs, before a decoder sees it.

Decoders look through all of a file: every text chunk is unpacked, every comment joined to the last, every tag
read. So a small file can take minutes or gigabytes. What is left here is the pixels of the first frame, and
which way up they are; frames, comments, profiles and tables beyond it cost nothing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass

from .errors import PictureError


@dataclass(frozen=True)
class Limits:
    """What is taken on before a picture is refused. Of several frames or pages only the first is read.

    `max_parts` bounds the chunks, segments or tags that are looked through for the first frame, `max_scans`
    the passes of a progressive JPEG, each of which may cost as much as a whole picture.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 100_000_000
    max_parts: int = 100_000
    max_scans: int = 100


@dataclass(frozen=True)
class FirstFrame:
    """The bytes for the decoder; the EXIF orientation (None: ask the decoder); the size where it is known."""

    data: bytes
    orientation: int | None = 1
    size: tuple[int, int] | None = None


def first_frame(form: str, data: bytes, limits: Limits) -> FirstFrame:
    """Cut down a file of the form Jpeg, Png, Gif, Tiff, WebP, Avif or Heif; others come back as they are.

    Raises PictureError beyond the limits (its message lacks the file's name), struct.error or IndexError
    where the file ends too early.
    """
    cut = _CUTS.get(form)
    return cut(data, limits) if cut else FirstFrame(data)


def _jpeg(data: bytes, limits: Limits) -> FirstFrame:
    kept, orientation, place, scans = [data[:2]], 0, 2, 0
    for _ in _parts(limits):
        found = _MARKER.search(data, place)
        if found is None:
            break
        start, marker = found.start(), found[1]
        if marker == b"\xd9":
            kept.append(found[0])
            break
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
        if marker == b"\xda":
            scans += 1
            following = _MARKER.search(data, place)
            place = following.start() if following else len(data)
        if scans > limits.max_scans:
            raise PictureError(f"a JPEG of more than {limits.max_scans:,} scans; more are not decoded.")
        if marker == b"\xe1" and data.startswith(b"Exif\0\0", start + 4):
            orientation = orientation or _exif_orientation(data[start + 10 : place])
        elif marker not in _JPEG_EXTRAS:
            kept.append(data[start:place])
    return FirstFrame(b"".join(kept), orientation or 1)


def _png(data: bytes, limits: Limits) -> FirstFrame:
    kept, orientation, place = [data[:8]], 1, 8
    for _ in _parts(limits):
        if place >= len(data):
            break
        length, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        if kind == b"eXIf":
            orientation = _exif_orientation(data[place + 8 : place + 8 + length])
        if kind == b"IEND" or (kind in (b"fcTL", b"fdAT") and kept[-1][4:8] == b"IDAT"):
            kept.append(b"\0\0\0\0IEND\xaeB`\x82")
            break
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT"):
            kept.append(data[place : place + 12 + length])
        place += 12 + length
    return FirstFrame(b"".join(kept), orientation)


def _gif(data: bytes, limits: Limits) -> FirstFrame:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    place = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    table, control = data[10:place], b""
    parts = _parts(limits)
    while data[place] != 0x2C:
        start, extension = place, data[place] == 0x21
        place += 2 if extension else 0
        while extension and data[place]:
            place += 1 + data[place]
            next(parts)
        place += 1
        if extension and data[start + 1] == 0xF9:
            control = data[start:place]
        next(parts)
    left, top, wide, high = struct.unpack_from("<HHHH", data, place + 1)
    # Pillow widens the screen to hold the frame, and may warn then; told so from the start, it need not.
    size = max(width, left + wide), max(height, top + high)
    screen = struct.pack("<HH", *(min(side, 0xFFFF) for side in size))
    return FirstFrame(data[:6] + screen + table + control + data[place:], size=size)


def _tiff(data: bytes, limits: Limits) -> FirstFrame:
    order = "<" if data[:2] == b"II" else ">"
    tags: dict[int, tuple[int, int, bytes]] = {}
    for tag, kind, count, value in _tags(data, _TIFF_TAGS, limits):
        tags.setdefault(tag, (kind, count, value))
    if sum(len(value) for *_, value in tags.values()) > len(data):
        raise PictureError("a TIFF whose tags overlap; such files are not decoded.")
    width, height = (_number(order, tags[tag]) if tag in tags else 0 for tag in _TILE_SIDES)
    if width * height > _LARGEST_TILE:
        raise PictureError(
            f"a TIFF with tiles of {width:,}×{height:,} pixels; at most {_LARGEST_TILE:,} in all are decoded."
        )
    orientation = _number(order, tags.pop(_ORIENTATION)) if _ORIENTATION in tags else 1
    return FirstFrame(_with_directory(data, order, tags), orientation)


def _with_directory(data: bytes, order: str, tags: dict[int, tuple[int, int, bytes]]) -> bytes:
    """The TIFF with a directory of these tags alone, behind the bytes that it had."""
    offset, head, entry, room = ("Q", "Q", "HHQ8s", 8) if _is_big(data, order) else ("L", "H", "HHL4s", 4)
    padding = b"\0" * (len(data) % 2)
    start = len(data) + len(padding)
    place = start + struct.calcsize(order + head) + struct.calcsize(order + entry) * len(tags) + room
    entries, values = [struct.pack(order + head, len(tags))], []
    for tag, (kind, count, value) in sorted(tags.items()):
        if len(value) > room:
            values.append(value + b"\0" * (len(value) % 2))
            value, place = struct.pack(order + offset, place), place + len(values[-1])
        entries.append(struct.pack(order + entry, tag, kind, count, value))
    header = data[:room] + struct.pack(order + offset, start)
    return b"".join([header, data[len(header) :], padding, *entries, b"\0" * room, *values])


def _tags(data: bytes, wanted: Set[int], limits: Limits) -> Iterator[tuple[int, int, int, bytes]]:
    """Of the first directory: tag, type, count and value. Those whose values lie outside are passed over."""
    order = "<" if data[:2] == b"II" else ">"
    big = _is_big(data, order)
    offset, head, entry, room = ("Q", "Q", "HHQ8s", 8) if big else ("L", "H", "HHL4s", 4)
    (place,) = struct.unpack_from(order + offset, data, room)
    (left,) = struct.unpack_from(order + head, data, place)
    place += struct.calcsize(order + head)
    for _ in _parts(limits):
        if not left:
            return
        tag, kind, count, value = struct.unpack_from(order + entry, data, place)
        place, left = place + struct.calcsize(order + entry), left - 1
        if tag not in wanted:
            continue
        count = min(count, 1) if tag in _SINGLE else count
        length = count * _TYPE_SIZES.get(kind, 0)
        (start,) = struct.unpack(order + offset, value)
        value = value[:length] if length <= room else data[start : start + length]
        whole = length and len(value) == length
        if whole and (tag != _JPEG_TABLES or kind == 7):
            yield tag, kind, count, value


def _is_big(data: bytes, order: str) -> bool:
    return bool(struct.unpack_from(order + "H", data, 2) == (43,))


def _number(order: str, tag: tuple[int, int, bytes]) -> int:
    kind, _, value = tag
    form = {1: "B", 3: "H", 4: "L", 16: "Q"}.get(kind)
    return int(struct.unpack_from(order + form, value)[0]) if form else 0


def _exif_orientation(exif: bytes) -> int:
    try:
        order = "<" if exif[:2] == b"II" else ">"
        _, kind, count, value = next(_tags(exif, {_ORIENTATION}, Limits()))
        return _number(order, (kind, count, value))
    except (PictureError, StopIteration, OverflowError, struct.error):
        return 1  # damaged EXIF says nothing, and the pixels may still be whole


def _webp(data: bytes, limits: Limits) -> FirstFrame:
    # The decoder makes room for the whole canvas when it is made, so the size must be known before.
    kind, size, orientation, place = data[12:16], None, 1, 12
    if kind == b"VP8X":
        size = int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        size = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        wide, high = struct.unpack_from("<HH", data, 26)
        size = wide & 0x3FFF, high & 0x3FFF
    for _ in _parts(limits):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place : place + 4] == b"EXIF":
            orientation = _exif_orientation(data[place + 8 : place + 8 + length].removeprefix(b"Exif\0\0"))
        place += 8 + length + length % 2
        if place >= len(data):
            break
    return FirstFrame(data, orientation, size)


def _boxes(data: bytes, _: Limits) -> FirstFrame:
    # AVIF and HEIC say by other means how they are turned. Their EXIF gets another name: nobody reads it.
    return FirstFrame(_EXIF_ITEM.sub(rb"\1none", data), None)


def _parts(limits: Limits) -> Iterator[int]:
    """Count the parts of a file, and raise PictureError beyond the limit."""
    yield from range(limits.max_parts)
    raise PictureError(f"a file of more than {limits.max_parts:,} parts; more are not looked through.")


_MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd7])")
# APP1 to APP13 and APP15, and comments; APP0 and APP14 say what the colours mean.
_JPEG_EXTRAS = {bytes([code]) for code in (0xD8, *range(0xE1, 0xEE), 0xEF, 0xFE)}
_EXIF_ITEM = re.compile(rb"(infe\x02.{7}|infe\x03.{9})Exif", re.DOTALL)
_ORIENTATION = 274
_JPEG_TABLES = 347
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8}
_TILE_SIDES = (322, 323)
# What pixels are decoded by. Pillow and libtiff expect a single value of the first group.
_SINGLE = {254, 256, 257, 259, 262, 266, 274, 277, 278, 284, 292, 293, 317, 322, 323, *range(512, 516), 531}
_TIFF_TAGS = _SINGLE | {258, 273, 279, 320, 324, 325, 338, 339, _JPEG_TABLES, 519, 520, 521, 529, 530, 532}
_LARGEST_TILE = 64 * 1024 * 1024  # pixels; Pillow warns of larger ones
_CUTS: dict[str, Callable[[bytes, Limits], FirstFrame]] = {
    "Jpeg": _jpeg,
    "Png": _png,
    "Gif": _gif,
    "Tiff": _tiff,
    "WebP": _webp,
    "Avif": _boxes,
    "Heif": _boxes,
}
