"""The drawn garments: the ten classes of Fashion-MNIST, drawn at any size and number without any data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from ...errors import DataError
from ..dataset import Dataset, Labels, Pictures, Split
from ..registry import FASHION_CLASSES
from .accessories import ankle_boot, bag, sandal, sneaker
from .brushes import Dice, Field, Grid, cover, mix, noise, noise_table, ramp, rotation, smooth, wave
from .cloth import Drawing
from .silhouettes import coat, dress, pullover, shirt, tee, trouser

CLASS_NAMES: tuple[str, ...] = FASHION_CLASSES

_GARMENTS: tuple[Callable[[Grid, Dice], Drawing], ...] = (
    tee,
    trouser,
    pullover,
    dress,
    coat,
    sandal,
    shirt,
    sneaker,
    bag,
    ankle_boot,
)
_NUMBERS = 96  # random numbers a picture may use
_FINE = 96  # below this size a picture is drawn twice as large and shrunk
_ROOM = 100_000  # pixels drawn at a time, so that the work stays in the processor's cache


def draw(
    count: int,
    *,
    size: int = 28,
    channels: int = 1,
    seed: int = 0,
    style: Literal["plain", "photo"] = "plain",
) -> tuple[Pictures, Labels]:
    """Draw `count` garments: pictures (count, size, size, channels; uint8) and labels (count; int64).

    'plain' shows them as Fashion-MNIST does, light on black; 'photo' on grounds of many kinds, lit,
    turned and off the middle, in colour where `channels` is 3. Every class gets its equal share, in
    mixed order. The same arguments give the same bytes; the same seed gives the same garments at
    every size.

    >>> pictures, labels = draw(100, seed=1)
    >>> pictures.shape
    (100, 28, 28, 1)

    Raises DataError where an argument is out of range.
    """
    if count < 1 or size < 8 or channels not in (1, 3) or seed < 0 or style not in ("plain", "photo"):
        raise DataError(
            f"Cannot draw {count} garments of size {size} with {channels} channel(s), seed {seed}, "
            f"in style {style!r}.",
            "Ask for at least 1 picture, at least 8 pixels wide, with 1 or 3 channels, a seed from 0 on, "
            "in style 'plain' or 'photo'.",
        )
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count, dtype=np.int64) % len(CLASS_NAMES))
    numbers = random.random((count, _NUMBERS), dtype=np.float32)
    table = noise_table(random)
    pictures = np.empty((count, size, size, channels), np.uint8)
    detail = 2 if size < _FINE else 1
    at_once = max(1, _ROOM // (size * detail) ** 2)
    for label, garment in enumerate(_GARMENTS):
        places = np.flatnonzero(labels == label)
        for start in range(0, len(places), at_once):
            chosen = places[start : start + at_once]
            dice = Dice(numbers[chosen])
            scene = _plain if style == "plain" else _photo
            fine = scene(garment, dice, size * detail, channels, table)
            pictures[chosen] = _shrink(fine, detail)
    return pictures, labels


def synthetic_dataset(
    train: int = 6000,
    test: int = 1000,
    *,
    size: int = 28,
    channels: int = 1,
    seed: int = 0,
    style: Literal["plain", "photo"] = "plain",
) -> Dataset:
    """The drawn garments as a dataset; no test picture is drawn from the numbers of a training picture.

    Raises DataError where an argument is out of range.
    """
    parts = [
        Split(*draw(count, size=size, channels=channels, seed=2 * seed + part, style=style))
        for part, count in enumerate((train, test))
    ]
    return Dataset("synthetic", parts[0], parts[1], CLASS_NAMES, source=f"drawn garments, seed {seed}")


def _plain(
    garment: Callable[[Grid, Dice], Drawing], dice: Dice, size: int, channels: int, table: Field
) -> Field:
    """Grey garments on black, nearly upright, as Fashion-MNIST shows them."""
    x, y, pixel = _frame(size)
    turn = rotation(dice.between(-0.04, 0.04))
    zoom = dice.between(1.02, 1.2)
    room = 1.02 - 1 / zoom
    aside, below = dice.between(-0.9, 0.9) * room, dice.between(-0.9, 0.9) * room
    # Wider or narrower than drawn; facing right as well as left, or shoes would be told by one pixel.
    width = (1 - 2 * dice.chance(0.5)) * dice.between(0.88, 1.06)
    drawing = garment(_place(x, y, pixel, turn, zoom, aside, below, table, width), dice)
    tone = dice.between(0.3, 0.98)
    second = ramp(tone + dice.one_of((-1, 1)) * dice.between(0.2, 0.6)) * 0.82 + 0.16
    grey = mix(tone, second, drawing.second) * drawing.light
    grey = ramp(grey) * cover(drawing.edge, pixel * zoom)
    return np.repeat(grey[..., None], channels, axis=3)


def _photo(
    garment: Callable[[Grid, Dice], Drawing], dice: Dice, size: int, channels: int, table: Field
) -> Field:
    """Garments in a photo: any ground, light from one side, a shadow, turned, off the middle."""
    x, y, pixel = _frame(size)
    turn = rotation(dice.between(-0.18, 0.18))
    zoom = dice.between(1.12, 1.7)
    room = 1 - 1 / zoom
    aside, below = dice.between(-0.9, 0.9) * room, dice.between(-0.9, 0.9) * room
    width = (1 - 2 * dice.chance(0.5)) * dice.between(0.92, 1.1)
    grid = _place(x, y, pixel, turn, zoom, aside, below, table, width)
    cloth, second, ground, other = _colours(dice, channels)
    backdrop = _backdrop(dice, x, y, pixel, table)
    drawing = garment(grid, dice)
    lit = 1 + dice.between(-0.22, 0.22) * x + dice.between(-0.22, 0.05) * y
    # The shadow falls to one side: the outline again, moved and blurred.
    far = max(1, size // 40)
    moved = np.pad(drawing.edge, ((0, 0), (far, 0), (far, 0)), mode="edge")[:, :-far, :-far]
    shadow = smooth(0.6 - moved * dice.between(3, 9)) * dice.between(0.15, 0.6)
    inside = cover(drawing.edge, pixel * zoom)[..., None]
    behind = mix(ground, other, backdrop[..., None]) * (1 - shadow)[..., None]
    front = mix(cloth, second, drawing.second[..., None]) * drawing.light[..., None]
    grain = noise(grid, x * size / 2.3, y * size / 2.3) - 0.5
    whole = mix(behind, front, inside) * lit[..., None] + (grain * dice.between(0, 0.06))[..., None]
    return ramp(whole)


def _frame(size: int) -> tuple[Field, Field, Field]:
    """The middle of each pixel from -1 to 1, right and down, and a pixel's side; for all pictures alike."""
    line = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - 1
    return line[None, None, :], line[None, :, None], np.full((1, 1, 1), 2 / size, np.float32)


