"""`lapel match`: what of a wardrobe goes with a garment, or whether several garments go together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import refuse_together

if TYPE_CHECKING:
    from ..matching.match import Match, Together
    from ..matching.pairs import Pair
    from ..matching.rules import Rules


@click.command(epilog="Example: lapel match wardrobe.lapel photo.jpg --gallery outfits.html")
@click.argument("photos", nargs=-1, metavar="[INDEX] PHOTO...")
@click.option(
    "--top",
    default=5,
    show_default=True,
    type=click.IntRange(1, 100),
    help="How many garments of each role, and how many outfits, to show.",
)
@click.option("--kind", metavar="KIND", help="What the photo shows, where the model is not sure of it.")
@click.option(
    "--rules",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.toml",
    help="Rules of your own: what stands in the file takes the place of what Lapel says.",
)
@click.option(
    "--likes",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="MATCHES.csv",
    help="Pairs that you like or not (first, second, like), to learn your taste from.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--gallery",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.html",
    help="A page of the outfits and suggestions with their pictures.",
)
@click.option("--show-rules", is_flag=True, help="Print the rules that come with Lapel, and end.")
def match(
    photos: tuple[str, ...],
    top: int,
    kind: str | None,
    rules: Path | None,
    likes: Path | None,
    as_json: bool,
    gallery: Path | None,
    show_rules: bool,
) -> None:
    """What in a wardrobe goes with a garment: give an INDEX (see `lapel index`) and one PHOTO, or its id.

    Every suggestion says why. The score is that of rules that people wrote down, and no measured taste:
    print them with --show-rules, change them with --rules. What you like can be learned with --likes; how far
    that was right is said.

    Several photos without an index are matched with each other: lapel match shirt.jpg trousers.jpg
    """
    from ..matching.rules import load_rules, shipped_text

    if show_rules:
        click.echo(shipped_text(), nl=False)
        return
    if len(photos) < 2:
        raise click.UsageError("Give an index and a photo, or several photos.")
    refuse_together({"--json": as_json, "--gallery": gallery})
    own = load_rules(rules)
    if Path(photos[0]).is_dir() or photos[0].endswith(".lapel"):
        _match_one(photos, own, top, kind, likes, as_json, gallery)
        return
    for name, value in {"--likes": likes, "--gallery": gallery, "--kind": kind}.items():
        if value is not None:
            raise click.UsageError(f"{name} goes with an index and one photo.")
    from ..matching.match import match_together

    found = match_together(photos, rules=own)
    if as_json:
        click.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _print_together(found)


def _match_one(
    photos: tuple[str, ...],
    rules: Rules,
    top: int,
    kind: str | None,
    likes: Path | None,
    as_json: bool,
    gallery: Path | None,
) -> None:
    if len(photos) > 2:
        raise click.UsageError(f"With an index, one photo is matched; {len(photos) - 1} were given.")
    from ..matching.match import match as match_photo

    found = match_photo(photos[1], photos[0], top=top, rules=rules, likes=likes, kind=kind)
    if as_json:
        click.echo(json.dumps(found.to_dict(), ensure_ascii=False))
        return
    if gallery is not None:
        from ..matching.gallery import write_gallery

        write_gallery(found, gallery)
        click.echo(gallery)
    else:
        _print_match(found)
    for remark in found.remarks:
        click.echo(remark, err=True)


def _print_match(found: Match) -> None:
    from ..matching.outfit import NAMES
    from .tables import Column, print_table, typed_path

    click.echo(f"With the {found.garment.title} ({typed_path(found.garment.source)}):\n")
    for number, outfit in enumerate(found.outfits, start=1):
        lacks = f", without {' and '.join(NAMES[role] for role in outfit.lacks)}" if outfit.lacks else ""
        click.echo(f"Outfit {number}: {outfit.score:.2f}{lacks}")
        others = [(role, one) for role, one in outfit.garments.items() if one.id != found.garment.id]
        print_table(
            (Column("  "), Column(""), Column("", rank=1)),
            [(f"  {role}", one.title, typed_path(one.source)) for role, one in others],
        )
        for reason in outfit.reasons:
            click.echo(f"  – {reason}")
        click.echo()
    rows = [row for one in found.suggestions for row in _rows(one.role, one.pairs)]
    if rows:
        columns = Column("role"), Column("garment"), Column("score", number=True)
        print_table((*columns, Column("photo", rank=2), Column("why", rank=1, sentence=True)), rows)
    for one in found.suggestions:
        if one.missing:
            click.echo(f"{one.missing[:1].upper()}{one.missing[1:]}.", err=True)


def _rows(role: str, pairs: tuple[Pair, ...]) -> list[tuple[str, str, str, str, str]]:
    from .tables import typed_path

    return [
        (
            role,
            pair.second.title,
            f"{pair.score:.2f}",
            typed_path(pair.second.source),
            "; ".join(pair.reasons),
        )
        for pair in pairs
    ]


def _print_together(found: Together) -> None:
    from .tables import Column, print_table

    verdict = "They go together" if found.goes else "They do not go together"
    click.echo(f"{verdict}: {found.outfit.score:.2f}")
    for reason in found.outfit.reasons:
        click.echo(f"  – {reason}")
    click.echo()
    rows = [
        (pair.first.title, pair.second.title, f"{pair.score:.2f}", "; ".join(pair.reasons))
        for pair in found.pairs
    ]
    columns = Column("garment"), Column("with"), Column("score", number=True)
    print_table((*columns, Column("why", rank=1, sentence=True)), rows)
