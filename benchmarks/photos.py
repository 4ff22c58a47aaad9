"""What the usual preparations make of photographs: a model of Fashion-MNIST asked about phone photos.

    python benchmarks/photos.py PHOTOS [--model fashion-mnist]

PHOTOS holds labels.csv (see models/README.md). `python models/photo.py PHOTOS --folds-only` gives the same
figures for the making of the model `photo`.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

import lapel
from lapel.metrics import wilson_interval

Preparation = Callable[[Path], NDArray[np.uint8]]


def shrunk(path: Path) -> NDArray[np.uint8]:
    """As tutorials and their web apps do it: grey, and 28×28 whatever its form."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("L").resize((28, 28))
    return np.array(image, dtype=np.uint8)[..., None]


def inverted(path: Path) -> NDArray[np.uint8]:
    """The same, negated: for photos are bright where Fashion-MNIST is black."""
    inverse: NDArray[np.uint8] = 255 - shrunk(path)
    return inverse


def judged(tagger: lapel.Tagger, prepare: Preparation, photos: list[tuple[Path, int]]) -> dict[str, Any]:
    """Accuracy, its interval, and the mean over classes."""
    pictures = np.stack([prepare(path) for path, _ in photos])
    predicted = np.concatenate(
        [tagger.probabilities(part).argmax(1) for part in np.array_split(pictures, 20)]
    )
    labels = np.array([label for _, label in photos])
    right = predicted == labels
    recalls = [right[labels == label].mean() for label in np.unique(labels)]
    low, high = wilson_interval(int(right.sum()), len(right))
    return {"accuracy": right.mean(), "low": low, "high": high, "balanced": np.mean(recalls)}


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default="fashion-mnist")
    arguments = parser.parse_args()
    with (arguments.photos / "labels.csv").open(newline="") as file:
        rows = [(arguments.photos / row["file"], int(row["label"])) for row in csv.DictReader(file)]
    photos = [(path, label) for path, label in rows if label >= 0]
    tagger = lapel.load_tagger(arguments.model)
    preparations: dict[str, Preparation] = {
        "28×28 grey": shrunk,
        "28×28 grey, negated": inverted,
        "Lapel's `garment`, after the Fashion-MNIST paper": tagger.picture,
    }
    print(f"{len(photos):,} photos, model {arguments.model}\n")
    print("| preparation | each class alike | all |\n|---|---:|---:|")
    for name, prepare in preparations.items():
        found = judged(tagger, prepare, photos)
        interval = f"{found['low']:.1%} to {found['high']:.1%}"
        print(f"| {name} | {found['balanced']:.1%} | {found['accuracy']:.1%} ({interval}) |")


if __name__ == "__main__":
    main()
