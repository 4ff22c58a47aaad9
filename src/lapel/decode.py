"""From whatever holds a picture to an upright image of 8 bits without alpha, within limits."""

from __future__ import annotations

import io
import stat
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from .errors import PictureError

Source: TypeAlias = "str | Path | bytes | Image.Image | NDArray[np.uint8]"

_SMALLEST_SIDE = 4  # pixels; below this nothing can be seen
_ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Limits:
    """How large a file, and how many pixels, are taken on before a picture is refused."""

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 100_000_000


def decode(source: Source, limits: Limits, *, side: int, longest: int, grey: bool = False) -> Image.Image:
    """Decode a file, its bytes, a PIL image or an array.

    The shorter side keeps at least `side` pixels where it has them; larger pictures may be decoded at a
    reduced scale. `grey` says that the colours are not needed. A picture `longest` times as long as it is
    wide, or longer, is refused.

    Returns an upright image of mode L or RGB. Raises PictureError; its message begins with the name of the
    source.
    """
    name = source_name(source)
    try:
        image = _image(source, name, limits)
        _check_size(image.size, name, limits, longest)
        if isinstance(image, ImageFile.ImageFile) and image is not source:
            # Only JPEG follows; and only of a file opened here, since it changes the image.
            image.draft("L" if grey else "RGB", (side, side))
        image.load()
        return _simple(image, side)
    except PictureError:
        raise
    except Exception as error:  # decoders meet hostile bytes with errors of every kind
        reason = (
            "too little memory to decode it"
            if isinstance(error, MemoryError)
            else " ".join(str(error).split())
        )
        raise PictureError(
            f"{name}: the picture is damaged or cut off ({reason or type(error).__name__}).",
            "Open it in a picture viewer, or fetch it again.",
        ) from error


def source_name(source: Source) -> str:
    """What a message calls this source: its path, fit for any terminal, or what kind of thing it is."""
    if isinstance(source, (str, Path)):
        # A file name may hold bytes that are no text, or codes that a terminal obeys.
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(source))
    return {bytes: "bytes", np.ndarray: "array"}.get(type(source), "image")


def _image(source: Source, name: str, limits: Limits) -> Image.Image:
    if isinstance(source, np.ndarray):
        return _from_array(source, name)
    if isinstance(source, Image.Image):
        return source
    if isinstance(source, (str, Path, bytes)):
        return _open(_bytes(source, name, limits), name)
    raise PictureError(f"Expected a path, bytes, a PIL image or an array; got {type(source).__name__}.")


def _simple(image: Image.Image, side: int) -> Image.Image:
    """Upright, in mode L or RGB, near the scale that is needed."""
    turn = _TURNS.get(_orientation(image))
    image = _eight_bits(image)
    factor = min(image.size) // side
    if factor > 1:
        image = image.reduce(factor)
    if image.mode == "RGBA":
        image = _on_neutral_ground(image)
    return image if turn is None else image.transpose(turn)


def _bytes(source: str | Path | bytes, name: str, limits: Limits) -> bytes:
    if not isinstance(source, bytes):
        path = Path(source)
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise PictureError(f"{name}: a folder, not a picture.", "Give the files in it.")
            if not stat.S_ISREG(status.st_mode):
                raise PictureError(f"{name}: not a regular file.")
            if status.st_size > limits.max_bytes:
                raise _too_many_bytes(name, status.st_size, limits)
            with path.open("rb") as file:
                source = file.read(limits.max_bytes + 1)
        except FileNotFoundError as error:
            if path.is_symlink():
                raise PictureError(f"{name}: a broken link; what it points to is not there.") from error
            raise PictureError(f"{name}: no such file.") from error
        except PermissionError as error:
            raise PictureError(f"{name}: permission denied.", "Let yourself read the file.") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise PictureError(f"{name}: cannot be read ({reason}).") from error
    if not source:
        raise PictureError(f"{name}: empty; it holds no bytes at all.")
    if len(source) > limits.max_bytes:
        raise _too_many_bytes(name, len(source), limits)
    return source


