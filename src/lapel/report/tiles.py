"""Pictures laid out in rows, each with its words beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .style import INK, LINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 0.12  # between tiles, in widths of a picture
_TEXT = 0.17  # height of a line of words
_INCHES = 1.35  # width of a picture on paper


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture, the (words, colour) of each line beneath it, and a bar of this share between the two."""

    picture: NDArray[np.uint8]
    lines: tuple[tuple[str, str], ...]
    bar: float | None = None
    hue: str = INK


def mosaic(tiles: Sequence[Tile], columns: int = 6) -> Figure:
    """Lay tiles out row by row. One axes holds them all: an axes each would take ten times as long."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    columns = max(1, min(columns, len(tiles)))
    rows = max(1, -(-len(tiles) // columns))
    lines = max((len(tile.lines) for tile in tiles), default=1)
    wide = columns * (1 + _GAP) + _GAP
    step = 1 + 2 * _GAP + lines * _TEXT
    high = rows * step + _GAP
    figure = Figure(figsize=(wide * _INCHES, high * _INCHES))
    axes = figure.add_axes((0, 0, 1, 1))
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        left, top = _GAP + column * (1 + _GAP), _GAP + row * step
        show(axes, tile.picture, (left, left + 1, top + 1, top))
        under = top + 1.05
        if tile.bar is not None:
            axes.add_patch(Rectangle((left, under), 1, 0.035, color=LINE, linewidth=0))
            axes.add_patch(Rectangle((left, under), tile.bar, 0.035, color=tile.hue, linewidth=0))
        for number, (words, hue) in enumerate(tile.lines):
            size: dict[str, Any] = {
                "fontsize": 8,
                "color": hue,
                "fontweight": "bold" if number == 0 else "normal",
            }
            axes.text(left, under + 0.07 + number * _TEXT, words, va="top", **size)
    axes.set(xlim=(0, wide), ylim=(high, 0), aspect="equal")
    axes.set_axis_off()
    return figure


def show(
    axes: Axes, picture: NDArray[np.uint8], extent: tuple[float, float, float, float] | None = None
) -> None:
    """Draw a picture (height, width, 1 or 3) as the model sees it: pixel by pixel where it is small."""
    how: dict[str, Any] = {"interpolation": "nearest" if max(picture.shape[:2]) <= 64 else "antialiased"}
    if picture.shape[2] == 1:
        how |= {"cmap": "gray", "vmin": 0, "vmax": 255}
    axes.imshow(picture.squeeze(2) if picture.shape[2] == 1 else picture, extent=extent, **how)
