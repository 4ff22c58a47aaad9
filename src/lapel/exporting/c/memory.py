"""Where each value of a program lies in its one piece of static memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A value of `size` numbers, from the step that makes it to the last that reads it."""

    name: str
    size: int
    first: int
    last: int


def place_spans(spans: Sequence[Span]) -> tuple[dict[str, int], int]:
    """The place of each value, and how many numbers that takes in all.

    Values that are needed at the same time do not share a place. The largest are placed first, each as near
    the beginning as it fits.

    >>> place_spans([Span("a", 4, 0, 1), Span("b", 2, 1, 2), Span("c", 4, 2, 3)])
    ({'a': 0, 'c': 0, 'b': 4}, 6)
    """
    placed: list[tuple[int, Span]] = []
    for span in sorted(spans, key=lambda one: -one.size):
        at = 0
        for start, other in sorted(placed, key=lambda one: one[0]):
            together = span.first <= other.last and other.first <= span.last
            if together and start < at + span.size and at < start + other.size:
                at = start + other.size
        placed.append((at, span))
    total = max((at + span.size for at, span in placed), default=0)
    return {span.name: at for at, span in placed}, total
