"""The colours of the garment in a picture, by the names that people use; numpy alone.

Which pixels are the garment's is read off the picture: what stands in its middle and is rare along its rim.
That is done by counting colours of a few hundred kinds, which takes about a tenth of a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A name may stand for several colours: a denim is blue, too, and so is the sea.
_NAMED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("black", ("#0c0c0d", "#1c1c1e", "#29282a", "#221e1d", "#1d2124")),
    ("grey", ("#46464a", "#5f6063", "#7d7e80", "#9a9b9d", "#b3b4b6", "#6e7378", "#868c93")),
    ("white", ("#ffffff", "#f2f2f2", "#e3e4e6", "#d6d8dc")),
    ("cream", ("#f5ecd7", "#ebe0cb", "#e6dccb")),
    ("beige", ("#d9c6a9", "#cdb9a0", "#c4b099")),
    ("tan", ("#c69c6d", "#b98a5b", "#bf9068")),
    ("brown", ("#7b4a2b", "#5b3a26", "#45302a", "#8f5b3c", "#6b5040", "#9a5a3a")),
    ("khaki", ("#a79a78", "#978a6a", "#8a8268")),
    ("olive", ("#5c5b36", "#6f7040", "#4a4a34", "#7d7f4a")),
    ("green", ("#1f7a3a", "#2fa84f", "#0f5a35", "#3fb58f", "#6fbf3f", "#4f8f5a", "#1f4a34", "#7ee03a")),
    ("mint", ("#a8dcc4", "#bfe6d2", "#9fc9b3")),
    ("teal", ("#0f6b70", "#1f8080", "#14545c", "#2f7f7a", "#0f2c2e", "#5f8f8c")),
    ("turquoise", ("#2fc4c9", "#3fb8cf", "#5fd4d0")),
    ("light blue", ("#a5c6e6", "#8fb4db", "#bcd3e6", "#c3d2da", "#6fb1e8", "#8aa6c4", "#4fb4f0")),
    ("blue", ("#1f5fd0", "#2a4fc0", "#3f74b8", "#4a6fa0", "#2f5a94", "#1f82d0", "#3f5f8a", "#5f80d8")),
    ("navy", ("#16203f", "#1f2c50", "#263352", "#2b3550", "#141a30")),
    ("purple", ("#5b2a86", "#6f3fa0", "#4a2a5c", "#7a2f86", "#3f2345", "#5a4f8f")),
    ("lilac", ("#b9a3d8", "#c9b8dc", "#a58fc4", "#d4c4de")),
    ("pink", ("#f2a7c3", "#e85a9c", "#d81f7f", "#f4c6d2", "#d98aa6", "#e03f7f")),
    ("red", ("#d01f26", "#b01a22", "#8f1518", "#e8303a", "#c02a35")),
    ("burgundy", ("#6a1527", "#7d2034", "#551a26", "#8a2a3f")),
    ("coral", ("#f0746a", "#f58a78", "#e0645c")),
    ("orange", ("#f28a1f", "#e8701f", "#d95a1f", "#f5a03f")),
    ("mustard", ("#c9971f", "#b8871f", "#d8a838")),
    ("yellow", ("#f5d92f", "#f0e05a", "#e8c81f", "#f5eb8a")),
)
NAMES = tuple(name for name, _ in _NAMED)
HEX = {name: shades[0] for name, shades in _NAMED}  # a colour that has the name

_MOST = 3  # colours of a garment
_LEAST = 0.12  # of a garment; less is a button, a print or chance
_SIDE = 20  # pixels that are looked at, from side to side
_MIDDLE = 0.18  # of the side: how fast the middle's weight falls off
_RIM = 2  # pixels of the border
_CLEAR = 3  # how much more the clear cases count: a power of how likely a colour is the garment's
_LIGHT = (
    0.95,
    235,
    1.2,
)  # this share of the pixels is darker than that level, or the picture is lit by so much
_LEVELS = 32  # of a channel that are told apart when colours are counted
_CELLS = (6, 8, 8)  # of OKLab: lightness, green to red, blue to yellow
_NEAR = 0.07  # in OKLab: how far a colour of the border rubs off on those like it
_HUE = 2.2  # in the search for a name, hue counts so much more than lightness
_SHADE = (0.5, 0.03)  # folds are darker or lighter, so lightness counts half there; and how like they are
_SAME = 0.6  # from here on two colours are one in light and shade
_SPECK = 0.03  # of a garment: less is in nobody's shade


@dataclass(frozen=True)
class Colour:
    """A colour of a garment: its name, the share of the garment that has it, and its mean as #rrggbb."""

    name: str
    share: float
    hex: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"name": self.name, "share": self.share, "hex": self.hex}


