"""Labelled photographs of phones and of shops: what may be learned from, and what only judges."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kinds import KINDS, possible
from numpy.typing import NDArray
from scenes import OTHER

FOLDS = 5
UNKNOWN = -9  # which of the classes, if any
PHONE = "phone"

# Collections that share some of their pictures.
_SAME = {"primereact": "retail-demo-store", "solidus": "spree"}


@dataclass(frozen=True)
class Photographs:
    """Photographs, what is on them, and where they come from; a row of every array is one of them."""

    paths: list[Path]
    labels: NDArray[np.int64]  # 0 to 9, OTHER, or UNKNOWN
    kinds: NDArray[np.int64]  # what the source calls it: which of `kind_names`, or -1
    kind_names: tuple[str, ...]
    possible: NDArray[np.bool_]  # (n, answers): which of our kinds it may show
    scenes: NDArray[np.str_]  # PHONE, or how a shop shows it
    groups: NDArray[np.str_]  # photographers and collections: nobody of them is on both sides of a fold
    learned: NDArray[np.bool_]  # whether it may be learned from

    @classmethod
    def read(cls, wardrobe: Path, shop: Path) -> Photographs:
        """Those that labels.csv in two folders lists: phone photos with kinds, and pictures of shops."""
        phones, shops = _rows(wardrobe), _rows(shop)
        names = tuple(sorted({row["fine"] for row in phones} - {""}))
        rows = [*phones, *shops]
        labels = [_label(row["label"]) for row in rows]
        may_be = [possible(label, row.get("fine", "")) for label, row in zip(labels, rows, strict=True)]
        return cls(
            # The phone photos' paths begin in the folder above.
            [wardrobe.parent / row["file"] for row in phones] + [shop / row["file"] for row in shops],
            np.array(labels),
            np.array([names.index(row["fine"]) if row["fine"] else -1 for row in phones] + [-1] * len(shops)),
            names,
            np.stack(may_be),
            np.array([PHONE] * len(phones) + [row["kind"] for row in shops]),
            np.array(
                [row["photographer"] for row in phones]
                + [_SAME.get(row["collection"], row["collection"]) for row in shops]
            ),
            np.array([True] * len(phones) + [row["use"] == "train" for row in shops]),
        )

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def phone(self) -> NDArray[np.bool_]:
        """Which are phone photos."""
        phone: NDArray[np.bool_] = self.scenes == PHONE
        return phone

    @property
    def of_a_class(self) -> NDArray[np.bool_]:
        """Which show one of the ten classes."""
        return (self.labels >= 0) & (self.labels < OTHER)

    @property
    def of_a_kind(self) -> NDArray[np.bool_]:
        """Of which it is known which of our kinds they show."""
        settled: NDArray[np.bool_] = (self.possible.sum(1) == 1) & self.possible[:, : len(KINDS)].any(1)
        return settled

    def fold_of(self) -> NDArray[np.intp]:
        """The fold, 0 to FOLDS - 1, in which each photograph is judged."""
        names = sorted(set(self.groups.tolist()))
        order = np.random.default_rng(0).permutation(len(names))
        fold = {names[place]: turn % FOLDS for turn, place in enumerate(order)}
        return np.array([fold[name] for name in self.groups.tolist()])


def _label(text: str) -> int:
    return UNKNOWN if not text else int(text) if int(text) >= 0 else OTHER


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))
