"""`lapel runs` and `lapel recipes`: what there is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .paper import paper

if TYPE_CHECKING:
    from ..recipes.schema import Recipe
    from ..runs import Run


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def runs(as_json: bool) -> None:
    """List the runs: recipe, data, validation, test if it was looked at, parameters, time."""
    from ..runs import list_runs, runs_folder

    rows = [_run_row(run) for run in list_runs()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo(f"No runs in {runs_folder()}. `lapel train cnn` makes one.", err=True)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("run", "recipe", "engine", "data"):
        table.add_column(title, overflow="fold")
    for title in ("epochs", "validation", "test", "parameters", "time", "state"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(
            row["run"],
            row["recipe"],
            row["engine"],
            row["data"],
            f"{row['epochs']}/{row['epochs_asked']}",
            _share(row["validation_accuracy"]),
            _share(row["test_accuracy"]),
            f"{row['parameters']:,}",
            f"{row['seconds']:.0f} s",
            row["state"],
        )
    paper().print(table)


@click.command()
@click.argument("recipe", required=False)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: training.epochs=3."
)
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def recipes(recipe: str | None, settings: tuple[str, ...], as_json: bool) -> None:
    """List the named recipes, or print RECIPE as TOML, ready to be copied and changed."""
    from ..recipes.load import load_recipe, named_recipes, source_text, to_toml

    if recipe is not None:
        chosen = load_recipe(recipe, settings)
        if as_json:
            click.echo(json.dumps(chosen.settings(), indent=2))
        elif recipe in named_recipes() and not settings:
            click.echo(source_text(recipe), nl=False)
        else:
            click.echo(to_toml(chosen), nl=False)
        return
    rows = [_recipe_row(load_recipe(name)) for name in named_recipes()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("recipe", no_wrap=True)
    for title in ("parameters", "epochs", "PyTorch", "Keras"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("about")
    for row in rows:
        measured = row["measured"]
        table.add_row(
            row["recipe"],
            f"{row['parameters']:,}",
            str(row["epochs"]),
            *(_measured(measured.get(engine)) for engine in ("torch", "keras")),
            row["about"],
        )
    paper().print(table)
    click.echo("Test accuracy and seconds on Fashion-MNIST, as each recipe's file says.", err=True)
    click.echo("`lapel recipes NAME` prints one; `lapel train NAME` trains it.", err=True)


def _run_row(run: Run) -> dict[str, Any]:
    environment, history, done = run.environment, run.history, run.done
    tests = [look["accuracy"] for look in run.looks if look["split"] == "test"]
    validation = [epoch.validation_accuracy for epoch in history]
    return {
        "run": run.name,
        "path": str(run.path),
        "recipe": run.recipe.name,
        "engine": environment["engine"]["name"],
        "data": environment["dataset"]["name"],
        "epochs": len(history),
        "epochs_asked": run.recipe.training.epochs,
        "validation_accuracy": done["validation_accuracy"] if done else max(validation, default=None),
        "test_accuracy": tests[-1] if tests else None,
        "test_looks": len(tests),
        "parameters": environment["parameters"],
        "seconds": sum(run.timings),
        "state": "done" if done else "stopped or running",
    }


def _recipe_row(recipe: Recipe) -> dict[str, Any]:
    from ..recipes.plan import parameters, plan

    return {
        "recipe": recipe.name,
        "about": recipe.about,
        "parameters": parameters(plan(recipe)),
        "epochs": recipe.training.epochs,
        "measured": {
            one.engine: one.model_dump() for one in recipe.measured if one.dataset == "fashion-mnist"
        },
    }


def _measured(one: dict[str, Any] | None) -> str:
    return f"{one['accuracy']:.1f} %, {one['seconds']:,.0f} s" if one else ""


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
