"""An index of many made photos: how fast it grows, how large it is, how quickly and how rightly it answers.

    python benchmarks/index.py --rows 1000000 --at work/million.lapel

The embeddings are seeded: each is near one of two thousand centres, as photos are near others of their kind.
A question is a row moved a little. The exact answer is that of all dot products.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from machine import machine
from numpy.typing import NDArray

from lapel.index.describe import Models
from lapel.index.rows import EMBEDDING
from lapel.index.store import Store, create_store, table_name

WIDTH, CENTRES, SPREAD, MOVED = 128, 2000, 0.7, 0.3
AT_ONCE, TOP = 20_000, 10
KINDS = ("T-shirt", "Dress", "Skirt", "Trousers", "Sneaker", "Boot", "Bag", "Hat")
COLOURS = ("black", "white", "navy", "red", "grey", "blue", "beige", "green")


def main() -> None:
    """Make it, ask it, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--at", type=Path, default=Path("million.lapel"))
    arguments = parser.parse_args()
    shutil.rmtree(arguments.at, ignore_errors=True)
    began = time.perf_counter()
    about = {"lapel": "0", "fingerprints": Models().fingerprints(), "models": [], "labels": [], "kinds": []}
    store = create_store(arguments.at, table_name(Models().fingerprints()), {**about, "width": WIDTH})
    best = Best(questions(arguments.questions, arguments.rows))
    for first, embeddings in parts(arguments.rows):
        with store.writing():
            store.put_columns(columns(first, embeddings))
        best.add(first, embeddings)
    written = time.perf_counter() - began - best.seconds
    began = time.perf_counter()
    with store.writing():
        store.optimise()
    indexed = time.perf_counter() - began
    size = sum(path.stat().st_size for path in arguments.at.rglob("*") if path.is_file())
    print(f"{machine()}\n")
    print("| rows | written | indexed | on disk | question | p50 | p99 | recall of ten | most memory |")
    print("|---:|---:|---:|---:|---|---:|---:|---:|---:|")
    for name, where in (("all", None), ("one kind in eight", "kind = 'Dress'")):
        seconds, found = ask(store, best.questions, where)
        recall = f"{best.recall(found):.3f}" if where is None else ""
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"| {arguments.rows:,} | {arguments.rows / written:,.0f}/s | {indexed:,.0f} s "
            f"| {size / 2**20:,.0f} MiB | {name} | {np.quantile(seconds, 0.5) * 1000:.1f} ms "
            f"| {np.quantile(seconds, 0.99) * 1000:.1f} ms | {recall} | {memory:.1f} GiB |",
            flush=True,
        )


def centres() -> NDArray[np.float32]:
    """The middles of the mixture."""
    return _unit(np.random.default_rng(0).normal(size=(CENTRES, WIDTH)))


def parts(count: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The number of the first row and the embeddings of some rows; each part follows from its number."""
    middles = centres()
    for first in range(0, count, AT_ONCE):
        random = np.random.default_rng(1 + first)
        some = middles[random.integers(CENTRES, size=min(AT_ONCE, count - first))]
        yield first, _unit(some + SPREAD * _unit(random.normal(size=some.shape)))


def questions(count: int, rows: int) -> NDArray[np.float32]:
    """Rows of the first part, moved a little."""
    _, some = next(parts(rows))
    random = np.random.default_rng(7)
    chosen = some[random.choice(len(some), count, replace=False)]
    return _unit(chosen + MOVED * _unit(random.normal(size=chosen.shape)))


def columns(first: int, embeddings: NDArray[np.float32]) -> dict[str, Any]:
    """Small rows around embeddings."""
    count = len(embeddings)
    random = np.random.default_rng(first)
    numbers = range(first, first + count)
    colours = [COLOURS[place] for place in random.integers(len(COLOURS), size=count)]
    kinds = [KINDS[place] for place in random.integers(len(KINDS), size=count)]
    thumbnails = random.integers(0, 256, (count, 200), dtype=np.uint8)
    return {
        "id": [f"{number:016d}" for number in numbers],
        "source": [f"/photos/{number:08d}.jpg" for number in numbers],
        "size": [1] * count,
        "mtime": [1] * count,
        "hash": [f"{number:064d}" for number in numbers],
        "label": kinds,
        "score": [0.9] * count,
        "accepted": [True] * count,
        "reason": [""] * count,
        "kind": kinds,
        "kind_score": [0.9] * count,
        "colours": [[{"name": name, "share": 0.7, "hex": "#000000"}] for name in colours],
        "colour_names": [[name] for name in colours],
        "corrected": [[]] * count,
        "thumbnail": [one.tobytes() for one in thumbnails],
        EMBEDDING: pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(embeddings.ravel()), WIDTH),
    }


class Best:
    """The exact answers, gathered part by part."""

    def __init__(self, asked: NDArray[np.float32]) -> None:
        self.questions = asked
        self.seconds = 0.0
        self._alike = np.zeros((len(asked), 0), np.float32)
        self._rows = np.zeros((len(asked), 0), np.int64)

    def add(self, first: int, embeddings: NDArray[np.float32]) -> None:
        """Look at a part."""
        began = time.perf_counter()
        alike = np.concatenate([self._alike, self.questions @ embeddings.T], 1)
        numbers = np.broadcast_to(np.arange(first, first + len(embeddings)), (len(alike), len(embeddings)))
        rows = np.concatenate([self._rows, numbers], 1)
        places = np.argpartition(-alike, TOP, axis=1)[:, :TOP]
        self._alike = np.take_along_axis(alike, places, 1)
        self._rows = np.take_along_axis(rows, places, 1)
        self.seconds += time.perf_counter() - began

    def recall(self, found: list[list[int]]) -> float:
        """Which share of the exact answers was found."""
        return float(
            np.mean(
                [
                    len(set(row.tolist()) & set(some)) / TOP
                    for row, some in zip(self._rows, found, strict=True)
                ]
            )
        )


def ask(
    store: Store, asked: NDArray[np.float32], where: str | None
) -> tuple[NDArray[np.float64], list[list[int]]]:
    """The seconds of each question, and the rows that were found; the first twenty questions warm up."""
    seconds, found = [], []
    for question in [*asked[:20], *asked]:
        began = time.perf_counter()
        rows = store.nearest(question, TOP, where)
        seconds.append(time.perf_counter() - began)
        found.append([int(row["id"]) for row in rows])
    return np.array(seconds[20:]), found[20:]


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


if __name__ == "__main__":
    main()
