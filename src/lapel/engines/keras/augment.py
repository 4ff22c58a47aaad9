"""Changes to whole batches of training pictures, with whatever Keras computes with."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from ...recipes.schema import Augmentation


def augment(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    """Change every picture in its own way.

    `pictures` (n, height, width, channels) are numbers from 0 to 1; so are those that come back. `random`
    draws everything.
    """
    if how.rotate or how.scale:
        pictures = _turn(pictures, how, random)
    elif how.flip:
        pictures = ops.where(_draw(pictures, random) < 0.5, ops.flip(pictures, 2), pictures)
    if how.shift:
        pictures = _shift(pictures, how.shift, random)
    if how.brightness or how.contrast:
        more = (_draw(pictures, random) * 2 - 1) * how.contrast + 1
        lift = (_draw(pictures, random) * 2 - 1) * how.brightness
        middle = ops.mean(pictures, (1, 2, 3), keepdims=True)
        pictures = ops.clip((pictures - middle) * more + middle + lift, 0, 1)
    if how.erase:
        pictures = _erase(pictures, how.erase, random)
    return pictures


def _draw(pictures: Any, random: keras.random.SeedGenerator) -> Any:
    return keras.random.uniform((ops.shape(pictures)[0], 1, 1, 1), dtype="float32", seed=random)


def _turn(pictures: Any, how: Augmentation, random: keras.random.SeedGenerator) -> Any:
    # One resampling does mirroring, turning and scaling together, about the picture's middle.
    angle, grow, mirror = (ops.reshape(_draw(pictures, random), (-1,)) * 2 - 1 for _ in range(3))
    angle, grow = angle * math.radians(how.rotate), 1 / (1 + grow * how.scale)
    side = ops.where(mirror < 0, -1.0, 1.0) if how.flip else ops.ones_like(mirror)
    cos, sin, none = ops.cos(angle) * grow, ops.sin(angle) * grow, ops.zeros_like(angle)
    height, width = pictures.shape[1:3]
    right, down = (width - 1) / 2, (height - 1) / 2
    a, b, c, d = side * cos, -sin, side * sin, cos
    rows = ops.stack((a, b, right - a * right - b * down, c, d, down - c * right - d * down, none, none), 1)
    return ops.image.affine_transform(pictures, rows, fill_mode="constant", data_format="channels_last")


def _shift(pictures: Any, most: int, random: keras.random.SeedGenerator) -> Any:
    # A window of the padded picture, chosen for each picture: rows are gathered, then columns.
    count = ops.shape(pictures)[0]
    for axis in (1, 2):
        side = pictures.shape[axis]
        away = keras.random.randint((count, 1), 0, 2 * most + 1, dtype="int32", seed=random)
        rim = [(0, 0)] * 4
        rim[axis] = (most, most)
        places = ops.expand_dims(away + ops.arange(side, dtype="int32"), (2, 3) if axis == 1 else (1, 3))
        pictures = ops.take_along_axis(ops.pad(pictures, rim), places, axis)
    return pictures


def _erase(pictures: Any, share: float, random: keras.random.SeedGenerator) -> Any:
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
    return ops.where(inside & (chosen < share), noise, pictures)
