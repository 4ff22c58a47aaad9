"""Rows of numbers that lie near each other, found by products of matrices, some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]  # (n, width), each of length one
Pairs = NDArray[np.intp]  # (n, 2): places of rows, the first below the second

_BLOCK = 2048  # rows that are compared with so many others together: 16 MiB of products
_FITTED = 10_000  # rows that principal components are found of
_WIDTH = 96  # components in which pairs are looked for
_AT_ONCE = 16  # candidates of a row in a block
_SLACK = 1e-5  # what rounding may add to a distance


def unit(rows: NDArray[Any]) -> Rows:
    """The same rows at length one; what is nothing but zeros stays so."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)


def components(rows: NDArray[Any], most: int) -> NDArray[np.float32]:
    """At most so many principal components of rows (n, width), as (width, components).

    Of many rows, some evenly from first to last are looked at.
    """
    some = rows[np.linspace(0, len(rows) - 1, min(_FITTED, len(rows))).astype(np.intp)].astype(np.float32)
    some -= some.mean(axis=0)
    values, vectors = np.linalg.eigh((some.T @ some).astype(np.float64))
    return np.asarray(vectors[:, np.argsort(values)[::-1][:most]], np.float32)


def close_pairs(
    rows: Rows, least: float, most: int, progress: Callable[[int, int], None] | None = None
) -> tuple[Pairs, NDArray[np.float32]]:
    """Pairs of rows whose cosine is at least `least`, in order, and the cosine of each.

    Every pair is looked at, first in a few components: there no two are further from each other than they
    are in truth. Where rows are near many, only some of their pairs are given, the `most` nearest before
    others. `progress` is told how many rows are done, of how many.
    """
    few = rows @ components(rows, _WIDTH) if rows.shape[1] > _WIDTH else rows
    # |a - b|² = |a|² + |b|² - 2ab is one product when the squares stand in columns of their own.
    halves, ones = -(few * few).sum(axis=1, keepdims=True) / 2, np.ones((len(few), 1), np.float32)
    left, right = np.hstack([few, halves, ones]), np.hstack([few, ones, halves])
    pairs, cosines = [np.empty((0, 2), np.intp)], [np.empty(0, np.float32)]
    for start, first in _blocks(left):
        for other, second in _blocks(right, start):
            near = first @ second.T  # minus half of the squared distance
            if other == start:
                near[np.tril_indices(len(near))] = -np.inf
            places = _candidates(near, least - 1 - _SLACK) + np.array([start, other])
            truly = np.einsum("ij,ij->i", rows[places[:, 0]], rows[places[:, 1]])
            pairs.append(places[truly >= least])
            cosines.append(truly[truly >= least])
        if progress:
            progress(min(start + _BLOCK, len(rows)), len(rows))
    found, strength = np.concatenate(pairs), np.concatenate(cosines)
    kept = _strongest(found, strength, most)
    order = kept[np.lexsort((found[kept, 1], found[kept, 0]))]
    return found[order], strength[order]


def _candidates(near: NDArray[np.float32], least: float) -> Pairs:
    """Where a block reaches `least`: everywhere, or where that is very often, the best places of each row."""
    reached = near >= least
    if reached.sum() <= _AT_ONCE * len(near):
        return np.argwhere(reached)
    best = np.argpartition(-near, min(_AT_ONCE, near.shape[1] - 1), axis=1)[:, :_AT_ONCE]
    rows = np.repeat(np.arange(len(near)), best.shape[1])
    places = np.stack([rows, best.ravel()], axis=1)
    return places[reached[places[:, 0], places[:, 1]]]


def nearest(queries: Rows, rows: Rows, count: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each query, the places (queries, count) of the rows with the largest cosine, and these.

    The nearest comes first; of rows that are equally near, the first.
    """
    best, places = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.intp)
    for start, part in _blocks(rows):
        own = np.broadcast_to(np.arange(start, start + len(part)), (len(queries), len(part)))
        best, places = np.hstack([best, queries @ part.T]), np.hstack([places, own])
        order = np.argsort(-best, axis=1, kind="stable")[:, :count]
        best, places = np.take_along_axis(best, order, 1), np.take_along_axis(places, order, 1)
    return places, best


def _blocks(rows: NDArray[np.float32], start: int = 0) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for place in range(start, len(rows), _BLOCK):
        yield place, rows[place : place + _BLOCK]


def _strongest(pairs: Pairs, values: NDArray[np.float32], most: int) -> NDArray[np.intp]:
    """Places of the pairs that are among the `most` strongest of their first row, or of their second."""
    kept = np.zeros(len(pairs), bool)
    for side in (0, 1) if len(pairs) else ():
        order = np.lexsort((-values, pairs[:, side]))
        rows, count = pairs[order, side], np.arange(len(pairs))
        begins = np.concatenate([[True], rows[1:] != rows[:-1]])
        rank = count - np.maximum.accumulate(np.where(begins, count, 0))
        kept[order[rank < most]] = True
    return np.flatnonzero(kept)
