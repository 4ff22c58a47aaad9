"""A page of what was found in an index, in the look of the gallery of tags."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from ..decode import source_name
from ..encode import data_uri
from ..files import write_atomic
from ..tag.cards import Entry, cards_page, dyes
from ..tag.gallery import MOST
from ..wording import percent
from .rows import Hit


def write_gallery(hits: Sequence[Hit], path: Path, title: str, query: bytes | None = None) -> None:
    """Write a page of hits, at most MOST, in their order; `query` is a JPEG of what was searched with.

    Raises LapelError where it cannot be written.
    """
    shown = hits[:MOST]
    page = cards_page(title, _header(title, len(shown), len(hits), query), [_entry(hit) for hit in shown])
    write_atomic(path, page, elsewhere="Choose another place with --gallery.")


def _header(title: str, shown: int, count: int, query: bytes | None) -> str:
    rest = f" Here are the first {shown:,}." if shown < count else ""
    picture = (
        f'<figure><img src="{data_uri(query, "jpeg")}" alt="the photo searched with"></figure>'
        if query
        else ""
    )
    return (
        f'<header><h1>{escape(title)}</h1><div class="headline"><div><p class="score">{count:,}</p>'
        f'<p class="lead">{"photo" if count == 1 else "photos"} found.'
        f"<span>{'The most alike first.' if query else 'In the order in which they came.'}{rest}</span></p>"
        f"</div>{picture}</div></header>"
    )


def _entry(hit: Hit) -> Entry:
    colour = hit.colours[0].name if hit.colours else ""
    facts = {"kind": hit.kind, "colour": colour, "label": hit.label if hit.accepted else "I don't know"}
    name = escape(source_name(hit.source))
    said = escape(hit.kind)
    alike = "" if hit.similarity is None else f", {percent(max(0.0, hit.similarity))} alike"
    meter = (
        ""
        if hit.similarity is None
        else f'<meter value="{max(0.0, hit.similarity):.3f}" aria-label="similarity"></meter>'
    )
    return facts, "".join(
        [
            f'<figure><img src="{data_uri(hit.thumbnail, "jpeg")}" alt="{name}"></figure>',
            f'<p class="said">{said}{alike}</p>',
            meter,
            f'<p class="others">{escape(hit.label if hit.accepted else f"closest: {hit.label}")}</p>',
            dyes(hit.colours),
            f'<p class="name">{name}</p>',
        ]
    )
