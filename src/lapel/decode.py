"""From whatever holds a picture to an upright image of 8 bits without alpha, within limits."""

from __future__ import annotations

import io
import os
import stat
import struct
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from .errors import PictureError
from .first_frame import Limits, first_frame

__all__ = ["SUFFIXES", "Limits", "Source", "decode", "form_suffix", "source_name"]

Source: TypeAlias = "str | Path | bytes | Image.Image | NDArray[np.uint8]"

# How the names of photos end.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif"}
    | {".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif", ".hif"}
)
_STARTS = {
    b"\xff\xd8\xff": "Jpeg",
    b"\x89PNG\r\n\x1a\n": "Png",
    b"GIF87a": "Gif",
    b"GIF89a": "Gif",
    b"BM": "Bmp",
    b"II*\0": "Tiff",
    b"MM\0*": "Tiff",
    b"II+\0": "Tiff",
    b"MM\0+": "Tiff",
}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_PLUGINS = {"Heif": "pi_heif.as_plugin"}
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


def decode(source: Source, limits: Limits, *, side: int, longest: int, grey: bool = False) -> Image.Image:
    """Decode a file, its bytes, a PIL image or an array.

    The longer side keeps at least `side` pixels where it has them; larger pictures may be decoded at a
    reduced scale. `grey` says that the colours are not needed. A picture `longest` times as long as it is
    wide, or longer, is refused.

    Returns an upright image of mode L or RGB. Raises PictureError; its message begins with the name of the
    source.
    """
    name = source_name(source)
    try:
        image, orientation = _image(source, name, limits)
        _check_size(image.size, name, limits, longest)
        if isinstance(image, ImageFile.ImageFile) and image is not source:
            # Only JPEG follows; and only of a file opened here, since it changes the image.
            width, height = image.size
            image.draft("L" if grey else "RGB", (side, 1) if width > height else (1, side))
        image.load()
        _check_size(image.size, name, limits, longest)  # HEIC may hold another than it says
        return _simple(image, side, orientation)
    except PictureError:
        raise
    except Exception as error:  # decoders meet hostile bytes with errors of every kind
        raise PictureError(
            f"{name}: the picture is damaged or cut off ({_reason(error)}).",
            "Open it in a picture viewer, or fetch it again.",
        ) from error


def source_name(source: Source) -> str:
    """What a message calls this source: its path, fit for any terminal, or what kind of thing it is."""
    if isinstance(source, (str, Path)):
        return _printable(str(source))
    return {bytes: "bytes", np.ndarray: "array"}.get(type(source), "image")


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "too little memory to decode it"
    if isinstance(error, (struct.error, IndexError, OverflowError)):
        return "it ends too early"
    return _printable(" ".join(str(error).split())) or type(error).__name__


def _printable(text: str) -> str:
    # A file and its name may hold bytes that are no text, or codes that a terminal obeys.
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _image(source: Source, name: str, limits: Limits) -> tuple[Image.Image, int]:
    """The image, its pixels not decoded yet, and its EXIF orientation."""
    if isinstance(source, np.ndarray):
        return _from_array(source, name), 1
    if isinstance(source, Image.Image):
        return source, _orientation(source)
    if isinstance(source, (str, Path, bytes)):
        return _open(_bytes(source, name, limits), name, limits)
    raise PictureError(f"Expected a path, bytes, a PIL image or an array; got {type(source).__name__}.")


def _simple(image: Image.Image, side: int, orientation: int) -> Image.Image:
    """Upright, in mode L or RGB, near the scale that is needed."""
    image = _eight_bits(image)
    factor = max(image.size) // side
    if factor > 1:
        image = image.reduce(factor)
    if image.mode == "RGBA":
        image = _on_neutral_ground(image)
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _bytes(source: str | Path | bytes, name: str, limits: Limits) -> bytes:
    data = source if isinstance(source, bytes) else _contents(source, name, limits)
    if not data:
        raise PictureError(f"{name}: empty; it holds no bytes at all.")
    if len(data) > limits.max_bytes:
        raise _too_many_bytes(name, len(data), limits)
    return data


