"""`lapel import`: what was trained elsewhere becomes a run or a model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ModelError
from .tables import Column, print_table

if TYPE_CHECKING:
    from ..importing import Imported


@click.command("import", epilog="Example: lapel import tutorial.keras")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--recipe", help="For weights alone: the recipe whose network they are of.")
@click.option("--data", default="fashion-mnist", show_default=True, help="Dataset the network is for.")
@click.option(
    "--classes",
    metavar="A,B,C|FILE",
    help="The network's classes in its own order, or a file with one a line  [default: the dataset's]",
)
@click.option(
    "--layout",
    type=click.Choice(["hw", "hwc", "chw", "flat"]),
    help="How it takes a picture: (28, 28), (28, 28, 1), (1, 28, 28) or (784,); found out if not given.",
)
@click.option(
    "--scaling",
    metavar="0-255|0-1|MEAN/STD",
    help="How it takes pixels; 0.5/0.5 is -1 to 1. Found out if not given.",
)
@click.option(
    "--size",
    type=click.IntRange(4, 1024),
    help="Of the pictures that photographs become  [default: the file's, where it says one]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.onnx",
    help="Where the model goes  [default: under FILE's name into the working folder]",
)
@click.option(
    "--run", "path", type=click.Path(path_type=Path), help="Folder of the new run  [default: runs/RECIPE-N]"
)
@click.option("--overwrite", is_flag=True, help="Replace a model that is there already.")
def import_(
    file: Path,
    recipe: str | None,
    data: str,
    classes: str | None,
    layout: str | None,
    scaling: str | None,
    size: int | None,
    out: Path | None,
    path: Path | None,
    overwrite: bool,
) -> None:
    """Make a run or a model of FILE, which was trained elsewhere, and print its path.

    \b
    .keras, .h5, .onnx, a SavedModel folder
        a network: becomes a model
    .pth, .pt, .safetensors, with --recipe
        weights alone: become a run, or a model where they want pictures
        scaled otherwise than 0 to 1, or with --out

    Layouts and scalings are tried on validation pictures, and the best is taken; the network may have
    learned from these very pictures, so only `lapel evaluate --test` says how good it is.

    FILE is read as data. One that could run code is refused: a pickle, a Lambda layer, a layer of somebody's
    own, an operation that opens files.
    """
    if out is not None and path is not None:
        raise click.UsageError("--out is for a model and --run for a run; give one of them.")
    if path is not None and recipe is None:
        raise click.UsageError("--run goes with --recipe; a whole network becomes a model, with --out.")
    from ..data.registry import CATALOG
    from ..importing import import_model
    from .loading import download_progress

    with download_progress() as progress:
        made = import_model(
            file,
            recipe,
            data,
            path=out or path,
            class_names=_names(classes) if classes is not None else None,
            layout=layout,
            scaling=scaling,
            size=size,
            overwrite=overwrite,
            progress=progress,
        )
    _print_candidates(made)
    if made.run is None and recipe is not None and out is None:
        click.echo("A run's pictures are 0-1, so these weights became a model.", err=True)
    if made.run is None:
        click.echo(f"Label with: lapel tag PHOTO --model {made.path}", err=True)
    on = "" if made.run or data in CATALOG else f" --data {shlex.quote(data)}"
    test = "" if made.run or not made.test else " --test"
    click.echo(f"Judge it with: lapel evaluate {shlex.quote(str(made.path))}{on}{test}", err=True)
    click.echo(made.path)


def _names(text: str) -> list[str]:
    """Class names from a file, one a line, or from a list with commas."""
    if not Path(text).is_file():
        return [name.strip() for name in text.split(",")]
    try:
        return [line.strip() for line in Path(text).read_text("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ModelError(
            f"{text}: not a text file.", "Give a file with the name of a class a line."
        ) from error


def _print_candidates(made: Imported) -> None:
    columns = [
        Column("picture"),
        Column("pixels"),
        Column("accuracy", number=True),
        Column("loss", rank=1, number=True),
        Column(""),
    ]
    rows = []
    for one in made.candidates:
        figures = ("no answer", "") if one.accuracy is None else (f"{one.accuracy:.2%}", f"{one.loss:.4f}")
        rows.append([str(one.shape), one.scaling.name, *figures, "taken" if one is made.chosen else ""])
    print_table(columns, rows, err=True)
    click.echo(
        f"On {made.pictures:,} validation pictures of {made.dataset}, which it may have learned from.",
        err=True,
    )