def _too_many_bytes(name: str, count: int, limits: Limits) -> PictureError:
    return PictureError(f"{name}: {count:,} bytes; at most {limits.max_bytes:,} are read.")


def _open(data: bytes, name: str) -> Image.Image:
    """Read the header. Plugins are called by name: PIL's own `open` tries dozens of formats nobody needs."""
    head = data[:32]
    plugin = next((plugin for plugin, fits in _signatures(head) if fits), None)
    if plugin is None:
        raise PictureError(
            f"{name}: not a picture of a known format; it looks like {_looks_like(data)}.",
            "Known formats: JPEG, PNG, WebP, GIF, TIFF, BMP and AVIF.",
        )
    factory = getattr(import_module(f"PIL.{plugin}ImagePlugin"), f"{plugin}ImageFile")
    image: Image.Image = factory(io.BytesIO(data))
    return image


def _signatures(head: bytes) -> tuple[tuple[str, bool], ...]:
    return (
        ("Jpeg", head.startswith(b"\xff\xd8\xff")),
        ("Png", head.startswith(b"\x89PNG\r\n\x1a\n")),
        ("WebP", head.startswith(b"RIFF") and head[8:12] == b"WEBP"),
        ("Gif", head.startswith((b"GIF87a", b"GIF89a"))),
        ("Bmp", head.startswith(b"BM")),
        ("Tiff", head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))),
        ("Avif", head[4:12] in (b"ftypavif", b"ftypavis")),
    )


def _looks_like(data: bytes) -> str:
    head = data[:512].lstrip()
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive"
    if head.startswith(b"%PDF"):
        return "a PDF"
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1"):
        return "HEIC"
    if b"<svg" in head or head[:5].lower() in (b"<!doc", b"<html"):
        return "a web page or SVG"
    return "text" if head and all(32 <= code < 127 or code in b"\t\r\n" for code in head) else "nothing known"


def _check_size(size: tuple[int, int], name: str, limits: Limits, longest: int) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise PictureError(
            f"{name}: {width:,}×{height:,} pixels; at most {limits.max_pixels:,} in all are decoded.",
            "Shrink the picture first, or raise the limit.",
        )
    if min(size) < _SMALLEST_SIDE:
        raise PictureError(f"{name}: {width}×{height} pixels; each side must have at least {_SMALLEST_SIDE}.")
    if max(size) > min(size) * longest:
        raise PictureError(
            f"{name}: {width}×{height} pixels; so long and narrow a picture would be less than one pixel "
            f"wide at {longest}×{longest}."
        )


def _from_array(array: NDArray[Any], name: str) -> Image.Image:
    if array.dtype != np.uint8:
        raise PictureError(
            f"{name}: expected whole numbers from 0 to 255 (uint8); got {array.dtype}.",
            "Scale it, round it and convert it with .astype('uint8').",
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or not array.size:
        raise PictureError(
            f"{name}: expected shape (height, width) or (height, width, 1, 3 or 4); got {array.shape}."
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF says nothing, and the pixels may still be whole
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """In mode L, RGB or RGBA, whatever the file holds."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0, neginf=0)
        low, high = float(values.min()), float(values.max())
        return Image.fromarray(((values - low) * (255 / ((high - low) or 1))).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("L", "1"):
        return image.convert("L")
    return image.convert("RGB")


def _on_neutral_ground(image: Image.Image) -> Image.Image:
    """Lay a see-through picture on white or on black, whichever its opaque part stands out from."""
    alpha = np.asarray(image.getchannel("A"), dtype=np.float64)
    grey = np.asarray(image.convert("RGB").convert("L"), dtype=np.float64)
    if alpha.min() == 255:
        return image.convert("RGB")
    mean = float((alpha * grey).sum() / alpha.sum()) if alpha.any() else 0.0
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255) if mean < 128 else (0, 0, 0, 255))
    return Image.alpha_composite(ground, image).convert("RGB")
