"""How loading a dataset shows itself on stderr: a bar a file in a terminal, a line a file elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .options import SIZE

if TYPE_CHECKING:
    from rich.progress import TaskID

    from ..data import Progress


group_option = click.option(
    "--group",
    metavar="COLUMN|PATTERN",
    help="Photos that stay together when some are held out: by a column of the table, or by path, as in "
    "'{group}_*.jpg' or a regular expression with one ( ).",
)
cache_option = click.option(
    "--cache-limit",
    type=SIZE,
    envvar="LAPEL_CACHE_LIMIT",
    help="What decoded photos may take on the disk, such as 20GB  [default: 50GB]",
)


@contextmanager
def download_progress() -> Iterator[Progress]:
    """What `load_data` takes as `progress`, shown for as long as the `with` block lasts."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield advance


def _lines() -> Progress:
    begun: set[str] = set()

    def advance(what: str, done: int, total: int | None) -> None:  # noqa: ARG001
        if what not in begun:
            begun.add(what)
            click.echo(f"{what} …" if total is None else f"{what} ({total:,}) …", err=True)

    return advance
