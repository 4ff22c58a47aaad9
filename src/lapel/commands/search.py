"""`lapel search` and `lapel duplicates`: what an index knows of a photo, and of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..index.rows import Hit

_BLOCK = 1000  # rows of a table


@click.command(epilog="Example: lapel search wardrobe.lapel photo.jpg --kind dress --colour navy")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("photo", required=False, type=click.Path())
@click.option("--top", default=20, show_default=True, type=click.IntRange(min=1), help="How many to give.")
@click.option("--kind", multiple=True, metavar="KIND", help="Only of this kind; of several, any.")
@click.option("--colour", multiple=True, metavar="COLOUR", help="Only with this colour; of several, any.")
@click.option("--label", multiple=True, metavar="LABEL", help="Only with this label; of several, any.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--gallery",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.html",
    help="A page of what was found, to look through and to filter.",
)
def search(
    index: Path,
    photo: str | None,
    top: int,
    kind: tuple[str, ...],
    colour: tuple[str, ...],
    label: tuple[str, ...],
    as_json: bool,
    gallery: Path | None,
) -> None:
    """Find what is most like PHOTO in INDEX, the likest first; without a photo, all that fits.

    The similarity is 1 for the same picture and near 0 for another garment.
    """
    from ..index.index import open_index

    opened = open_index(index)
    hits = opened.search(photo, top=top, kind=kind, colour=colour, label=label)
    if gallery is not None:
        from ..index.describe import thumbnail
        from ..index.gallery import write_gallery

        query = None if photo is None else thumbnail(opened.describer.labels.picture(photo))
        write_gallery(hits, gallery, f"Search in {index.name}", query)
    if as_json:
        for hit in hits:
            click.echo(json.dumps(hit.to_dict()))
    else:
        remaining = iter(hits)
        while block := list(islice(remaining, _BLOCK)):
            print_hits(block)
        if not hits:
            click.echo("Nothing fits." if len(opened) else f"{index}: the index is empty.", err=True)
    _say_missing(hits)


@click.command(epilog="Example: lapel duplicates wardrobe.lapel")
@click.argument("index", type=click.Path(path_type=Path))
@click.option(
    "--similarity",
    type=click.FloatRange(0, 1),
    help="From which similarity on photos show the same garment. Less finds more, and more that is wrong.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, of a group each.")
def duplicates(index: Path, similarity: float | None, as_json: bool) -> None:
    """Find the photos in INDEX that are the same, or show the same garment."""
    from ..index.duplicates import SAME_GARMENT
    from ..index.index import open_index
    from .tables import Column, print_table, typed_path

    found = open_index(index).duplicates(SAME_GARMENT if similarity is None else similarity)
    if as_json:
        for group in found:
            click.echo(json.dumps(group.to_dict()))
        return
    columns = [Column("same"), Column("alike", number=True), Column("photo"), Column("kind", rank=1)]
    rows = []
    for group in found:
        for place, hit in enumerate(group.hits):
            first = [group.same, f"{group.similarity:.3f}"] if place == 0 else ["", ""]
            rows.append([*first, typed_path(hit.source), hit.kind])
    if rows:
        print_table(columns, rows)
    photos = sum(len(group.hits) - 1 for group in found if group.same == "photo")
    garments = sum(len(group.hits) - 1 for group in found if group.same == "garment")
    click.echo(f"Once more: the same photo {photos:,}, the same garment {garments:,}.", err=True)


def print_hits(hits: Sequence[Hit]) -> None:
    """Print hits for people, as a table."""
    from ..wording import percent
    from .tables import Column, print_table, typed_path

    searched = hits[0].similarity is not None
    columns = [
        Column("photo"),
        *([Column("alike", number=True)] if searched else []),
        Column("kind"),
        Column("colours", rank=1, sentence=True),
        Column("label", rank=2, sentence=True),
        Column("score", rank=2, number=True),
    ]
    print_table(
        columns,
        [
            [
                typed_path(hit.source),
                *([f"{hit.similarity:.3f}"] if hit.similarity is not None else []),
                hit.kind,
                ", ".join(colour.name for colour in hit.colours),
                hit.label if hit.accepted else f"{hit.label}?",
                percent(hit.score),
            ]
            for hit in hits
        ],
    )


def _say_missing(hits: Sequence[Hit]) -> None:
    gone = [hit for hit in hits if Path(hit.source).is_absolute() and not os.path.lexists(hit.source)]
    if gone:
        from .tables import typed_path

        first = typed_path(gone[0].source)
        click.echo(
            f"{len(gone):,} of these files are no longer there, such as {first}. Run `lapel index` on the "
            "folder where they lie now: it knows them again.",
            err=True,
        )
