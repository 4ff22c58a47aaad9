"""Is the heat where it matters? Deletion and insertion, beside a random order.

A picture is cut into seven rows of seven pieces. Deletion covers the hottest piece first, and the label's
probability should fall at once; insertion begins with plain ground and uncovers the hottest first, and it
should rise at once. The mean of the probability on the way is the area under the curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import LapelError
from ..heat import Ask, Heat, ground_of
from ..metrics import Z95

_SIDE = 7  # pieces in a row, and in a column
_ORDERS = 3  # random ones of each picture

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Area:
    """The mean area under a curve, that of a random order, and by how much the first is better.

    `low` and `high` are the ends of the 95 % interval of that difference, which is taken picture by picture.
    """

    heat: float
    random: float
    better: float
    low: float
    high: float


@dataclass(frozen=True)
class Judgement:
    """How well a method finds what matters, over `pictures` pictures."""

    method: str
    pictures: int
    deletion: Area
    insertion: Area


def pieces(heat: Heat) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The piece of each pixel (height, width), and the pieces in order, the hottest first."""
    rows, columns = (np.arange(length) * min(_SIDE, length) // length for length in heat.shape)
    place = rows[:, None] * (columns.max() + 1) + columns
    sums = np.bincount(place.ravel(), weights=heat.ravel())
    means = sums / np.bincount(place.ravel())
    return place, np.argsort(-means, kind="stable")


def curves(
    ask: Ask, picture: NDArray[np.uint8], label: int, place: NDArray[np.intp], order: NDArray[np.intp]
) -> tuple[Curve, Curve]:
    """The label's probability while pieces are covered in an order, and while they are uncovered."""
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    covered = rank[place] < np.arange(len(order) + 1)[:, None, None]  # (steps, height, width)
    ground = np.broadcast_to(ground_of(picture), picture.shape)
    deleted = np.where(covered[..., None], ground, picture)
    inserted = np.where(covered[..., None], picture, ground)
    shares = np.asarray(ask(np.concatenate([deleted, inserted]).astype(np.uint8)), np.float64)[:, label]
    return shares[: len(covered)], shares[len(covered) :]


def area(curve: Curve) -> float:
    """The area under a curve over equal steps from 0 to 1."""
    return float(((curve[1:] + curve[:-1]) / 2).mean())


def judge_heat(
    ask: Ask,
    heat_by: dict[str, Callable[[NDArray[np.uint8], int], Heat]],
    pictures: Sequence[NDArray[np.uint8]],
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Judgement]:
    """Judge methods, each a function of a picture and a label, on the labels that `ask` finds most probable.

    Raises LapelError for fewer than two pictures.
    """
    if len(pictures) < 2:
        raise LapelError(f"An interval needs two pictures at least; {len(pictures)} came.")
    random = np.random.default_rng(seed)
    by_chance, by_heat = [], {method: list[tuple[float, float]]() for method in heat_by}
    for number, picture in enumerate(pictures, start=1):
        label = int(np.asarray(ask(picture[None]))[0].argmax())
        place, _ = pieces(np.zeros(picture.shape[:2], np.float32))
        orders = [random.permutation(int(place.max()) + 1) for _ in range(_ORDERS)]
        areas = [tuple(map(area, curves(ask, picture, label, place, order))) for order in orders]
        by_chance.append(np.mean(areas, axis=0))
        for method, heat in heat_by.items():
            place, order = pieces(heat(picture, label))
            deletion, insertion = curves(ask, picture, label, place, order)
            by_heat[method].append((area(deletion), area(insertion)))
        if progress:
            progress(number, len(pictures))
    chance = np.array(by_chance)
    return [
        Judgement(
            method,
            len(pictures),
            _compare(np.array(areas)[:, 0], chance[:, 0], -1),
            _compare(np.array(areas)[:, 1], chance[:, 1], 1),
        )
        for method, areas in by_heat.items()
    ]


def _compare(heat: Curve, random: Curve, sign: int) -> Area:
    """`sign` is 1 where more is better, and -1 where less is."""
    better = sign * (heat - random)
    half = Z95 * float(better.std(ddof=1)) / math.sqrt(len(better))
    middle = float(better.mean())
    return Area(float(heat.mean()), float(random.mean()), middle, middle - half, middle + half)
