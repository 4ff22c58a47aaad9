"""Pairs of shoes as people photograph them, from above and in front: Fashion-MNIST has them from the side.

A shoe has its heel at the top and its toes at the bottom, and is drawn from the sole upwards: what is nearer
covers what is farther. Places are `across`, from -1 to 1 where the sole is widest, and `along`, from 0 at the
heel to 1 at the toes; the shaft of a boot reaches above 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from grounds import any_colour, as_bytes, fractal
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scenes import ANKLE_BOOT, OTHER, SANDAL, SNEAKER

Colour = NDArray[np.float64]
Points = NDArray[np.float64]  # (n, 2): across and along

_FINE = 4  # drawn so many times as large, then shrunk


def shoes(count: int, side: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw pairs: colours and a stencil (n, side, side, 4), and their classes (OTHER for clogs and flats)."""
    random = np.random.default_rng((seed, 4))
    labels = random.choice(list(_KINDS), count, p=[0.25, 0.25, 0.3, 0.2])
    return np.stack([_pair(_KINDS[int(label)], side, random) for label in labels]), labels


class Shoe:
    """One shoe of a pair, drawn into the picture of both."""

    def __init__(
        self, draw: ImageDraw.ImageDraw, place: Points, hand: int, random: np.random.Generator
    ) -> None:
        self.random = random
        self._draw, self._place, self._hand = draw, place, hand
        heel, waist, toe = random.uniform((0.6, 0.55, 0.5), (0.85, 0.8, 0.9))
        self._at = at = np.linspace(0, 1, 60)
        rough = np.interp(at, [0, 0.2, 0.45, 0.72, 1], [heel, heel, waist, 1, toe])
        smooth = np.convolve(np.pad(rough, 5, mode="edge"), np.ones(11) / 11, "valid")
        ends = np.minimum(np.minimum(at / 0.15, (1 - at) / random.uniform(0.15, 0.35)), 1)
        self._widths = smooth * np.sqrt(1 - (1 - ends) ** 2)
        self._bend = random.uniform(0, 0.2)

    def chance(self, share: float) -> bool:
        """Whether it has what so many have."""
        return bool(self.random.random() < share)

    def between(self, low: float, high: float) -> float:
        """A number of this shoe's own."""
        return float(self.random.uniform(low, high))

    def width(self, along: float) -> float:
        """Half of the width of the sole."""
        return float(np.interp(along, self._at, self._widths))

    def sole(self, share: float = 1.0, start: float = 0.0, end: float = 1.0) -> Points:
        """The outline between two places along the shoe, narrowed to a share."""
        along = np.linspace(start, end, 30)
        half = np.interp(along, self._at, self._widths) * share
        rounded = 0.5 + (along - 0.5) * (1 - (1 - share) * 0.5)
        return np.concatenate([np.stack([half, rounded], 1), np.stack([-half, rounded], 1)[::-1]])

    def fill(self, points: Points, tone: Colour) -> None:
        """Fill a shape with a colour."""
        bent = points + np.stack([np.sin(points[:, 1].clip(0, 1) * 3) * self._bend, np.zeros(len(points))], 1)
        placed = (bent * (self._hand, 1)) @ self._place[:, :2].T + self._place[:, 2]
        self._draw.polygon([tuple(point) for point in placed], fill=(*as_bytes(tone).tolist(), 255))

    def oval(self, along: float, across: float, reach: float, tone: Colour, middle: float = 0.0) -> None:
        """Fill an oval."""
        turn = np.linspace(0, 2 * np.pi, 40)
        self.fill(np.stack([middle + np.cos(turn) * across, along + np.sin(turn) * reach], 1), tone)

    def band(self, along: float, thick: float, tone: Colour, *, half: float = 0, tilt: float = 0) -> None:
        """A strap from edge to edge, or as wide as said, bulging towards the toes."""
        half = half or self.width(along) * 1.03
        across = np.linspace(-half, half, 12)
        middle = along + 0.04 * (1 - (across / half) ** 2) + tilt * across
        edges = [np.stack([across, middle + shift], 1) for shift in (-thick / 2, thick / 2)]
        self.fill(np.concatenate([edges[0], edges[1][::-1]]), tone)


