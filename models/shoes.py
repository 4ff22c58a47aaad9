"""Shoes as people photograph them, in pairs and from above: Fashion-MNIST has them from the side alone.

A shoe is a few bent sheets in space. Its places are `across`, `along` (0 at the heel, 1 at the toes) and
`high`, all in lengths of the foot. Each sheet is a grid of points; a pair is drawn by looking at all of its
points from somewhere, the nearest last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from backgrounds import any_colour, as_bytes, fractal
from numpy.typing import NDArray
from PIL import Image
from scenes import ANKLE_BOOT, OTHER, SANDAL, SNEAKER

Array = NDArray[np.float64]
Random = np.random.Generator

_FINE = 2  # drawn so many times as large, then shrunk
_STEP = 0.012  # between the points of a sheet: less than a fine pixel


def shoes(count: int, side: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw pairs: colours and a stencil (n, side, side, 4), and their classes (OTHER for clogs and flats)."""
    random = np.random.default_rng((seed, 4))
    labels = random.choice(list(_KINDS), count, p=[0.25, 0.25, 0.3, 0.2])
    return np.stack([_picture(_KINDS[int(label)], side, random) for label in labels]), labels


@dataclass
class Sheet:
    """Points in space, with the colours of both sides."""

    points: Array  # (rows, columns, 3)
    heart: Array  # for each of them, a place inside
    outside: Array  # a colour
    inside: Array
    kept: NDArray[np.bool_] | bool = True  # the others are cut out

    def seen(self) -> tuple[Array, Array, Array, Array]:
        """Points, directions that they face, colours outside and inside, each (n, 3)."""
        facing = np.cross(np.gradient(self.points, axis=0), np.gradient(self.points, axis=1))
        facing /= np.maximum(np.linalg.norm(facing, axis=2, keepdims=True), 1e-9)
        inward = (facing * (self.points - self.heart)).sum(2, keepdims=True) < 0
        facing = np.where(inward, -facing, facing)
        kept = np.broadcast_to(self.kept, facing.shape[:2])
        outside, inside = (np.broadcast_to(tone, facing.shape)[kept] for tone in (self.outside, self.inside))
        return self.points[kept], facing[kept], outside, inside


@dataclass(frozen=True)
class Leg:
    """The shape of the leg of a boot, in lengths of the foot."""

    low: float
    high: float
    wide: tuple[float, float]  # half of it, below and above
    lean: tuple[float, float]  # how far its top lies across and along
    sag: tuple[float, float]  # how deep its folds are, and how close


