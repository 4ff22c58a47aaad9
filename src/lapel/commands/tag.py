"""`lapel tag`: photos become labels."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from .options import refuse_together

if TYPE_CHECKING:
    from io import BufferedIOBase

    from ..tag import Catalogue, Photo, Row
    from ..tag.gallery import Gallery
    from ..tag.output import Output
    from ..tagger import Tagger
    from .tagging import TaggingProgress

_ENDINGS = {".csv", ".jsonl", ".parquet"}
_MANY = 32  # rows that can be taken in without a summary
_BLOCK = 1000  # rows of a table


@click.command(epilog="Example: lapel tag photos --out rows.csv --gallery page.html")
@click.argument("photos", nargs=-1, required=True, type=click.Path())
@click.option(
    "--model",
    metavar="MODEL",
    default="photo",
    show_default=True,
    help="A model that comes with Lapel, a model file, or a run.",
)
@click.option(
    "--top", default=3, show_default=True, type=click.IntRange(min=1), help="How many labels to give."
)
@click.option("--column", metavar="NAME", help="Of a CSV or Parquet file: the column with paths or photos.")
@click.option("-0", "--null", is_flag=True, help="The list on stdin ends each path with a zero byte.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--parquet", "as_parquet", is_flag=True, help="Print Parquet.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="ROWS.csv",
    help="Write to this file (.csv, .jsonl or .parquet), or go on with it.",
)
@click.option("--overwrite", is_flag=True, help="With --out: begin anew.")
@click.option("--show", is_flag=True, help="Draw each picture as the model sees it, beside its confidence.")
@click.option(
    "--figure",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png",
    help="Of one photo: draw it and its labels to this file.",
)
@click.option(
    "--sort-into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Copy each photo into a folder per label, or per reason where its tag is not accepted; "
    "nothing is moved or overwritten.",
)
@click.option("--link", is_flag=True, help="With --sort-into: symbolic links instead of copies.")
@click.option("--dry-run", is_flag=True, help="With --sort-into: only say what would go where.")
@click.option(
    "--gallery",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.html",
    help="A page of the photos to look through and to filter, those not accepted first.",
)
@click.pass_context
def tag(
    context: click.Context,
    photos: tuple[str, ...],
    model: str,
    top: int,
    column: str | None,
    null: bool,
    as_json: bool,
    as_csv: bool,
    as_parquet: bool,
    out: Path | None,
    overwrite: bool,
    show: bool,
    figure: Path | None,
    sort_into: Path | None,
    link: bool,
    dry_run: bool,
    gallery: Path | None,
) -> None:
    """Label PHOTOS: files, folders, quoted patterns ("**/*.jpg"), CSV or Parquet tables, or - for a list.

    Every photo gives one row, in the order given. A tag that is not to be relied on is not accepted, and
    says why. A photo that cannot be read is a row that says why, too; the others are labelled all the same,
    and the command ends with 1. A command with --out that was ended in whatever way goes on where it was
    when it is run again.
    """
    forms = {"--json": as_json, "--csv": as_csv, "--parquet": as_parquet}
    refuse_together({**forms, "--out": out, "--show": show, "--figure": figure})
    for name, value in {"--sort-into": sort_into, "--gallery": gallery, "--column": column}.items():
        refuse_together({"--figure": figure, name: value})
    form = "jsonl" if as_json else "csv" if as_csv else "parquet" if as_parquet else None
    if out is not None and out.suffix.lower() not in _ENDINGS:
        raise click.UsageError(f"--out ends in .csv, .jsonl or .parquet; {out} does not. (--figure draws.)")
    if overwrite and out is None:
        raise click.UsageError("--overwrite goes with --out.")
    if (link or dry_run) and sort_into is None:
        raise click.UsageError("--link and --dry-run go with --sort-into.")
    if null and "-" not in photos:
        raise click.UsageError("--null goes with -, a list on stdin.")
    if figure is not None and (len(photos) > 1 or not Path(photos[0]).is_file()):
        raise click.UsageError("--figure goes with one photo.")
    if form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is nothing for a terminal: send it to a file, or use --out.")
    _refuse_sorting_into_itself(photos, sort_into)
    from ..tag import Catalogue
    from ..tagger import load_tagger
    from .models import model_file
    from .tag_rows import draw_figure
    from .tagging import TaggingProgress

    tagger = load_tagger(model_file(model))
    if figure is not None:
        draw_figure(tagger, Path(photos[0]), figure, top)
        return
    listed = sys.stdin.buffer if "-" in photos else None
    catalogue = Catalogue(photos, column, cast("BufferedIOBase | None", listed), b"\0" if null else b"\n")
    # A bar on the terminal that the rows are printed to would be torn apart by them.
    bar = sys.stderr.isatty() and (out is not None or not sys.stdout.isatty())
    with ExitStack() as open_, TaggingProgress(catalogue.count, bar=bar) as progress:
        output = None if out is None else open_.enter_context(_output(tagger, out, top, overwrite))
        rows = open_.enter_context(closing(_rows(tagger, catalogue, output)))
        sorted_ = _sorted(rows, sort_into, tagger, link, dry_run)
        page = _gallery(tagger, gallery)
        _print(tagger, _watched(sorted_, progress, page), form, out, show, top)
        if page is not None and gallery is not None:
            page.write(gallery)
    if out or sort_into or gallery or progress.done > _MANY:
        click.echo(progress.summary(output.found if output else 0), err=True)
    elif progress.failed:
        click.echo(f"{progress.failed} could not be read.", err=True)
    if progress.failed:
        context.exit(1)


def _refuse_sorting_into_itself(photos: tuple[str, ...], folder: Path | None) -> None:
    """The copies would be found, and be photos of the catalogue when it is gone through again."""
    for given in photos:
        if (
            folder is not None
            and Path(given).is_dir()
            and folder.resolve().is_relative_to(Path(given).resolve())
        ):
            raise click.UsageError(f"--sort-into must not be in {given}, the photos of which are sorted.")


def _output(tagger: Tagger, out: Path, top: int, overwrite: bool) -> Output:
    from ..tag.output import Output
    from ..tag.rows import form_of, form_of_file

    form = form_of(out.suffix.lower()[1:], tagger, top) if overwrite else form_of_file(out, tagger, top)
    return Output(out, form, anew=overwrite)


def _rows(
    tagger: Tagger, catalogue: Catalogue, output: Output | None
) -> Generator[tuple[Photo, Row], None, None]:
    from ..tag import tag_catalogue
    from ..tag.output import tag_into

    return tag_catalogue(tagger, catalogue) if output is None else tag_into(output, tagger, catalogue)


def _sorted(
    rows: Iterable[tuple[Photo, Row]], folder: Path | None, tagger: Tagger, link: bool, dry: bool
) -> Iterator[tuple[Photo, Row]]:
    """The rows, their photos sorted on the way."""
    if folder is None:
        yield from rows
        return
    from ..decode import source_name
    from ..tag.sorting import Sorting
    from ..tagger import UNSURE

    card = tagger.card
    sorting = Sorting(folder, card.class_names, (*card.rejects, UNSURE), link=link, dry=dry)
    for photo, row in rows:
        went = sorting.add(photo, row)
        if went and dry:
            click.echo(f"{source_name(went[0])} -> {source_name(went[1])}", err=True)
        yield photo, row


def _gallery(tagger: Tagger, file: Path | None) -> Gallery | None:
    if file is None:
        return None
    from ..tag.gallery import Gallery

    return Gallery(tagger)


def _watched(
    rows: Iterable[tuple[Photo, Row]], progress: TaggingProgress, page: Gallery | None
) -> Iterator[tuple[Photo, Row]]:
    """The rows, counted, and shown to the page, on their way."""
    for photo, row in rows:
        progress.add(row)
        if page is not None:
            page.add(photo, row)
        yield photo, row


def _print(
    tagger: Tagger,
    rows: Iterator[tuple[Photo, Row]],
    form: str | None,
    out: Path | None,
    show: bool,
    top: int,
) -> None:
    from .tag_rows import print_rows, print_tags, show_rows

    if out is not None:
        for _ in rows:
            pass
        click.echo(out)
    elif form is not None:
        print_rows(tagger, (row for _, row in rows), form, top)
    elif show:
        show_rows(tagger, rows, top)
    else:
        # A table is as wide as its widest row, so it is not printed before all of them are known.
        while block := [row for _, row in islice(rows, _BLOCK)]:
            print_tags(block, top)
