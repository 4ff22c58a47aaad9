"""A page of photos with their labels, the not accepted ones first, beside the pictures that the model saw."""

from __future__ import annotations

import heapq
from html import escape
from pathlib import Path

from ..decode import decode, source_name
from ..encode import image_uri, to_image
from ..errors import PictureError
from ..files import write_atomic
from ..tagger import Tag, Tagger
from ..wording import percent
from .inputs import Photo
from .pipeline import Row

MOST = 500  # photos on a page, which holds them all within itself
_SIDE = 160  # pixels of a thumbnail
_STYLE = """
:root{color-scheme:light dark;font:14px/1.4 system-ui,sans-serif}
body{margin:2rem;max-width:90rem}
ul{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:1rem;list-style:none;padding:0}
li{border:1px solid #8884;border-radius:6px;padding:.6rem;overflow-wrap:anywhere}
figure{display:flex;gap:.6rem;margin:0 0 .4rem;height:160px;align-items:center}
figure img{max-width:50%;max-height:100%}
img.seen{image-rendering:pixelated;width:112px}
b{font-size:1.1rem}
mark{border-radius:3px;padding:0 .3rem}
small{opacity:.7;display:block}
meter{width:100%}
"""


class Gallery:
    """Keeps the least certain photos of a catalogue, at most MOST, and shows them on one page.

    Those that are not accepted come first, then the others; among both the lowest score comes first.
    """

    def __init__(self, tagger: Tagger) -> None:
        self._tagger = tagger
        self._count = 0
        self._unread: list[str] = []
        self._failed = 0
        # A heap with the most certain on top: whether it is not accepted, its score and its place, negated.
        self._kept: list[tuple[bool, float, int, str]] = []

    def add(self, photo: Photo, row: Row) -> None:
        """Take a row in."""
        self._count += 1
        if not isinstance(row, Tag):
            self._failed += 1
            if len(self._unread) < MOST:
                self._unread.append(row.error.message)
        elif len(self._kept) < MOST or (not row.accepted, -row.score) > self._kept[0][:2]:
            # Drawn at once, for a photo that comes as bytes will not come again.
            entry = (not row.accepted, -row.score, -self._count, self._card(photo, row))
            (heapq.heappush if len(self._kept) < MOST else heapq.heapreplace)(self._kept, entry)

    def write(self, path: Path) -> None:
        """Write the page: one file that needs no other. Raises LapelError where it cannot be written."""
        write_atomic(path, self._page(), elsewhere="Choose another place with --gallery.")

    def _page(self) -> str:
        cards = [card for *_, card in sorted(self._kept, reverse=True)]
        tagged = self._count - self._failed
        shown = f"{len(cards):,} of {tagged:,} photos, the not accepted and the least certain first"
        unread = "".join(f"<li>{escape(message)}</li>" for message in self._unread)
        failed = f"<h2>{self._failed:,} could not be read</h2><ul>{unread}</ul>" if unread else ""
        name = escape(self._tagger.card.name)
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'\">"
            f"<title>Tags by {name}</title><style>{_STYLE}</style>"
            f"<h1>Tags by {name}</h1><p>{shown}; beside each, the picture that the model saw.</p>"
            f"<ul>{''.join(cards)}</ul>{failed}</html>\n"
        )

    def _card(self, photo: Photo, row: Tag) -> str:
        name = escape(source_name(photo.name))
        try:
            thumbnail, seen = self._images(photo)
            pictures = (
                f'<img src="{thumbnail}" alt=""><img class="seen" src="{seen}" alt="as the model saw it">'
            )
        except PictureError as error:  # it has gone since it was tagged
            pictures = escape(error.message)
        said = escape(str(row))
        words = f"<b>{said}</b>" if row.accepted else f"<mark>{said}</mark>"
        others = ", ".join(f"{escape(label)} {percent(share)}" for label, share in row.label_scores[1:3])
        return (
            f"<li><figure>{pictures}</figure>{words}"
            f'<meter value="{row.score:.3f}"></meter><small>{others}</small><small>{name}</small></li>'
        )

    def _images(self, photo: Photo) -> tuple[str, str]:
        if isinstance(photo.source, PictureError):
            raise photo.source
        seen = self._tagger.picture(photo.source)
        size = self._tagger.card.picture.size
        image = decode(photo.source, self._tagger.limits, side=_SIDE, longest=size).convert("RGB")
        image.thumbnail((_SIDE, _SIDE))
        return image_uri(image, "jpeg"), image_uri(to_image(seen), optimize=True)
