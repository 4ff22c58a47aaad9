"""What a network gains that has learned from ImageNet: beside a dense net, a CNN and itself from nothing.

    python benchmarks/pretrained.py fashion-mnist [--pictures 6000] [--rows dense cnn transfer]
    python benchmarks/pretrained.py PHOTOS [--kinds Dress Hat Pants …]
    python benchmarks/pretrained.py PHOTOS --few 5 20 100 [--rows cnn transfer]

PHOTOS is a labels.csv with the columns file (relative to the folder above it), fine (the kind of garment) and
photographer. A quarter of the photographers is the test, with at most forty photos of a kind, and a tenth of
the photos by others validation: nobody is on two sides. Everything is chosen on validation pictures; the test
is looked at once a run. With `--few`, so many photos of every kind are learned from. The work is that of a
whole training, decoding and features included: the minutes of one core, which other programs on the machine
change little.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from machine import CORES, machine
from numpy.typing import NDArray

import lapel
from lapel.data.dataset import Split
from lapel.metrics import wilson_interval
from lapel.picture import Picture, PictureSpec, read_picture
from lapel.recipes.schema import Recipe
from lapel.significance import mcnemar

ROWS = ("dense", "cnn", "from nothing", "transfer", "fine-tune")
TEST = 0.25  # of the photographers
MOST = 40  # photos of a kind in the test


def recipe_of(row: str) -> Recipe:
    """The recipe of a row; "from nothing" is the network of `fine-tune` with drawn weights, fitted whole."""
    if row != "from nothing":
        return lapel.load_recipe(row)
    settings = ["training.learn=all", "training.layer_decay=1.0", 'start=""', "training.epochs=12"]
    return lapel.load_recipe("fine-tune", settings).model_copy(update={"name": "from-nothing"})


@dataclass
class Photos:
    """Photographs of the most frequent kinds, and which of them are the test's."""

    files: list[Path]
    labels: NDArray[np.int64]
    tested: NDArray[np.bool_]
    kinds: tuple[str, ...]
    photographers: tuple[str, ...]
    _decoded: dict[tuple[PictureSpec, int], tuple[Picture, float]] = field(default_factory=dict)

    def decoded(self, spec: PictureSpec, places: NDArray[np.intp]) -> tuple[NDArray[np.uint8], float]:
        """The pictures at these places, and the seconds of a core that they take to decode."""

        def decode(place: int) -> tuple[Picture, float]:
            if (spec, place) not in self._decoded:
                began = time.thread_time()
                picture = read_picture(self.files[place], spec)
                self._decoded[spec, place] = picture, time.thread_time() - began
            return self._decoded[spec, place]

        with ThreadPoolExecutor(CORES) as pool:
            pictures, seconds = zip(*pool.map(decode, places.tolist()), strict=True)
        return np.stack(pictures), sum(seconds)

    def dataset(self, spec: PictureSpec, few: int | None, seed: int) -> tuple[lapel.Dataset, float]:
        """Pictures of a size, `few` of each kind to learn from, and the seconds that these took to decode."""
        random = np.random.default_rng(seed)
        places = random.permutation(np.flatnonzero(~self.tested))
        chosen = np.concatenate(
            [places[self.labels[places] == label][:few] for label in range(len(self.kinds))]
        )
        tested = np.concatenate(
            [np.flatnonzero(self.tested & (self.labels == label))[:MOST] for label in range(len(self.kinds))]
        )
        learned, seconds = self.decoded(spec, chosen)
        train = Split(learned, self.labels[chosen])
        test = Split(self.decoded(spec, tested)[0], self.labels[tested])
        groups = tuple(self.photographers[place] for place in chosen)
        return lapel.Dataset("photographs", train, test, self.kinds, picture=spec, groups=groups), seconds


