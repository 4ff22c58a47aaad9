"""What an audit found, as rows and as figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..data.dataset import Dataset
from ..data.findings import DOUBTFUL, Finding
from .copies import Copy
from .cutouts import Fault
from .labels import LabelDoubts, Overlap

COPY = "nearly the same"


@dataclass(frozen=True)
class Summary:
    """An audit in figures; `reasons` are counts by split."""

    dataset: str
    fingerprint: str
    pictures: dict[str, int]
    reasons: dict[str, dict[str, int]]
    copies: dict[str, int]  # pairs within and across splits
    test_like_train: int | None  # test pictures that are nearly the same as a training picture
    overlaps: tuple[Overlap, ...]
    agreement: float  # share of training pictures whose label is the most probable one
    by: str
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return asdict(self)


def gather(
    dataset: Dataset,
    doubts: dict[str, LabelDoubts],
    faults: dict[str, Sequence[Fault]],
    copies: Sequence[Copy],
) -> list[Finding]:
    """A row for each picture that anything was found of: by split, the most doubtful label first."""
    train = len(dataset.train)
    like: dict[tuple[str, int], tuple[float, str]] = {}
    for copy in copies:
        ends = [
            ("train", place) if place < train else ("test", place - train)
            for place in (copy.first, copy.second)
        ]
        for end, (split, place) in zip(ends, ends[::-1], strict=True):
            like[end] = max(like.get(end, (-1.0, "")), (copy.pixels, f"{split} {place}"))
    found: list[Finding] = []
    for split, doubt in doubts.items():
        labels = (dataset.train if split == "train" else dataset.test or dataset.train).labels
        reasons: dict[int, list[str]] = {int(place): [DOUBTFUL] for place in np.flatnonzero(doubt.doubtful)}
        for fault in faults[split]:
            reasons.setdefault(fault.place, []).append(fault.reason)
        for place in sorted(number for where, number in like if where == split):
            reasons.setdefault(place, []).append(COPY)
        for place in sorted(reasons, key=lambda place: int(doubt.rank[place])):
            one = Finding(
                int(doubt.rank[place]),
                split,
                place,
                dataset.files[place] if dataset.files and split == "train" else "",
                dataset.class_names[labels[place]],
                dataset.class_names[doubt.suggested[place]],
                round(float(doubt.score[place]), 6),
                tuple(reasons[place]),
                like.get((split, place), (0.0, ""))[1],
            )
            found.append(one)
    return found


def _home(place: int, train: int) -> tuple[str, int]:
    """The split of a place among all pictures, and the place in it."""
    return ("train", place) if place < train else ("test", place - train)


def count_reasons(findings: Sequence[Finding]) -> dict[str, dict[str, int]]:
    """How many pictures of each split have each reason."""
    counts: dict[str, Counter[str]] = {}
    for one in findings:
        counts.setdefault(one.split, Counter()).update(one.reasons)
    return {split: dict(counter.most_common()) for split, counter in counts.items()}


def count_copies(copies: Sequence[Copy], train: int) -> tuple[dict[str, int], int]:
    """Pairs within the training pictures, within the test ones and across; and test pictures in the last."""
    pairs = Counter(
        "train" if copy.second < train else "test" if copy.first >= train else "across" for copy in copies
    )
    across = {copy.second for copy in copies if copy.first < train <= copy.second}
    return {word: pairs[word] for word in ("train", "test", "across")}, len(across)
