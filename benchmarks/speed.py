"""Lapel's engines beside the usual tutorials, on the same pictures, in one run.

    python benchmarks/speed.py [--repeats 3] [--networks dense cnn cnn-simple]

Every repeat runs each contender once, in its own process, one after the other; what counts is the ratio of
the medians. Fashion-MNIST must be at hand; its test pictures are not touched.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lapel import load_data

TUTORIALS = Path(__file__).parent / "tutorials"
# What each network is measured against; a tutorial is called with the split, the seed and its own words.
RIVALS = {
    "dense": ("Keras `fit`", "keras_fit.py", ["dense"]),
    "cnn": ("Keras `fit`", "keras_fit.py", ["cnn"]),
    "cnn-simple": ("DataLoader loop", "torch_loop.py", []),
}
OURS = """
import json, sys, time
from lapel.data import load_data
from lapel.engines.load import load_engine
from lapel.engines.weights import draw
from lapel.recipes import load_recipe
from lapel.recipes.plan import plan
recipe, engine, seed = load_recipe(sys.argv[1]), load_engine(sys.argv[2]), int(sys.argv[3])
dataset = load_data("fashion-mnist")
learned, held = dataset.split(recipe.training.validation, 0)
network = engine.build(recipe, dataset.shape, 10, draw(plan(recipe), seed))
began = time.perf_counter()
fitting = engine.fit(network, learned, held, recipe, seed=seed, device="cpu", precision="auto")
for _ in range(recipe.training.epochs):
    epoch = fitting.epoch()
    fitting.saved(), fitting.state()
print(json.dumps({"seconds": time.perf_counter() - began, "accuracy": epoch.validation_accuracy}))
"""


def measure(command: list[str]) -> dict[str, float]:
    """Run one contender and read the line of JSON that it prints last."""
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def contenders(network: str, split: Path, seed: int) -> dict[str, list[str]]:
    """The commands that train one network with one seed: the tutorial first."""
    name, file, words = RIVALS[network]
    tutorial = [sys.executable, str(TUTORIALS / file), str(split), str(seed), *words]
    ours = {
        f"Lapel, {engine}": [sys.executable, "-c", OURS, network, engine, str(seed)]
        for engine in ("keras", "torch")
    }
    return {name: tutorial, **ours}


def loading() -> float:
    """The median of five times that loading the four gz files takes, checksums included."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        load_data("fashion-mnist")
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--networks", nargs="+", default=list(RIVALS), choices=list(RIVALS))
    asked = parser.parse_args()
    learned, held = load_data("fashion-mnist").split(0.1, 0)
    taken: dict[tuple[str, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        split = Path(folder) / "split.npz"
        np.savez(
            split,
            pictures=learned.pictures[..., 0],
            labels=learned.labels,
            held_pictures=held.pictures[..., 0],
            held_labels=held.labels,
        )
        for seed in range(asked.repeats):
            for network in asked.networks:
                for name, command in contenders(network, split, seed).items():
                    taken.setdefault((network, name), []).append(measure(command))
                    print(f"{network}, {name}: {taken[network, name][-1]}", file=sys.stderr)
    seconds = {who: statistics.median(run["seconds"] for run in runs) for who, runs in taken.items()}
    print("| network | contender | seconds | ratio | validation accuracy |\n|---|---|---:|---:|---:|")
    for (network, name), runs in taken.items():
        ratio = seconds[network, name] / seconds[network, RIVALS[network][0]]
        accuracy = statistics.mean(run["accuracy"] for run in runs)
        print(f"| `{network}` | {name} | {seconds[network, name]:.1f} | {ratio:.3f} | {accuracy:.2%} |")
    print(f"\nLoading the four gz files, checksums included: {loading():.2f} s.")


if __name__ == "__main__":
    main()
