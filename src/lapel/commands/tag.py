"""`lapel tag`: photos become labels."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ModelError
from .paper import paper

if TYPE_CHECKING:
    from ..tagger import Tag, Tagger, Untagged

_BAR = 24  # characters
_COLUMNS = 32  # of a picture, at most


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", metavar="RUN_OR_FILE", help="A model file or a run; the newest run if not given.")
@click.option(
    "--top", default=3, show_default=True, type=click.IntRange(min=1), help="How many labels to give."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--show", is_flag=True, help="Draw each picture as the model sees it, beside its confidence.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FIGURE.png",
    help="With --show and one photo: draw to this file.",
)
@click.pass_context
def tag(
    context: click.Context,
    files: tuple[Path, ...],
    model: str | None,
    top: int,
    as_json: bool,
    show: bool,
    out: Path | None,
) -> None:
    """Label photos: FILES, and the photos in folders.

    Every photo gives one row, in the order given. A photo that cannot be read is a row that says why;
    the others are labelled all the same, and the command ends with 1.
    """
    if as_json and show:
        raise click.UsageError("--json and --show cannot be combined.")
    if out is not None and (not show or len(files) > 1 or files[0].is_dir()):
        raise click.UsageError("--out goes with --show and one photo.")
    from ..tag import tag_catalogue
    from ..tagger import Untagged, load_tagger

    tagger = load_tagger(_model_file(model))
    if out is not None:
        _draw_figure(tagger, files[0], out, top)
        return
    failed: list[Untagged] = []
    rows = _noting(tag_catalogue(tagger, files), failed)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row.to_dict() if isinstance(row, Untagged) else row.to_dict(top)))
    elif show:
        _show(tagger, rows, top)
    else:
        _print_table(rows, top)
    if failed:
        click.echo(f"{len(failed)} could not be read.", err=True)
        context.exit(1)


def _model_file(name: str | None) -> Path:
    """The model to use: a file, or that of a run, which is exported first where its weights are newer."""
    if name is not None and Path(name).is_file():
        return Path(name)
    if name is not None and name.endswith(".onnx"):
        raise ModelError(f"{name}: no such model file.", "`lapel export RUN` makes one.")
    from ..runs import list_runs, open_run

    if name is not None:
        run = open_run(name)
    else:
        finished = [run for run in list_runs() if run.done is not None]
        if not finished:
            raise ModelError(
                "There is no finished run to tag with.", "Train one (lapel train cnn), or give --model."
            )
        run = finished[-1]
    model, weights = run.model_path, run.weights_path
    if not model.exists() or (weights.exists() and weights.stat().st_mtime_ns > model.stat().st_mtime_ns):
        from ..export import export

        click.echo(f"Making the model of {run.name} first.", err=True)
        export(run)
    return model


def _noting(rows: Iterable[Tag | Untagged], failed: list[Untagged]) -> Iterator[Tag | Untagged]:
    """The rows, those that failed noted on their way."""
    from ..tagger import Untagged

    for row in rows:
        if isinstance(row, Untagged):
            failed.append(row)
        yield row


def _print_table(rows: Iterable[Tag | Untagged], top: int) -> None:
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
            table.add_row(Text(name), *cells, *([Text(others)] if top > 1 else []))
    paper().print(table)


def _show(tagger: Tagger, rows: Iterable[Tag | Untagged], top: int) -> None:
    from ..decode import source_name
    from ..tagger import Untagged
    from ..terminal import beside, can_draw, draw

    pictures = can_draw(sys.stdout, os.environ)
    if not pictures:
        click.echo("Pictures cannot be drawn here; --out FIGURE.png draws one to a file.", err=True)
    for row in rows:
        if isinstance(row, Untagged):
            click.echo(f"{row.error.message}\n")
            continue
        lines = [source_name(row.source), "", *_bars(row.ranking[:top])]
        if pictures:
            picture = tagger.picture(Path(row.source))
            click.echo(beside(draw(picture, _COLUMNS), min(_COLUMNS, picture.shape[1]), lines))
        else:
            click.echo("\n".join(lines))
        click.echo()


def _bars(ranking: tuple[tuple[str, float], ...]) -> list[str]:
    width = max(len(label) for label, _ in ranking)
    return [
        f"{label:<{width}}  {_percent(share):>6}  {'█' * round(share * _BAR)}" for label, share in ranking
    ]


def _draw_figure(tagger: Tagger, file: Path, out: Path, top: int) -> None:
    from ..files import write_atomic
    from ..report.figures import tag_figure
    from ..report.style import png

    answer = tagger.tag(file)
    write_atomic(out, png(tag_figure(tagger.picture(file), answer.ranking[:top])))
    click.echo(out)


def _percent(share: float) -> str:
    return f"{share:.1%}"
