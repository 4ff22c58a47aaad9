"""Measure the named recipes: train each with several seeds, and look at the test pictures once a training.

    python benchmarks/recipes.py [NAME …] [--engine keras] [--seeds 0 1 2] [--runs FOLDER]
    python benchmarks/recipes.py --table                 only write docs/reference/recipes.md anew

The figures go into the recipes' own files and from there into the page. A run that is in FOLDER
already and complete is not trained again, and its look at the test pictures counts.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from pathlib import Path

import tomli_w

import lapel
from lapel.recipes.load import load_recipe, named_recipes
from lapel.recipes.plan import parameters, plan
from lapel.recipes.schema import Measured
from lapel.runs import Run, open_run
from lapel.trainer import resume, train

ROOT = Path(__file__).resolve().parent.parent
NAMED = ROOT / "src" / "lapel" / "recipes" / "named"
PAGE = ROOT / "docs" / "reference" / "recipes.md"


def measure(name: str, engine: str, seed: int, folder: Path) -> Run:
    """A complete run of a recipe whose test pictures have been looked at once."""
    path = folder / f"{name}-{engine}-seed-{seed}"
    run = open_run(path) if path.exists() else train(name, engine=engine, seed=seed, path=path)
    if run.done is None:
        resume(run)
    if not any(look["split"] == "test" for look in run.looks):
        lapel.evaluate(run, split="test")
    return run


def summary(name: str, engine: str, seeds: list[int], runs: list[Run]) -> Measured:
    """What the runs of one recipe came to together."""
    accuracies = [
        100 * next(look["accuracy"] for look in run.looks if look["split"] == "test") for run in runs
    ]
    facts = runs[0].environment
    for seed, accuracy in zip(seeds, accuracies, strict=True):
        print(f"{name}, {engine}, seed {seed}: {accuracy:.2f} %", file=sys.stderr)
    return Measured(
        dataset="fashion-mnist",
        engine=engine,
        accuracy=round(statistics.mean(accuracies), 2),
        spread=round(statistics.stdev(accuracies), 2) if len(accuracies) > 1 else None,
        seeds=tuple(seeds),
        seconds=round(statistics.median(sum(run.timings) for run in runs), 1),
        hardware=f"{facts['threads']} of {facts['cores']} cores, {facts['processor']}, {facts['precision']}",
    )


def write_down(name: str, measured: Measured) -> None:
    """Put the figures at the end of the recipe's file, in place of older ones of the same engine."""
    path = NAMED / f"{name}.toml"
    recipe = path.read_text().partition("\n[[measured]]")[0].rstrip()
    others = [one for one in load_recipe(name).measured if one.engine != measured.engine]
    entries = [one.model_dump(mode="json", exclude_none=True) for one in (*others, measured)]
    path.write_text(f"{recipe}\n\n{tomli_w.dumps({'measured': entries})}")


def table() -> str:
    """The table of recipes, from their files."""
    lines = [
        "| recipe | what it is | parameters | epochs | PyTorch | Keras |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name in named_recipes():
        recipe = load_recipe(name)
        measured = {one.engine: one for one in recipe.measured}
        figures = " | ".join(describe_result(measured.get(engine)) for engine in ("torch", "keras"))
        size, epochs = parameters(plan(recipe)), recipe.training.epochs
        lines.append(f"| `{name}` | {recipe.about} | {size:,} | {epochs} | {figures} |")
    return "\n".join(lines)


def describe_result(measured: Measured | None) -> str:
    if measured is None:
        return ""
    spread = "" if measured.spread is None else f" ± {measured.spread:.2f}"
    count = len(measured.seeds)
    return f"{measured.accuracy:.2f}{spread} %, {measured.seconds:,.0f} s, n = {count}"


def write_table() -> None:
    """Put the table between its marks in docs/reference/recipes.md."""
    text = PAGE.read_text()
    marks = r"(<!-- recipes -->\n).*?(<!-- /recipes -->)"
    PAGE.write_text(re.sub(marks, lambda found: f"{found[1]}{table()}\n{found[2]}", text, flags=re.DOTALL))


def main() -> None:
    """Measure what is asked for, write it down, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(named_recipes()), metavar="NAME")
    parser.add_argument("--engine", default="torch", choices=["torch", "keras"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/measured"))
    parser.add_argument("--table", action="store_true", help="only write the table anew")
    asked = parser.parse_args()
    if not asked.table:
        for name in asked.names:
            runs = [measure(name, asked.engine, seed, asked.runs) for seed in asked.seeds]
            write_down(name, summary(name, asked.engine, asked.seeds, runs))
    write_table()


if __name__ == "__main__":
    main()