class Shoe:
    """One shoe, of which a pair is made: sheets are added to it from the sole upwards."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.sheets: list[Sheet] = []
        heel, waist, toe = random.uniform((0.6, 0.55, 0.5), (0.85, 0.8, 0.9))
        self._at = at = np.linspace(0, 1, 60)
        rough = np.interp(at, [0, 0.2, 0.45, 0.72, 1], [heel, heel, waist, 1, toe])
        smooth = np.convolve(np.pad(rough, 5, mode="edge"), np.ones(11) / 11, "valid")
        ends = np.minimum(np.minimum(at / 0.15, (1 - at) / random.uniform(0.15, 0.35)), 1)
        self._widths = smooth * np.sqrt(1 - (1 - ends) ** 2) * random.uniform(0.16, 0.22)
        self._bend = random.uniform(0, 0.04)
        self._lift = 0.0  # of the heel
        self._floor = 0.0  # how high the foot stands
        self._heights: tuple[float, ...] = ()  # of what covers it

    def chance(self, share: float) -> bool:
        """Whether it has what so many have."""
        return bool(self.random.random() < share)

    def between(self, low: float, high: float) -> float:
        """A number of this shoe's own."""
        return float(self.random.uniform(low, high))

    def near(self, tone: Array) -> Array:
        """Another shade of a colour, and now and then another colour."""
        return any_colour(self.random) if self.chance(0.3) else np.clip(tone * self.between(0.5, 1.6), 0, 1)

    def sole(self, thick: float, tone: Array, top: Array, *, heel: float = 0.0) -> None:
        """What the foot stands on, on a heel or flat."""
        self._floor, self._lift = thick, heel
        along, side = _grid((0, 1, 1.6), (-1, 1, 0.4))
        along = _rounded(along)
        points = np.stack([self._width(along) * side, along, np.full_like(along, thick)], 2)
        self._add(points, points - (0, 0, 1), top)
        around, height = _grid((0, 2, 3.4), (0, 1, thick + heel))
        along = _rounded(np.where(around < 1, around, 2 - around))
        across = np.where(around < 1, 1, -1) * self._width(along)
        wall = np.stack([across, along, height * thick], 2)
        self._add(wall, wall * (0, 1, 1), tone)
        if heel:
            end = self.between(0.15, 0.6)  # a block, or a wedge
            along, side = _grid((0, end, end), (-1, 1, 0.3))
            for edge in (-1, 1):
                depth = (side + 1) / 2
                high = self._raised(along) + thick
                post = np.stack([edge * self._width(along) * 0.95, along, depth * high], 2)
                self.sheets.append(Sheet(post, post * (0, 1, 1), tone, tone * 0.6))

    def upper(
        self, heights: tuple[float, ...], tone: Array, lining: Array, *, collar: float = 9.0, end: float = 0.0
    ) -> None:
        """What covers the foot: its heights from heel to toes; above the collar it is open, up to an end."""
        self._heights = heights
        along, turn = _grid((0, 1, 1.7), (0, np.pi, 0.6))
        along = _rounded(along)
        arch = self._arch(along, turn)
        points = np.stack([self._width(along) * np.cos(turn), along, self._floor + arch], 2)
        brim = collar + np.clip(along / max(end, 1e-9), 0, 1) ** 3 * (self._vault(along) - collar)
        kept = (along >= end) | (arch <= brim)
        self._add(points, self._below(points), tone, lining, kept)

    def patch(self, start: float, end: float, most: float, tone: Array) -> None:
        """A piece of another colour on what covers the foot: from a place to a place, so far to the sides."""
        along, turn = _grid((start, end, end - start), (np.pi / 2 - most, np.pi / 2 + most, 0.5 * most))
        arch = self._arch(along, turn) * 1.04 + 0.004
        points = np.stack([self._width(along) * 1.02 * np.cos(turn), along, self._floor + arch], 2)
        self._add(points, self._below(points), tone)

    def strap(self, along: float, thick: float, high: float, tone: Array, *, tilt: float = 0.0) -> None:
        """A strap over the foot, from edge to edge."""
        turn, shift = _grid((0, np.pi, 0.6), (-thick / 2, thick / 2, thick))
        place = along + shift + tilt * np.cos(turn)
        across = self._width(place) * 1.03 * np.cos(turn)
        points = np.stack([across, place, self._floor + high * np.sin(turn) ** 0.8], 2)
        self._add(points, self._below(points), tone)

    def counter(self, low: float, high: float, start: float, tone: Array) -> None:
        """A strap round the heel, from one side to the other."""
        turn, height = _grid((0, 1, 0.8), (low, high, high - low))
        along = np.abs(turn * 2 - 1) ** 2 * start
        across = np.sign(turn - 0.5) * self._width(along) * 1.02
        points = np.stack([across, along, self._floor + height], 2)
        self._add(points, points * (0, 1, 1) + (0, 0.1, 0), tone)

    def strip(self, places: list[tuple[float, float, float]], wide: float, tone: Array) -> None:
        """A strip through places above the floor (across as a share of the sole's half)."""
        length, shift = _grid((0, 1, 0.6), (-wide / 2, wide / 2, wide))
        at = np.linspace(0, 1, len(places))
        across, along, high = (np.interp(length, at, [place[axis] for place in places]) for axis in range(3))
        points = np.stack([across * self._width(along) + shift, along, self._floor + high], 2)
        self._add(points, points * (1, 1, 0), tone)

    def on_leg(
        self,
        leg: Leg,
        tone: Array,
        lining: Array | None = None,
        *,
        turns: tuple[float, float] = (0, 2 * np.pi),
        shares: tuple[float, float] = (0, 1),
        over: float = 1.0,
    ) -> None:
        """The leg of a boot, or a piece: between shares of its height, some way round (in front is π/2)."""
        long = (leg.high - leg.low) * (shares[1] - shares[0])
        turn, share = _grid((*turns, 0.15 * (turns[1] - turns[0])), (*shares, long))
        half = (leg.wide[0] + (leg.wide[1] - leg.wide[0]) * share) * over
        high = self._floor + leg.low + (leg.high - leg.low) * share
        middle = np.stack([leg.lean[0] * share**2, 0.24 + leg.lean[1] * share, high], 2)
        sag = leg.sag[0] * np.sin(share * leg.sag[1])
        bow = np.stack([half * 0.8 * np.cos(turn), half * 1.15 * np.sin(turn) + sag, np.zeros_like(turn)], 2)
        self._add(middle + bow, middle, tone, lining)

    def _width(self, along: Array) -> Array:
        """Half of the width of the sole."""
        half: Array = np.interp(along, self._at, self._widths)
        return half

    def _add(
        self,
        points: Array,
        heart: Array,
        outside: Array,
        inside: Array | None = None,
        kept: NDArray[np.bool_] | bool = True,
    ) -> None:
        """A sheet, as it would lie on a flat sole of a straight foot."""
        along = points[..., 1]
        bent = points.copy()
        bent[..., 0] += np.sin(along.clip(0, 1) * 3) * self._bend
        bent[..., 2] += self._raised(along) * np.clip(points[..., 2] / 0.01, 0, 1)
        inner = outside * 0.6 if inside is None else inside
        self.sheets.append(Sheet(bent, heart + bent - points, outside, inner, kept))

    def _raised(self, along: Array) -> Array:
        """How much the heel raises the foot."""
        raised: Array = self._lift * (1 - np.clip(along / 0.6, 0, 1)) ** 2
        return raised

    def _below(self, points: Array) -> Array:
        """Where the foot stands under points."""
        return points * (0, 1, 0) + (0, 0, self._floor)

    def _arch(self, along: Array, turn: Array) -> Array:
        """How high what covers the foot is, some way round it from edge to edge."""
        high: Array = self._vault(along) * np.sin(turn) ** 0.75
        return high

    def _vault(self, along: Array) -> Array:
        """How high it is over the foot; it ends round at the toes."""
        bluff = np.sqrt(1 - (1 - np.minimum((1 - along) / 0.12, 1)) ** 2)
        high: Array = np.interp(along, [0, 0.3, 0.5, 0.75, 1], self._heights) * bluff
        return high


