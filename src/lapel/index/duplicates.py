"""Which photos of an index show the same: the same photo, or the same garment photographed twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .rows import Hit

Same: TypeAlias = Literal["photo", "garment"]

# Chosen on shops of which the embedding had not learned (BENCHMARKS.md): of a hundred pairs as similar as
# that, at most one is not of the same garment.
SAME_GARMENT = 0.935
SAME_PHOTO = 0.985  # the same photo, made smaller or saved again
_BLOCK = 1024  # embeddings compared with all others at once


@dataclass(frozen=True)
class Duplicates:
    """Photos of the same photo or garment: each is like at least one other by at least `similarity`."""

    same: Same
    similarity: float
    hits: tuple[Hit, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "same": self.same,
            "similarity": self.similarity,
            "photos": [hit.to_dict() for hit in self.hits],
        }


@dataclass(frozen=True)
class Group:
    """The same by their places among the embeddings."""

    same: Same
    similarity: float
    places: tuple[int, ...]


def find_groups(embeddings: NDArray[np.float32], garment: float = SAME_GARMENT) -> list[Group]:
    """Groups of embeddings (n, width), unit vectors, that are linked by at least `garment`.

    A group is of one photo where every link is at least SAME_PHOTO. All are compared with all.
    """
    parent = list(range(len(embeddings)))
    weakest: dict[int, float] = {}
    # The strongest links first, so that a group's weakest is that which joined it.
    for similarity, one, other in sorted(_pairs(embeddings, garment), reverse=True):
        first, second = _root(parent, one), _root(parent, other)
        if first != second:
            parent[max(first, second)] = min(first, second)
            weakest[min(first, second)] = similarity
    members: dict[int, list[int]] = {}
    for place in range(len(parent)):
        members.setdefault(_root(parent, place), []).append(place)
    groups = [
        Group("photo" if weakest[root] >= SAME_PHOTO else "garment", weakest[root], tuple(places))
        for root, places in members.items()
        if len(places) > 1
    ]
    return sorted(groups, key=lambda group: -group.similarity)


def _pairs(embeddings: NDArray[np.float32], least: float) -> Iterator[tuple[float, int, int]]:
    for start in range(0, len(embeddings), _BLOCK):
        alike = embeddings[start : start + _BLOCK] @ embeddings[start:].T
        for one, other in zip(*np.nonzero(np.triu(alike, 1) >= least), strict=True):
            yield min(1.0, float(alike[one, other])), start + int(one), start + int(other)


def _root(parent: list[int], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place
