"""A page of photos with their labels: a summary, filters, and the not accepted ones first.

It is one file that needs no other and no script: the filters are radio buttons, and the style follows them.
"""

from __future__ import annotations

import heapq
from collections import Counter
from html import escape
from pathlib import Path

from ..decode import decode, source_name
from ..encode import image_uri, to_image
from ..errors import PictureError
from ..files import write_atomic
from ..tagger import Tag, Tagger
from ..wording import percent
from .cards import Entry, Facts, bars, cards_page, dyes
from .inputs import Photo
from .pipeline import Row

MOST = 500  # photos on a page, which holds them all within itself
_SIDE = 160  # pixels of a thumbnail


class Gallery:
    """Keeps the least certain photos of a catalogue, at most MOST, and shows them on one page.

    Those that are not accepted come first, then the others; among both the lowest score comes first.
    """

    def __init__(self, tagger: Tagger) -> None:
        self._tagger = tagger
        self._count = 0
        self._unread: list[str] = []
        self._labels: Counter[str] = Counter()  # accepted
        self._reasons: Counter[str] = Counter()  # not accepted
        self._failed = 0
        # A heap with the most certain on top: whether it is not accepted, its score and its place, negated.
        self._kept: list[tuple[bool, float, int, Entry]] = []

    def add(self, photo: Photo, row: Row) -> None:
        """Take a row in."""
        self._count += 1
        if not isinstance(row, Tag):
            self._failed += 1
            if len(self._unread) < MOST:
                self._unread.append(row.error.message)
            return
        (self._labels if row.accepted else self._reasons)[row.label if row.accepted else row.reason] += 1
        if len(self._kept) < MOST or (not row.accepted, -row.score) > self._kept[0][:2]:
            # Drawn at once, for a photo that comes as bytes will not come again.
            entry = (not row.accepted, -row.score, -self._count, (_facts(row), self._card(photo, row)))
            (heapq.heappush if len(self._kept) < MOST else heapq.heapreplace)(self._kept, entry)

    def write(self, path: Path) -> None:
        """Write the page: one file that needs no other. Raises LapelError where it cannot be written."""
        write_atomic(path, self._page(), elsewhere="Choose another place with --gallery.")

    def _page(self) -> str:
        entries = [entry for *_, entry in sorted(self._kept, key=lambda one: one[:3], reverse=True)]
        unread = "".join(f"<li>{escape(message)}</li>" for message in self._unread)
        failed = (
            f'<section><h2>{self._failed:,} could not be read</h2><ul class="unread">{unread}</ul></section>'
        )
        name = self._tagger.card.name
        return cards_page(
            f"Tags by {name}", self._summary(len(entries)), entries, failed if self._unread else ""
        )

    def _summary(self, shown: int) -> str:
        """How many there are, and what was said of them: of all, not only of those that are shown."""
        tagged, accepted = self._count - self._failed, self._labels.total()
        share = f"{100 * accepted / tagged:.0f}<small>%</small>" if tagged else "–"
        unread = f" {self._failed:,} could not be read." if self._failed else ""
        return (
            f'<header><h1>Tags by {escape(self._tagger.card.name)}</h1><div class="headline"><div>'
            f'<p class="score">{share}</p><p class="lead">of {tagged:,} photos accepted.{unread}'
            f"<span>Here are {shown:,} of {tagged:,} photos, the not accepted and the least certain first, "
            "each beside the picture that the model saw.</span></p></div>"
            f"{bars('accepted, by label', self._labels, tagged)}"
            f"{bars('I don&#x27;t know, by reason', self._reasons, tagged)}</div></header>"
        )

    def _card(self, photo: Photo, row: Tag) -> str:
        name = escape(source_name(photo.name))
        try:
            thumbnail, seen = self._images(photo)
            pictures = (
                f'<img src="{thumbnail}" alt="{name}">'
                f'<img class="seen" src="{seen}" alt="as the model saw it">'
            )
        except PictureError as error:  # it has gone since it was tagged
            pictures = escape(error.message)
        others = ", ".join(f"{escape(label)} {percent(share)}" for label, share in row.label_scores[1:3])
        parts = [
            f"<figure>{pictures}</figure>",
            f'<p class="{"said" if row.accepted else "doubt"}">{escape(str(row))}</p>',
            f'<meter value="{row.score:.3f}" aria-label="score"></meter>',
            f'<p class="others">then {others}</p>' if others else "",
            dyes(row.colours),
            f'<p class="name">{name}</p>',
        ]
        return "".join(parts)

    def _images(self, photo: Photo) -> tuple[str, str]:
        if isinstance(photo.source, PictureError):
            raise photo.source
        seen = self._tagger.picture(photo.source)
        size = self._tagger.card.picture.size
        image = decode(photo.source, self._tagger.limits, side=_SIDE, longest=size).convert("RGB")
        image.thumbnail((_SIDE, _SIDE))
        return image_uri(image, "jpeg"), image_uri(to_image(seen), optimize=True)


def _facts(row: Tag) -> Facts:
    colour = row.colours[0].name if row.colours else ""
    return {"label": row.label, "colour": colour, "reason": row.reason or "accepted"}
