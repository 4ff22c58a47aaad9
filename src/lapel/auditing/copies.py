"""Pictures that are nearly the same, by their pixels or by what a network sees in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Dataset, Pictures
from ..data.picture_file import chunks
from ..neighbours import close_pairs, unit

SAME = 0.99  # correlation of pixels, from which on two pictures are nearly the same
_SEEN = 0.995  # cosine of embeddings, from which on two pictures may be
_SHIFTED = 0.95  # correlation of pixels, from which on they are then: moved, or in another light
_SIDE = 32  # pixels at most, in which pictures are compared
_MOST = 4  # near ones of a picture

Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Copy:
    """Two pictures that are nearly the same, by their places: training pictures first, then test pictures.

    `pixels` is their correlation, `seen` the cosine between what a network sees in them.
    """

    first: int
    second: int
    pixels: float
    seen: float


def find_copies(dataset: Dataset, embedding: NDArray[np.float32], told: Told) -> Iterator[Copy]:
    """Pairs that are nearly the same, of all training and test pictures. Every pair is looked at."""
    splits = [dataset.train.pictures, *([dataset.test.pictures] if dataset.test else [])]
    pixels = unit(np.concatenate([_centred(part) for split in splits for part in chunks(split)]))
    seen = unit(embedding)
    same, _ = close_pairs(pixels, SAME, _MOST, lambda done, count: told("comparing pixels", done, count))
    alike, _ = close_pairs(seen, _SEEN, _MOST, lambda done, count: told("comparing features", done, count))
    for first, second in np.unique(np.concatenate([same, alike]), axis=0):
        by_pixels, by_eye = float(pixels[first] @ pixels[second]), float(seen[first] @ seen[second])
        if by_pixels >= SAME or (by_eye >= _SEEN and by_pixels >= _SHIFTED):
            yield Copy(int(first), int(second), by_pixels, by_eye)


def _centred(pictures: Pictures) -> NDArray[np.float32]:
    """Grey pictures as rows of mean 0, shrunk where they are large; a blank one is nothing but zeros."""
    grey = pictures.mean(axis=3, dtype=np.float32)
    step = -(-max(grey.shape[1:]) // _SIDE)
    if step > 1:
        rows, columns = (length // step for length in grey.shape[1:])
        grey = grey[:, : rows * step, : columns * step].reshape(-1, rows, step, columns, step).mean((2, 4))
    flat = grey.reshape(len(grey), -1)
    return np.asarray(flat - flat.mean(axis=1, keepdims=True), np.float32)
