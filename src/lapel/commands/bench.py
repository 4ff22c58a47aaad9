"""`lapel bench`: every form of a model, how large and how fast."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..exporting.speed import FormSpeed


@click.command(epilog="Example: lapel bench fashion-mnist")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each form.")
def bench(model: str, as_json: bool) -> None:
    """Measure every form of MODEL that is installed: size, speed and memory.

    Batches of 1, 64 and 1,024 pictures are asked about for half a second each, in a process of its own for
    each form. Milliseconds are those of a batch, at most so many half of the time (p50) and 99 times of 100
    (p99), from pictures in memory to probabilities.
    """
    from ..exporting.speed import measure_forms
    from .loading import download_progress
    from .models import model_file

    file = model_file(model)
    found = []
    with download_progress() as progress:
        for one in measure_forms(file, progress):
            found.append(one)
            if as_json:
                click.echo(json.dumps(asdict(one)))
    if not as_json:
        _print_speeds(found)


def _print_speeds(found: list[FormSpeed]) -> None:
    from .tables import Column, print_sentence, print_table

    columns = [
        Column("form"),
        Column("MB", number=True),
        Column("same labels", 2, number=True),
        Column("batch", number=True),
        Column("p50 ms", number=True),
        Column("p99 ms", number=True),
        Column("pictures/s", number=True),
        Column("memory MB", 1, number=True),
    ]
    rows = [
        [
            *(one.form, f"{one.bytes / 1e6:.2f}", f"{one.agreement:.1%}", f"{speed.batch:,}"),
            *(f"{speed.p50_ms:,.2f}", f"{speed.p99_ms:,.2f}", f"{speed.pictures_per_second:,.0f}"),
            f"{one.memory / 1e6:,.0f}" if one.memory else "",
        ]
        for one in found
        for speed in one.speeds
    ]
    print_table(columns, rows)
    for one in found:
        if one.lacks:
            print_sentence(f"{one.form}: {one.lacks}", err=True)