def _place(
    x: Field,
    y: Field,
    pixel: Field,
    turn: tuple[Field, Field],
    zoom: Field,
    aside: Field,
    below: Field,
    table: Field,
    width: Field,
) -> Grid:
    """The grid of a garment moved, made smaller by `zoom`, turned and stretched (mirrored where below 0)."""
    x, y = (x - aside) * zoom, (y - below) * zoom
    return Grid((x * turn[0] + y * turn[1]) / width, y * turn[0] - x * turn[1], pixel * zoom, table)


def _colours(dice: Dice, channels: int) -> tuple[Field, Field, Field, Field]:
    """Two colours for the cloth and two for the ground; cloth and ground differ in brightness."""
    bright = dice.chance(0.5)
    cloth = mix(dice.between(0.16, 0.42), dice.between(0.62, 0.98), bright)
    ground = mix(dice.between(0.62, 0.98), dice.between(0.06, 0.4), bright)
    second = ramp(cloth + dice.one_of((-1, 1)) * dice.between(0.15, 0.5)) * 0.9 + 0.07
    other = ramp(ground + dice.between(-0.16, 0.16))
    hue, around, strength = dice.between(0, 1), dice.between(0, 1), dice.between(0, 0.45) * dice.between(0, 1)
    tones = (
        (cloth, hue, dice.between(0.0, 0.75)),
        (second, dice.between(0, 1), dice.between(0.0, 0.7)),
        (ground, around, strength),
        (other, around + dice.between(-0.06, 0.06), strength),
    )
    painted = [_paint(tone, hue, strength, channels) for tone, hue, strength in tones]
    return painted[0], painted[1], painted[2], painted[3]


def _paint(tone: Field, hue: Field, strength: Field, channels: int) -> Field:
    """A colour (pictures, 1, 1, channels) of this brightness; grey where there is one channel."""
    if channels == 1:
        return tone[..., None]
    around = hue[..., None] + np.asarray([0, 2 / 3, 1 / 3], np.float32)
    pure = ramp(np.abs((around - np.floor(around)) * 6 - 3) - 1)
    weight = np.asarray([0.3, 0.59, 0.11], np.float32)
    shade = pure * weight
    own = shade[..., :1] + shade[..., 1:2] + shade[..., 2:]
    return ramp(tone[..., None] * (1 + strength[..., None] * (pure - own)))


def _backdrop(dice: Dice, x: Field, y: Field, pixel: Field, table: Field) -> Field:
    """Share of the ground's other colour: plain, fading, boards, tiles, a wall above a floor, or stone."""
    kind = dice.one_of((0, 1, 1, 2, 3, 4, 5))
    turn = rotation(dice.one_of((0, 0.41421356, 1)))
    u, v = x * turn[0] + y * turn[1], y * turn[0] - x * turn[1]
    number, shift = dice.between(1.5, 4), dice.between(0, 60)
    grid = Grid(u, v, pixel, table)
    fade = ramp(0.5 + 0.5 * (u + 0.4 * v))
    board = noise(grid, np.floor(v * number) * 7 + shift, u * 0 + 0.5)
    grain = noise(grid, u * 2 + board * 40, v * number * 9)
    joint = _joints(v * number, pixel * number)
    boards = 0.75 * board + 0.35 * grain + joint
    tiles = np.maximum(_joints(v * number, pixel * number), _joints(u * number, pixel * number))
    wall = cover(dice.between(0.1, 0.6) - y, pixel) * (0.7 + 0.3 * grain)
    stone = noise(grid, u * 2.5 + shift, v * 2.5) * 0.7 + noise(grid, u * 9, v * 9 + shift) * 0.4
    weave = 0.5 + 0.5 * wave(u * number * 4) * wave(v * number * 4)
    kinds = (weave * 0.3, fade, boards, tiles, wall, stone)
    share = np.zeros_like(fade)
    for place, one in enumerate(kinds):
        share = np.where(kind == place, one, share)
    return share


def _joints(x: Field, pixel: Field) -> Field:
    """A thin line at every whole number."""
    near = np.abs(x - np.floor(x) - 0.5)
    return cover(0.47 - near, np.maximum(pixel, 0.03))


def _shrink(fine: Field, detail: int) -> Pictures:
    """Average squares of `detail` pixels and round to bytes."""
    if detail == 2:
        fine = (fine[:, ::2, ::2] + fine[:, 1::2, ::2] + fine[:, ::2, 1::2] + fine[:, 1::2, 1::2]) * 0.25
    return (fine * 255 + 0.5).astype(np.uint8)
