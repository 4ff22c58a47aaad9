"""Which parts of a picture a label hangs on: each part is covered, and the model asked again.

Needs nothing of the model but its answers, so that it explains any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ask: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.floating[Any]]]
Heat: TypeAlias = NDArray[np.float32]

_PLACES = 7  # for a patch in a row, and in a column
_SIZES = (1 / 7, 2 / 9)  # of patches, in sides of the picture
_SOFT = 0.25  # of half a patch: how far its edge fades on either side
_LEAST = 0.01  # a smaller fall is chance, and shown beside itself alone would look like much
_OPAQUE = 0.75  # where it is hottest; the picture stays to be seen
# Matplotlib's plasma (CC0): its steps look alike, and it reads without red and green.
_RAMP = (
    (13, 8, 135),
    (76, 2, 161),
    (126, 3, 168),
    (170, 35, 149),
    (204, 71, 120),
    (230, 108, 92),
    (248, 149, 64),
    (253, 197, 39),
    (240, 249, 33),
)


@dataclass(frozen=True)
class HeatMap:
    """How much of the probability of a label hangs on each pixel.

    `heat` (height, width; 0 to 1) is relative to the hottest pixel. `fall` is by how much the probability
    fell at most when one patch was covered; where that is less than 0.01, no part matters by itself, and
    there is no heat.
    """

    heat: Heat
    fall: float


def heat_map(ask: Ask, picture: NDArray[np.uint8], label: int) -> HeatMap:
    """Find what the label hangs on in a picture (height, width, channels).

    `ask` gives the probabilities (n, classes) of pictures (n, height, width, channels). It is asked once, of
    99: the picture itself, and the same with a patch, of two sizes in 49 places each, covered in the colour
    of the ground, which is the median of the border.

    >>> heat_map(tagger.probabilities, picture, label=0).fall  # doctest: +SKIP
    0.43
    """
    height, width = picture.shape[:2]
    covers = np.stack([_covers(height, width, size) for size in _SIZES])
    change = ground_of(picture).astype(np.float32) - picture
    asked = np.empty((1 + _PLACES**2 * len(_SIZES), *picture.shape), np.uint8)
    asked[0] = picture
    for covered, cover in zip(asked[1:], covers.reshape(-1, height, width, 1), strict=True):
        covered[:] = picture + change * cover + np.float32(0.5)
    shares = np.asarray(ask(asked), dtype=np.float32)[:, label]
    falls = (shares[0] - shares[1:]).reshape(len(_SIZES), -1)
    fall = max(0.0, float(falls.max()))
    # A pixel has the mean of the patches over it; where covering only helps, it is cold.
    spread = np.einsum("sp,sphw->shw", falls, covers) / covers.sum(axis=1)
    heat: Heat = np.maximum(spread.mean(axis=0), 0)
    hottest = heat.max()
    return HeatMap(heat / hottest if fall >= _LEAST and hottest > 0 else np.zeros_like(heat), fall)


def heat_rules() -> dict[str, Any]:
    """The numbers by which heat is found and shown, as plain data for another language."""
    return {
        "places": _PLACES,
        "sizes": _SIZES,
        "soft": _SOFT,
        "least": _LEAST,
        "opaque": _OPAQUE,
        "ramp": _RAMP,
    }


def ground_of(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colour (channels) of the ground of a picture: the median of its border."""
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    ground: NDArray[np.uint8] = np.sort(border, axis=0)[len(border) // 2]
    return ground


def overlay(heat: Heat) -> NDArray[np.uint8]:
    """Heat (height, width; 0 to 1) as RGBA (height, width, 4), to lay over the picture; the cold is clear."""
    steps = np.linspace(0, 1, len(_RAMP))
    colours = [np.interp(heat, steps, channel) for channel in zip(*_RAMP, strict=True)]
    rgba = np.stack([*colours, heat * (255 * _OPAQUE)], axis=-1)
    return np.round(rgba).astype(np.uint8)


def _covers(height: int, width: int, size: float) -> NDArray[np.float32]:
    """How far each patch of a size covers each pixel, from 0 to 1: (patches, height, width)."""
    rows, columns = _bands(height, size), _bands(width, size)
    covers: NDArray[np.float32] = rows[:, None, :, None] * columns[None, :, None, :]
    return covers.reshape(-1, height, width)


def _bands(length: int, size: float) -> NDArray[np.float32]:
    """The same along one side: (patches, length). The first begins at one end, the last ends at the other."""
    middles = np.linspace(size / 2, 1 - size / 2, _PLACES)
    pixels = (np.arange(length) + 0.5) / length
    away = np.abs(pixels - middles[:, None]) / (size / 2)
    return np.clip((1 + _SOFT - away) / (2 * _SOFT), 0, 1).astype(np.float32)
