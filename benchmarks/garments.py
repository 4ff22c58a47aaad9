"""How hard the drawn garments are, and how fast they are drawn.

    python benchmarks/garments.py [--seeds 0 1 2]

For every seed a convolutional network, a linear model and the nearest class mean learn 6,000 drawn garments
and label 1,000 fresh ones. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Literal

import numpy as np
from sklearn.linear_model import LogisticRegression

import lapel
from lapel.data.synthetic.draw import draw, synthetic_dataset

Style = Literal["plain", "photo"]


def convolutional(dataset: lapel.Dataset, seed: int) -> float:
    """Test accuracy of the recipe `cnn`, trained for eight epochs."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = lapel.load_recipe("cnn", ["training.epochs=8"])
        run = lapel.train(recipe, dataset, seed=seed, path=Path(folder) / "run")
        return lapel.evaluate(run, split="test", dataset=dataset).accuracy


def linear(dataset: lapel.Dataset) -> float:
    """Test accuracy of logistic regression on the pixels."""
    assert dataset.test is not None
    model = LogisticRegression(max_iter=200)
    model.fit(flat(dataset.train.pictures), dataset.train.labels)
    return float(model.score(flat(dataset.test.pictures), dataset.test.labels))


def nearest_mean(dataset: lapel.Dataset) -> float:
    """Test accuracy of the nearest class mean."""
    assert dataset.test is not None
    pictures, labels = flat(dataset.train.pictures), dataset.train.labels
    means = np.stack([pictures[labels == label].mean(axis=0) for label in range(10)])
    distances = ((flat(dataset.test.pictures)[:, None] - means) ** 2).sum(axis=2)
    return float((distances.argmin(axis=1) == dataset.test.labels).mean())


def flat(
    pictures: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Pictures as rows of numbers from 0 to 1."""
    return pictures.reshape(len(pictures), -1) / 255


def rate(count: int, size: int, style: Style, channels: int) -> float:
    """Pictures drawn in a second of one core, the best of three."""
    seconds = []
    for seed in range(3):
        began = time.process_time()
        draw(count, size=size, style=style, channels=channels, seed=seed)
        seconds.append(time.process_time() - began)
    return count / min(seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    datasets = [synthetic_dataset(seed=seed) for seed in seeds]
    rows = {
        "`cnn`, 8 epochs": [
            convolutional(dataset, seed) for seed, dataset in zip(seeds, datasets, strict=True)
        ],
        "logistic regression": [linear(dataset) for dataset in datasets],
        "nearest class mean": [nearest_mean(dataset) for dataset in datasets],
    }
    print(f"| model | {' | '.join(f'seed {seed}' for seed in seeds)} | mean |")
    print("|---|" + "---:|" * (len(seeds) + 1))
    for name, accuracies in rows.items():
        each = " | ".join(f"{100 * accuracy:.1f} %" for accuracy in accuracies)
        print(f"| {name} | {each} | {100 * statistics.mean(accuracies):.1f} % |")
    print("\n| drawn on one core | a second |\n|---|---:|")
    kinds: tuple[tuple[int, int, Style, int], ...] = (
        (4000, 28, "plain", 1),
        (100, 400, "plain", 1),
        (60, 400, "photo", 3),
    )
    for count, size, style, channels in kinds:
        kind = f"{size}×{size}, {style}, {'colour' if channels == 3 else 'grey'}"
        print(f"| {kind} | {rate(count, size, style, channels):,.0f} |")


if __name__ == "__main__":
    main()
