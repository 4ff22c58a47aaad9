"""Indexes of made rows, for tests that need many of them, or processes that write and are killed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lapel.colour import Colour
from lapel.index.describe import Models
from lapel.index.rows import Description, Stamp, row_of
from lapel.index.store import Store, create_store, open_store, table_name
from lapel.tagger import Tag

WIDTH = 128
KINDS = ("Dress", "Sneaker")


def about(fingerprints: dict[str, str] | None = None) -> dict[str, Any]:
    """What an index of the shipped models says of itself, or of others."""
    return {
        "lapel": "0",
        "fingerprints": fingerprints or Models().fingerprints(),
        "models": ["photo@made", "wardrobe@made"],
        "labels": list(KINDS),
        "kinds": list(KINDS),
        "width": WIDTH,
    }


def made_store(path: Path, fingerprints: dict[str, str] | None = None) -> Store:
    """An empty index."""
    says = about(fingerprints)
    return create_store(path, table_name(says["fingerprints"]), says)


def made_rows(first: int, count: int) -> Iterator[dict[str, Any]]:
    """Rows, the same for the same numbers."""
    vectors = np.random.default_rng(first).normal(size=(count, WIDTH))
    for number, vector in enumerate(vectors, start=first):
        kind, colour = KINDS[number % 2], Colour(("navy", "red", "white")[number % 3], 0.7, "#16203f")
        tag = Tag("", kind, 0.9, (), 0.9, colours=(colour,))
        seen = Description(tag, tag, vector / np.linalg.norm(vector), b"jpeg")
        yield row_of(f"{number:08d}", f"/none/{number}.jpg", Stamp(1, 1, str(number)), seen)


def write_batches(path: Path, first: int, batches: int, size: int) -> None:
    """Write that many batches, each as a whole, and say so on stdout."""
    store = open_store(path)
    for batch in range(batches):
        with store.writing():
            store.put(list(made_rows(first + batch * size, size)))
        print(batch, flush=True)


if __name__ == "__main__":
    write_batches(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
