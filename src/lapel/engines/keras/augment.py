"""Changes to whole batches of training pictures, with whatever Keras computes with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
from keras import ops

from ...recipes.schema import Augmentation
from ...training.changes import SHARP, ways_of

_Way: TypeAlias = Callable[[Any, Augmentation, keras.random.SeedGenerator], Any]


def augment(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    """Change every picture in its own way.

    `pictures` (n, height, width, channels) are numbers from 0 to 1; so are those that come back. `random`
    draws everything.
    """
    given = pictures
    if how.alone:
        pictures = _one_each(_mirror(pictures, how, random), how, random)
    else:
        for way in ways_of(how):
            pictures = _WAYS[way](pictures, how, random)
    if how.changed < 1:
        pictures = ops.where(_draw(pictures, random) < how.changed, pictures, given)
    return pictures


def _one_each(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    # Batches are shuffled, so that places will do for chance: the first picture goes the first way.
    ways, count = ways_of(how), ops.shape(pictures)[0]
    if not ways:
        return pictures
    rows = -(-count // len(ways))
    parts = []
    for number, way in enumerate(ways):
        places = (ops.arange(rows, dtype="int32") * len(ways) + number) % count
        parts.append(_WAYS[way](ops.take(pictures, places, axis=0), how, random))
    return ops.reshape(ops.stack(parts, 1), (-1, *pictures.shape[1:]))[:count]


def _draw(pictures: Any, random: keras.random.SeedGenerator) -> Any:
    return keras.random.uniform((ops.shape(pictures)[0], 1, 1, 1), dtype="float32", seed=random)


def _turn(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    # One resampling does mirroring, turning, shearing and scaling together, about the picture's middle.
    angle, grow, mirror = (ops.reshape(_draw(pictures, random), (-1,)) * 2 - 1 for _ in range(3))
    angle, grow = angle * math.radians(how.rotate), 1 / (1 + grow * how.scale)
    side = ops.where(mirror < 0, -1.0, 1.0) if how.flip else ops.ones_like(mirror)
    cos, sin, none = ops.cos(angle) * grow, ops.sin(angle) * grow, ops.zeros_like(angle)
    height, width = pictures.shape[1:3]
    right, down = (width - 1) / 2, (height - 1) / 2
    a, b, c, d = side * cos, -sin, side * sin, cos
    if how.shear:
        lean = (ops.reshape(_draw(pictures, random), (-1,)) * 2 - 1) * how.shear
        b, d = b + lean * cos, d + lean * sin
    rows = ops.stack((a, b, right - a * right - b * down, c, d, down - c * right - d * down, none, none), 1)
    return ops.image.affine_transform(pictures, rows, fill_mode="constant", data_format="channels_last")


def _mirror(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    if not how.flip:
        return pictures
    return ops.where(_draw(pictures, random) < 0.5, ops.flip(pictures, 2), pictures)


def _light(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    more = (_draw(pictures, random) * 2 - 1) * how.contrast + 1
    lift = (_draw(pictures, random) * 2 - 1) * how.brightness
    middle = ops.mean(pictures, (1, 2, 3), keepdims=True)
    return ops.clip((pictures - middle) * more + middle + lift, 0, 1)


def _invert(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    return ops.where(_draw(pictures, random) < how.invert, 1 - pictures, pictures)


def _quarter(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    # A frame that is not square holds half turns alone.
    chosen, drawn = _draw(pictures, random) < how.quarter, ops.floor(_draw(pictures, random) * 3) + 1
    if pictures.shape[1] != pictures.shape[2]:
        return ops.where(chosen, ops.flip(pictures, (1, 2)), pictures)
    for turns in (1, 2, 3):
        turned = ops.rot90(pictures, turns, axes=(1, 2))
        pictures = ops.where(ops.logical_and(chosen, drawn == turns), turned, pictures)
    return pictures


def _blur(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    # A bell for each picture, long in one direction and less so across it: from round to a line.
    height, width, channels = pictures.shape[1:]
    reach = min(math.ceil(2 * how.blur), height - 1, width - 1)
    angle = _draw(pictures, random) * math.pi
    along = _draw(pictures, random) * how.blur + SHARP
    across = _draw(pictures, random) * along + SHARP
    steps = ops.arange(-reach, reach + 1, dtype="float32")
    down, right = ops.reshape(steps, (1, -1, 1, 1)), ops.reshape(steps, (1, 1, -1, 1))
    far = (right * ops.cos(angle) + down * ops.sin(angle)) / along
    aside = (down * ops.cos(angle) - right * ops.sin(angle)) / across
    bells = ops.exp(-(ops.square(far) + ops.square(aside)) / 2)
    bells = ops.repeat(bells / ops.sum(bells, (1, 2), keepdims=True), channels, axis=3)
    framed = ops.pad(pictures, [(0, 0), (reach, reach), (reach, reach), (0, 0)], mode="reflect")
    # Pictures and their channels become the channels of one, each with a kernel of its own.
    sides = (height + 2 * reach, width + 2 * reach)
    one = ops.reshape(ops.transpose(framed, (1, 2, 0, 3)), (1, *sides, -1))
    kernels = ops.reshape(ops.transpose(bells, (1, 2, 0, 3)), (2 * reach + 1, 2 * reach + 1, -1, 1))
    soft = ops.depthwise_conv(one, kernels, padding="valid", data_format="channels_last")
    return ops.transpose(ops.reshape(soft, (height, width, -1, channels)), (2, 0, 1, 3))


def _noise(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    wide = _draw(pictures, random) * how.noise
    drawn = keras.random.normal(ops.shape(pictures), dtype="float32", seed=random)
    return ops.clip(pictures + drawn * wide, 0, 1)


def _specks(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    share = _draw(pictures, random) * how.specks
    drawn = keras.random.uniform(ops.shape(pictures), dtype="float32", seed=random)
    return ops.where(drawn < share, ops.cast(drawn < share / 2, "float32"), pictures)


def _shift(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    # A window of the padded picture, chosen for each picture: rows are gathered, then columns.
    most, count = how.shift, ops.shape(pictures)[0]
    for axis in (1, 2):
        side = pictures.shape[axis]
        away = keras.random.randint((count, 1), 0, 2 * most + 1, dtype="int32", seed=random)
        rim = [(0, 0)] * 4
        rim[axis] = (most, most)
        places = ops.expand_dims(away + ops.arange(side, dtype="int32"), (2, 3) if axis == 1 else (1, 3))
        pictures = ops.take_along_axis(ops.pad(pictures, rim), places, axis)
    return pictures


def _erase(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    # A rectangle of 2 to 33 % of the area, between 3:10 and 10:3, filled with noise.
    height, width = pictures.shape[1:3]
    chosen, area, form, top, left = (_draw(pictures, random) for _ in range(5))
    area = (0.02 + 0.31 * area) * height * width
    form = ops.exp((form * 2 - 1) * math.log(10 / 3))
    tall = ops.minimum(ops.sqrt(area * form), height)
    wide = ops.minimum(ops.sqrt(area / form), width)
    top, left = ops.round(top * (height - tall)), ops.round(left * (width - wide))
    rows = ops.reshape(ops.arange(height, dtype="float32"), (1, -1, 1, 1))
    columns = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, -1, 1))
    inside = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
    noise = keras.random.uniform(ops.shape(pictures), dtype="float32", seed=random)
    return ops.where(inside & (chosen < how.erase), noise, pictures)


_WAYS: dict[str, _Way] = {
    "quarter": _quarter,
    "turn": _turn,
    "mirror": _mirror,
    "shift": _shift,
    "blur": _blur,
    "light": _light,
    "invert": _invert,
    "noise": _noise,
    "specks": _specks,
    "erase": _erase,
}
