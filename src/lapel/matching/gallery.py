"""A page of what goes with a garment: outfits side by side, then garments role by role, all with reasons.

It is one file that needs no other and no script.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path

from ..encode import data_uri
from ..files import write_atomic
from ..tag.cards import dyes, whole_page
from .garment import Garment
from .match import Match
from .outfit import NAMES, Outfit
from .suggest import Suggestions


def write_gallery(found: Match, path: Path) -> None:
    """Write the page. Raises LapelError where it cannot be written."""
    write_atomic(path, page(found), elsewhere="Choose another place with --gallery.")


def page(found: Match) -> str:
    """The page as HTML."""
    title = f"With the {found.garment.title}"
    outfits = "".join(_outfit(number, one, found) for number, one in enumerate(found.outfits, start=1))
    roles = "".join(_role(one) for one in found.suggestions)
    remarks = "".join(f"<p>{escape(remark)}</p>" for remark in found.remarks)
    style = (resources.files(__package__) / "gallery.css").read_text("utf-8")
    main = (
        f"<header>{_picture(found.garment)}<div><h1>{escape(title)}</h1>"
        f'<p class="name">{escape(found.garment.source)}</p>{dyes(found.garment.colours)}'
        '<p class="lead">Scores are those of rules that people wrote down, from 0 to 1. They are no measured '
        f'taste.</p><div class="remarks">{remarks}</div></div></header>'
        f'<section><h2>Outfits</h2><ol class="outfits">{outfits}</ol></section>'
        f"{roles}"
    )
    return whole_page(title, main, style)


def _outfit(number: int, outfit: Outfit, found: Match) -> str:
    pieces = "".join(
        f"<li{' class=own' if one.id == found.garment.id else ''}>{_picture(one)}"
        f'<p class="said">{escape(one.title)}</p><p class="name">{escape(Path(one.source).name)}</p></li>'
        for one in outfit.garments.values()
    )
    lacks = "".join(f'<li class="lacks">no {escape(NAMES[role])}</li>' for role in outfit.lacks)
    return (
        f'<li><h3>Outfit {number} <span>{outfit.score:.2f}</span></h3><ul class="pieces">{pieces}{lacks}</ul>'
        f"{_reasons(outfit.reasons)}</li>"
    )


def _role(one: Suggestions) -> str:
    cards = "".join(
        f'<li>{_picture(pair.second)}<p class="said">{escape(pair.second.title)} '
        f"<span>{pair.score:.2f}</span></p>{_reasons(pair.reasons)}"
        f'<p class="name">{escape(Path(pair.second.source).name)}</p></li>'
        for pair in one.pairs
    )
    said = f"{one.missing[:1].upper()}{one.missing[1:]}."
    held = f'<ul class="pieces">{cards}</ul>' if cards else f"<p>{escape(said)}</p>"
    name = NAMES[one.role]
    return f"<section><h2>{escape(name[:1].upper() + name[1:])}</h2>{held}</section>"


def _picture(garment: Garment) -> str:
    if not garment.thumbnail:
        return "<figure></figure>"
    return f'<figure><img src="{data_uri(garment.thumbnail, "jpeg")}" alt="{escape(garment.title)}"></figure>'


def _reasons(reasons: Sequence[str]) -> str:
    return f'<ul class="reasons">{"".join(f"<li>{escape(reason)}</li>" for reason in reasons)}</ul>'
