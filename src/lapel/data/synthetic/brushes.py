"""What the drawn garments are drawn with: chance, curves, shapes, waves and noise.

Everything works on a batch at once: a `Field` is a float32 array (pictures, height, width), and a number
that differs from picture to picture is one of (pictures, 1, 1). A shape is the signed distance to its
outline, negative inside, so edges, seams and shadows all come from one array. The smallest functions work
in place where they can, because moving memory is what takes the time.

Only sums, products, quotients and square roots are used: every processor rounds these alike, so the same
seed gives the same bytes everywhere, as sines and powers would not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The types of NumPy have a float32 become float64 beside a Python number; in truth it stays float32.
Field = NDArray[np.floating[Any]]

_STEPS = 256  # places in which a curve is tabulated
_REACH = 1.6  # a curve is known from -reach to reach
_LATTICE = 64  # side of the table of random numbers under the noise


class Dice:
    """A row of random numbers for each picture, taken in turn.

    A picture's numbers do not depend on its size or on its neighbours, so the same garment can be drawn
    small and large.
    """

    def __init__(self, numbers: Field) -> None:
        self._numbers = numbers
        self._next = 0

    def between(self, low: float, high: float) -> Field:
        """One number from `low` to `high` for each picture."""
        column = self._numbers[:, self._next]
        self._next += 1
        return (low + (high - low) * column).astype(np.float32)[:, None, None]

    def chance(self, probability: float) -> Field:
        """1 with this probability, else 0, for each picture."""
        return when(self.between(0, 1) < probability)

    def one_of(self, values: Sequence[float]) -> Field:
        """One of these values, each as likely as the others, for each picture."""
        place = np.minimum(self.between(0, len(values)).astype(np.intp), len(values) - 1)
        return np.asarray(values, np.float32)[place]


@dataclass(frozen=True)
class Grid:
    """Where each pixel lies on the garment: `u` to the right, `v` down, the frame being -1 to 1.

    `pixel` is the side of one pixel in the same measure, `noise` a table of random numbers.
    """

    u: Field
    v: Field
    pixel: Field
    noise: Field


def when(condition: NDArray[np.bool_]) -> Field:
    """1 where the condition holds, else 0; a bare truth value would turn what it meets into float64."""
    return condition.astype(np.float32)


def smooth(x: Field) -> Field:
    """0 below 0, 1 above 1, and a soft step between."""
    x = ramp(x)
    y = -2 * x
    y += 3
    y *= x
    y *= x
    return y


def ramp(x: Field) -> Field:
    """0 below 0, 1 above 1, straight between."""
    return np.clip(x, 0, 1)


def wave(x: Field) -> Field:
    """A wave of period 1 between -1 and 1, close to a sine."""
    rest = x - np.floor(x)
    rest -= 0.5
    y: Field = np.abs(rest)
    y *= 16
    y -= 8
    y *= rest
    return y


def mix(first: Field, second: Field, share: Field) -> Field:
    """`first` where `share` is 0, `second` where it is 1."""
    return first + (second - first) * share


def cover(distance: Field, pixel: Field) -> Field:
    """How much of each pixel a shape covers: 1 inside, 0 outside, between on the outline."""
    share = distance / pixel
    np.subtract(0.5, share, out=share)
    return np.clip(share, 0, 1, out=share)


def line(distance: Field, width: float | Field, pixel: Field) -> Field:
    """How much of each pixel a line of `width` along the outline covers; a thin line turns faint."""
    share = cover(np.abs(distance) - 0.5 * width, pixel)
    return np.minimum(share, width / pixel, out=share)


def melt(a: Field, b: Field, softness: float) -> Field:
    """Both shapes together, the corner between them rounded."""
    h = np.maximum(softness - np.abs(a - b), 0)
    return np.minimum(a, b) - h * h * (0.25 / softness)


class Curve:
    """A smooth curve through a value at each knot; the values differ from picture to picture.

    `knots` rise within -1.6 to 1.6. Before the first and after the last knot the curve stays level.
    """

    def __init__(self, knots: Sequence[float], values: Sequence[float | Field]) -> None:
        basis = _hermite_basis(np.asarray(knots, np.float64))
        columns = [np.asarray(value, np.float32).reshape(-1, 1) for value in values]
        table = columns[0] * basis[0]
        for column, weights in zip(columns[1:], basis[1:], strict=True):
            table = table + column * weights
        # One column more, so that the place after the last one can be looked up.
        self._table = np.concatenate([table, table[:, -1:]], axis=1)

    def __call__(self, x: Field) -> tuple[Field, Field]:
        """The curve at `x`, and what turns a difference across it into a distance from it."""
        count, width = self._table.shape
        at = np.clip((x + _REACH) * ((_STEPS - 1) / (2 * _REACH)), 0, _STEPS - 1)
        place = at.astype(np.intp)
        rest = at - place.astype(np.float32)
        if count > 1:
            place += np.arange(0, count * width, width, dtype=np.intp)[:, None, None]
        value = np.take(self._table.ravel(), place, mode="clip")
        step = np.take(self._table.ravel()[1:], place, mode="clip") - value
        slope = step * ((_STEPS - 1) / (2 * _REACH))
        return value + step * rest, 1 / np.sqrt(1 + slope * slope)


def _hermite_basis(knots: NDArray[np.float64]) -> Field:
    """Cubic interpolation as weights (knots, steps): it is linear in the values, so once for all pictures."""
    units = np.eye(len(knots))
    gaps = np.diff(knots)
    slopes = np.zeros_like(units)
    secants = (units[1:] - units[:-1]) / gaps[:, None]
    # Tangents by the neighbours' secants, level at both ends.
    slopes[1:-1] = (secants[1:] * gaps[:-1, None] + secants[:-1] * gaps[1:, None]) / (gaps[1:] + gaps[:-1])[
        :, None
    ]
    slopes[0], slopes[-1] = secants[0], secants[-1]
    x = np.clip(np.linspace(-_REACH, _REACH, _STEPS), knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(knots) - 2)
    gap = gaps[left][:, None]
    t = ((x - knots[left]) / gaps[left])[:, None]
    weights = (
        units[left] * (2 * t * t * t - 3 * t * t + 1)
        + units[left + 1] * (3 * t * t - 2 * t * t * t)
        + slopes[left] * gap * (t * t * t - 2 * t * t + t)
        + slopes[left + 1] * gap * (t * t * t - t * t)
    )
    return np.ascontiguousarray(weights.T, np.float32)


def limb(
    u: Field,
    v: Field,
    start: tuple[Field, Field],
    way: tuple[Field, Field],
    length: Field,
    radii: tuple[Field, Field],
) -> tuple[Field, Field, Field]:
    """A straight limb that tapers from `radii[0]` to `radii[1]`, round at its start and flat at its end.

    Returns its distance, how far along it a pixel lies (0 to 1 within it) and how far across (-1 to 1).
    """
    du, dv = u - start[0], v - start[1]
    along = du * way[0] + dv * way[1]
    across = dv * way[0] - du * way[1]
    share = along / length
    radius = mix(radii[0], radii[1], ramp(share))
    before = np.minimum(along, 0)
    distance = np.maximum(np.sqrt(across * across + before * before) - radius, along - length)
    return distance, share, across / radius


def ellipse(u: Field, v: Field, wide: Field | float, high: Field | float) -> Field:
    """The distance to an ellipse around (0, 0) with these half axes."""
    a, b = u / wide, v / high
    norm = np.sqrt(a * a + b * b) + np.float32(1e-4)
    steep = np.sqrt(a * a / (wide * wide) + b * b / (high * high)) + np.float32(1e-4)
    distance: Field = (norm - 1) * norm / steep
    return distance


def box(u: Field, v: Field, wide: Field | float, high: Field | float, corner: Field | float) -> Field:
    """The distance to a box around (0, 0) with these half sides and rounded corners."""
    a, b = np.abs(u) - wide + corner, np.abs(v) - high + corner
    outside_a, outside_b = np.maximum(a, 0), np.maximum(b, 0)
    outside = np.sqrt(outside_a * outside_a + outside_b * outside_b)
    distance: Field = outside + np.minimum(np.maximum(a, b), 0) - corner
    return distance


def polygon(u: Field, v: Field, corners: Sequence[tuple[Field | float, Field | float]]) -> Field:
    """The distance to a convex shape with these corners, given clockwise as one sees them."""
    sides = []
    for (u0, v0), (u1, v1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        du, dv = np.asarray(u1 - u0, np.float32), np.asarray(v1 - v0, np.float32)
        sides.append(((u - u0) * dv - (v - v0) * du) / np.sqrt(du * du + dv * dv))
    distance = sides[0]
    for side in sides[1:]:
        distance = np.maximum(distance, side)
    return distance


def rotation(half_tangent: Field) -> tuple[Field, Field]:
    """(cosine, sine) of an angle given by the tangent of its half, without a sine."""
    square = half_tangent * half_tangent
    return (1 - square) / (1 + square), 2 * half_tangent / (1 + square)


def noise(grid: Grid, x: Field, y: Field) -> Field:
    """Soft random hills between 0 and 1, one wide in `x` and `y`."""
    left, top = np.floor(x), np.floor(y)
    a, b = smooth(x - left), smooth(y - top)
    column = left.astype(np.intp) & (_LATTICE - 1)
    row = (top.astype(np.intp) & (_LATTICE - 1)) * _LATTICE
    right = (column + 1) & (_LATTICE - 1)
    below = (row + _LATTICE) & (_LATTICE * _LATTICE - 1)
    table = grid.noise
    upper = mix(np.take(table, row + column, mode="clip"), np.take(table, row + right, mode="clip"), a)
    lower = mix(np.take(table, below + column, mode="clip"), np.take(table, below + right, mode="clip"), a)
    return mix(upper, lower, b)


def noise_table(random: np.random.Generator) -> Field:
    """The table of random numbers that `noise` looks into."""
    return random.random(_LATTICE * _LATTICE, dtype=np.float32)
