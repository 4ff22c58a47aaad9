"""Pictures as a page shows them, and those behind each cell of a confusion matrix, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Pictures
from ..encode import image_uri, to_image
from ..judgement import Report
from ..metrics import Numbers, Probabilities
from ..tagger import Tag
from .style import plain

TABLE_CLASSES = 25  # a matrix of more classes is shown as a figure, which stays small
_THUMB = 128  # pixels; larger pictures are shrunk for the page
_SMALL_THUMB = 96  # behind a cell, where there are many
_MOST_CELLS = 300  # that have pictures
_WRONG, _RIGHT = 8, 4  # pictures of a cell, at most
_MOST = 360  # pictures of all cells
_BYTES = 600_000  # that these may take in the page


@dataclass(frozen=True)
class Samples:
    """Pictures (n, height, width, channels), what each is, what was answered, and the name of its file."""

    pictures: Pictures
    actual: Sequence[str]
    tags: Sequence[Tag]
    files: Sequence[str] | None = None


@dataclass(frozen=True)
class Card:
    """One picture with its answer, as the page shows it."""

    source: str
    actual: str
    tag: Tag
    file: str = ""

    @property
    def right(self) -> bool:
        """Whether the label is what it is."""
        return self.tag.label == self.actual

    @property
    def mark(self) -> str:
        """A sign for it; what is not accepted is neither right nor wrong."""
        return "–" if not self.tag.accepted else "✓" if self.right else "✗"

    @property
    def name(self) -> str:
        """The name of its file without the folders, which the page has beside it."""
        return plain(PurePosixPath(self.file).name, 60)


@dataclass(frozen=True)
class Cell:
    """A cell of a confusion matrix: what it says, how deep its colour is (0 to 1), where its pictures are."""

    count: int
    share: str
    depth: float
    right: bool
    anchor: str
    words: str


@dataclass(frozen=True)
class CellPictures:
    """The pictures behind a cell: of the wrong ones those that are most sure, of the right ones the least."""

    anchor: str
    actual: str
    predicted: str
    count: int
    share: float  # of the class
    cards: Sequence[Card]

    @property
    def right(self) -> bool:
        """Whether it is a cell of the diagonal."""
        return self.actual == self.predicted


def cards(some: Samples, side: int = _THUMB) -> list[Card]:
    """Pictures as cards."""
    files = some.files or [""] * len(some.tags)
    return [
        Card(_thumbnail(picture, side), actual, tag, file)
        for picture, actual, tag, file in zip(some.pictures, some.actual, some.tags, files, strict=True)
    ]


def cells(report: Report, order: Sequence[int], shown: Sequence[CellPictures]) -> list[list[Cell]]:
    """The rows of the confusion matrix, its classes in this order."""
    anchors = {one.anchor for one in shown}
    return [[_cell(report, row, column, anchors) for column in order] for row in order]


def _cell(report: Report, actual: int, predicted: int, anchors: set[str]) -> Cell:
    row = report.confusion[actual]
    count, total = row[predicted], sum(row) or 1
    share, right = count / total, actual == predicted
    anchor = _anchor(actual, predicted)
    names = [plain(report.class_names[number], 60) for number in (actual, predicted)]
    words = f"{names[0]}, answered right" if right else f"{names[0]}, taken for {names[1]}"
    return Cell(
        count,
        f"{100 * share:.{1 if share < 0.01 else 0}f}",
        # A root lets the few mistakes be seen beside the many right answers.
        round(share if right else share**0.5, 3),
        right,
        anchor if anchor in anchors else "",
        f"{words}: {count:,} {'picture' if count == 1 else 'pictures'}",
    )


def cell_pictures(
    report: Report,
    probabilities: Probabilities,
    labels: Numbers,
    show: Callable[[NDArray[np.intp]], Samples],
) -> list[CellPictures]:
    """Pictures for the cells of a confusion matrix, the largest mistakes first, the diagonal last.

    `show` gives the pictures at some places, fewer where they cannot be read any more. Every cell gets its
    first picture before any gets its second, until the bounds are reached.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    pairs = np.argwhere(np.array(report.confusion))
    counts = np.array(report.confusion)[pairs[:, 0], pairs[:, 1]]
    wanted = sorted(
        (bool(one == other), -int(count), int(one), int(other))
        for (one, other), count in zip(pairs, counts, strict=True)
    )[:_MOST_CELLS]
    chosen: dict[tuple[int, int], NDArray[np.intp]] = {}
    for right, _, one, other in wanted:
        places = np.flatnonzero((labels == one) & (predicted == other))
        ranked = places[np.argsort(confidence[places] * (1 if right else -1), kind="stable")]
        chosen[one, other] = ranked[: _RIGHT if right else _WRONG]
    turns = [places[turn] for turn in range(_WRONG) for places in chosen.values() if turn < len(places)]
    found: dict[tuple[str, str], list[Card]] = {}
    room = _BYTES
    for card in cards(show(np.array(turns[:_MOST], dtype=np.intp)), _SMALL_THUMB):
        room -= len(card.source) + len(card.file)
        if room < 0:
            break
        found.setdefault((card.actual, card.tag.label), []).append(card)
    names, totals = report.class_names, [sum(row) or 1 for row in report.confusion]
    return [
        CellPictures(
            _anchor(one, other),
            names[one],
            names[other],
            -count,
            -count / totals[one],
            found[names[one], names[other]],
        )
        for _, count, one, other in wanted
        if (names[one], names[other]) in found
    ]


def _anchor(actual: int, predicted: int) -> str:
    return f"cell-{actual}-{predicted}"


def _thumbnail(picture: NDArray[np.uint8], side: int) -> str:
    image = to_image(picture)
    large = max(image.size) > side
    image.thumbnail((side, side))
    return image_uri(image, "jpeg" if large else "png", optimize=not large)
