"""How rows of tags are printed: as data, as a table, and drawn."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import PictureError
from .tables import Column, print_table

if TYPE_CHECKING:
    from rich.text import Text

    from ..tag import Photo, Row
    from ..tagger import Tagger

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


def print_tags(rows: Iterable[Row], top: int) -> None:
    """Print rows for people."""
    columns = [Column("file"), Column("label", sentence=True), Column("score", number=True)]
    if top > 1:
        columns.append(Column("alternatives", rank=1, sentence=True))
    print_table(columns, [_cells(row, top)[: len(columns)] for row in rows])


def _cells(row: Row, top: int) -> list[str | Text]:
    from rich.text import Text

    from ..decode import source_name
    from ..tagger import Untagged
    from ..wording import percent

    name = source_name(row.source)
    if isinstance(row, Untagged):
        reason = row.error.message.removeprefix(f"{name}: ")
        return [name, Text(f"not read: {reason}", style="red"), "", ""]
    others = ", ".join(f"{label} {percent(share)}" for label, share in row.label_scores[1:top])
    if row.accepted:
        return [name, Text(row.label, style="bold"), percent(row.score), others]
    return [name, Text(str(row), style="yellow"), "", others]


def show_rows(tagger: Tagger, rows: Iterable[tuple[Photo, Row]], top: int) -> None:
    """Print bars of the score of each label, beside the picture where the terminal can draw it.

    In place of the bars stands the doubt where the tag is not accepted.
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
        said = _bars(row.label_scores[:top]) if row.accepted else [click.style(str(row), fg="yellow")]
        dyes = [f"in {', '.join(colour.name for colour in row.colours)}"] if row.colours else []
        lines = [source_name(row.source), "", *said, *dyes]
        if pictures:
            picture = tagger.picture(photo.source)
            click.echo(beside(draw(picture, _COLUMNS), min(_COLUMNS, picture.shape[1]), lines))
        else:
            click.echo("\n".join(lines))
        click.echo()


def _bars(ranking: tuple[tuple[str, float], ...]) -> list[str]:
    from ..wording import percent

    width = max(len(label) for label, _ in ranking)
    return [f"{label:<{width}}  {percent(share):>6}  {'█' * round(share * _BAR)}" for label, share in ranking]


def draw_figure(tagger: Tagger, file: Path, out: Path, top: int) -> None:
    """Draw one photo and its labels to `out`. Raises PictureError where it cannot be read."""
    from ..files import write_atomic
    from ..report.figures import tag_figure
    from ..report.style import png

    answer = tagger.tag(file)
    doubt = "" if answer.accepted else str(answer)
    write_atomic(out, png(tag_figure(tagger.picture(file), answer.label_scores[:top], doubt)))
    click.echo(out)
