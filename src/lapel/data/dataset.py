"""A dataset: pictures, labels, class names and a fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..picture import PictureSpec
from .holdout import Division
from .picture_file import Pictures, chunks, in_file, take

__all__ = ["Dataset", "Labels", "Pictures", "Skip", "Split", "evenly"]

Labels = NDArray[np.int64]  # (n,)


class Skip(NamedTuple):
    """A file that was left out, and why."""

    file: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}: {self.why}"


def evenly(total: int, most: int) -> NDArray[np.intp]:
    """Places of at most `most` of `total` things, evenly from first to last, so that nobody chose them.

    >>> evenly(9, 3).tolist()
    [0, 4, 8]
    """
    return np.linspace(0, total - 1, min(most, total)).astype(np.intp)


def drawn(total: int, most: int, seed: int) -> NDArray[np.intp]:
    """Places of at most `most` of `total` things, drawn by a seed, in their order.

    >>> drawn(3, 5, seed=0).tolist()
    [0, 1, 2]
    """
    if total <= most:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, most, replace=False))


@dataclass(frozen=True, eq=False)
class Split:
    """Pictures (n, height, width, channels; uint8) and their labels (n; int64).

    Where they are many, the pictures stay in a file, from which places and slices of them are read. Where
    they were photos, `files` has the name of each.
    """

    pictures: Pictures
    labels: Labels
    files: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Split({len(self)} pictures of {'×'.join(map(str, self.pictures.shape[1:]))})"

    def take(self, which: NDArray[np.intp] | slice) -> Split:
        """The pictures at these places, in this order."""
        return Split(take(self.pictures, which), self.labels[which], self.names(which))

    def names(self, which: NDArray[np.intp] | slice) -> tuple[str, ...] | None:
        """The names of the photos at these places; None where the pictures were no photos."""
        if self.files is None:
            return None
        places = range(len(self.files))[which] if isinstance(which, slice) else which
        return tuple(self.files[place] for place in places)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled pictures, ready to learn from.

    `test` is None where a dataset has no test pictures. `source` says in words where the pictures came
    from, `skipped` which files were left out and why, `picture` how photographs became these pictures,
    `origin` by what name or path `load_data` finds them again, `group` what it was told of groups. Training
    pictures of one of the `groups` stay together when they are divided; one whose group is "" stands alone.
    `test_groups` are those of the test pictures.
    """

    name: str
    train: Split
    test: Split | None
    class_names: tuple[str, ...]
    source: str = ""
    skipped: tuple[Skip, ...] = ()
    picture: PictureSpec | None = None
    origin: str | None = None
    groups: tuple[str, ...] | None = None
    group: str | None = None
    test_groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for title, split in (("training", self.train), ("test", self.test)):
            if split is not None:
                _check(self.name, title, split, self.class_names)
        for title, groups, split in (
            ("training", self.groups, self.train),
            ("test", self.test_groups, self.test),
        ):
            count = 0 if split is None else len(split)
            if groups is not None and len(groups) != count:
                raise DataError(f"{self.name}: {len(groups)} groups for {count} {title} pictures.")

    def __repr__(self) -> str:
        test = 0 if self.test is None else len(self.test)
        return (
            f"Dataset({self.name!r}, {len(self.train)} train, {test} test, {len(self.class_names)} classes)"
        )

    @property
    def files(self) -> tuple[str, ...] | None:
        """The name of each training picture's photo; None where they were no photos."""
        return self.train.files

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every picture."""
        height, width, channels = self.train.pictures.shape[1:]
        return height, width, channels

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over class names, shapes, pictures and labels: the same data have the same fingerprint."""
        file = in_file(self.train.pictures)
        if file is None:
            return self._digest(with_pictures=True)
        # Pictures in a file do not change, so that they need not be read for it each time.
        return file.memo(self._digest(with_pictures=False), lambda: self._digest(with_pictures=True))

    def _digest(self, *, with_pictures: bool) -> str:
        digest = hashlib.sha256("\0".join(self.class_names).encode())
        for split in (self.train, self.test):
            if split is not None:
                digest.update(repr(split.pictures.shape).encode())
                for part in chunks(split.pictures) if with_pictures else ():
                    digest.update(np.ascontiguousarray(part).data)
                if not with_pictures and (file := in_file(split.pictures)):
                    digest.update(file.rows.data)
                digest.update(np.ascontiguousarray(split.labels, dtype="<i8").data)
        return digest.hexdigest()

    def names_of(self, split: str) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
        """Names and groups of the test pictures, or of the training ones; None where there are none."""
        if split == "test":
            return None if self.test is None else self.test.files, self.test_groups
        return self.files, self.groups

    def split(
        self,
        fraction: float = 0.1,
        seed: int = 0,
        fold: tuple[int, int] | None = None,
        left_out: NDArray[np.intp] | None = None,
    ) -> tuple[Split, Split]:
        """Divide the training pictures into (train, validation), class by class.

        Every class gives the same share (at least one picture) to validation, so both parts keep the
        class balance; where there are groups, each is on one side, and the shares are as near as that
        allows. The same seed gives the same parts. With `fold`, such as (2, 5), validation is not this
        `fraction` but the second of five folds, in which together every picture stands once. The training
        pictures at the places `left_out` are not in the first part; the second has them all the same.

        Raises DataError where a class has too few pictures or groups to give one away, or `fraction` is not
        between 0 and 1.
        """
        held = self.held(fraction, seed, fold)
        learned = ~held
        if left_out is not None:
            learned[left_out] = False
            self._refuse_empty(learned)
        return self.train.take(np.flatnonzero(learned)), self.train.take(np.flatnonzero(held))

    def _refuse_empty(self, learned: NDArray[np.bool_]) -> None:
        """Raise DataError where a class has nothing left to learn from."""
        counts = np.bincount(self.train.labels[learned], minlength=len(self.class_names))
        if not counts.all():
            name = self.class_names[int(counts.argmin())]
            raise DataError(
                f"{self.name}: without what is left out, class {name!r} has no picture to learn from.",
                "Look at the audit's page first, or leave --drop-doubtful out.",
            )

    def held(self, fraction: float, seed: int, fold: tuple[int, int] | None = None) -> NDArray[np.bool_]:
        """Which training pictures `split` puts into validation."""
        division = Division(self.name, self.train.labels, self.class_names, self.groups)
        if fold is None:
            return division.hold_out(fraction, seed)
        number, count = fold
        return np.asarray(division.fold(count, seed) == number - 1)


def _check(name: str, title: str, split: Split, class_names: tuple[str, ...]) -> None:
    pictures, labels = split.pictures, split.labels
    if pictures.dtype != np.uint8 or pictures.ndim != 4:
        raise DataError(
            f"{name}: {title} pictures must be uint8 of shape (n, height, width, channels); "
            f"these are {pictures.dtype} of shape {pictures.shape}."
        )
    if len(pictures) != len(labels):
        raise DataError(f"{name}: {len(pictures)} {title} pictures but {len(labels)} labels.")
    if split.files is not None and len(split.files) != len(labels):
        raise DataError(f"{name}: {len(split.files)} names of files for {len(labels)} {title} pictures.")
    if len(labels) == 0:
        raise DataError(f"{name}: no {title} pictures.")
    if labels.min() < 0 or labels.max() >= len(class_names):
        wrong = int(np.flatnonzero((labels < 0) | (labels >= len(class_names)))[0])
        raise DataError(
            f"{name}: {title} label {labels[wrong]} (number {wrong}) is out of range: "
            f"{len(class_names)} classes are numbered 0 to {len(class_names) - 1}.",
        )
