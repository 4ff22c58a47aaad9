"""Pictures in a terminal: two pixels a character, in true colour."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

_RESET = "\x1b[0m"


def can_draw(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether pictures can be drawn to `stream`: a terminal with colours and more than ASCII.

    `environment` is os.environ, of which NO_COLOR and TERM=dumb are respected.
    """
    if environment.get("NO_COLOR") or environment.get("TERM", "") == "dumb" or not stream.isatty():
        return False
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def draw(pixels: NDArray[np.uint8], columns: int | None = None) -> str:
    """Draw uint8 pixels of shape (height, width) or (height, width, 1 or 3) as lines of half blocks.

    Each character shows two pixels, one above the other, so that they come out square. Where the picture
    is wider than `columns`, whole blocks of pixels are averaged. The lines end without a newline.
    """
    colours = _fit(_rgb(pixels), columns)
    if len(colours) % 2:
        colours = np.concatenate([colours, np.zeros_like(colours[:1])])
    return "\n".join(
        "".join(
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]};48;2;{b[0]};{b[1]};{b[2]}m▀"
            for a, b in zip(upper, lower, strict=True)
        )
        + _RESET
        for upper, lower in zip(colours[::2].tolist(), colours[1::2].tolist(), strict=True)
    )


def beside(drawing: str, width: int, lines: list[str], gap: int = 2) -> str:
    """Set `lines` of text to the right of a drawing that is `width` characters wide."""
    rows = zip_longest(drawing.split("\n"), lines, fillvalue=None)
    return "\n".join(
        (" " * width if left is None else left) + (" " * gap + right if right else "") for left, right in rows
    )


def _rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    colours = pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
    return np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours


def _fit(colours: NDArray[np.uint8], columns: int | None) -> NDArray[np.uint8]:
    height, width = colours.shape[:2]
    block = 1 if columns is None else -(-width // max(1, columns))
    if block == 1:
        return colours
    # The rest at the edges is repeated from the last pixel, so that no block is short.
    padded = np.pad(colours, ((0, -height % block), (0, -width % block), (0, 0)), mode="edge")
    shape = len(padded) // block, block, padded.shape[1] // block, block, 3
    means: NDArray[np.uint8] = padded.reshape(shape).mean(axis=(1, 3)).round().astype(np.uint8)
    return means
