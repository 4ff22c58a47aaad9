"""Measure what corrupted pictures of Fashion-MNIST do to the recipe `dense`: the measure for all others.

    python benchmarks/robustness.py [--test] [--seeds 0 1 2] [--runs FOLDER]
    python benchmarks/robustness.py --figure corruptions.png

The mean errors of the seeds go into src/lapel/dense_errors.json: of 2,000 validation pictures of each run,
or with --test of all test pictures. A run that is in FOLDER already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from machine import machine

import lapel
from lapel.corruptions import CORRUPTIONS
from lapel.report.corruption_figure import corruption_grid
from lapel.report.style import png
from lapel.robustness import Robustness, judge_robustness
from lapel.runs import Run, open_run
from lapel.trainer import train

TARGET = Path(__file__).resolve().parent.parent / "src" / "lapel" / "dense_errors.json"


def dense(seed: int, folder: Path) -> Run:
    """A run of the recipe."""
    path = folder / f"dense-{seed}"
    return open_run(path) if path.exists() else train("dense", seed=seed, path=path)


def mean_errors(found: list[Robustness]) -> dict[str, list[float]]:
    """The mean over runs, of each corruption at each severity."""
    rows = {
        name: [one for each in found for one in each.corruptions if one.name == name] for name in CORRUPTIONS
    }
    return {
        name: [
            round(1 - statistics.mean(shares), 5)
            for shares in zip(*(one.accuracy for one in ones), strict=True)
        ]
        for name, ones in rows.items()
    }


def write_down(found: list[Robustness], seeds: list[int]) -> None:
    """Put the errors of these reports in place of older ones of the same split."""
    kept: dict[str, Any] = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    if kept.get("fingerprint") != found[0].fingerprint:
        kept = {}
    split = found[0].split
    about = {
        "command": f"python benchmarks/robustness.py{' --test' if split == 'test' else ''}",
        "recipe": "dense",
        "engine": "torch",
        "seeds": seeds,
        "pictures": found[0].pictures,
        "accuracy": round(statistics.mean(one.accuracy for one in found), 5),
        "machine": machine(),
    }
    kept |= {"fingerprint": found[0].fingerprint}
    kept["measured"] = {**kept.get("measured", {}), split: about}
    kept["errors"] = {**kept.get("errors", {}), split: mean_errors(found)}
    TARGET.write_text(json.dumps(kept, indent=1) + "\n")


def main() -> None:
    """Measure and write down, or draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--test", action="store_true", help="look at the test pictures")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/robustness"))
    parser.add_argument("--figure", type=Path, help="only draw every corruption to this file")
    asked = parser.parse_args()
    if asked.figure:
        asked.figure.write_bytes(png(corruption_grid(lapel.load_data().train.pictures[:15])))
        return
    found = []
    for seed in asked.seeds:
        one = judge_robustness(dense(seed, asked.runs), split="test" if asked.test else "validation")
        print(f"seed {seed}: {one.accuracy:.2%} as they are, mean error {one.mean_error:.2%}", flush=True)
        found.append(one)
    write_down(found, asked.seeds)


if __name__ == "__main__":
    main()
