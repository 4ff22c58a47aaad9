"""A figure of every corruption at every severity, so that what was asked can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..corruptions import CORRUPTIONS, SEVERITIES, corrupt
from .style import INK, MUTED, drawing
from .tiles import show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INCHES = 0.95  # width of a picture on paper
_NAMES = 1.4  # width of the names, in pictures


@drawing()
def corruption_grid(pictures: NDArray[np.uint8], seed: int = 0) -> Figure:
    """Each corruption, a row, at each severity, a column, of pictures (n, height, width, 1 or 3)."""
    from matplotlib.figure import Figure

    ways = list(CORRUPTIONS.values())
    wide, high = _NAMES + 1.08 * (1 + len(SEVERITIES)), 1.08 * len(ways) + 0.4
    figure = Figure(figsize=(wide * _INCHES, high * _INCHES))
    axes = figure.add_axes((0, 0, 1, 1))
    titles = ["as it is", *(f"severity {severity}" for severity in SEVERITIES)]
    for place, title in enumerate(titles):
        axes.text(_NAMES + 1.08 * place + 0.5, 0.25, title, ha="center", va="center", fontsize=8, color=MUTED)
    for row, way in enumerate(ways):
        top = 0.4 + 1.08 * row
        axes.text(0.05, top + 0.5, way.name.replace("-", " "), va="center", fontsize=9, color=INK)
        picture = pictures[row % len(pictures)][None]
        shown: Sequence[NDArray[np.uint8]] = [
            picture,
            *(corrupt(picture, way.name, severity, seed) for severity in way.severities),
        ]
        for place, one in enumerate(shown):
            left = _NAMES + 1.08 * place
            show(axes, one[0], (left, left + 1, top + 1, top))
        if len(shown) == 2:
            words = "the same at every severity"
            axes.text(_NAMES + 2.3, top + 0.5, words, va="center", fontsize=8, color=MUTED)
    axes.set(xlim=(0, wide), ylim=(high, 0), aspect="equal")
    axes.set_axis_off()
    return figure
