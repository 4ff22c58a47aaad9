"""How rows of tags are printed: as data, as a table, and drawn."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import PictureError
from .paper import paper

if TYPE_CHECKING:
    from ..tag import Photo, Row
    from ..tagger import Tag, Tagger

_BAR = 24  # characters
_COLUMNS = 32  # of a picture, at most


def print_rows(tagger: Tagger, rows: Iterable[Row], form: str, top: int) -> None:
    """Print rows as csv, jsonl or parquet."""
    from ..tag.rows import form_of, model_name, plain, write_parquet

    stdout = sys.stdout.buffer
    if form == "parquet":
        model = model_name(tagger)
        write_parquet((plain(row, top, model) for row in rows), stdout)
        return
    lines = form_of(form, tagger, top)
    stdout.write(lines.header)
    for row in rows:
        stdout.write(lines.encode(row))
    stdout.flush()


def print_table(rows: Iterable[Row], top: int) -> None:
    """Print rows for people."""
    from rich.table import Table
    from rich.text import Text

    from ..decode import source_name
    from ..tagger import Untagged

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("label", no_wrap=True)
    table.add_column("confidence", justify="right", no_wrap=True)
    if top > 1:
        table.add_column("alternatives")
    for row in rows:
        name = source_name(row.source)
        if isinstance(row, Untagged):
            reason = Text(row.error.message.removeprefix(f"{name}: "), style="red")
            cells = [Text("not read", style="red"), Text(), reason]
            # Without the last column the reason stands in place of the label.
            table.add_row(Text(name), *(cells if top > 1 else [reason]))
        else:
            others = ", ".join(f"{label} {_percent(share)}" for label, share in row.ranking[1:top])
            cells = [Text(row.label, style="bold"), Text(_percent(row.confidence))]
            if not row.accepted:
                cells = [Text(row.label, style="dim"), Text(row.reason, style="yellow")]
            table.add_row(Text(name), *cells, *([Text(others)] if top > 1 else []))
    paper().print(table)


def show_rows(tagger: Tagger, rows: Iterable[tuple[Photo, Row]], top: int) -> None:
    """Print bars of the confidence in each label, beside the picture where the terminal can draw it.

    In place of the bars stands the reason where the tag is not accepted.
    """
    from ..decode import source_name
    from ..tagger import Untagged
    from ..terminal import beside, can_draw, draw

    pictures = can_draw(sys.stdout, os.environ)
    if not pictures:
        click.echo("Pictures cannot be drawn here; --figure FILE.png draws one to a file.", err=True)
    for photo, row in rows:
        if isinstance(row, Untagged) or isinstance(photo.source, PictureError):
            assert isinstance(row, Untagged)
            click.echo(f"{row.error.message}\n")
            continue
        lines = [source_name(row.source), "", *(_bars(row.ranking[:top]) if row.accepted else _refusal(row))]
        if pictures:
            picture = tagger.picture(photo.source)
            click.echo(beside(draw(picture, _COLUMNS), min(_COLUMNS, picture.shape[1]), lines))
        else:
            click.echo("\n".join(lines))
        click.echo()


def _bars(ranking: tuple[tuple[str, float], ...]) -> list[str]:
    width = max(len(label) for label, _ in ranking)
    return [
        f"{label:<{width}}  {_percent(share):>6}  {'█' * round(share * _BAR)}" for label, share in ranking
    ]


def _refusal(row: Tag) -> list[str]:
    return [
        click.style(row.reason, fg="yellow"),
        click.style(f"{row.label}  {_percent(row.confidence)}", dim=True),
    ]


def draw_figure(tagger: Tagger, file: Path, out: Path, top: int) -> None:
    """Draw one photo and its labels to `out`. Raises PictureError where it cannot be read."""
    from ..files import write_atomic
    from ..report.figures import tag_figure
    from ..report.style import png

    answer = tagger.tag(file)
    write_atomic(out, png(tag_figure(tagger.picture(file), answer.ranking[:top])))
    click.echo(out)


def _percent(share: float) -> str:
    return f"{share:.1%}"