def _pair(dress: Callable[[Shoe], None], side: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Two of the same, mirrored, beside each other."""
    large = side * _FINE
    image = Image.new("RGBA", (large, large))
    seed = random.integers(2**32)
    wide = random.uniform(0.18, 0.25)
    splay, apart = random.normal(0, 0.12), wide * random.uniform(1, 1.25)
    shaft = 0.35 if dress is _boot else 0  # there must be room for it
    length = min(wide * random.uniform(2.2, 4.2), 0.98) / (1 + shaft)
    careless = random.choice([0.05, 0.05, 0.35])  # a few were just dropped
    for hand in (-1, 1):
        lean = hand * splay + random.normal(0, careless)
        middle = 0.5 + hand * apart, 0.5 + random.normal(0, careless * 0.3)
        across, along = np.array([np.cos(lean), np.sin(lean)]), np.array([-np.sin(lean), np.cos(lean)])
        heel = middle - along * length * (1 - shaft) / 2
        place = np.stack([across * wide, along * length, heel], 1) * large
        dress(Shoe(ImageDraw.Draw(image), place, hand, np.random.default_rng(seed)))
    fine = np.asarray(image.resize((side, side), Image.Resampling.BOX)) / 255
    light = 1 + (fractal(side, random, random.uniform(1.2, 2.2)) - 0.5) * random.uniform(0.1, 0.9)
    return as_bytes(np.concatenate([fine[..., :3] * light[..., None], fine[..., 3:]], 2))


def _near(shoe: Shoe, tone: Colour) -> Colour:
    """Another shade of a colour, and now and then another colour."""
    return any_colour(shoe.random) if shoe.chance(0.3) else np.clip(tone * shoe.between(0.5, 1.6), 0, 1)


def _laces(shoe: Shoe, start: float, end: float, half: float) -> None:
    tone = any_colour(shoe.random)
    tilt = shoe.between(0, 0.12) if shoe.chance(0.5) else 0
    for along in np.linspace(start, end, shoe.random.integers(3, 7)):
        for one in {tilt, -tilt}:
            shoe.band(along, shoe.between(0.02, 0.035), tone, half=half, tilt=one)


def _sneaker(shoe: Shoe) -> None:
    upper = any_colour(shoe.random)
    shoe.fill(shoe.sole(), np.full(3, 0.95) if shoe.chance(0.5) else _near(shoe, upper))
    shoe.fill(shoe.sole(shoe.between(0.82, 0.94)), upper)
    if shoe.chance(0.5):
        shoe.fill(shoe.sole(0.85, shoe.between(0.7, 0.85)), _near(shoe, upper))
    for _ in range(shoe.random.integers(3)):
        start = shoe.between(0.2, 0.7)
        shoe.fill(shoe.sole(0.9, start, start + shoe.between(0.05, 0.15)), _near(shoe, upper))
    tongue, end = _near(shoe, upper), shoe.between(0.5, 0.68)
    shoe.fill(np.array([[-0.42, 0.08], [0.42, 0.08], [0.3, end], [-0.3, end]]), tongue)
    shoe.oval(shoe.between(0.14, 0.2), shoe.between(0.45, 0.62), 0.15, _near(shoe, upper))
    shoe.oval(0.16, shoe.between(0.35, 0.45), shoe.between(0.08, 0.12), _near(shoe, upper) * 0.5)
    if shoe.chance(0.8):
        _laces(shoe, 0.32, end - 0.03, shoe.between(0.3, 0.5))
    else:
        for along in (0.38, 0.54):
            shoe.band(along, 0.1, _near(shoe, upper))


def _boot(shoe: Shoe) -> None:
    upper = any_colour(shoe.random)
    shoe.fill(shoe.sole(1.0, 0.3), _near(shoe, upper) * 0.6)
    shoe.fill(shoe.sole(shoe.between(0.88, 0.97), 0.3), upper)
    if shoe.chance(0.3):
        shoe.fill(shoe.sole(0.92, shoe.between(0.7, 0.85)), _near(shoe, upper))
    height, top, ankle = shoe.between(0.1, 0.6), shoe.between(0.55, 0.95), shoe.between(0.55, 0.8)
    lean, foot = shoe.between(-0.15, 0.15), shoe.between(0.45, 0.65)
    shaft = upper if shoe.chance(0.6) else _near(shoe, upper)
    shoe.fill(np.array([[lean - top, -height], [lean + top, -height], [ankle, foot], [-ankle, foot]]), shaft)
    shoe.oval(foot, ankle, shoe.between(0.06, 0.14), shaft)
    if shoe.chance(0.4):
        _laces(shoe, -height + 0.15, foot + 0.03, shoe.between(0.25, 0.5))
    for _ in range(shoe.random.integers(3)):
        shoe.band(shoe.between(-height, foot), shoe.between(0.02, 0.1), _near(shoe, shaft), half=ankle)
    if shoe.chance(0.3):
        at = shoe.between(-0.3, 0.3)
        shoe.fill(np.array([[at - 0.04, -height], [at + 0.04, -height], [at, foot]]), _near(shoe, shaft))
    mouth = shoe.between(0.05, 0.14)
    if shoe.chance(0.4):  # lined, and the lining turned over
        cuff = shoe.between(0.08, 0.2)
        corners = [[lean - top, -height], [lean + top, -height], [top, cuff - height], [-top, cuff - height]]
        shoe.fill(np.array(corners) * (1.08, 1), lining := _near(shoe, shaft))
        shoe.oval(-height, top * 1.08, mouth, lining, lean)
    shoe.oval(-height, top, mouth, _near(shoe, shaft), lean)
    shoe.oval(-height, top * 0.8, mouth * 0.7, _near(shoe, shaft) * 0.4, lean)


def _sandal(shoe: Shoe) -> None:
    bed, strap = any_colour(shoe.random), any_colour(shoe.random)
    shoe.fill(shoe.sole(), _near(shoe, bed))
    shoe.fill(shoe.sole(shoe.between(0.8, 0.95)), bed)
    kind = shoe.random.choice(["thong", "slide", "straps", "straps"])
    if kind == "thong":
        start, thick = shoe.between(0.35, 0.5), shoe.between(0.1, 0.2)
        for edge in (-0.95, 0.95):
            shoe.fill(np.array([[edge, start], [edge, start + thick], [0, 0.84], [0, 0.76]]), strap)
        return
    if kind == "slide":
        shoe.band(shoe.between(0.58, 0.68), shoe.between(0.2, 0.36), strap)
        if shoe.chance(0.5):
            shoe.band(0.64, shoe.between(0.04, 0.12), _near(shoe, strap))
        return
    for along in np.sort(shoe.random.uniform(0.3, 0.85, shoe.random.integers(1, 4))).tolist():
        thick = shoe.between(0.05, 0.15)
        shoe.band(along, thick, strap, tilt=shoe.random.choice([0, 0, 0.15, -0.15]))
        if shoe.chance(0.4):
            shoe.oval(along, 0.15, thick / 2, _near(shoe, strap), shoe.random.choice([0.5, -0.5]))
    if shoe.chance(0.6):  # round the heel
        shoe.band(shoe.between(0, 0.06), shoe.between(0.05, 0.1), strap)
        for outer, inner in ((-0.825, -0.6), (0.825, 0.6)):
            shoe.fill(np.array([[outer, 0.03], [inner, 0.03], [inner, 0.35], [outer, 0.35]]), strap)


def _clog(shoe: Shoe) -> None:
    """Flats, clogs and slippers: closed toes, and much of the inside seen."""
    upper = any_colour(shoe.random)
    shoe.fill(shoe.sole(), _near(shoe, upper))
    shoe.fill(shoe.sole(shoe.between(0.86, 0.97)), upper)
    room, end, inside = shoe.between(0.6, 0.75), shoe.between(0.45, 0.7), _near(shoe, upper)
    shoe.fill(shoe.sole(room, 0.02, end), inside)
    shoe.oval(end, 0.6, 0.08, inside)
    if shoe.chance(0.35):
        shoe.band(shoe.between(0.25, 0.5), shoe.between(0.05, 0.1), _near(shoe, upper))
    if shoe.chance(0.3):
        for along in np.linspace(end + 0.12, 0.92, 3):
            for across in (-0.45, 0, 0.45):
                shoe.oval(along, 0.08, 0.025, upper * 0.3, across)


_KINDS = {SANDAL: _sandal, SNEAKER: _sneaker, ANKLE_BOOT: _boot, OTHER: _clog}
