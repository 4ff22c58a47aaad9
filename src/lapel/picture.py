"""From bytes to a picture: decode within limits, turn upright, find the garment, square and shrink.

Training folders and photographs to be tagged go through the one function `read_picture`, so that a model
meets the same pictures in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .decode import Limits, Source, decode, source_name
from .errors import LapelError, PictureError, did_you_mean

__all__ = ["Limits", "Picture", "PictureSpec", "Preparation", "Source", "read_picture", "source_name"]

Preparation = Literal["plain", "garment"]
Picture: TypeAlias = NDArray[np.uint8]  # (size, size, channels)

_WORKING_SCALE = 4  # what is trimmed to a quarter of the photograph still has a pixel for each of the model's
_DARK = 12  # 5 % of 255: the tolerance by which the Fashion-MNIST paper takes two colours for the same
_GARMENT_SHARE = 0.02  # of a row or column; less is dust
_MOST_GAIN = 2.0  # how far faint differences from the ground are stretched


@dataclass(frozen=True)
class PictureSpec:
    """What pictures a model sees, and how a photograph becomes one.

    `plain` squares and shrinks: for pictures that already look like the training data. `garment` makes a
    photograph look like Fashion-MNIST: the garment is found against the border, trimmed, made bright on
    black, shrunk, sharpened and centred.
    """

    size: int = 28
    channels: int = 1
    preparation: Preparation = "plain"

    def __post_init__(self) -> None:
        for name, value, least, most in (("size", self.size, 4, 1024), ("channels", self.channels, 1, 3)):
            if type(value) is not int or not least <= value <= most or (name, value) == ("channels", 2):
                known = "1 or 3" if name == "channels" else f"a whole number from {least} to {most}"
                raise LapelError(f"The {name} of a picture must be {known}; {value!r} was given.")
        if self.preparation not in get_args(Preparation):
            raise LapelError(
                f"There is no preparation {self.preparation!r}.",
                did_you_mean(str(self.preparation), get_args(Preparation)),
            )
        if self.preparation == "garment" and self.channels != 1:
            raise LapelError(
                "The preparation 'garment' makes grey pictures, so channels must be 1.",
                "Use the preparation 'plain' for colour.",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every picture."""
        return self.size, self.size, self.channels

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain data, for a card or a recipe."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PictureSpec:
        """Read what `to_dict` wrote. Raises LapelError for an unknown key or a value out of range."""
        known = [field.name for field in fields(cls)]
        for key in data:
            if key not in known:
                raise LapelError(f"A picture has no setting {key!r}.", did_you_mean(str(key), known))
        return cls(**data)


def read_picture(source: Source, spec: PictureSpec, limits: Limits | None = None) -> Picture:
    """Make a picture of a file, its bytes, a PIL image or an array.

    An array is uint8 and grey (height, width), or has 1, 3 (RGB) or 4 (RGBA) channels last. A grey picture
    of exactly the size asked for, on dark ground, passes unchanged, bit for bit.

    Returns uint8 of shape (size, size, channels). Raises PictureError where the source cannot be read or is
    beyond the limits, or where the preparation `garment` is given a picture all of one colour; its message
    begins with the name of the file.

    >>> read_picture("shirt.jpg", PictureSpec(size=28, preparation="garment")).shape
    (28, 28, 1)
    """
    image = decode(
        source,
        limits or Limits(),
        side=spec.size * (_WORKING_SCALE if spec.preparation == "garment" else 1),
        longest=spec.size,
        grey=spec.channels == 1 and spec.preparation == "plain",
    )
    if spec.preparation == "plain":
        return _plain(image, spec)
    if _spread(image) <= _DARK:
        raise PictureError(
            f"{source_name(source)}: all of one colour; there is nothing to be seen in it.",
            "Take the photo again, with more light and all of the garment in it.",
        )
    return _plain(image, spec) if _already_garment(image, spec) else _garment(image, spec)


def _spread(image: Image.Image) -> int:
    """By how much its pixels differ at most, in the channel where they differ most."""
    return max(int(np.ptp(np.asarray(channel))) for channel in image.split())


