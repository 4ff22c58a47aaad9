"""Looking a dataset over: counts, balance, duplicates, blank pictures, the range of values."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset, Pictures, Skip, Split
from .holdout import number_groups
from .near import near_pairs, thumbnails
from .picture_file import chunks
from .remarks import uneven


@dataclass(frozen=True)
class SplitCheck:
    """What one split holds. `duplicates` counts pictures that equal an earlier one of the same split."""

    pictures: int
    per_class: dict[str, int]
    duplicates: int
    blank: int  # every pixel alike
    darkest: int
    brightest: int
    mean: float


@dataclass(frozen=True)
class DataCheck:
    """What was found in a dataset."""

    name: str
    source: str
    fingerprint: str
    shape: tuple[int, int, int]
    splits: dict[str, SplitCheck]
    across: int  # test pictures that are also training pictures
    conflicting: int  # different pictures that stand under more than one label, both splits together
    skipped: tuple[Skip, ...]
    groups: int | None = None  # of training pictures, where they were asked for
    unevenness: str = ""  # how many pictures the largest and the smallest class have, where far apart
    near: tuple[tuple[str, str], ...] = ()  # training photos that are nearly the same, and in no one group

    @property
    def balance(self) -> float:
        """Training pictures of the rarest class for each one of the most frequent: 1 is balanced."""
        counts = self.splits["train"].per_class.values()
        return min(counts) / max(counts)

    @property
    def problems(self) -> tuple[str, ...]:
        """What deserves a look, each in one sentence."""
        return tuple(self._problems())

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return asdict(self) | {
            "balance": self.balance,
            "problems": list(self.problems),
            "skipped": [skip._asdict() for skip in self.skipped],
        }

    def _problems(self) -> Iterator[str]:
        for title, split in self.splits.items():
            for name, count in split.per_class.items():
                if not count:
                    yield f"{title}: class {name!r} has no pictures."
            if split.duplicates:
                yield f"{title}: {split.duplicates} pictures equal an earlier one."
            if split.blank:
                yield f"{title}: {split.blank} pictures are blank."
            if split.brightest <= 1:
                yield f"{title}: no value is over 1: were the pictures scaled before they were saved?"
        if self.across:
            yield f"{self.across} test pictures are also training pictures: test figures will be too good."
        if self.conflicting:
            yield f"{self.conflicting} pictures stand under more than one label."
        if self.near:
            yield f"{len(self.near):,} pairs of training pictures are nearly the same."
        if self.unevenness:
            yield f"{self.unevenness} Train with --set training.class_weights=balanced."
        if self.skipped:
            yield f"{len(self.skipped):,} files were left out; the first: {self.skipped[0]}"


def check_data(dataset: Dataset) -> DataCheck:
    """Look a dataset over. Nothing is changed, and no model is asked."""
    splits = {"train": dataset.train, "test": dataset.test}
    present = {title: split for title, split in splits.items() if split is not None}
    digests = {title: _digests(split) for title, split in present.items()}
    labels_of: dict[bytes, set[int]] = defaultdict(set)
    for title, split in present.items():
        for digest, label in zip(digests[title], split.labels.tolist(), strict=True):
            labels_of[digest].add(label)
    seen = set(digests["train"])
    numbers = None if dataset.groups is None else number_groups(dataset.groups)
    return DataCheck(
        name=dataset.name,
        source=dataset.source,
        fingerprint=dataset.fingerprint,
        shape=dataset.shape,
        splits={
            title: _look_over(split, digests[title], dataset.class_names) for title, split in present.items()
        },
        across=sum(digest in seen for digest in digests.get("test", ())),
        conflicting=sum(len(labels) > 1 for labels in labels_of.values()),
        skipped=dataset.skipped,
        groups=None if numbers is None else len(set(numbers.tolist())),
        near=_near(dataset, numbers),
        unevenness=uneven(dataset),
    )


def _near(dataset: Dataset, groups: NDArray[np.intp] | None) -> tuple[tuple[str, str], ...]:
    """Pairs of training photos that are nearly the same; those of one group stay together anyway."""
    if dataset.files is None:
        return ()
    pairs = near_pairs(thumbnails(dataset.train.pictures))
    if groups is not None:
        pairs = pairs[groups[pairs[:, 0]] != groups[pairs[:, 1]]]
    return tuple((dataset.files[first], dataset.files[second]) for first, second in pairs)


def _digests(split: Split) -> list[bytes]:
    return [
        hashlib.blake2b(picture.tobytes(), digest_size=16).digest()
        for part in chunks(split.pictures)
        for picture in part
    ]


def _look_over(split: Split, digests: list[bytes], class_names: tuple[str, ...]) -> SplitCheck:
    parts = [_figures(part) for part in chunks(split.pictures)]
    blank, darkest, brightest, total = zip(*parts, strict=True)
    counts = np.bincount(split.labels, minlength=len(class_names)).tolist()
    return SplitCheck(
        pictures=len(split),
        per_class=dict(zip(class_names, counts, strict=True)),
        duplicates=len(digests) - len(set(digests)),
        blank=sum(blank),
        darkest=min(darkest),
        brightest=max(brightest),
        mean=round(sum(total) / math.prod(split.pictures.shape), 3),
    )


def _figures(pictures: Pictures) -> tuple[int, int, int, int]:
    """How many are blank, the darkest and the brightest value, and the sum of all."""
    rows = pictures.reshape(len(pictures), -1)
    least, most = rows.min(axis=1), rows.max(axis=1)
    return int((least == most).sum()), int(least.min()), int(most.max()), int(rows.sum(dtype=np.int64))
