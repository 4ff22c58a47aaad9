"""Why a picture has its label, as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..heat import Heat, overlay
from ..picture import Picture
from ..report.style import INK, MUTED, drawing, plain
from ..report.tiles import Tile, mosaic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 6


@drawing()
def explanation_figure(
    picture: Picture,
    heat: Heat,
    words: tuple[str, str],
    under: tuple[str, str],
    nearest: Sequence[tuple[Picture, str, float]],
) -> Figure:
    """The picture, the same under its heat, and training pictures with their labels and cosines.

    `words` are two lines beneath the picture, `under` two beneath the heat.
    """
    tiles = [
        Tile(picture, ((plain(words[0], 18), INK), (words[1], MUTED))),
        Tile(picture, ((plain(under[0], 20), INK), (under[1], MUTED))),
        *(
            Tile(other, ((plain(label, 18), INK), (f"learned, {cosine:.2f}", MUTED)))
            for other, label, cosine in nearest
        ),
    ]
    figure = mosaic(tiles, _COLUMNS)
    [axes] = figure.axes
    left, right, bottom, top = axes.images[1].get_extent()
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(overlay(heat), extent=(left, right, bottom, top), interpolation="bilinear")
    axes.set(xlim=limits[0], ylim=limits[1])
    return figure
