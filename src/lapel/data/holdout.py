"""Which pictures are held out: class by class, and by group where there are groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

_Places = NDArray[np.intp]


@dataclass(frozen=True)
class Division:
    """Pictures to divide: their labels (n), the names of the classes, and the group of each or none.

    A group is of pictures that must stay together: of one photographer, of one product. A picture whose group
    is "" stands alone.
    """

    name: str
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    groups: Sequence[str] | None = None

    def hold_out(self, fraction: float, seed: int) -> NDArray[np.bool_]:
        """Which pictures are held out: of every class this share, at least one, and not all.

        With groups, whole ones, so that the shares come as near as they can. Raises DataError, with the name
        of the class, where one cannot be on both sides.
        """
        if not 0 < fraction < 1:
            raise DataError(f"A validation share of {fraction} was asked for.", "Give one between 0 and 1.")
        random = np.random.default_rng(seed)
        if self.groups is not None:
            return np.asarray(self._deal_groups([1 - fraction, fraction], random) == 1)
        held = np.zeros(len(self.labels), dtype=bool)
        for label, places in enumerate(self._by_class()):
            if len(places) < 2:
                raise DataError(
                    f"{self.name}: class {self.class_names[label]!r} has {len(places)} training picture(s); "
                    "two are needed to train on one and validate on the other.",
                    "Add pictures of this class, or leave the class out.",
                )
            count = min(max(1, round(len(places) * fraction)), len(places) - 1)
            held[random.permutation(places)[:count]] = True
        return held

    def fold(self, count: int, seed: int) -> _Places:
        """The fold (0 to `count` - 1) of each picture, in which it is held out: every class is in every fold.

        Raises DataError, with the name of the class, where one has too few pictures or groups for that.
        """
        random = np.random.default_rng(seed)
        if self.groups is not None:
            return self._deal_groups([1 / count] * count, random)
        folds = np.zeros(len(self.labels), dtype=np.intp)
        begin = 0  # goes on from class to class, so that folds of small classes are of one size
        for label, places in enumerate(self._by_class()):
            if len(places) < count:
                raise DataError(
                    f"{self.name}: class {self.class_names[label]!r} has {len(places)} picture(s); "
                    f"{count} folds need {count}.",
                    _fewer(len(places)),
                )
            folds[random.permutation(places)] = (begin + np.arange(len(places))) % count
            begin += len(places)
        return folds

    def _by_class(self) -> Iterator[_Places]:
        """The places of each class, in order."""
        order = np.argsort(self.labels, kind="stable")
        ends = np.searchsorted(self.labels[order], np.arange(len(self.class_names) + 1))
        for start, end in pairwise(ends):
            yield order[start:end]

    def _deal_groups(self, shares: Sequence[float], random: np.random.Generator) -> _Places:
        """The part of each picture, of parts that have about these shares of every class."""
        assert self.groups is not None
        numbers = number_groups(self.groups)
        dealer = _Dealer(numbers, self.labels, len(self.class_names), shares)
        for label, count in enumerate(dealer.groups_of_class):
            if count < len(shares):
                raise self._too_few_groups(label, int(count), len(shares))
        dealer.deal(random)
        lacking = dealer.mend()
        if lacking is not None:
            raise DataError(
                f"{self.name}: its groups cannot be divided so that class {self.class_names[lacking]!r} "
                f"is in all {len(shares)} parts.",
                "Give smaller groups, or add pictures of this class from other groups.",
            )
        return dealer.parts[numbers]

    def _too_few_groups(self, label: int, count: int, parts: int) -> DataError:
        name, total = self.class_names[label], int((self.labels == label).sum())
        what = "one group" if count == 1 else f"{count} groups"
        need = (
            "two are needed, to train on one and validate on the other"
            if parts == 2
            else f"{parts} folds need {parts}"
        )
        return DataError(
            f"{self.name}: class {name!r} has its {total} picture(s) in {what}; {need}.",
            "Add pictures of this class from another group, or leave the class out."
            if parts == 2
            else _fewer(count),
        )


def number_groups(groups: Sequence[str]) -> _Places:
    """Groups as numbers from 0 on, in the order in which they come; each "" is a group of its own."""
    known: dict[str | int, int] = {}
    return np.array(
        [known.setdefault(name or place, len(known)) for place, name in enumerate(groups)], np.intp
    )


class _Dealer:
    """Deals groups to parts, the largest first, each to where the classes lack it most."""

    def __init__(
        self, numbers: _Places, labels: NDArray[np.int64], classes: int, shares: Sequence[float]
    ) -> None:
        pairs, counts = np.unique(numbers * classes + labels, return_counts=True)
        groups, held = np.divmod(pairs, classes)
        starts = np.searchsorted(groups, np.arange(int(numbers.max()) + 2))
        self._held = [held[a:b] for a, b in pairwise(starts)]  # classes of a group
        self._counts = [counts[a:b] for a, b in pairwise(starts)]
        self.groups_of_class = np.bincount(held, minlength=classes)
        totals = np.bincount(labels, minlength=classes)
        self._totals = np.maximum(totals, 1).astype(float)
        self._missing = np.outer(shares, totals)  # how many of each class each part still lacks
        self._dealt = np.zeros((len(shares), classes), dtype=np.int64)
        self.parts = np.full(len(self._held), -1, dtype=np.intp)

    def deal(self, random: np.random.Generator) -> None:
        """Deal all groups; `random` decides between those of one size."""
        order = random.permutation(len(self._held))
        sizes = np.array([self._counts[group].sum() for group in order])
        for group in order[np.argsort(-sizes, kind="stable")]:
            self._move(group, int(np.argmin(self._costs(group))))

    def mend(self) -> int | None:
        """Give every part a group of the classes that it lacks; the first class for which there is none."""
        for part, label in np.argwhere(self._dealt == 0):
            if self._dealt[part, label]:
                continue  # one that was given before had it
            holding = [group for group, held in enumerate(self._held) if label in held]
            spare = [group for group in holding if self._is_spare(group)]
            if not spare:
                return int(label)
            self._move(min(spare, key=lambda group: float(self._costs(group)[part])), int(part))
        return None

    def _is_spare(self, group: int) -> bool:
        """Whether its part keeps some of every class without it."""
        return bool((self._dealt[self.parts[group], self._held[group]] > self._counts[group]).all())

    def _costs(self, group: int) -> NDArray[np.float64]:
        """By how much farther each part would be from its shares with the group in it."""
        held, counts = self._held[group], self._counts[group]
        missing = self._missing[:, held]
        changes = ((missing - counts) ** 2 - missing**2) / self._totals[held] ** 2
        return np.asarray(changes.sum(axis=1))

    def _move(self, group: int, part: int) -> None:
        held, counts, before = self._held[group], self._counts[group], int(self.parts[group])
        if before >= 0:
            self._dealt[before, held] -= counts
            self._missing[before, held] += counts
        self._dealt[part, held] += counts
        self._missing[part, held] -= counts
        self.parts[group] = part


def _fewer(count: int) -> str:
    mend = "Add pictures of this class, or leave the class out."
    return f"Choose --folds {count}. {mend}" if count >= 2 else mend
