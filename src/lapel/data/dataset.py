"""A dataset: pictures, labels, class names and a fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..picture import PictureSpec

Pictures = NDArray[np.uint8]  # (n, height, width, channels)
Labels = NDArray[np.int64]  # (n,)


def evenly(total: int, most: int) -> NDArray[np.intp]:
    """Places of at most `most` of `total` things, evenly from first to last, so that nobody chose them.

    >>> evenly(9, 3).tolist()
    [0, 4, 8]
    """
    return np.linspace(0, total - 1, min(most, total)).astype(np.intp)


@dataclass(frozen=True, eq=False)
class Split:
    """Pictures (n, height, width, channels; uint8) and their labels (n; int64)."""

    pictures: Pictures
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Split({len(self)} pictures of {'×'.join(map(str, self.pictures.shape[1:]))})"

    def take(self, which: NDArray[np.intp] | slice) -> Split:
        """The pictures at these places, in this order."""
        return Split(self.pictures[which], self.labels[which])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled pictures, ready to learn from.

    `test` is None where a dataset has no test pictures. `source` says in words where the pictures came
    from, `skipped` which files were left out and why, `picture` how photographs became these pictures,
    `origin` by what name or path `load_data` finds them again.
    """

    name: str
    train: Split
    test: Split | None
    class_names: tuple[str, ...]
    source: str = ""
    skipped: tuple[str, ...] = ()
    picture: PictureSpec | None = None
    origin: str | None = None

    def __post_init__(self) -> None:
        for title, split in (("training", self.train), ("test", self.test)):
            if split is not None:
                _check(self.name, title, split, self.class_names)

    def __repr__(self) -> str:
        test = 0 if self.test is None else len(self.test)
        return (
            f"Dataset({self.name!r}, {len(self.train)} train, {test} test, {len(self.class_names)} classes)"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every picture."""
        height, width, channels = self.train.pictures.shape[1:]
        return height, width, channels

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over class names, shapes, pictures and labels: the same data have the same fingerprint."""
        digest = hashlib.sha256("\0".join(self.class_names).encode())
        for split in (self.train, self.test):
            if split is not None:
                digest.update(repr(split.pictures.shape).encode())
                digest.update(np.ascontiguousarray(split.pictures).data)
                digest.update(np.ascontiguousarray(split.labels, dtype="<i8").data)
        return digest.hexdigest()

    def split(self, fraction: float = 0.1, seed: int = 0) -> tuple[Split, Split]:
        """Divide the training pictures into (train, validation), class by class.

        Every class gives the same share (at least one picture) to validation, so both parts keep the
        class balance. The same seed gives the same parts. Raises DataError where a class has too few
        pictures to give one away, or `fraction` is not between 0 and 1.
        """
        if not 0 < fraction < 1:
            raise DataError(f"A validation share of {fraction} was asked for.", "Give one between 0 and 1.")
        random = np.random.default_rng(seed)
        held = np.zeros(len(self.train), dtype=bool)
        for label, name in enumerate(self.class_names):
            places = np.flatnonzero(self.train.labels == label)
            if len(places) < 2:
                raise DataError(
                    f"{self.name}: class {name!r} has {len(places)} training picture(s); "
                    "two are needed to train on one and validate on the other.",
                    "Add pictures of this class, or leave the class out.",
                )
            count = min(max(1, round(len(places) * fraction)), len(places) - 1)
            held[random.permutation(places)[:count]] = True
        return self.train.take(np.flatnonzero(~held)), self.train.take(np.flatnonzero(held))


def _check(name: str, title: str, split: Split, class_names: tuple[str, ...]) -> None:
    pictures, labels = split.pictures, split.labels
    if pictures.dtype != np.uint8 or pictures.ndim != 4:
        raise DataError(
            f"{name}: {title} pictures must be uint8 of shape (n, height, width, channels); "
            f"these are {pictures.dtype} of shape {pictures.shape}."
        )
    if len(pictures) != len(labels):
        raise DataError(f"{name}: {len(pictures)} {title} pictures but {len(labels)} labels.")
    if len(labels) == 0:
        raise DataError(f"{name}: no {title} pictures.")
    if labels.min() < 0 or labels.max() >= len(class_names):
        wrong = int(np.flatnonzero((labels < 0) | (labels >= len(class_names)))[0])
        raise DataError(
            f"{name}: {title} label {labels[wrong]} (number {wrong}) is out of range: "
            f"{len(class_names)} classes are numbered 0 to {len(class_names) - 1}.",
        )