def find_colours(pictures: NDArray[np.uint8]) -> list[tuple[Colour, ...]]:
    """The colours of the garment in each picture (n, height, width, 3): one to three, the largest first.

    Of grey pictures (one channel) nothing is known: they have none.

    >>> picture = np.full((64, 64, 3), 255, np.uint8); picture[16:48, 16:48] = 200, 30, 40
    >>> [colour.name for colour in find_colours(picture[None])[0]]
    ['red']
    """
    if not len(pictures) or pictures.shape[3] != 3:
        return [() for _ in pictures]
    tables, pixels = _tables(), _lit(_thin(pictures))
    middle, rim = _weights(*pixels.shape[1:3])
    flat = pixels.reshape(len(pixels), -1, 3)
    levels = (flat * np.float32(_LEVELS / 256)).astype(np.int32)
    codes = (levels[..., 0] * _LEVELS + levels[..., 1]) * _LEVELS + levels[..., 2]
    cells = tables.cell[codes]
    inside, outside = (_counts(cells, weights, len(tables.near)) @ tables.near for weights in (middle, rim))
    garment = (inside / (inside + outside + 1e-9)) ** _CLEAR
    weights = middle * np.take_along_axis(garment, cells, axis=1)
    names = tables.name[codes]
    shares = _counts(names, weights, len(NAMES))
    sums = [_counts(names, weights * flat[..., channel], len(NAMES)) for channel in range(3)]
    means = np.stack(sums, axis=2) / np.maximum(shares, 1e-12)[..., None]
    return _largest(shares / shares.sum(axis=1, keepdims=True), means)


def colour_rules() -> dict[str, Any]:
    """The names and numbers by which colours are found, as plain data for another language."""
    return {
        "names": _NAMED,
        "most": _MOST,
        "least": _LEAST,
        "side": _SIDE,
        "middle": _MIDDLE,
        "rim": _RIM,
        "clear": _CLEAR,
        "light": _LIGHT,
        "levels": _LEVELS,
        "cells": _CELLS,
        "near": _NEAR,
        "hue": _HUE,
        "shade": _SHADE,
        "same": _SAME,
        "speck": _SPECK,
    }


def _largest(shares: NDArray[np.float64], means: NDArray[np.float64]) -> list[tuple[Colour, ...]]:
    """The colours that matter, light and shade as one, of shares (n, names) and mean levels (n, names, 3)."""
    lab = oklab(means / 255) * (_SHADE[0], 1, 1)
    apart = ((lab[:, :, None] - lab[:, None]) ** 2).sum(axis=3)
    alike = np.exp(-apart / (2 * _SHADE[1] ** 2))
    left = np.where(shares > _SPECK, shares, 0)
    rows = np.arange(len(left))
    found: list[list[tuple[float, int]]] = [[] for _ in rows]
    for _ in range(_MOST):
        best = (left * (alike @ left[..., None])[..., 0]).argmax(axis=1)
        same = (alike[rows, best] > _SAME) & (left > 0)
        for row, share in enumerate((left * same).sum(axis=1).tolist()):
            if share >= _LEAST or not found[row]:
                found[row].append((share, int(best[row])))
        left = np.where(same, 0, left)
    return [
        tuple(
            Colour(NAMES[place], round(share, 3), _hex(colours[place]))
            for share, place in sorted(one, reverse=True)
        )
        for one, colours in zip(found, means, strict=True)
    ]


