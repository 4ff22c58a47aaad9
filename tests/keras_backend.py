"""A process of its own for Keras on another backend: trains, goes on from a kept state, tells what came."""

from __future__ import annotations

import json

import numpy as np
from garments import blobs, small_recipe

from lapel.engines.load import load_engine
from lapel.engines.weights import draw
from lapel.recipes.plan import plan


def main() -> None:
    """Train on blobs and print a line of JSON."""
    how = {"epochs": 6, "average": 0.9, "optimizer": "muon", "learning_rate": 0.02}
    recipe, dataset = small_recipe(**how, augmentation={"shift": 1, "erase": 0.2}), blobs()
    engine = load_engine("keras")
    learned, held = dataset.split(0.1, 0)
    weights = draw(plan(recipe, dataset.shape, 4), 0)

    def begin() -> object:
        network = engine.build(recipe, dataset.shape, 4, weights)
        return engine.fit(network, learned, held, recipe, seed=0, device="cpu", precision="auto")

    whole, second = begin(), begin()
    history = [whole.epoch() for _ in range(4)]
    second.restore(whole.state())
    history += [whole.epoch() for _ in range(2)]
    again = [second.epoch() for _ in range(2)]
    mine, theirs = whole.weights(), second.weights()
    with np.load("weights.npz") as file:
        network = engine.build(small_recipe(), dataset.shape, 4, dict(file))
    assert whole.saved()
    told = {
        "backend": engine.about()["backend"],
        "accuracy": history[-1].validation_accuracy,
        "same": again == history[4:] and all(np.array_equal(mine[name], theirs[name]) for name in mine),
        "probabilities": engine.probabilities(network, dataset.test.pictures).tolist(),
    }
    print(json.dumps(told))


main()
