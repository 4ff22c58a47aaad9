"""Small datasets and recipes for tests of training, drawn anew each time."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from lapel.data.dataset import Dataset, Split
from lapel.data.synthetic.draw import synthetic_dataset
from lapel.recipes.load import parse
from lapel.recipes.schema import Recipe


@cache
def garments(train: int = 600, test: int = 200, size: int = 28) -> Dataset:
    """Drawn garments."""
    return synthetic_dataset(train, test, seed=7, size=size)


def blobs(count: int = 400, size: int = 8, classes: int = 4, seed: int = 0) -> Dataset:
    """Noise with one bright quarter a class: learned in an instant."""
    random = np.random.default_rng(seed)

    def split(count: int) -> Split:
        labels = np.arange(count) % classes
        pictures = random.integers(0, 120, (count, size, size, 1), dtype=np.uint8)
        half = size // 2
        for place, label in enumerate(labels):
            top, left = label // 2 * half, label % 2 * half
            pictures[place, top : top + half, left : left + half] += 100
        return Split(pictures, labels)

    return Dataset("blobs", split(count), split(count // 4), tuple(f"class {n}" for n in range(classes)))


def small_recipe(**training: Any) -> Recipe:
    """A small convolutional network with everything that has a state: batch norm, dropout, augmentation.

    Its batches come out even with `blobs`, and its changes to pictures are few: Keras makes another graph for
    a smaller last batch, and every change makes it larger, which takes longer than such a training.
    """
    settings = {"epochs": 3, "batch": 30, "learning_rate": 0.003, **training}
    augmentation = settings.pop("augmentation", {"flip": True})
    return parse(
        {
            "name": "small",
            "layers": [
                {"kind": "conv", "filters": 8, "activation": "relu"},
                {"kind": "pool"},
                {"kind": "batch-norm"},
                {"kind": "flatten"},
                {"kind": "dropout", "rate": 0.2},
                {"kind": "dense"},
            ],
            "training": settings,
            "augmentation": augmentation,
        },
        "small recipe",
    )
