"""Pictures that are nearly the same: two shots of one garment, a copy in another size or quality."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset, Pictures, evenly
from .picture_file import chunks, take

_ROWS, _COLUMNS = 8, 9  # of the thumbnail, whose neighbours in a row are compared
_STEP = 2  # levels by which neighbours must differ, so that plain ground says nothing
_BITS = 7  # of the 64 that may differ
_BANDS = 8  # of which at least one is the same then
_NEIGHBOURS = 8  # of a picture that are looked at in each band
_DIFFERENCE = 0.1  # standard deviations by which thumbnails that are nearly the same differ on average

_LOOKED_AT = 20_000  # pictures at most, where only a remark is to be made

Pairs = NDArray[np.intp]  # (n, 2): places of pictures


def thumbnails(pictures: Pictures) -> NDArray[np.uint8]:
    """Grey thumbnails (n, 8, 9) of pictures, each pixel the mean of what it stands for."""
    return np.concatenate([_shrink(part) for part in chunks(pictures)])


def near_pairs(small: NDArray[np.uint8]) -> Pairs:
    """Pairs of thumbnails whose pictures are nearly the same, the first place below the second, in order.

    Their difference hashes of 64 bits differ in at most seven, and they themselves by little, however bright
    they are. The work grows with their number and not with its square, so that of many that are all alike
    only some pairs are found.
    """
    hashes = _hashes(small)
    found = [_neighbours(hashes, order) for order in _orders(hashes)]
    numbers = np.unique(np.concatenate([pairs[:, 0] * len(small) + pairs[:, 1] for pairs in found]))
    pairs = np.stack(np.divmod(numbers, len(small)), axis=1)
    first, second = (_standard(small[pairs[:, side]]) for side in (0, 1))
    return np.asarray(pairs[np.abs(first - second).mean(axis=(1, 2)) <= _DIFFERENCE])


def _shrink(pictures: Pictures) -> NDArray[np.uint8]:
    count, height, width, channels = pictures.shape
    columns = np.repeat(_means(width, _COLUMNS), channels, axis=0) / channels
    rows = pictures.reshape(count, height, width * channels).astype(np.float32) @ columns
    return np.asarray((_means(height, _ROWS).T @ rows).round().astype(np.uint8))


def _means(length: int, parts: int) -> NDArray[np.float32]:
    """A matrix (length, parts) that takes the mean of each part of a row of pixels."""
    shares = (
        np.repeat(np.eye(parts, dtype=np.float32), length, axis=0).reshape(length, parts, parts).sum(axis=1)
    )
    return np.asarray(shares / shares.sum(axis=0))


def _hashes(small: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Where a pixel is brighter than its left neighbour, 64 bits for each thumbnail."""
    levels = small.astype(np.int16)
    brighter = levels[:, :, 1:] > levels[:, :, :-1] + _STEP
    return np.packbits(brighter.reshape(len(small), -1), axis=1).view(np.uint64).ravel()


def _orders(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.intp]]:
    """Orders in which those hashes stand side by side that have one of the bands in common."""
    for band in range(_BANDS):
        turned = np.uint64(64 // _BANDS * band)
        yield np.argsort((hashes << turned) | (hashes >> np.uint64((64 - int(turned)) % 64)), kind="stable")


def _neighbours(hashes: NDArray[np.uint64], order: NDArray[np.intp]) -> Pairs:
    """Pairs that stand near each other in an order and differ in few bits."""
    pairs = [np.empty((0, 2), np.intp)]
    for distance in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
        first, second = order[:-distance], order[distance:]
        near = np.bitwise_count(hashes[first] ^ hashes[second]) <= _BITS
        pairs.append(np.sort(np.stack([first[near], second[near]], axis=1), axis=1))
    return np.concatenate(pairs)


def _standard(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Thumbnails whose pixels have mean 0 and standard deviation 1; a plain one stays at 0."""
    levels = small - small.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    return np.asarray(levels / levels.std(axis=(1, 2), keepdims=True).clip(1))


def near_across(dataset: Dataset, held: NDArray[np.bool_], most: int = _LOOKED_AT) -> Pairs:
    """Pairs (training place, held place) of training pictures that are nearly the same and on two sides.

    Of more than `most` pictures, so many are looked at, evenly from first to last.
    """
    looked = evenly(len(held), most)
    pairs = looked[near_pairs(thumbnails(take(dataset.train.pictures, looked)))]
    pairs = pairs[held[pairs[:, 0]] != held[pairs[:, 1]]]
    return np.asarray(np.where(held[pairs[:, :1]], pairs[:, ::-1], pairs))
