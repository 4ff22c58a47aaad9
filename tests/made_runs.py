"""Datasets and judged runs made in a moment, without an engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lapel.data import Dataset, Split
from lapel.engines.protocol import Epoch
from lapel.engines.weights import packed
from lapel.metrics import Numbers, Probabilities
from lapel.recipes.load import load_recipe
from lapel.runs import Run, new_run

NAMES = ("bag", "boot", "coat", "dress")


def made_split(count: int, classes: int, seed: int, size: int = 8, channels: int = 1) -> Split:
    """Noise with one bright row, which tells the class."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    pictures = random.integers(0, 120, (count, size, size, channels), dtype=np.uint8)
    pictures[np.arange(count), labels % size] = 240
    return Split(pictures, labels.astype(np.int64))


def made_dataset(
    class_names: tuple[str, ...] = NAMES, name: str = "rows", size: int = 8, channels: int = 1, seed: int = 0
) -> Dataset:
    """Some training and test pictures of every class."""
    classes = len(class_names)
    train = made_split(40 * classes, classes, seed, size, channels)
    return Dataset(name, train, made_split(20 * classes, classes, seed + 1, size, channels), class_names)


def made_answers(labels: Numbers, classes: int, skill: float = 0.8, seed: int = 0) -> Probabilities:
    """Probabilities that are right for about this share of the labels."""
    random = np.random.default_rng(seed)
    answered = np.where(random.random(len(labels)) < skill, labels, random.integers(0, classes, len(labels)))
    probabilities = random.dirichlet(np.ones(classes), len(labels))
    sure = random.uniform(0.5, 0.95, (len(labels), 1))
    given = probabilities * (1 - sure) + np.eye(classes)[answered] * sure
    return given.astype(np.float32)


def made_run(
    path: Path, dataset: Dataset, *, seed: int = 0, epochs: int = 3, about: str = "", keep: str = "best"
) -> Run:
    """A run with a history and nothing judged yet; its best epoch is the second."""
    recipe = load_recipe("dense", [f"training.keep={keep}"]).model_copy(update={"about": about})
    run = new_run(
        recipe,
        {
            "lapel": "0.1.0",
            "commit": None,
            "engine": {"name": "torch", "version": "2.13.0"},
            "device": "cpu",
            "precision": "fp32",
            "seed": seed,
            "parameters": 101770,
            "dataset": {
                "validation": int(dataset.held(recipe.training.validation, seed).sum()),
                "test": len(dataset.test) if dataset.test else 0,
                "name": dataset.name,
                "origin": None,
                "source": dataset.source,
                "fingerprint": dataset.fingerprint,
                "class_names": list(dataset.class_names),
                "shape": list(dataset.shape),
                "picture": None,
            },
        },
        path,
    )
    history = [
        Epoch(n, 1 / n, 0.6 + 0.05 * n, 1.2 / n, 0.9 - 0.1 * abs(n - 2), 0.001) for n in range(1, epochs + 1)
    ]
    if history:
        weights = packed({"1.weight": np.zeros((2, 2), dtype=np.float32)})
        run.keep(history, [1.5] * epochs, weights, {"epoch": np.array(epochs)})
    return run