def _grid(rows: tuple[float, float, float], columns: tuple[float, float, float]) -> tuple[Array, Array]:
    """Two ranges, each with its length in space, as grids."""
    at = [np.linspace(start, end, max(3, int(length / _STEP) + 1)) for start, end, length in (rows, columns)]
    first, second = np.meshgrid(*at, indexing="ij")
    return first, second


def _rounded(along: Array) -> Array:
    """The same from 0 to 1, closer to each other at both ends, where soles are round."""
    return (1 - np.cos(along * np.pi)) / 2


def _picture(dress: Callable[[Shoe], None], side: int, random: Random) -> NDArray[np.uint8]:
    """A pair, now and then a single one, seen from somewhere."""
    seed = random.integers(2**32)
    hands = (-1, 1) if random.random() < 0.92 else (1,)
    splay, gap = random.normal(0.05, 0.12), random.uniform(0.19, 0.32)
    careless = random.choice([0.05, 0.05, 0.35])  # a few were just dropped
    parts = []
    for hand in hands:
        shoe = Shoe(np.random.default_rng(seed))
        dress(shoe)
        points, facing, outside, inside = (
            np.concatenate(arrays) for arrays in zip(*(sheet.seen() for sheet in shoe.sheets), strict=True)
        )
        turn = hand * splay + random.normal(0, careless) + (np.pi if random.random() < 0.03 else 0)
        topple = random.choice([-1, 1]) * np.pi / 2 if random.random() < 0.08 else random.normal(0, 0.03)
        pose = _turned(turn, 2) @ _turned(topple, 1) @ np.diag((hand, 1, 1))
        points = (points - (0, 0.5, 0)) @ pose.T
        points += (hand * gap * len(hands) / 2, random.normal(0, careless * 0.3), -points[:, 2].min())
        parts.append((points, facing @ pose.T, outside, inside))
    points, facing, outside, inside = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return _looked_at(points, facing, outside, inside, side, random)


