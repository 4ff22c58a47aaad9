"""`lapel train`: a recipe becomes a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .loading import cache_option, group_option
from .options import (
    SEEDS,
    backend_option,
    data_option,
    device_option,
    engine_option,
    precision_option,
    refuse_together,
)

if TYPE_CHECKING:
    from ..data import Dataset
    from ..recipes.schema import Recipe
    from ..runs import Run
    from ..study import Member, Study


@click.command(epilog="Example: lapel train cnn --set training.epochs=3")
@click.argument("recipe", required=False)
@data_option
@click.option("--size", type=click.IntRange(4, 1024), help="Of the pictures that photographs become.")
@click.option("--grey/--colour", "grey", default=None, help="Make grey or coloured pictures of photographs.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: training.epochs=3."
)
@click.option(
    "--from",
    "start",
    metavar="START",
    help="Take first weights from a run, a model (photo, FILE.onnx) or a pretrained network "
    "(efficientnet-lite0).",
)
@engine_option
@backend_option
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**31 - 1),
    help="Decides all that is drawn.",
)
@device_option
@precision_option
@click.option(
    "--run", "path", type=click.Path(path_type=Path), help="Folder of the new run  [default: runs/RECIPE-N]"
)
@click.option(
    "--folds",
    type=click.IntRange(2, 100),
    help="Train once for each fold, held out in turn: a study, for few pictures.",
)
@click.option(
    "--seeds",
    type=SEEDS,
    help="Train once for each seed: a study, for a figure with its spread. How many (from --seed on), or "
    "which: 3,7,11.",
)
@click.option("--resume", metavar="RUN|STUDY", help="Go on with a run or a study that was stopped.")
@click.option(
    "--drop-doubtful",
    type=click.Path(path_type=Path, exists=True),
    metavar="AUDIT",
    help="Do not learn from what `lapel audit` doubts: its folder, or its audit.csv.",
)
@click.option("--threads", type=click.IntRange(1, 1024), help="Of the CPU  [default: 1 or all, timed]")
@click.option(
    "--watch",
    "names",
    multiple=True,
    metavar="NAME",
    help="A logger that looks on: tensorboard, or an add-on.",
)
@click.option("--tensorboard", is_flag=True, help="The same as --watch tensorboard.")
@group_option
@cache_option
@click.option("--quiet", is_flag=True, help="Say nothing while training.")
def train(
    recipe: str | None,
    data: str,
    size: int | None,
    grey: bool | None,
    settings: tuple[str, ...],
    start: str | None,
    engine: str,
    backend: str | None,
    seed: int,
    device: str,
    precision: str,
    path: Path | None,
    folds: int | None,
    seeds: int | tuple[int, ...] | None,
    resume: str | None,
    drop_doubtful: Path | None,
    threads: int | None,
    names: tuple[str, ...],
    tensorboard: bool,
    group: str | None,
    cache_limit: int | None,
    quiet: bool,
) -> None:
    """Train RECIPE (a name or a TOML file) and keep everything in a run folder, whose path is printed.

    Ctrl-C stops between two steps; `lapel train --resume RUN` goes on where it stopped. With --seeds or
    --folds the folder is that of a study, with a run in it for each, which is gone on with as a whole. All
    seeds of a study hold out the same pictures, those that the first one draws.
    """
    if (recipe is None) == (resume is None):
        raise click.UsageError("Give a recipe to train, or --resume RUN to go on with.")
    if resume is not None:
        _refuse_with_resume()
    refuse_together({"--folds": folds, "--seeds": seeds})
    if isinstance(seeds, int):
        seeds = tuple(range(seed, seed + seeds))
    elif seeds is not None:
        _refuse_seed_beside_a_list()

    from ..photographs import load_for
    from ..recipes.load import load_recipe
    from ..runs import dataset_of, open_run
    from ..study import begin_study, is_study, open_study, train_study
    from ..trainer import resume as go_on
    from ..trainer import train as begin
    from ..training.watch import load_watch
    from .loading import download_progress
    from .progress import TrainingProgress

    names = tuple(dict.fromkeys([*names, *(["tensorboard"] if tensorboard else [])]))
    shown = TrainingProgress(quiet=quiet)
    watches = [shown, *map(load_watch, names)]
    study = open_study(resume) if resume is not None and is_study(resume) else None
    stopped = open_run(resume) if resume is not None and study is None else None
    chosen = load_recipe(recipe, settings) if recipe is not None else None
    said = ""
    with download_progress() as progress:
        if study:
            pictures = study.dataset(progress)
        elif stopped:
            pictures = dataset_of(stopped, progress)
        else:
            assert chosen is not None
            channels = None if grey is None else 1 if grey else 3
            pictures, said = load_for(
                *(chosen, data),
                size=size,
                channels=channels,
                group=group,
                cache_limit=cache_limit,
                progress=progress,
            )
    if said and not quiet:
        click.echo(said, err=True)
    if chosen is not None and not quiet:
        _remark(pictures, chosen, seeds[0] if seeds else seed, (1, folds) if folds else None)
    how: dict[str, Any] = {
        "engine": engine,
        "backend": backend,
        "device": device,
        "precision": precision,
        "threads": threads,
        "start": start,
    }
    if drop_doubtful is not None:
        how["drop_doubtful"] = str(drop_doubtful)
    try:
        if chosen is not None and (folds or seeds):
            study = begin_study(chosen, pictures, seeds=seeds, folds=folds, seed=seed, path=path, **how)
        if study:
            train_study(study, pictures, watches=watches, tell=None if quiet else _tell)
            _conclude_study(study, quiet=quiet)
            return
        if stopped:
            run = go_on(stopped, pictures, watches=watches)
        else:
            assert chosen is not None
            run = begin(chosen, pictures, seed=seed, path=path, watches=watches, **how)
    except KeyboardInterrupt:
        if stopping := study.path if study else shown.path:
            click.echo(f"Go on with: lapel train --resume {stopping}", err=True)
        raise
    finally:
        shown.end()  # also where features were under way before the run was there
    if not quiet:
        _conclude(run)
    if warning := (run.done or {}).get("warning"):
        click.echo(f"Warning: {warning}", err=True)
    click.echo(run.path)


def _refuse_with_resume() -> None:
    context = click.get_current_context()
    fixed = (
        "data",
        "size",
        "grey",
        "settings",
        "start",
        "engine",
        "backend",
        "seed",
        "device",
        "precision",
        "threads",
        "path",
        "group",
        "folds",
        "seeds",
        "drop_doubtful",
    )
    for name in fixed:
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            option = next(p.opts[0] for p in context.command.params if p.name == name)
            raise click.UsageError(f"{option} cannot be changed in a run that goes on; leave it out.")


def _refuse_seed_beside_a_list() -> None:
    source = click.get_current_context().get_parameter_source("seed")
    if source is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError("--seed goes with a number of --seeds, not with a list of them.")


def _remark(dataset: Dataset, recipe: Recipe, seed: int, fold: tuple[int, int] | None) -> None:
    """Say what deserves a look before anything is learned."""
    from ..data.remarks import remarks

    held = dataset.held(recipe.training.validation, seed, fold)
    for line in remarks(dataset, held, weighed=recipe.training.class_weights != "none"):
        click.echo(line, err=True)


def _tell(member: Member, number: int, count: int) -> None:
    click.echo(f"{member.name}, {number} of {count}", err=True)


def _conclude_study(study: Study, *, quiet: bool) -> None:
    if not quiet:
        click.echo(f"Judge it with: lapel evaluate {study.path}", err=True)
    for run in study.runs:
        if warning := (run.done or {}).get("warning"):
            click.echo(f"Warning of {run.name}: {warning}", err=True)
    click.echo(study.path)


def _conclude(run: Run) -> None:
    done = run.done or {}
    early = f" (stopped early after {done['epochs']})" if done["stopped"] == "early" else ""
    click.echo(
        f"Kept the weights of epoch {done['kept_epoch']}{early}: "
        f"{done['validation_accuracy']:.2%} of the validation pictures, {done['seconds']:.1f} s.\n"
        f"Judge it with: lapel evaluate {run.path}",
        err=True,
    )
