"""Lapel beside the usual tutorials, on the same pictures, in one run.

    python benchmarks/speed.py [--repeats 3] [--keras-python PATH]

Every repeat runs each contender once, in its own process, one after the other; what counts is the ratio of
the medians. Keras is measured where an interpreter that has it is given. Fashion-MNIST must be at hand; its
test pictures are not touched.
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
OURS = """
import json, sys, time
from lapel.data import load_data
from lapel.engines import load_engine
from lapel.engines.weights import draw
from lapel.recipes import load_recipe
from lapel.recipes.plan import plan
recipe, seed = load_recipe(sys.argv[1]), int(sys.argv[2])
dataset = load_data("fashion-mnist")
learned, held = dataset.split(recipe.training.validation, 0)
engine = load_engine("torch")
network = engine.build(recipe, dataset.shape, 10, draw(plan(recipe), seed))
fitting = engine.fit(network, learned, held, recipe, seed=seed, device="cpu", precision="auto")
began = time.perf_counter()
for _ in range(recipe.training.epochs):
    epoch = fitting.epoch()
    fitting.weights(), fitting.state()
print(json.dumps({"seconds": time.perf_counter() - began, "accuracy": epoch.validation_accuracy}))
"""


def measure(command: list[str]) -> dict[str, float]:
    """Run one contender and read the line of JSON that it prints last."""
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keras-python", help="an interpreter that has Keras and TensorFlow")
    asked = parser.parse_args()
    dataset = load_data("fashion-mnist")
    learned, held = dataset.split(0.1, 0)
    with tempfile.TemporaryDirectory() as folder:
        split = Path(folder) / "split.npz"
        np.savez(
            split,
            pictures=learned.pictures[..., 0],
            labels=learned.labels,
            held_pictures=held.pictures[..., 0],
            held_labels=held.labels,
        )
        ours = [sys.executable, "-c", OURS]
        contenders = {
            "cnn-simple, DataLoader loop": [sys.executable, str(TUTORIALS / "torch_loop.py"), str(split)],
            "cnn-simple, Lapel": [*ours, "cnn-simple"],
            "dense, Lapel": [*ours, "dense"],
        }
        if asked.keras_python:
            contenders["dense, Keras fit"] = [
                asked.keras_python,
                str(TUTORIALS / "keras_dense.py"),
                str(split),
            ]
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
        for repeat in range(asked.repeats):
            for name, command in contenders.items():
                taken[name].append(measure([*command, str(repeat)]))
                print(f"{name}: {taken[name][-1]}", file=sys.stderr)
    loading = []
    for _ in range(5):
        began = time.perf_counter()
        load_data("fashion-mnist")
        loading.append(time.perf_counter() - began)
    seconds = {name: statistics.median(run["seconds"] for run in runs) for name, runs in taken.items()}
    accuracy = {name: statistics.mean(run["accuracy"] for run in runs) for name, runs in taken.items()}
    print("| network | contender | seconds | ratio | validation accuracy |\n|---|---|---|---|---|")
    for name in contenders:
        network, _, contender = name.partition(", ")
        rival = next(
            (other for other in contenders if other.startswith(network) and not other.endswith("Lapel")), name
        )
        print(
            f"| `{network}` | {contender} | {seconds[name]:.1f} | {seconds[name] / seconds[rival]:.3f} "
            f"| {accuracy[name]:.2%} |"
        )
    print(f"\nLoading the four gz files, checksums included: {statistics.median(loading):.2f} s.")


if __name__ == "__main__":
    main()