def _contents(path: str | Path, name: str, limits: Limits) -> bytes:
    try:
        # The methods of a Path take as long as the reading itself.
        status = os.stat(path)  # noqa: PTH116
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"{name}: a folder, not a picture.", "Give the files in it.")
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"{name}: not a regular file.")
        if status.st_size > limits.max_bytes:
            raise _too_many_bytes(name, status.st_size, limits)
        with open(path, "rb") as file:  # noqa: PTH123
            # Room is made for all that is asked for, so no more is asked for than is there.
            return file.read(status.st_size + 1)
    except FileNotFoundError as error:
        if Path(path).is_symlink():
            raise PictureError(f"{name}: a broken link; what it points to is not there.") from error
        raise PictureError(f"{name}: no such file.") from error
    except PermissionError as error:
        raise PictureError(f"{name}: permission denied.", "Let yourself read the file.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"{name}: cannot be read ({reason}).") from error


def _too_many_bytes(name: str, count: int, limits: Limits) -> PictureError:
    return PictureError(f"{name}: {count:,} bytes; at most {limits.max_bytes:,} are read.")


def _open(data: bytes, name: str, limits: Limits) -> tuple[Image.Image, int]:
    """Read the header. Plugins are called by name: PIL's own `open` tries dozens of formats nobody needs."""
    form = _form(data[:64])
    if form is None:
        raise PictureError(
            f"{name}: not a picture of a known format; it looks like {_looks_like(data)}.",
            "Known formats: JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF and HEIC.",
        )
    try:
        factory = getattr(import_module(_PLUGINS.get(form, f"PIL.{form}ImagePlugin")), f"{form}ImageFile")
    except ImportError as error:
        if form != "Heif":
            raise
        hint = "Install it with: pip install 'lapel[heic]'"
        raise PictureError(f"{name}: HEIC, which needs an extra.", hint) from error
    try:
        frame = first_frame(form, data, limits)
    except PictureError as error:
        raise PictureError(f"{name}: {error.message}", error.hint) from error
    if frame.size:
        _check_pixels(frame.size, name, limits)
    image: Image.Image = factory(io.BytesIO(frame.data))
    return image, _orientation(image) if frame.orientation is None else frame.orientation


def _form(head: bytes) -> str | None:
    """What the first bytes say that the file is, in the names of the plugins."""
    if head[4:8] == b"ftyp":
        brands = {head[at : at + 4] for at in (8, *range(16, min(int.from_bytes(head[:4]), len(head)), 4))}
        return "Avif" if brands & {b"avif", b"avis"} else "Heif" if brands & _HEIC_BRANDS else None
    if head.startswith(b"RIFF"):
        return "WebP" if head[8:12] == b"WEBP" else None
    return next((form for start, form in _STARTS.items() if head.startswith(start)), None)


def form_suffix(data: bytes) -> str:
    """How the name of a file of these bytes ends, by its form: one of SUFFIXES. Of no known form, ".jpg"."""
    form = _form(data[:32])
    return {None: ".jpg", "Jpeg": ".jpg", "Tiff": ".tif", "Heif": ".heic"}.get(form, f".{form}".lower())


def _looks_like(data: bytes) -> str:
    head = data[:512].lstrip()
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive"
    if head.startswith(b"%PDF"):
        return "a PDF"
    if data[4:8] == b"ftyp":
        return "a film"
    if b"<svg" in head or head[:5].lower() in (b"<!doc", b"<html"):
        return "a web page or SVG"
    return "text" if head and all(32 <= code < 127 or code in b"\t\r\n" for code in head) else "nothing known"


def _check_size(size: tuple[int, int], name: str, limits: Limits, longest: int) -> None:
    _check_pixels(size, name, limits)
    width, height = size
    if min(size) < _SMALLEST_SIDE:
        raise PictureError(f"{name}: {width}×{height} pixels; each side must have at least {_SMALLEST_SIDE}.")
    if max(size) > min(size) * longest:
        raise PictureError(
            f"{name}: {width}×{height} pixels; so long and narrow a picture would be less than one pixel "
            f"wide at {longest}×{longest}."
        )


def _check_pixels(size: tuple[int, int], name: str, limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise PictureError(
            f"{name}: {width:,}×{height:,} pixels; at most {limits.max_pixels:,} in all are decoded.",
            "Shrink the picture first, or raise the limit.",
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
        return Image.fromarray(_stretch(np.array(image, dtype=np.float32)))
    mode = "RGBA" if image.has_transparency_data else "L" if image.mode in ("L", "1") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _stretch(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """From 0 for the least to 255 for the most. In place: such a picture may take half a gigabyte."""
    with np.errstate(all="ignore"):  # files hold numbers that no arithmetic can take
        np.nan_to_num(values, copy=False, posinf=0, neginf=0)
        low, high = float(values.min()), float(values.max())
        scale = 255 / ((high - low) or 1)
        values *= np.float32(scale)
        values -= np.float32(low * scale)
        np.nan_to_num(values, copy=False)
        return values.clip(0, 255, out=values).astype(np.uint8)


def _on_neutral_ground(image: Image.Image) -> Image.Image:
    """Lay a see-through picture on white or on black, whichever its opaque part stands out from."""
    alpha = np.asarray(image.getchannel("A"), dtype=np.float64)
    grey = np.asarray(image.convert("RGB").convert("L"), dtype=np.float64)
    if alpha.min() == 255:
        return image.convert("RGB")
    mean = float((alpha * grey).sum() / alpha.sum()) if alpha.any() else 0.0
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255) if mean < 128 else (0, 0, 0, 255))
    return Image.alpha_composite(ground, image).convert("RGB")