def _looked_at(
    points: Array, facing: Array, outside: Array, inside: Array, side: int, random: Random
) -> NDArray[np.uint8]:
    """Points as somebody sees them who stands in front of the toes, or anywhere."""
    around = random.normal(0, 0.35) if random.random() < 0.65 else random.uniform(-np.pi, np.pi)
    above = np.arcsin(random.uniform(np.sin(0.45), 1))
    camera = _camera(around, above)
    points, facing = points @ camera.T, facing @ camera.T
    light = random.normal(size=3) * (0.6, 0.6, 0.3) + (0, 0, 1)
    light = camera @ (light / np.linalg.norm(light))
    ambient = random.uniform(0.35, 0.8)
    lit = ambient + (1 - ambient) * np.abs(facing @ light)
    away = facing[:, 2] < 0
    colours = np.where(away[:, None], inside * 0.55, outside) * lit[:, None]
    near = 1 / (1 - points[:, 2:] * random.uniform(0, 0.3))
    flat = points[:, :2] * near * (1, -1)
    low, high = flat.min(0), flat.max(0)
    large = side * _FINE
    placed = (flat - (low + high) / 2) / (high - low).max() * (large * 0.94) + large / 2
    order = np.argsort(points[:, 2])
    column, row = placed[order].astype(np.intp).clip(0, large - 2).T
    front = np.full(large * large, -1)  # which point is seen; each is two pixels wide and high
    front[(row * large + column)[:, None] + (0, 1, large, large + 1)] = order[:, None]
    picture = np.concatenate([colours, np.ones((len(colours), 1))], 1)[front] * (front >= 0)[:, None]
    image = Image.fromarray(as_bytes(picture.reshape(large, large, 4))).resize(
        (side, side), Image.Resampling.BOX
    )
    fine = np.asarray(image) / 255
    cloud = 1 + (fractal(side, random, random.uniform(1.2, 2.2)) - 0.5) * random.uniform(0.1, 0.7)
    return as_bytes(np.concatenate([fine[..., :3] * cloud[..., None], fine[..., 3:]], 2))


def _camera(around: float, above: float) -> Array:
    """To across, up and nearer, as seen from so far around the toes and above the floor."""
    return _turned(above - np.pi / 2, 0) @ _turned(around, 2) @ np.diag((1.0, -1.0, 1.0))


def _turned(angle: float, axis: int) -> Array:
    """The turn by an angle around an axis."""
    cos, sin = np.cos(angle), np.sin(angle)
    first, second = (place for place in range(3) if place != axis)
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = cos
    turn[first, second], turn[second, first] = -sin, sin
    return turn


def _leather(shoe: Shoe) -> Array:
    """Black or brown, or any colour."""
    if shoe.chance(0.55):
        return any_colour(shoe.random)
    return np.clip(shoe.between(0.04, 0.35) * np.array([1.25, 0.95, 0.75]) ** shoe.between(0, 1.5), 0, 1)


def _laces(shoe: Shoe, start: float, end: float) -> None:
    tone, half = any_colour(shoe.random), shoe.between(0.4, 0.8)
    for along in np.linspace(start, end, shoe.random.integers(3, 7)):
        shoe.patch(along, along + shoe.between(0.018, 0.03), half, tone)