def read_photos(table: Path, kinds: list[str]) -> Photos:
    """The photographs in a table of these kinds, or of its eight most frequent ones."""
    with table.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["fine"] not in ("", "Other", "Body")]
    frequent = [name for name, _ in Counter(row["fine"] for row in rows).most_common(8)]
    names = tuple(sorted(kinds or frequent))
    rows = [row for row in rows if row["fine"] in names]
    people = sorted({row["photographer"] for row in rows})
    held = set(np.random.default_rng(0).permutation(people)[: round(TEST * len(people))])
    return Photos(
        [table.parent.parent / row["file"] for row in rows],
        np.array([names.index(row["fine"]) for row in rows], np.int64),
        np.array([row["photographer"] in held for row in rows]),
        names,
        tuple(row["photographer"] for row in rows),
    )


def fashion_mnist(pictures: int) -> lapel.Dataset:
    """Fashion-MNIST with so many training pictures, the same share of each class."""
    whole = lapel.load_data("fashion-mnist")
    places = np.random.default_rng(0).permutation(len(whole.train))
    some = [places[whole.train.labels[places] == label][: pictures // 10] for label in range(10)]
    return lapel.Dataset(
        whole.name, whole.train.take(np.concatenate(some)), whole.test, whole.class_names, origin=None
    )


def measure(recipe: Recipe, dataset: lapel.Dataset, seed: int) -> dict[str, Any]:
    """A training, judged on the test once: the seconds of a core that it took, and what it answered."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        run = lapel.train(recipe, dataset, seed=seed, path=Path(folder) / "run")
        seconds = time.process_time() - began
        report = lapel.evaluate(run, split="test", dataset=dataset)
        kept = run.predictions("test")
        assert kept is not None and run.done is not None
        return {
            "seconds": seconds,
            "validation": run.done["validation_accuracy"],
            "accuracy": report.accuracy,
            "predicted": kept[0].argmax(1),
            "labels": kept[1],
        }


def line(row: str, results: list[dict[str, Any]], first: list[dict[str, Any]]) -> str:
    """A row of the table: of several seeds, answers are pooled."""
    predicted, labels, before = (
        np.concatenate([result[key] for result in which])
        for key, which in (("predicted", results), ("labels", results), ("predicted", first))
    )
    right = int((predicted == labels).sum())
    low, high = wilson_interval(right, len(labels))
    duel = mcnemar(before, predicted, labels)
    held = "" if results is first else f"p = {duel.p:.2g}"
    seconds = np.median([result["seconds"] for result in results])
    validation = np.mean([result["validation"] for result in results])
    return (
        f"| {row} | {validation:.1%} | {right / len(labels):.1%} ({low:.1%} to {high:.1%}) | {held} | "
        f"{seconds / 60:,.1f} |"
    )


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="fashion-mnist, or the path of a labels.csv")
    parser.add_argument("--pictures", type=int, default=60_000, help="Fashion-MNIST's, to learn from")
    parser.add_argument(
        "--kinds", nargs="+", default=[], help="of garments  [default: the eight most frequent]"
    )
    parser.add_argument("--few", type=int, nargs="+", default=[], help="photos of each kind to learn from")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    photos = None if arguments.data == "fashion-mnist" else read_photos(Path(arguments.data), arguments.kinds)
    print(machine())
    if photos:
        print(f"{len(photos.files)} photographs of {', '.join(photos.kinds)}")
    for few in arguments.few or [None]:
        print(f"\n{few or 'all'} of each kind to learn from, seeds {arguments.seeds}\n")
        print("| | validation | test | against the first | core minutes |\n|---|---:|---:|---:|---:|")
        first: list[dict[str, Any]] = []
        for row in arguments.rows:
            recipe, results = recipe_of(row), []
            for seed in arguments.seeds:
                if photos is None:
                    dataset, decoding = fashion_mnist(arguments.pictures), 0.0
                else:
                    size, channels = (
                        (recipe.picture.size, recipe.picture.channels) if recipe.picture else (64, 3)
                    )
                    dataset, decoding = photos.dataset(PictureSpec(size, channels), few, seed)
                results.append(measure(recipe, dataset, seed))
                results[-1]["seconds"] += decoding
            first = first or results
            print(line(row, results, first), flush=True)


if __name__ == "__main__":
    main()
