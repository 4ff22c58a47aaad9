"""`lapel data`: what datasets there are, fetching them, looking at them, looking them over."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .loading import cache_option, download_progress, group_option
from .tables import Column, print_blocks, print_table

if TYPE_CHECKING:
    import numpy as np

    from ..data import DataCheck, Dataset, Split

_NAME = click.argument("name", metavar="[NAME_OR_PATH]", default="fashion-mnist")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_LISTED = 20  # files that were left out, and pairs, in a terminal
_GAP = 1  # pixels between pictures in a terminal


@click.group(epilog="Example: lapel data check fashion-mnist")
def data() -> None:
    """List, fetch, show and check datasets."""


@data.command("list", epilog="Example: lapel data list --json")
@_JSON
def list_(as_json: bool) -> None:
    """List the datasets that have a name."""
    from ..data import CATALOG

    if as_json:
        click.echo(json.dumps([known.to_json() for known in CATALOG.values()], indent=2, ensure_ascii=False))
        return
    rows = []
    for known in CATALOG.values():
        megabytes = sum(file.bytes for file in known.files) / 1e6
        size = f"{megabytes:.0f} MB" if megabytes else ""
        rows.append([known.name, known.about, size, known.licence, known.home])
    print_blocks(["dataset", "about", "size", "licence", "home"], rows)


@data.command(epilog="Example: lapel data get fashion-mnist --as csv")
@_NAME
@click.option(
    "--as",
    "form",
    type=click.Choice(("csv", "folder", "idx", "parquet", "npz")),
    help="Also write it in this form.",
)
@click.option("--to", type=click.Path(path_type=Path), metavar="PATH", help="Where to write it.")
@click.option("--overwrite", is_flag=True, help="Replace what is there already.")
def get(name: str, form: str | None, to: Path | None, overwrite: bool) -> None:
    """Fetch a dataset once, or write it in another form.

    Prints where it lies. With --as it is written to --to, or here under its own name and form.
    """
    from ..data import save_data

    if form is None and (to is not None or overwrite):
        raise click.UsageError("--to and --overwrite go with --as.")
    dataset = _load(name)
    click.echo(f"{dataset}, fingerprint {dataset.fingerprint[:12]}", err=True)
    if form is None:
        click.echo(dataset.source)
        return
    own = f"{dataset.name}.npz" if form == "npz" else f"{dataset.name}-{form}"
    click.echo(save_data(dataset, to or own, form, overwrite=overwrite))


@data.command(epilog="Example: lapel data show mnist --count 10")
@_NAME
@click.option(
    "--count", default=6, show_default=True, type=click.IntRange(1, 60), help="Pictures of each class."
)
@click.option("--split", type=click.Choice(("train", "test")), default="train", show_default=True)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Chooses the pictures."
)
@click.option("--mean", is_flag=True, help="Show the mean picture of each class instead.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FIGURE.png",
    help="Draw to this file.",
)
def show(name: str, count: int, split: str, seed: int, mean: bool, out: Path | None) -> None:
    """Show pictures of every class, and how many there are of each.

    Without --out they are drawn in the terminal, or where that cannot be, to NAME.png.
    """
    from ..data.remarks import left_out
    from ..errors import DataError
    from ..terminal import can_draw

    dataset = _load(name)
    if dataset.skipped:
        click.echo(left_out(dataset), err=True)
    chosen = dataset.train if split == "train" else dataset.test
    if chosen is None:
        raise DataError(f"{dataset.name} has no test pictures.", "Show its training pictures instead.")
    rows = _rows(dataset, chosen, count, seed)
    if out is None and can_draw(sys.stdout, os.environ):
        _draw(dataset, chosen, rows, mean)
        return
    for label, title in enumerate(dataset.class_names):
        click.echo(f"{title:<{max(map(len, dataset.class_names))}}  {_count(chosen, label):>7,}")
    path = out or Path(f"{dataset.name}-mean.png" if mean else f"{dataset.name}.png")
    _write_figure(dataset, chosen, rows, mean, path)
    click.echo(f"Drawn to {path}", err=True)


@data.command(epilog="Example: lapel data check photos")
@_NAME
@group_option
@cache_option
@_JSON
def check(name: str, group: str | None, cache_limit: int | None, as_json: bool) -> None:
    """Look for files that cannot be read, duplicates, copies, blank pictures and the like."""
    from ..data import check_data

    found = check_data(_load(name, group, cache_limit))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
        return
    click.echo(f"{found.name}, from {found.source}")
    click.echo(f"fingerprint  {found.fingerprint}")
    click.echo(f"pictures     {'×'.join(map(str, found.shape))}")
    for title, split in found.splits.items():
        counts = sorted(split.per_class.values())
        each = f"{counts[0]:,}" if counts[0] == counts[-1] else f"{counts[0]:,} to {counts[-1]:,}"
        click.echo(f"{title:<13}{split.pictures:,}; {each} of each of {len(counts)} classes")
        click.echo(
            f"{'':<13}values {split.darkest} to {split.brightest}, mean {split.mean:.1f}; "
            f"{split.duplicates} duplicates, {split.blank} blank"
        )
    if found.groups is not None:
        click.echo(f"groups       {found.groups:,}")
    for problem in found.problems:
        click.echo(f"look at      {problem}")
    _print_files(found)
    if not found.problems:
        click.echo("Nothing to complain of.")


@data.command(epilog="Example: lapel data clean")
def clean() -> None:
    """Throw away the decoded photos that Lapel keeps; they are decoded again when they are needed."""
    from ..data.cache_folder import Cache, write_size

    cache = Cache()
    click.echo(f"{write_size(cache.clean())} removed from {cache.folder}")


def _print_files(found: DataCheck) -> None:
    """What was left out and why, and which photos are nearly the same."""
    for title, headed, rows in (
        ("left out", ("file", "why"), [list(skip) for skip in found.skipped]),
        ("nearly the same", ("one", "other"), [list(pair) for pair in found.near]),
    ):
        if rows:
            click.echo(
                f"\n{title}: {len(rows):,}" + (f", the first {_LISTED}" if len(rows) > _LISTED else "")
            )
            print_table([Column(headed[0]), Column(headed[1], sentence=True)], rows[:_LISTED])
    if max(len(found.skipped), len(found.near)) > _LISTED:
        click.echo("--json lists all.", err=True)


def _load(name: str, group: str | None = None, cache_limit: int | None = None) -> Dataset:
    from ..data import load_data

    with download_progress() as progress:
        return load_data(name, group=group, cache_limit=cache_limit, progress=progress)


def _rows(dataset: Dataset, split: Split, count: int, seed: int) -> list[np.ndarray]:
    """Of each class, the places of `count` pictures drawn by `seed`."""
    import numpy as np

    random = np.random.default_rng(seed)
    places = (np.flatnonzero(split.labels == label) for label in range(len(dataset.class_names)))
    return [random.permutation(own)[:count] for own in places]


def _count(split: Split, label: int) -> int:
    return int((split.labels == label).sum())


def _draw(dataset: Dataset, split: Split, rows: list[np.ndarray], mean: bool) -> None:
    """Draw a row of pictures for each class, as many as fit beside each other."""
    import numpy as np

    from ..terminal import draw

    wide = shutil.get_terminal_size().columns
    fit = max(1, (wide + _GAP) // (dataset.shape[1] + _GAP))
    for label, (title, places) in enumerate(zip(dataset.class_names, rows, strict=True)):
        click.echo(f"{title}: {_count(split, label):,}")
        pictures = split.pictures[places[:fit]]
        if mean and len(places):
            pictures = split.pictures[split.labels == label].mean(axis=0, keepdims=True).astype(np.uint8)
        if len(pictures):
            strip = np.concatenate([np.pad(one, ((0, 0), (0, _GAP), (0, 0))) for one in pictures], axis=1)
            click.echo(draw(strip[:, :-_GAP], wide))


def _write_figure(dataset: Dataset, split: Split, rows: list[np.ndarray], mean: bool, path: Path) -> None:
    import numpy as np

    from ..files import write_atomic
    from ..report.figures import mean_pictures, sample_grid
    from ..report.style import png

    if mean:
        figure = mean_pictures(replace(dataset, train=split, test=None))
    else:
        places = np.concatenate(rows)
        a_row = max(map(len, rows))  # a class a row
        figure = sample_grid(split.pictures[places], split.labels[places], dataset.class_names, a_row)
    write_atomic(path, png(figure))