def _sneaker(shoe: Shoe) -> None:
    tone, lining = any_colour(shoe.random), any_colour(shoe.random)
    shoe.sole(shoe.between(0.05, 0.11), np.full(3, 0.95) if shoe.chance(0.6) else shoe.near(tone), lining)
    top, toes = shoe.between(0.24, 0.32), shoe.between(0.12, 0.17)
    heights = (top, top, shoe.between(0.2, 0.25), toes * 1.2, toes)
    end = shoe.between(0.34, 0.44)
    shoe.upper(heights, tone, lining, collar=shoe.between(0.13, 0.2), end=end)
    if shoe.chance(0.5):
        shoe.patch(shoe.between(0.74, 0.86), 0.99, 1.5, shoe.near(tone))
    for _ in range(shoe.random.integers(4)):
        start = shoe.between(0.42, 0.75)
        shoe.patch(start, start + shoe.between(0.03, 0.12), 1.5, shoe.near(tone))
    shoe.patch(end - 0.06, shoe.between(0.62, 0.72), shoe.between(0.4, 0.7), shoe.near(tone))
    if shoe.chance(0.75):
        _laces(shoe, end, 0.64)
    else:
        for along in (0.42, 0.56):
            shoe.patch(along, along + 0.08, 1.3, shoe.near(tone))
    if shoe.chance(0.5):
        shoe.counter(0, shoe.between(0.08, 0.15), 0.25, shoe.near(tone))


def _boot(shoe: Shoe) -> None:
    tone = _leather(shoe)
    lining = any_colour(shoe.random) if shoe.chance(0.5) else tone * 0.7
    sole = shoe.near(tone) * 0.7 if shoe.chance(0.6) else any_colour(shoe.random)
    shoe.sole(
        shoe.between(0.02, 0.09), sole, lining, heel=shoe.between(0.03, 0.25) if shoe.chance(0.3) else 0
    )
    toes = shoe.between(0.12, 0.18)
    heights = (0.3, 0.34, shoe.between(0.22, 0.3), toes * 1.25, toes)
    shoe.upper(heights, tone, lining)
    if shoe.chance(0.35):
        shoe.patch(shoe.between(0.7, 0.86), 0.99, 1.5, shoe.near(tone))
    high = shoe.between(0.36, 0.65) if shoe.chance(0.75) else shoe.between(0.65, 0.95)
    narrow = shoe.between(0.15, 0.2)
    leg = Leg(
        low=0.12,
        high=high,
        wide=(narrow, narrow * shoe.between(0.85, 1.35)),
        lean=(shoe.between(-0.1, 0.1) * high, shoe.between(-0.15, 0.12)),
        sag=(shoe.between(0, 0.02), shoe.between(4, 14)),
    )
    cloth = tone if shoe.chance(0.65) else shoe.near(tone)
    shoe.on_leg(leg, cloth, lining)
    for _ in range(shoe.random.integers(3)):
        start = shoe.between(0.1, 0.8)
        shoe.on_leg(leg, shoe.near(cloth), shares=(start, start + shoe.between(0.04, 0.14)), over=1.03)
    if shoe.chance(0.3):  # a zip or a seam
        turn = shoe.between(0, 2 * np.pi)
        shoe.on_leg(leg, shoe.near(cloth), turns=(turn, turn + 0.2), over=1.02)
    if shoe.chance(0.45):
        lace, half = any_colour(shoe.random), shoe.between(0.3, 0.6)
        for start in np.linspace(0.25, 0.9, shoe.random.integers(3, 7)):
            around = np.pi / 2 - half, np.pi / 2 + half
            shoe.on_leg(leg, lace, turns=around, shares=(start, start + 0.05), over=1.03)
        _laces(shoe, 0.42, 0.6)
    if shoe.chance(0.35):  # lined, and the lining turned over
        fur = lining if shoe.chance(0.7) else shoe.near(cloth)
        shoe.on_leg(leg, fur, shares=(1 - shoe.between(0.06, 0.16) / (high - leg.low), 1.04), over=1.12)


