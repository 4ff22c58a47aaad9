"""`lapel sweep`: the same recipe with other settings, again and again, and the best of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .loading import cache_option, group_option
from .options import backend_option, data_option, device_option, engine_option, precision_option
from .tables import Column, print_pairs, print_sentence, print_table

if TYPE_CHECKING:
    from ..sweeping.folder import Sweep
    from ..sweeping.trials import Best, SweepTrial

_SHOWN = 10  # trials of the table; the page and --json have all


@click.command(epilog="Example: lapel sweep cnn --space training.learning_rate=1e-4..1e-2:log --trials 20")
@click.argument("recipe")
@click.option(
    "--space",
    "spaces",
    multiple=True,
    required=True,
    metavar="KEY=RANGE|FILE",
    help="What to try: training.learning_rate=1e-4..1e-2:log, layers.1.units=32..256, "
    "'training.optimizer=adam|sgd', or a TOML file of such lines. Any number of them.",
)
@click.option(
    "--trials",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="How many in all, those that are there already among them.",
)
@data_option
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting for all: training.epochs=3.",
)
@engine_option
@backend_option
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**31 - 1),
    help="Decides the settings that are tried and the pictures that all trials hold out.",
)
@device_option
@precision_option
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    help="Of the CPU, for each worker  [default: timed, or its share]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes that train at once. The same command, started again beside, is one more.",
)
@click.option(
    "--prune/--no-prune",
    default=True,
    show_default=True,
    help="End a trial that is worse than half of the others after as many epochs.",
)
@click.option(
    "--confirm",
    type=click.IntRange(2, 1000),
    metavar="SEEDS",
    help="Then train the best recipe with so many other seeds.",
)
@click.option(
    "--storage",
    metavar="URL",
    help="A database for Optuna: postgresql://…, mysql://…  [default: an SQLite file in the sweep's folder]",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the sweep  [default: runs/RECIPE-sweep]"
)
@group_option
@cache_option
@click.option("--quiet", is_flag=True, help="Say nothing while training.")
@click.option("--json", "as_json", is_flag=True, help="For a program.")
def sweep(
    recipe: str,
    spaces: tuple[str, ...],
    trials: int,
    data: str,
    settings: tuple[str, ...],
    engine: str,
    backend: str | None,
    seed: int,
    device: str,
    precision: str,
    threads: int | None,
    workers: int,
    prune: bool,
    confirm: int | None,
    storage: str | None,
    out: Path | None,
    group: str | None,
    cache_limit: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train RECIPE with other settings again and again, and keep the recipe that does best.

    Optuna chooses what is tried next. Every trial is a run in the sweep's folder; all hold out the same
    pictures, on which they are compared. The same command goes on with a sweep that was stopped or killed, or
    with more --trials. The best recipe lies in the folder as best.toml. The test pictures are not looked at.
    """
    from ..photographs import load_for
    from ..recipes.load import load_recipe
    from ..sweeping.optuna_study import load_optuna
    from ..sweeping.space import read_space
    from ..sweeping.sweep import sweep as make
    from .loading import download_progress

    load_optuna()
    chosen = load_recipe(recipe, settings)
    read_space(spaces, chosen)  # before any data are fetched
    with download_progress() as progress:
        pictures, said = load_for(chosen, data, group=group, cache_limit=cache_limit, progress=progress)
    if said and not quiet:
        click.echo(said, err=True)
    begun: list[Sweep] = []
    try:
        found = make(
            chosen,
            spaces,
            pictures,
            trials=trials,
            seed=seed,
            engine=engine,
            backend=backend,
            device=device,
            precision=precision,
            threads=threads,
            prune=prune,
            confirm_seeds=confirm or 0,
            workers=workers,
            storage=storage,
            path=out,
            begun=begun.append,
            tell=None if quiet else _Lines(trials),
        )
    except KeyboardInterrupt:
        if begun and begun[0].trials:
            _print(begun[0], as_json=as_json)
            click.echo("The same command goes on.", err=True)
        raise
    _print(found, as_json=as_json)


