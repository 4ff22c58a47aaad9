"""A page of cards that can be filtered, as one file without a script.

The filters are radio buttons, and the style follows them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import TypeAlias

from ..colour import Colour

Facts: TypeAlias = dict[str, str]
Entry: TypeAlias = tuple[Facts, str]  # what a card can be filtered by, and the card itself


def cards_page(title: str, header: str, entries: Sequence[Entry], after: str = "") -> str:
    """The page: a header, filters by the facts of the entries, their cards, and what comes after."""
    kinds = list(dict.fromkeys(kind for facts, _ in entries for kind in facts))
    counts = {kind: Counter(facts[kind] for facts, _ in entries if facts.get(kind)) for kind in kinds}
    places = {kind: {name: place for place, name in enumerate(counts[kind])} for kind in kinds}
    cards = "".join(f'<li class="{_classes(facts, places)}">{card}</li>' for facts, card in entries)
    filters = "".join(_filter(kind, counts[kind], places[kind]) for kind in kinds)
    return whole_page(
        title,
        f'{header}<section><h2>Photos</h2><form class="filters">{filters}</form>'
        f'<ul class="cards">{cards}</ul><p class="shown" role="status"></p></section>{after}',
        _rules(places),
    )


def whole_page(title: str, main: str, style: str = "") -> str:
    """A page in the look of the gallery, as one file that needs no other; `style` adds to that look."""
    own = (resources.files(__package__) / "gallery.css").read_text("utf-8") + style
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{own}</style><main>{main}</main></html>\n"
    )


def dyes(colours: Iterable[Colour]) -> str:
    """A garment's colours as a list; nothing where there are none."""
    items = "".join(
        f'<li><i style="background:{dye.hex}"></i>{escape(dye.name)} {dye.share:.0%}</li>' for dye in colours
    )
    return f'<ul class="dyes" aria-label="colours">{items}</ul>' if items else ""


def _classes(facts: Facts, places: dict[str, dict[str, int]]) -> str:
    return " ".join(f"{kind}-{places[kind][name]}" for kind, name in facts.items() if name)


def _filter(kind: str, counts: Counter[str], places: dict[str, int]) -> str:
    """A radio button for each value, with how many photos have it; nothing where there is no choice."""
    if len(counts) < 2:
        return ""
    options = [f"{kind}-all", *(f"{kind}-{places[name]}" for name, _ in counts.most_common())]
    words = ["all", *(f"{escape(name)} <b>{count:,}</b>" for name, count in counts.most_common())]
    return f"<fieldset><legend>{kind}</legend>{_radios(kind, zip(options, words, strict=True))}</fieldset>"


def _rules(places: Mapping[str, Mapping[str, int]]) -> str:
    """While a value of some kind is chosen, photos that have another are not there."""
    return "".join(
        f"body:has(#{kind}-{number}:checked) .cards>li:not(.{kind}-{number}){{display:none}}"
        for kind, numbers in places.items()
        for number in numbers.values()
    )


def _radios(kind: str, options: Iterable[tuple[str, str]]) -> str:
    return "".join(
        f'<label><input type="radio" name="{kind}" id="{option}"{" checked" * option.endswith("-all")}>'
        f"<span>{words}</span></label>"
        for option, words in options
    )


def bars(title: str, counts: Counter[str], whole: int) -> str:
    """A table of counts with bars; nothing where there are none."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{count:,}</td>'
        f'<td class="strip"><div class="bar" style="--share:{count / whole:.3f}"></div></td></tr>'
        for name, count in counts.most_common()
    )
    return f"<table><caption>{title}</caption><tbody>{rows}</tbody></table>" if rows else ""
