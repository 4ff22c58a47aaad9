"""`lapel runs` and `lapel recipes`: what there is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .looks import remark_on_test
from .tables import Column, print_table

if TYPE_CHECKING:
    from ..recipes.schema import Measured, Recipe
    from ..runs import Run
    from ..study import Study
    from ..sweeping.folder import Sweep


@click.command(epilog="Example: lapel runs --json")
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def runs(as_json: bool) -> None:
    """List runs, studies and sweeps: recipe, data, validation, test if it was looked at, parameters, time."""
    from ..runs import list_runs, runs_folder
    from ..study import list_studies
    from ..sweeping.folder import list_sweeps

    rows = [
        *map(_run_row, list_runs()),
        *map(_study_row, list_studies()),
        *map(_sweep_row, list_sweeps()),
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo(f"No runs in {runs_folder()}. `lapel train cnn` makes one.", err=True)
        return
    columns = [
        Column("run"),
        Column("recipe", rank=3),
        Column("engine", rank=5),
        Column("data", rank=1),
        Column("epochs", rank=2, number=True),
        Column("validation", number=True),
        Column("test", number=True),
        Column("parameters", rank=6, number=True),
        Column("time", rank=4, number=True),
        Column("state"),
    ]
    print_table(columns, [_run_cells(row) for row in rows])
    remark_on_test((row["data"], row["test_looks"]) for row in rows)


@click.command(epilog="Example: lapel recipes cnn > mine.toml")
@click.argument("recipe", required=False)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: training.epochs=3."
)
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def recipes(recipe: str | None, settings: tuple[str, ...], as_json: bool) -> None:
    """List the named recipes, or print RECIPE as TOML, ready to be copied and changed.

    What was measured of it goes to stderr: a copy that is changed reaches something else.
    """
    from ..recipes.load import load_recipe, named_recipes, template

    if recipe is not None:
        chosen = load_recipe(recipe, settings)
        if as_json:
            click.echo(json.dumps(chosen.settings(), indent=2))
            return
        click.echo(template(recipe, settings), nl=False)
        for one in chosen.measured:
            click.echo(_measured_line(one), err=True)
        return
    if settings:
        raise click.UsageError("--set goes with a RECIPE.")
    rows = [_recipe_row(load_recipe(name)) for name in named_recipes()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    columns = [
        Column("recipe"),
        Column("parameters", rank=2, number=True),
        Column("epochs", rank=3, number=True),
        Column("PyTorch", rank=1, number=True),
        Column("Keras", rank=4, number=True),
        Column("about", sentence=True),
    ]
    print_table(columns, [_recipe_cells(row) for row in rows])
    click.echo("Test accuracy and seconds on Fashion-MNIST, as each recipe's file says.", err=True)
    click.echo("`lapel recipes NAME` prints one; `lapel train NAME` trains it.", err=True)


def _run_row(run: Run) -> dict[str, Any]:
    environment, history, done = run.environment, run.history, run.done
    tests = run.test_accuracies
    validation = [epoch.validation_accuracy for epoch in history]
    return {
        "run": run.name,
        "path": str(run.path),
        "recipe": run.recipe.name,
        "engine": environment["engine"]["name"],
        "data": environment["dataset"]["name"],
        "start": environment.get("start", {}).get("from"),
        "epochs": len(history),
        "epochs_asked": run.recipe.training.epochs,
        "validation_accuracy": done["validation_accuracy"] if done else max(validation, default=None),
        "test_accuracy": tests[-1] if tests else None,
        "test_looks": len(tests),
        "parameters": environment["parameters"],
        "seconds": sum(run.timings),
        "state": "running" if run.running else "done" if done else "stopped",
    }


def _study_row(study: Study) -> dict[str, Any]:
    """A study as one row: its runs together, with the means of their accuracies."""
    rows = [_run_row(run) for run in study.runs]
    first: dict[str, Any] = rows[0] if rows else {}
    known = [row["validation_accuracy"] for row in rows if row["validation_accuracy"] is not None]
    tests = [row["test_accuracy"] for row in rows if row["test_accuracy"] is not None]
    return {
        "run": study.name,
        "path": str(study.path),
        "recipe": study.recipe.name,
        "engine": study.facts["how"]["engine"],
        "data": first.get("data", ""),
        "start": first.get("start"),
        "kind": study.kind,
        "members": len(study.members),
        "epochs": sum(row["epochs"] for row in rows),
        "epochs_asked": study.recipe.training.epochs * len(study.members),
        "validation_accuracy": sum(known) / len(known) if known else None,
        "test_accuracy": sum(tests) / len(tests) if len(tests) == len(study.members) else None,
        "test_looks": sum(row["test_looks"] for row in rows),
        "parameters": first.get("parameters", 0),
        "seconds": sum(row["seconds"] for row in rows),
        "state": "running"
        if any(row["state"] == "running" for row in rows)
        else "done"
        if study.done
        else "stopped",
        "runs": rows,
    }


def _sweep_row(sweep: Sweep) -> dict[str, Any]:
    """A sweep as one row: its runs together, with the accuracy of the best."""
    from ..sweeping.trials import leading

    trials, rows = sweep.trials, [_run_row(run) for run in sweep.runs]
    best = leading(trials)
    running = any(row["state"] == "running" for row in rows)
    open_trials = not trials or any(trial.state == "running" for trial in trials)
    return {
        "run": sweep.name,
        "path": str(sweep.path),
        "recipe": sweep.recipe.name,
        "engine": sweep.facts["engine"],
        "data": sweep.facts["dataset"]["name"],
        "start": rows[0]["start"] if rows else None,
        "kind": "trials",
        "members": len(trials),
        "epochs": sum(row["epochs"] for row in rows),
        "epochs_asked": sum(row["epochs_asked"] for row in rows),
        "validation_accuracy": best.accuracy if best else None,
        "test_accuracy": None,
        "test_looks": sum(row["test_looks"] for row in rows),
        "parameters": rows[0]["parameters"] if rows else 0,
        "seconds": sum(row["seconds"] for row in rows),
        "state": "running" if running else "stopped" if open_trials else "done",
        "runs": rows,
    }


def _run_cells(row: dict[str, Any]) -> list[str]:
    return [
        f"{row['run']} ({row['members']} {row['kind']})" if "kind" in row else row["run"],
        row["recipe"],
        row["engine"],
        row["data"],
        f"{row['epochs']}/{row['epochs_asked']}",
        _share(row["validation_accuracy"]),
        _share(row["test_accuracy"]),
        f"{row['parameters']:,}",
        f"{row['seconds']:.0f} s",
        row["state"],
    ]


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


def _recipe_cells(row: dict[str, Any]) -> list[str]:
    return [
        row["recipe"],
        f"{row['parameters']:,}",
        str(row["epochs"]),
        *(_measured_cell(row["measured"].get(engine)) for engine in ("torch", "keras")),
        row["about"],
    ]


def _measured_cell(one: dict[str, Any] | None) -> str:
    return f"{one['accuracy']:.1f} %, {one['seconds']:,.0f} s" if one else ""


def _measured_line(one: Measured) -> str:
    spread = "" if one.spread is None else f" ± {one.spread:.2f}"
    return (
        f"Measured with {one.engine} on {one.dataset}: {one.accuracy:.2f}{spread} %, "
        f"{one.seconds:,.0f} s, n = {len(one.seeds)} ({one.hardware})."
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
