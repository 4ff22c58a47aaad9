"""Likes of somebody -> a taste: logistic regression on pairs of garments, judged with each pair left out."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import LapelError
from ..files import file_errors
from ..metrics import wilson_interval
from ..teaching.head import Head, fit_head
from .garment import Garment
from .pairs import judge_pair
from .rules import Rules

LEAST = 30  # pairs; a figure of fewer says next to nothing
LEAST_OF_EITHER = 8  # liked, and not liked
_COLUMNS = ("first", "second", "like")
_WORDS = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
_PENALTY = 0.1  # on the squares of weights of standardised features
_LARGEST = 100_000  # rows

Features = NDArray[np.float64]


@dataclass(frozen=True)
class Like:
    """Whether somebody likes two garments together, which are named as in their wardrobe."""

    first: str
    second: str
    liked: bool


@dataclass(frozen=True)
class LearnedTaste:
    """What was learned of somebody's likes.

    `right` of `pairs` were answered rightly while they were left out, and `frequent` are those with the more
    frequent answer: what saying it always would reach. It counts only where it is better than that.
    """

    head: Head
    mean: Features
    spread: Features
    rules: Rules
    pairs: int
    right: int
    frequent: int

    @property
    def counts(self) -> bool:
        """Whether it tells more than the more frequent answer does."""
        return self.right > self.frequent

    def __call__(self, first: Garment, second: Garment) -> float:
        """How probably the person likes these two together."""
        logits = self.head.logits((pair_features(first, second, self.rules) - self.mean) / self.spread)
        return float(1 / (1 + np.exp(logits[0] - logits[1])))

    def __str__(self) -> str:
        low, high = wilson_interval(self.right, self.pairs)
        told = (
            f"Likes: {self.right} of {self.pairs} pairs were told rightly while left out "
            f"({self.right / self.pairs:.0%}, 95 % interval {low:.0%} to {high:.0%}); "
            f"the more frequent answer alone reaches {self.frequent / self.pairs:.0%}"
        )
        return f"{told}." if self.counts else f"{told}, so they do not count."


def read_likes(path: Path) -> list[Like]:
    """The likes in a CSV file with the columns first, second and like (1 or 0, yes or no).

    Raises LapelError where it cannot be read or a row says something else; it names the row.
    """
    with file_errors(path, elsewhere="Choose another file with --likes."):
        text = path.read_text("utf-8-sig", errors="replace")
    rows = csv.DictReader(text.splitlines())
    names = [name.strip().lower() for name in rows.fieldnames or ()]
    if any(column not in names for column in _COLUMNS):
        raise LapelError(
            f"{path}: expected the columns {', '.join(_COLUMNS)}; found {', '.join(names) or 'none'}.",
            "Write a line for each pair: shirt.jpg,trousers.jpg,1",
        )
    rows.fieldnames = names
    return list(_likes(rows, path))


def learn_taste(likes: Sequence[Like], garments: Mapping[str, Garment], rules: Rules) -> LearnedTaste:
    """Learn what somebody likes together. `garments` are those of the wardrobe by every name that they have.

    Raises LapelError where too few pairs are known.
    """
    known = {
        frozenset((like.first, like.second)): like
        for like in likes
        if like.first in garments and like.second in garments and like.first != like.second
    }
    rows = [pair_features(garments[like.first], garments[like.second], rules) for like in known.values()]
    labels = np.array([int(like.liked) for like in known.values()], np.intp)
    liked = int(labels.sum())
    if len(labels) < LEAST or min(liked, len(labels) - liked) < LEAST_OF_EITHER:
        raise LapelError(
            f"{len(labels)} pairs of this wardrobe, {liked} of them liked: too few to learn a taste from"
            f" ({len(likes) - len(labels)} rows name others or name a pair again).",
            f"At least {LEAST} pairs are needed, {LEAST_OF_EITHER} liked and {LEAST_OF_EITHER} not.",
        )
    features = np.stack(rows)
    right = sum(_right_without(place, features, labels) for place in range(len(labels)))
    head, mean, spread = _fit(features, labels)
    return LearnedTaste(head, mean, spread, rules, len(labels), right, max(liked, len(labels) - liked))


def pair_features(first: Garment, second: Garment, rules: Rules) -> Features:
    """What of two garments is learned from, whichever comes first: what the rules find, and their colours."""
    found = {one.question: one.score for one in judge_pair(first, second, rules).findings}
    tones = [garment.tones for garment in (first, second)]
    chroma = [sum(tone.share * tone.chroma for tone in some) for some in tones]
    turn = 0.0
    if all(tones):
        hues = np.radians([some[0].hue for some in tones])
        turn = float(np.cos(hues[0] - hues[1])) * min(1.0, 10 * min(some[0].chroma for some in tones))
    questions = [found.get(name, 0.5) for name in ("colour", "contrast", "occasion", "season", "pattern")]
    light = first.lightness, second.lightness
    return np.array(
        [*questions, abs(light[0] - light[1]), sum(light), sum(chroma), abs(chroma[0] - chroma[1]), turn]
    )


def _likes(rows: csv.DictReader[str], path: Path) -> Iterator[Like]:
    for number, row in enumerate(rows, start=2):
        if number > _LARGEST:
            raise LapelError(f"{path}: more than {_LARGEST:,} rows.", "Keep the pairs that matter.")
        first, second, like = ((row[column] or "").strip() for column in _COLUMNS)
        if not first or not second or like.lower() not in _WORDS:
            raise LapelError(
                f"{path}, line {number}: expected two garments and 1 or 0; found "
                f"{first!r}, {second!r} and {like!r}.",
                "Write a line for each pair: shirt.jpg,trousers.jpg,1",
            )
        yield Like(first, second, _WORDS[like.lower()])


def _fit(features: Features, labels: NDArray[np.intp]) -> tuple[Head, Features, Features]:
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread < 1e-9, np.inf, spread)  # what is always the same says nothing
    return fit_head((features - mean) / spread, labels, _PENALTY), mean, spread


def _right_without(place: int, features: Features, labels: NDArray[np.intp]) -> bool:
    """Whether a pair is told rightly by what was learned from all others."""
    head, mean, spread = _fit(np.delete(features, place, axis=0), np.delete(labels, place))
    return bool(head.logits((features[place] - mean) / spread).argmax() == labels[place])
