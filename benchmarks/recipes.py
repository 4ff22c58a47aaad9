"""Measure the named recipes: train each with several seeds, and look at the test pictures once a training.

    python benchmarks/recipes.py [NAME …] [--seeds 0 1 2] [--runs FOLDER]     train, measure, write down
    python benchmarks/recipes.py --table                                      write README's table anew

The figures go into the recipes' own files and from there into the table of README. A run that is in FOLDER
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
from lapel.recipes import load_recipe, named_recipes
from lapel.recipes.plan import parameters, plan
from lapel.recipes.schema import Measured
from lapel.runs import Run, open_run
from lapel.train import resume, train

ROOT = Path(__file__).resolve().parent.parent
NAMED = ROOT / "src" / "lapel" / "recipes" / "named"
README = ROOT / "README.md"


def measure(name: str, seed: int, folder: Path) -> Run:
    """A complete run of a recipe whose test pictures have been looked at once."""
    path = folder / f"{name}-seed-{seed}"
    run = open_run(path) if path.exists() else train(name, seed=seed, path=path)
    if run.done is None:
        resume(run)
    if not any(look["split"] == "test" for look in run.looks):
        lapel.evaluate(run, split="test")
    return run


def summary(name: str, seeds: list[int], runs: list[Run]) -> Measured:
    """What the runs of one recipe came to together."""
    accuracies = [
        100 * next(look["accuracy"] for look in run.looks if look["split"] == "test") for run in runs
    ]
    facts = runs[0].environment
    for seed, accuracy in zip(seeds, accuracies, strict=True):
        print(f"{name}, seed {seed}: {accuracy:.2f} %", file=sys.stderr)
    return Measured(
        dataset="fashion-mnist",
        engine="torch",
        accuracy=round(statistics.mean(accuracies), 2),
        spread=round(statistics.stdev(accuracies), 2) if len(accuracies) > 1 else None,
        seeds=tuple(seeds),
        seconds=round(statistics.median(sum(run.timings) for run in runs), 1),
        hardware=f"{facts['threads']} of {facts['cores']} cores, {facts['processor']}, {facts['precision']}",
    )


def write_down(name: str, measured: Measured) -> None:
    """Put the figures at the end of the recipe's file, in place of older ones."""
    path = NAMED / f"{name}.toml"
    recipe = path.read_text().partition("\n[[measured]]")[0].rstrip()
    figures = tomli_w.dumps({"measured": [measured.model_dump(mode="json", exclude_none=True)]})
    path.write_text(f"{recipe}\n\n{figures}")


def table() -> str:
    """README's table of recipes, from their files."""
    lines = [
        "| recipe | what it is | parameters | epochs | test accuracy | seeds | seconds |",
        "|---|---|---:|---:|---:|---|---:|",
    ]
    for name in named_recipes():
        recipe = load_recipe(name)
        (measured,) = recipe.measured
        seeds = ", ".join(map(str, measured.seeds))
        spread = "" if measured.spread is None else f" ± {measured.spread:.2f}"
        lines.append(
            f"| `{name}` | {recipe.about} | {parameters(plan(recipe)):,} | {recipe.training.epochs} "
            f"| {measured.accuracy:.2f}{spread} % | {seeds} | {measured.seconds:,.0f} |"
        )
    return "\n".join(lines)


def write_table() -> None:
    """Put the table between its marks in README."""
    text = README.read_text()
    marks = r"(<!-- recipes -->\n).*?(<!-- /recipes -->)"
    README.write_text(re.sub(marks, lambda found: f"{found[1]}{table()}\n{found[2]}", text, flags=re.DOTALL))


def main() -> None:
    """Measure what is asked for, write it down, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(named_recipes()), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/measured"))
    parser.add_argument("--table", action="store_true", help="only write README's table anew")
    asked = parser.parse_args()
    if not asked.table:
        for name in asked.names:
            runs = [measure(name, seed, asked.runs) for seed in asked.seeds]
            write_down(name, summary(name, asked.seeds, runs))
    write_table()


if __name__ == "__main__":
    main()
