"""Whether a garment has a pattern all over: stripes, checks, dots, flowers. In doubt, nothing is said.

A pattern is fine and everywhere: even where the middle of a photo changes least from pixel to pixel, it
changes more than plain cloth does. A print on plain cloth is no pattern by this, nor are folds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..colour import oklab
from ..errors import PictureError
from ..picture import PictureSpec, Source, read_picture

_SPEC = PictureSpec(size=128, channels=3)
_RADIUS = 2  # pixels around each that it is compared with
_COLOUR = 2  # a change of colour counts so much more than one of light, which folds make as well
_MIDDLE = (0.3, 0.7)  # of the sides: where the garment is
_TILES = 4  # of the middle, from side to side
_CALM = 4  # of all tiles, the calmest first: where it is looked
# Chosen on 85 phone photos (benchmarks/patterns.py): some 5 % of the plain garments lie above the first,
# and some 5 % of the patterned ones below the second.
_PATTERNED = 0.047
_PLAIN = 0.022


def has_pattern(photo: Source) -> bool | None:
    """Whether the garment in a photo has a pattern; None in doubt, or where the photo cannot be read."""
    try:
        picture = read_picture(photo, _SPEC)
    except PictureError:
        return None
    [measure] = unrest(picture[None]).tolist()
    return True if measure > _PATTERNED else False if measure < _PLAIN else None


def unrest(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How much garments in pictures (n, 128, 128, 3) change from pixel to pixel where they do least: (n)."""
    count = len(pictures)
    first, last = (int(pictures.shape[1] * share) for share in _MIDDLE)
    seen = slice(first - _RADIUS, last + _RADIUS)
    middle_and_rim = pictures[:, seen, seen]
    lab = oklab((middle_and_rim / 255).reshape(-1, 3)).reshape(*middle_and_rim.shape)
    change = (lab[:, _RADIUS:-_RADIUS, _RADIUS:-_RADIUS] - _blurred(lab)) * (1, _COLOUR, _COLOUR)
    middle = np.sqrt((change**2).sum(axis=3))
    wide = middle.shape[1] // _TILES
    whole = middle[:, : wide * _TILES, : wide * _TILES].reshape(count, _TILES, wide, _TILES, wide)
    tiles = np.sort(whole.mean(axis=(2, 4)).reshape(count, -1), axis=1)
    calm: NDArray[np.float64] = tiles[:, _CALM]
    return calm


def _blurred(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each pixel as the mean of the square around it; those of the rim have none."""
    wide = 2 * _RADIUS + 1
    sums = np.pad(lab, ((0, 0), (1, 0), (1, 0), (0, 0))).cumsum(axis=1).cumsum(axis=2)
    means: NDArray[np.float64] = (
        sums[:, wide:, wide:] - sums[:, :-wide, wide:] - sums[:, wide:, :-wide] + sums[:, :-wide, :-wide]
    ) / wide**2
    return means
