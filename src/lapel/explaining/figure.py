"""Why a picture has its label, as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..heat import overlay
from ..report.style import INK, MUTED, drawing, plain
from ..report.tiles import Tile, mosaic
from ..wording import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .explain import Explanation

_COLUMNS = 6


@drawing()
def explanation_figure(one: Explanation) -> Figure:
    """The picture, the same under its heat, and the nearest training pictures with their labels."""
    tiles = [
        Tile(one.picture, ((plain(one.label, 18), INK), (percent(one.share), MUTED))),
        Tile(one.picture, ((plain(one.method, 20), INK), (f"hottest covered: {-one.fall:+.0%}", MUTED))),
        *(
            Tile(picture, ((plain(label, 18), INK), (f"learned, {cosine:.2f}", MUTED)))
            for picture, label, cosine in one.nearest
        ),
    ]
    figure = mosaic(tiles, _COLUMNS)
    [axes] = figure.axes
    left, right, bottom, top = axes.images[1].get_extent()
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(overlay(one.heat), extent=(left, right, bottom, top), interpolation="bilinear")
    axes.set(xlim=limits[0], ylim=limits[1])
    return figure
