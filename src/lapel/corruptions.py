"""Pictures made worse in fifteen ways, at five severities each: how a photo may come, in numpy alone.

The list is that of Fashion-MNIST-C, after Mu and Gilmer's MNIST-C (2019); the code and the severities are
Lapel's own, so figures compare with each other and not with those of the published files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import LapelError, did_you_mean

Pictures: TypeAlias = NDArray[np.uint8]  # (n, height, width, channels)
Shares: TypeAlias = NDArray[np.float32]  # the same, from 0 to 1
Change: TypeAlias = Callable[[Shares, Any, np.random.Generator], Shares]

SEVERITIES = (1, 2, 3, 4, 5)

_SIDE = 28  # pixels of the pictures that lengths are said for; those of others grow with them
_DIRECTIONS = 24  # of a motion, over half a turn
_AT_ONCE = 1 << 22  # numbers of a batch that are changed at a time
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Corruption:
    """One way. `levels` holds what each severity is; a change that knows no more or less has none."""

    name: str
    about: str
    change: Change
    levels: tuple[Any, ...] = ()

    @property
    def severities(self) -> tuple[int, ...]:
        """The severities that differ from each other: 1 to 5, or 1 alone."""
        return SEVERITIES if self.levels else SEVERITIES[:1]


def corrupt(pictures: Pictures, name: str, severity: int = 3, seed: int = 0) -> Pictures:
    """Change pictures (n, height, width, channels; uint8) in one of the ways; the same seed, the same way.

    Lengths are those of pictures of 28 pixels, and grow with larger ones; what comes in from outside a
    picture is the median of its rim. The inverse, the flips and the quarter turns are the same at every
    severity. Raises LapelError for another name, another severity, or what are no pictures.

    >>> corrupt(np.zeros((1, 28, 28, 1), np.uint8), "inverse").max()
    255
    """
    way = find_corruption(name)
    if severity not in SEVERITIES:
        raise LapelError(f"A severity is a whole number from 1 to 5; {severity!r} was given.")
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] not in (1, 3):
        raise LapelError(
            f"Pictures to corrupt are uint8 of shape (n, height, width, 1 or 3); "
            f"{pictures.dtype} of shape {pictures.shape} came."
        )
    level = way.levels[severity - 1] if way.levels else None
    random = np.random.default_rng([seed, list(CORRUPTIONS).index(name), severity])
    changed = np.empty_like(pictures)
    step = max(1, _AT_ONCE // max(1, math.prod(pictures.shape[1:])))
    for start in range(0, len(pictures), step):
        shares = pictures[start : start + step].astype(np.float32) / np.float32(255)
        worse = way.change(shares, level, random)
        changed[start : start + step] = np.rint(np.clip(worse, 0, 1) * 255).astype(np.uint8)
    return changed


def find_corruption(name: str) -> Corruption:
    """The corruption of this name. Raises LapelError, with the nearest name, where there is none."""
    if name not in CORRUPTIONS:
        raise LapelError(f'There is no corruption "{name}".', did_you_mean(name, CORRUPTIONS))
    return CORRUPTIONS[name]


def _shot_noise(shares: Shares, photons: float, random: np.random.Generator) -> Shares:
    return (random.poisson(shares * photons) / photons).astype(np.float32)


def _impulse_noise(shares: Shares, amount: float, random: np.random.Generator) -> Shares:
    drawn = random.random(shares.shape, dtype=np.float32)
    return np.where(drawn < amount / 2, 0, np.where(drawn > 1 - amount / 2, 1, shares)).astype(np.float32)


def _glass_blur(shares: Shares, how: tuple[float, float, int], random: np.random.Generator) -> Shares:
    """Softened, then every pixel seen at a place nearby, some times over, and softened once more."""
    width, away, times = how
    unit = _unit(shares)
    count, height, wide = shares.shape[:3]
    soft = _soften(shares, width * unit)
    most = max(1, round(away * unit))
    rows, columns = np.arange(height)[:, None], np.arange(wide)
    for _ in range(times):
        down, right = random.integers(-most, most + 1, (2, count, height, wide), dtype=np.int16)
        places = np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, wide - 1)
        soft = soft[np.arange(count)[:, None, None], places[0], places[1]]
    return _soften(soft, width * unit)


def _motion_blur(shares: Shares, length: float, random: np.random.Generator) -> Shares:
    """The mean over a straight way of this length, in a direction of its own for each picture."""
    whole = length * _unit(shares)
    reach = math.ceil(whole / 2)
    rim = ((0, 0), (reach, reach), (reach, reach), (0, 0))
    height, width = shares.shape[1:3]
    blurred = np.zeros_like(shares)
    directions = random.integers(0, _DIRECTIONS, len(shares))
    for direction in np.unique(directions):
        which = np.flatnonzero(directions == direction)
        framed, mean = np.pad(shares[which], rim, mode="edge"), np.zeros_like(shares[which])
        for (down, right), weight in _way(whole, math.pi * direction / _DIRECTIONS).items():
            top, left = reach + down, reach + right
            mean += np.float32(weight) * framed[:, top : top + height, left : left + width]
        blurred[which] = mean
    return blurred


def _way(length: float, angle: float) -> dict[tuple[int, int], float]:
    """Whole pixels, (down, right), along a straight way through the middle, each with its share of it."""
    shares: dict[tuple[int, int], float] = {}
    steps = max(2, math.ceil(2 * length))
    for part in np.linspace(-0.5, 0.5, steps) * (length - 1):
        place = round(math.sin(angle) * part), round(math.cos(angle) * part)
        shares[place] = shares.get(place, 0.0) + 1 / steps
    return shares


def _shear(shares: Shares, tangent: float, random: np.random.Generator) -> Shares:
    matrices = np.tile(np.eye(2), (len(shares), 1, 1))
    matrices[:, 1, 0] = tangent * _signs(len(shares), random)
    return _resample(shares, matrices)


def _scale(shares: Shares, size: float, _random: np.random.Generator) -> Shares:
    return _resample(shares, np.tile(np.eye(2) / size, (len(shares), 1, 1)))


def _rotate(shares: Shares, degrees: float, random: np.random.Generator) -> Shares:
    angle = math.radians(degrees) * _signs(len(shares), random)
    cos, sin = np.cos(angle), np.sin(angle)
    return _resample(shares, np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1))


def _brightness(shares: Shares, more: float, _random: np.random.Generator) -> Shares:
    return shares + np.float32(more)


def _contrast(shares: Shares, kept: float, _random: np.random.Generator) -> Shares:
    middle = shares.mean(axis=(1, 2), keepdims=True)
    changed: Shares = (shares - middle) * np.float32(kept) + middle
    return changed


def _saturate(shares: Shares, gain: float, _random: np.random.Generator) -> Shares:
    """Stronger colours, until they are cut off; of a grey picture, which has none, stronger light."""
    if shares.shape[3] == 1:
        return shares * np.float32(gain)
    grey: Shares = (shares @ _LUMA)[..., None]
    strong: Shares = grey + (shares - grey) * np.float32(gain)
    return strong


def _inverse(shares: Shares, _level: None, _random: np.random.Generator) -> Shares:
    return 1 - shares


def _mirror(shares: Shares, _level: None, _random: np.random.Generator) -> Shares:
    return shares[:, :, ::-1]


def _upside_down(shares: Shares, _level: None, _random: np.random.Generator) -> Shares:
    return shares[:, ::-1]


def _turn_left(shares: Shares, _level: None, _random: np.random.Generator) -> Shares:
    return _quarter(shares, 1)


def _turn_right(shares: Shares, _level: None, _random: np.random.Generator) -> Shares:
    return _quarter(shares, -1)


def _quarter(shares: Shares, side: int) -> Shares:
    """A quarter turn, to the left (1) or to the right (-1); into the same frame where it is not square."""
    height, width = shares.shape[1:3]
    if height == width:
        return np.rot90(shares, side, axes=(1, 2))
    turned = np.array([[0, height / width], [-width / height, 0]]) * side
    return _resample(shares, np.tile(turned, (len(shares), 1, 1)))


def _resample(shares: Shares, matrices: NDArray[np.float64]) -> Shares:
    """Each picture seen through a matrix (n, 2, 2) about its middle.

    The matrix says where a pixel, (down, right) of the middle, comes from; between pixels it is bilinear.
    """
    count, height, width, _ = shares.shape
    ground = np.median(_rim(shares), axis=1)[:, None, None]
    framed = np.empty((count, height + 2, width + 2, shares.shape[3]), np.float32)
    framed[:] = ground
    framed[:, 1:-1, 1:-1] = shares
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).reshape(-1, 2)
    places = (grid - middle) @ matrices.transpose(0, 2, 1) + middle + 1  # 1: the frame
    places = np.clip(places, 0, (height + 1, width + 1))
    corner = np.minimum(places.astype(np.intp), (height, width))
    part = (places - corner).astype(np.float32)
    flat = framed.reshape(count, -1, shares.shape[3])
    first = corner[..., 0] * (width + 2) + corner[..., 1]
    one = np.arange(count)[:, None]
    down, right = part[..., :1], part[..., 1:]
    above = flat[one, first] * (1 - right) + flat[one, first + 1] * right
    below = flat[one, first + width + 2] * (1 - right) + flat[one, first + width + 3] * right
    seen: Shares = (above * (1 - down) + below * down).reshape(shares.shape)
    return seen


def _soften(shares: Shares, width: float) -> Shares:
    """Softened by a bell of this standard deviation, in pixels."""
    reach = max(1, math.ceil(3 * width))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    bell = (bell / bell.sum()).astype(np.float32)
    for axis in (1, 2):
        rim = [(0, 0)] * 4
        rim[axis] = (reach, reach)
        wide, length = np.pad(shares, rim, mode="edge"), shares.shape[axis]
        shares = np.zeros_like(shares)
        for place, weight in enumerate(bell):
            shares += weight * np.take(wide, range(place, place + length), axis)
    return shares


def _rim(shares: Shares) -> Shares:
    """The outermost pixels of each picture: (n, pixels, channels)."""
    return np.concatenate([shares[:, 0], shares[:, -1], shares[:, 1:-1, 0], shares[:, 1:-1, -1]], axis=1)


def _signs(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    return np.where(random.integers(0, 2, count), 1.0, -1.0)


def _unit(shares: Shares) -> float:
    return float(min(shares.shape[1:3])) / _SIDE


CORRUPTIONS: dict[str, Corruption] = {
    one.name: one
    for one in (
        Corruption("shot-noise", "photons a white pixel is counted by", _shot_noise, (60, 25, 12, 5, 3)),
        Corruption(
            "impulse-noise", "share of pixels black or white", _impulse_noise, (0.03, 0.06, 0.09, 0.17, 0.27)
        ),
        Corruption(
            "glass-blur",
            "softness, pixels away, times",
            _glass_blur,
            ((0.4, 1, 1), (0.6, 1, 2), (0.8, 1, 3), (0.9, 2, 2), (1.1, 2, 3)),
        ),
        Corruption("motion-blur", "pixels of the way", _motion_blur, (3, 5, 7, 9, 11)),
        Corruption("shear", "tangent", _shear, (0.2, 0.3, 0.4, 0.5, 0.6)),
        Corruption("scale", "times as large", _scale, (0.9, 0.8, 0.7, 0.6, 0.5)),
        Corruption("rotate", "degrees, to either side", _rotate, (10, 18, 26, 34, 42)),
        Corruption("brightness", "share of white added", _brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
        Corruption("contrast", "share of the contrast that is left", _contrast, (0.4, 0.3, 0.2, 0.1, 0.05)),
        Corruption("saturate", "times as strong", _saturate, (1.25, 1.5, 2, 3, 5)),
        Corruption("inverse", "dark for bright", _inverse),
        Corruption("mirror", "left for right", _mirror),
        Corruption("upside-down", "top for bottom, as in a mirror below", _upside_down),
        Corruption("turn-left", "a quarter turn", _turn_left),
        Corruption("turn-right", "a quarter turn", _turn_right),
    )
}
