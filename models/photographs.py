"""Labelled photographs of phones and of shops: what may be learned from, and what only judges."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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
    kinds: NDArray[np.int64]  # which of `kind_names`, or -1
    kind_names: tuple[str, ...]
    scenes: NDArray[np.str_]  # PHONE, or how a shop shows it
    groups: NDArray[np.str_]  # photographers and collections: nobody of them is on both sides of a fold
    learned: NDArray[np.bool_]  # whether it may be learned from

    @classmethod
    def read(cls, wardrobe: Path, shop: Path) -> Photographs:
        """Those that labels.csv in two folders lists: phone photos with kinds, and pictures of shops."""
        phones, shops = _rows(wardrobe), _rows(shop)
        names = tuple(sorted({row["fine"] for row in phones} - {""}))
        return cls(
            # The phone photos' paths begin in the folder above.
            [wardrobe.parent / row["file"] for row in phones] + [shop / row["file"] for row in shops],
            np.array([_label(row["label"]) for row in (*phones, *shops)]),
            np.array([names.index(row["fine"]) if row["fine"] else -1 for row in phones] + [-1] * len(shops)),
            names,
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