def _sandal(shoe: Shoe) -> None:
    bed, tone = any_colour(shoe.random), _leather(shoe)
    heel = shoe.between(0.05, 0.3) if shoe.chance(0.2) else 0
    shoe.sole(shoe.between(0.03, 0.1), shoe.near(bed), bed, heel=heel)
    kind = shoe.random.choice(["thong", "slide", "straps", "straps", "sport", "sport"])
    if kind == "thong":
        start, wide, high = shoe.between(0.4, 0.55), shoe.between(0.04, 0.09), shoe.between(0.08, 0.14)
        for edge in (-1, 1):
            shoe.strip([(edge, start, 0), (edge * 0.6, start + 0.12, high), (0, 0.82, 0.01)], wide, tone)
        return
    if kind == "slide":
        shoe.strap(shoe.between(0.6, 0.7), shoe.between(0.18, 0.32), shoe.between(0.12, 0.18), tone)
        if shoe.chance(0.4):
            shoe.strap(0.65, shoe.between(0.03, 0.1), 0.18, shoe.near(tone))
        return
    bands = shoe.random.integers(1, 4) if kind == "straps" else shoe.random.integers(2, 4)
    widths = (0.04, 0.1) if kind == "straps" else (0.08, 0.16)
    places = np.linspace(shoe.between(0.74, 0.84), shoe.between(0.4, 0.5), bands)
    for along in places.tolist():
        tilt = float(shoe.random.choice([0, 0, 0.08, -0.08]))
        high = 0.1 + 0.28 * (0.9 - along)
        shoe.strap(along, thick := shoe.between(*widths), high, tone, tilt=tilt)
        if shoe.chance(0.4):
            shoe.strap(along, thick * 0.4, high + 0.008, shoe.near(tone), tilt=tilt)
        if tilt and shoe.chance(0.4):
            shoe.strap(along, thick, high, tone, tilt=-tilt)
    if kind == "sport":
        for edge in (-1, 1):
            shoe.strip(
                [(edge, 0.1, 0.1), (edge, 0.45, 0.08), (edge, 0.8, 0.05)], shoe.between(0.03, 0.08), tone
            )
    if kind == "sport" or shoe.chance(0.7):
        low = shoe.between(0.0, 0.1) if kind == "sport" else shoe.between(0.08, 0.16)
        high, start = low + shoe.between(0.05, 0.16), shoe.between(0.25, 0.42)
        shoe.counter(low, high, start, tone)
        if shoe.chance(0.7):
            shoe.strap(start, shoe.between(0.03, 0.08), shoe.between(0.2, 0.3), tone)


def _clog(shoe: Shoe) -> None:
    """Flats, clogs and slippers: closed toes, and much of the inside seen."""
    tone, lining = _leather(shoe), any_colour(shoe.random)
    heel = shoe.between(0.05, 0.35) if shoe.chance(0.25) else 0
    shoe.sole(shoe.between(0.02, 0.08), shoe.near(tone), lining, heel=heel)
    toes = shoe.between(0.1, 0.15)
    heights = (0.26, 0.26, shoe.between(0.17, 0.24), toes * 1.2, toes)
    heel_high = shoe.between(0.08, 0.16) if shoe.chance(0.75) else 0.0
    end = shoe.between(0.45, 0.75)
    shoe.upper(heights, tone, lining, collar=heel_high, end=end)
    if shoe.chance(0.35):
        shoe.strap(shoe.between(0.3, 0.5), shoe.between(0.03, 0.08), 0.22, shoe.near(tone))
    if shoe.chance(0.3):
        for along in np.linspace(end + 0.05, 0.9, 3):
            shoe.patch(along, along + 0.03, 0.9, tone * 0.3)
    elif shoe.chance(0.3):
        shoe.patch(end + 0.02, end + shoe.between(0.06, 0.15), 0.5, shoe.near(tone))


_KINDS = {SANDAL: _sandal, SNEAKER: _sneaker, ANKLE_BOOT: _boot, OTHER: _clog}