class _Lines:
    """A line on stderr when a trial begins, and one when it has ended; several processes may write them."""

    def __init__(self, trials: int) -> None:
        self._trials = trials

    def __call__(self, trial: SweepTrial) -> None:
        head = f"trial {trial.number} ({trial.number + 1} of {self._trials})"
        if trial.state == "running":
            values = "  ".join(f"{key}={_value(value)}" for key, value in trial.settings.items())
            click.echo(f"{head}   {values}", err=True)
        else:
            ending = trial.reason or f"{trial.accuracy or 0:.2%} after {len(trial.epochs)} epochs"
            click.echo(f"{head}   {trial.state}: {ending}", err=True)


def _print(found: Sweep, *, as_json: bool) -> None:
    from ..sweeping.trials import count_states

    trials, best = found.trials, found.best
    if as_json:
        click.echo(json.dumps(_facts(found, trials, best), indent=2))
        return
    print_sentence(f"{found.name}: {len(trials)} trials ({count_states(trials)})")
    click.echo()
    _print_trials(found, trials)
    if best is not None:
        click.echo()
        _print_best(found, best)


def _facts(found: Sweep, trials: list[SweepTrial], best: Best | None) -> dict[str, Any]:
    return {
        "sweep": found.name,
        "path": str(found.path),
        "recipe": found.recipe.name,
        "data": found.facts["dataset"]["name"],
        "space": found.facts["space"],
        "seed": found.seed,
        "trials": [{**asdict(one), "run": str(found.run(one).path)} for one in trials],
        "importance": found.importance,
        "best": None if best is None else asdict(best),
        "best_recipe": None if best is None else str(found.best_recipe_path),
    }


def _print_trials(found: Sweep, trials: list[SweepTrial]) -> None:
    """The best trials, each setting a column; those that decide least go first where there is no room."""
    from ..sweeping.trials import ranked

    keys = list(found.facts["space"])
    importance = found.importance or {}
    by_weight = sorted(keys, key=lambda key: -importance.get(key, 0.0))
    columns = [
        Column("trial", number=True),
        Column("validation", number=True),
        Column("epochs", rank=1, number=True),
        Column("state"),
        *(Column(_short(key, keys), rank=2 + by_weight.index(key), number=True) for key in keys),
    ]
    print_table(
        columns,
        [
            [
                str(one.number),
                "" if one.accuracy is None else f"{one.accuracy:.2%}",
                str(len(one.epochs)),
                one.state,
                *(_value(one.settings.get(key, "")) for key in keys),
            ]
            for one in ranked(trials)[:_SHOWN]
        ],
    )
    if len(trials) > _SHOWN:
        click.echo(f"The best {_SHOWN}; `lapel report {found.path}` shows all {len(trials)}.", err=True)


def _print_best(found: Sweep, best: Best) -> None:
    low, high = best.interval
    pairs = [
        ("best", f"trial {best.trial}: {best.accuracy:.2%} of {best.pictures:,} validation pictures"),
        ("95 % interval", f"{low:.2%} to {high:.2%}"),
    ]
    if best.caution:
        pairs.append(("caution", best.caution + ("" if best.confirmed else " --confirm 3 asks fresh seeds.")))
    if best.confirmed is not None:
        one = best.confirmed
        pairs.append(
            (
                f"{len(one.seeds)} fresh seeds",
                f"{one.mean:.2%} on average, standard deviation {one.spread:.2%}, "
                f"95 % interval (t) {one.interval[0]:.2%} to {one.interval[1]:.2%}",
            )
        )
    if found.importance:
        pairs.append(
            ("what decides", ", ".join(f"{key} {share:.0%}" for key, share in found.importance.items()))
        )
    pairs.append(("recipe", str(found.best_recipe_path)))
    print_pairs(pairs)
    click.echo(f"Train it with: lapel train {found.best_recipe_path}", err=True)


def _short(key: str, keys: list[str]) -> str:
    """The last word of a key, or all of it where another key ends alike."""
    word = key.rpartition(".")[2]
    return word if sum(other.rpartition(".")[2] == word for other in keys) == 1 else key


def _value(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
