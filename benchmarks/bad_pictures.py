"""Measure what corrupted pictures of Fashion-MNIST, and strangers, do to recipes and models.

    python benchmarks/bad_pictures.py dense                         the measure for all others
    python benchmarks/bad_pictures.py cnn robust fashion-mnist      a line each of two Markdown tables
    python benchmarks/bad_pictures.py --figure corruptions.png

NAME is a recipe, trained with each of the seeds, or a model. Judged are 2,000 validation pictures, or with
--test all test pictures; those are for the last look. The mean errors of `dense` go into
src/lapel/dense_errors.json, too. A run that is in FOLDER already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from machine import machine

import lapel
from lapel.corruptions import CORRUPTIONS
from lapel.model_file import shipped_models
from lapel.report.corruption_figure import corruption_grid
from lapel.report.style import png
from lapel.robustness import Robustness, judge_robustness
from lapel.runs import Run, open_run
from lapel.splits import SplitName
from lapel.strangers import CONFIDENCE, ENERGY, ENTROPY, MAHALANOBIS, StrangersReport, judge_strangers
from lapel.trainer import resume, train

SCORES = (CONFIDENCE, ENTROPY, ENERGY, MAHALANOBIS)
WORSE = """| | runs | pictures | accuracy | mean error, corrupted | to dense's |
|---|---:|---:|---:|---:|---:|"""
STRANGE = f"""| | strangers | {" | ".join(SCORES)} | chosen | FPR at 95 % |
|---|---|{"---:|" * len(SCORES)}---|---:|"""
TARGET = Path(__file__).resolve().parent.parent / "src" / "lapel" / "dense_errors.json"


def judged(name: str, engine: str, seeds: list[int], folder: Path) -> list[Run | str]:
    """The runs of a recipe, or a model alone."""
    if name in shipped_models() or name.endswith(".onnx"):
        return [name]
    return [_run(name, engine, seed, folder) for seed in seeds]


def _run(name: str, engine: str, seed: int, folder: Path) -> Run:
    path = folder / f"{name}-{engine}-{seed}"
    run = open_run(path) if path.exists() else train(name, engine=engine, seed=seed, path=path)
    if run.done is None:
        resume(run)
    return run


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
        "command": f"python benchmarks/bad_pictures.py dense --seeds {' '.join(map(str, seeds))}"
        f"{' --test' if split == 'test' else ''}",
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


def worse_line(name: str, found: list[Robustness]) -> str:
    """The mean over runs, as a line of the table of corruptions."""
    relative = [one.relative for one in found if one.relative is not None]
    shares = f"{statistics.mean(relative):.1%}" if relative else ""
    clean, error = (
        statistics.mean(values)
        for values in zip(*((one.accuracy, one.mean_error) for one in found), strict=True)
    )
    return f"| `{name}` | {len(found)} | {found[0].pictures:,} | {clean:.2%} | {error:.2%} | {shares} |"


def stranger_lines(name: str, found: list[StrangersReport]) -> list[str]:
    """The mean over runs, a line for each kind of strangers: each AUROC, and FPR by the chosen score."""
    lines = []
    for place, kind in enumerate(found[0].kinds):
        row = []
        for score in SCORES:
            values = [f.auroc for one in found for f in one.kinds[place].figures if f.score == score]
            row.append(f"{statistics.mean(values):.4f}" if values else "not available")
        passed = [f.fpr for one in found for f in one.kinds[place].figures if f.score == one.chosen]
        chosen = ", ".join(sorted({one.chosen for one in found}))
        name_of_kind = f"{kind.name} *" if kind.made else kind.name
        lines.append(
            f"| `{name}` | {name_of_kind} | {' | '.join(row)} | {chosen} | {statistics.mean(passed):.2%} |"
        )
    return lines


def main() -> None:
    """Measure and write down, or draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--test", action="store_true", help="look at the test pictures")
    parser.add_argument("--engine", default="torch", choices=["torch", "keras"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/robustness"))
    parser.add_argument("--figure", type=Path, help="draw every corruption to this file")
    asked = parser.parse_args()
    if asked.figure:
        asked.figure.write_bytes(png(corruption_grid(lapel.load_data().train.pictures[:15])))
    split: SplitName = "test" if asked.test else "validation"
    worse, strange = [WORSE], [STRANGE]
    for name in asked.names:
        ones = judged(name, asked.engine, asked.seeds, asked.runs)
        found = [judge_robustness(one, split=split) for one in ones]
        if name == "dense" and asked.engine == "torch":
            write_down(found, asked.seeds)
        worse.append(worse_line(name, found))
        strange += stranger_lines(name, [judge_strangers(one, split=split) for one in ones])
        print(worse[-1], file=sys.stderr, flush=True)
    if asked.names:
        print(f"{machine()}\n\n" + "\n".join([*worse, "", *strange]))


if __name__ == "__main__":
    main()