def _already_garment(image: Image.Image, spec: PictureSpec) -> bool:
    """Whether this is a picture as the garment preparation makes them: grey, of the size, on black."""
    if image.size != (spec.size, spec.size):
        return False
    pixels = np.asarray(image)
    if pixels.ndim == 3:
        if (pixels != pixels[:, :, :1]).any():
            return False
        pixels = pixels[:, :, 0]
    # A wide garment may touch two corners: of the 70,000 pictures of Fashion-MNIST none touches three.
    return int((pixels[[0, 0, -1, -1], [0, -1, 0, -1]] > _DARK).sum()) <= 2


def _plain(image: Image.Image, spec: PictureSpec) -> Picture:
    mode = "L" if spec.channels == 1 else "RGB"
    image = _shrink(image if image.mode == mode else image.convert(mode), spec.size)
    pixels = np.asarray(image, dtype=np.uint8)
    ground = _quantile(_border(pixels), 0.5)
    return _centre(pixels, spec, ground)


def _garment(image: Image.Image, spec: PictureSpec) -> Picture:
    """The steps of the Fashion-MNIST paper, except that the border decides whether to negate."""
    colours = np.asarray(image.convert("RGB"), dtype=np.float32)
    border = _border(colours)
    ground = _quantile(border, 0.5)
    # A ground that is not plain differs from itself, and the garment must differ by more.
    tolerance = max(_DARK, float(_quantile(_distance(border, ground), 0.9)))
    different = _distance(colours, ground) > tolerance
    rows = np.flatnonzero(different.mean(axis=1) > _GARMENT_SHARE)
    columns = np.flatnonzero(different.mean(axis=0) > _GARMENT_SHARE)
    if not len(rows) or not len(columns):
        return _plain(image, spec)
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    if not different[box].any():
        return _plain(image, spec)  # the rows and the columns owe their marks to different scratches
    grey = np.asarray(image.convert("L"), dtype=np.float64)
    level = float(_quantile(_border(grey), 0.5))
    negate = float(_quantile(grey[box][different[box]], 0.5)) < level
    above, room = (level - grey[box], level) if negate else (grey[box] - level, 255 - level)
    bright = np.clip(above * min(_MOST_GAIN, 255 / max(room, 1.0)), 0, 255).astype(np.uint8)
    small = _shrink(Image.fromarray(bright), spec.size)
    sharp = small.filter(ImageFilter.UnsharpMask(radius=1, percent=50, threshold=0))
    return _centre(np.asarray(sharp, dtype=np.uint8), spec, np.zeros(1, dtype=np.uint8))


def _shrink(image: Image.Image, size: int) -> Image.Image:
    """Bring the longer side to `size`; an image that has it already is not touched."""
    longer = max(image.size)
    if longer == size:
        return image
    width, height = (max(1, round(side * size / longer)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _centre(pixels: NDArray[np.uint8], spec: PictureSpec, ground: NDArray[Any]) -> Picture:
    height, width = pixels.shape[:2]
    picture = np.empty(spec.shape, dtype=np.uint8)
    picture[0] = ground
    picture[1:] = picture[0]  # whole rows are copied faster than pixels
    top, left = (spec.size - height) // 2, (spec.size - width) // 2
    picture[top : top + height, left : left + width] = pixels.reshape(height, width, spec.channels)
    return picture


def _border(pixels: NDArray[Any]) -> NDArray[Any]:
    """The outermost pixels, one after the other: (n,) of a grey picture, (n, channels) of a colour one."""
    return np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])


def _distance(colours: NDArray[np.float32], ground: NDArray[Any]) -> NDArray[np.float32]:
    """How far each colour lies from the ground in the channel where it lies farthest."""
    distance: NDArray[np.float32] = np.abs(colours[..., 0] - np.float32(ground[0]))
    for channel in (1, 2):
        np.maximum(distance, np.abs(colours[..., channel] - np.float32(ground[channel])), out=distance)
    return distance


def _quantile(values: NDArray[Any], share: float) -> NDArray[Any]:
    """The value below which that share of the rows lies, in each column; 0.5 gives the median."""
    # numpy's own median and percentile load its masked arrays, which a fresh process waits for.
    place = int(share * (len(values) - 1))
    result: NDArray[Any] = np.partition(values, place, axis=0)[place]
    return result