def _hex(levels: NDArray[np.float64]) -> str:
    red, green, blue = (round(level) for level in levels.tolist())
    return f"#{red:02x}{green:02x}{blue:02x}"


def _counts(places: NDArray[np.int64], weights: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """The weight of each place in each row: (n, most)."""
    count = len(places)
    rows: NDArray[np.int64] = places + np.arange(count)[:, None] * most
    spread = np.broadcast_to(weights, places.shape)
    counts = np.bincount(rows.ravel(), spread.ravel(), count * most).astype(np.float64)
    return counts.reshape(count, most)


def _thin(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every so-manieth pixel, so that about _SIDE are left of a side. Means would make grey of a pattern."""
    step = max(1, min(pictures.shape[1:3]) // _SIDE)
    return pictures[:, step // 2 :: step, step // 2 :: step]


def _lit(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What was taken in too little light, lit: else white would be grey."""
    share, level, most = _LIGHT
    brightest = pixels.max(axis=3).reshape(len(pixels), -1)
    place = int(share * brightest.shape[1])
    bright = np.partition(brightest, place, axis=1)[:, place]
    gain = np.clip(level / np.maximum(bright, 1), 1, most).astype(np.float32)
    lit: NDArray[np.float32] = np.minimum(pixels * gain[:, None, None, None], 255)
    return lit


@cache
def _weights(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much each pixel speaks for the garment, and for the ground; each adds up to 1."""
    rows, columns = ((np.arange(side) + 0.5) / side - 0.5 for side in (height, width))
    away = rows[:, None] ** 2 + columns**2
    middle = np.exp(-away / (2 * _MIDDLE**2))
    rim = np.ones((height, width))
    rim[_RIM:-_RIM, _RIM:-_RIM] = 0
    return (middle / middle.sum()).ravel(), (rim / rim.sum()).ravel()


@dataclass(frozen=True)
class _Tables:
    """For each colour of few levels: its cell, and its name; `near` says which cells look alike."""

    cell: NDArray[np.int64]
    name: NDArray[np.int64]
    near: NDArray[np.float64]


@cache
def _tables() -> _Tables:
    steps = (np.arange(_LEVELS) + 0.5) / _LEVELS
    red, green, blue = np.meshgrid(steps, steps, steps, indexing="ij")
    lab = oklab(np.stack([red, green, blue], axis=-1).reshape(-1, 3))
    low, high = lab.min(axis=0), lab.max(axis=0) + 1e-6
    places = ((lab - low) / (high - low) * _CELLS).astype(np.int64)
    raw = np.ravel_multi_index(tuple(places.T), _CELLS)
    kept, cell = np.unique(raw, return_inverse=True)
    count = len(kept)
    sizes = np.bincount(cell, minlength=count)
    centres = np.stack([np.bincount(cell, lab[:, axis], count) / sizes for axis in range(3)], axis=1)
    apart = ((centres[:, None] - centres) ** 2).sum(axis=2)
    near = np.exp(-apart / (2 * _NEAR**2))
    anchors = [(place, hue) for place, (_, hues) in enumerate(_NAMED) for hue in hues]
    levels = np.array([[int(hue[at : at + 2], 16) for at in (1, 3, 5)] for _, hue in anchors]) / 255
    points = oklab(levels)
    known, sought = ((some * (1, _HUE, _HUE)).astype(np.float32) for some in (lab, points))
    distance = (known**2).sum(axis=1)[:, None] - 2 * known @ sought.T + (sought**2).sum(axis=1)
    name = np.array([place for place, _ in anchors])[distance.argmin(axis=1)]
    return _Tables(cell, name, near)


def oklab(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB (n, 3; 0 to 1) as OKLab (n, 3), in which distances are as people see them (Björn Ottosson)."""
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(
        linear
        @ np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    lab: NDArray[np.float64] = cones @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )
    return lab
