"""`lapel index`: photos become what can be searched by picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from .options import refuse_together

if TYPE_CHECKING:
    from io import BufferedIOBase

    from ..index.update import Change

_LISTED = 20  # photos that could not be read, named one by one


@click.command(epilog="Example: lapel index photos --out wardrobe.lapel")
@click.argument("photos", nargs=-1, type=click.Path())
@click.option("--out", "out", type=click.Path(path_type=Path), metavar="INDEX", help="Where the index lies.")
@click.option("--column", metavar="NAME", help="Of a CSV or Parquet file: the column with paths or photos.")
@click.option("-0", "--null", is_flag=True, help="The list on stdin ends each path with a zero byte.")
@click.option("--prune", is_flag=True, help="Take out the photos whose files are no longer there.")
@click.option("--remove", is_flag=True, help="Take PHOTOS out of the index; the files stay.")
@click.option("--rebuild", is_flag=True, help="Make it anew of the photos that are in it, by these models.")
@click.option("--overwrite", is_flag=True, help="Forget what is in it, and begin anew.")
@click.option("--info", "info", is_flag=True, help="Say what is in the index.")
@click.option("--json", "as_json", is_flag=True, help="Print the same as one JSON object.")
@click.pass_context
def index(
    context: click.Context,
    photos: tuple[str, ...],
    out: Path | None,
    column: str | None,
    null: bool,
    prune: bool,
    remove: bool,
    rebuild: bool,
    overwrite: bool,
    info: bool,
    as_json: bool,
) -> None:
    """Keep PHOTOS in an index, which `lapel search` finds them in: files, folders, patterns, tables, or -.

    Of each photo the label, the kind, the colours, an embedding and a small picture are kept. Run again, the
    same command takes in what is new or has changed, and no more; ended in whatever way, it goes on where it
    was. A photo that moved is known again by its bytes. One that cannot be read is named, and the command
    ends with 1.

    `lapel index INDEX --info` says what is in an index.
    """
    refuse_together({"--rebuild": rebuild, "--overwrite": overwrite, "--remove": remove, "--info": info})
    if null and "-" not in photos:
        raise click.UsageError("--null goes with -, a list on stdin.")
    if info or (as_json and out is None):
        _show_info(_one_index(photos, out), as_json=as_json)
        return
    if out is None:
        raise click.UsageError("Say where the index lies, with --out. (To see what is in one: --info.)")
    if not photos and not (rebuild or prune):
        raise click.UsageError("Which photos? Give files, folders, patterns, tables, or - for a list.")
    from ..index.index import create_index, open_index
    from ..index.index import rebuild as made_anew
    from ..tag import Catalogue

    if remove:
        _say(open_index(out).remove(photos), "taken out")
        return
    listed = sys.stdin.buffer if "-" in photos else None
    catalogue = Catalogue(photos, column, cast("BufferedIOBase | None", listed), b"\0" if null else b"\n")
    failed = 0
    if rebuild:
        failed += _watch(made_anew(out), lambda: None)
    if photos:
        failed += _watch(create_index(out, anew=overwrite).update(catalogue), catalogue.count)
    if prune:
        _say(open_index(out).prune(), "taken out, since their files are no longer there")
    if as_json:
        _show_info(out, as_json=True)
    else:
        click.echo(out)
    if failed:
        context.exit(1)


def _one_index(photos: tuple[str, ...], out: Path | None) -> Path:
    given = [Path(photo) for photo in photos] + ([out] if out else [])
    if len(given) != 1:
        raise click.UsageError("Give one index, as in: lapel index wardrobe.lapel --info")
    return given[0]


def _watch(changes: Iterable[Change], count: Any) -> int:
    """Go through the changes. Returns how many photos could not be read, having named the first of them."""
    from .tagging import CountingProgress

    failed = 0
    with CountingProgress("indexing", count, bar=sys.stderr.isatty()) as progress:
        for change in changes:
            progress.count(change.what)
            if change.error is not None:
                failed += 1
                if failed <= _LISTED:
                    progress.say(change.error.message)
    click.echo(progress.summary(), err=True)
    return failed


def _say(count: int, what: str) -> None:
    click.echo(f"{count:,} {'photo' if count == 1 else 'photos'} {what}.", err=True)


def _show_info(path: Path, *, as_json: bool) -> None:
    from ..index.index import open_index
    from .tables import print_pairs

    found = open_index(path).info()
    if as_json:
        click.echo(json.dumps(found))
        return
    pairs = [
        ("photos", f"{found['photos']:,}, of which {found['accepted']:,} have a label to be relied on"),
        ("kinds", _counts(found["kinds"])),
        ("colours", _counts(found["colours"])),
        ("made by", f"{' and '.join(found['models'])}, Lapel {found['lapel']}"),
    ]
    print_pairs([(title, text) for title, text in pairs if text])


def _counts(counts: dict[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda one: -one[1])
    return ", ".join(f"{name} {count:,}" for name, count in ranked)
