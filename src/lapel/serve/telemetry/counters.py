"""A row of numbers that one worker writes and all may read: what lies where in it, and how it is counted.

A worker writes only its own row, and only from the thread of its event loop: so nothing is ever locked. Every
number is a float of eight bytes, aligned, so that whoever reads sees it as it was before or as it is after.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Literal, TypeAlias

from ...card import Card
from ...errors import LapelError
from ...tagger import UNSURE, Tag
from .prometheus import Kind, Sample, histogram

OTHER = "other"  # a route, a status or a reason that was not foreseen

# Why something was not taken on, or was given up.
REASONS = (
    "connections",  # too many
    "head",  # too long
    "malformed",
    "too_large",
    "bytes",  # of all requests together: too many
    "photos",  # at the batcher: too many
    "lessons",  # that wait: too many
    "slow",  # to send
    "deadline",  # of the answer
    "pipeline",  # too long
)

MOST_LABELS = 64  # of a model with more classes, labels are not kept
# The last hour of a model: for each minute its number, whose answers these are, photos, accepted, and labels.
MINUTES = 60
MINUTE, STAMP, PHOTOS, ACCEPTED, LABELS = range(5)
WIDTH = LABELS + MOST_LABELS
PROCESS, BEGAN, _FIRST = range(3)  # a row begins with the number of its process, and when that began

Gauge: TypeAlias = Literal["queue_photos", "connections", "inflight_bytes"]
_Series: TypeAlias = tuple[str, ...]  # the values of its labels

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
_GAUGES: dict[Gauge, str] = {
    "queue_photos": "Photos that wait or are being worked on.",
    "connections": "Connections that are open.",
    "inflight_bytes": "Bytes of requests that are held in memory.",
}
_STATUSES = (*(str(status.value) for status in HTTPStatus), OTHER)
_OUTCOMES = ("accepted", "unsure", "rejected", "error")


@dataclass(frozen=True)
class ServedModel:
    """A model that a worker answers with, of a file with this SHA-256."""

    card: Card
    fingerprint: str

    @cached_property
    def places(self) -> dict[str, int]:
        """Where in a minute each label is counted."""
        names = self.card.class_names
        return {name: LABELS + place for place, name in enumerate(names) if len(names) <= MOST_LABELS}

    @cached_property
    def stamp(self) -> float:
        """A number that another file would not have, and that a float holds."""
        return float(int(self.fingerprint[:12], 16))


@dataclass
class Family:
    """Where the numbers of one metric lie, one for each series; a histogram has two more than bounds."""

    name: str
    kind: Kind
    help: str
    labels: Sequence[str] = ()
    series: Sequence[_Series] = ((),)
    bounds: Sequence[float] = ()
    places: dict[_Series, int] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """How many numbers a series has."""
        return len(self.bounds) + 2 if self.bounds else 1

    def samples(self, totals: Sequence[float]) -> Iterator[Sample]:
        """Its numbers, with their labels."""
        for series, start in self.places.items():
            labels = dict(zip(self.labels, series, strict=True))
            *counts, last = totals[start : start + self.width]
            # There are a thousand pairs of routes and statuses: what never was is left out.
            if "route" in labels and not any((*counts, last)):
                continue
            yield from histogram(labels, self.bounds, counts, last) if counts else [Sample(labels, last)]


class Layout:
    """Where everything lies in a row."""

    def __init__(self, routes: Sequence[str], reasons: Sequence[str], models: Sequence[str]) -> None:
        self.width = _FIRST
        self.families: list[Family] = []
        by_route = [(route,) for route in dict.fromkeys((*routes, OTHER))]
        answers = [(route, status) for (route,) in by_route for status in _STATUSES]
        refusals = [(reason,) for reason in dict.fromkeys((*reasons, OTHER))]
        outcomes = [(model, outcome) for model in models for outcome in _OUTCOMES]
        self.requests = self._place(
            Family("requests_total", "counter", "Requests answered.", ("route", "status"), answers)
        )
        text = "From the first byte of a request to its answer."
        self.seconds = self._place(
            Family("request_seconds", "histogram", text, ("route",), by_route, _SECONDS)
        )
        text = "What was not taken on, or was given up."
        self.refused = self._place(Family("refused_total", "counter", text, ("reason",), refusals))
        text = "Photos, by what came of them."
        self.photos = self._place(Family("photos_total", "counter", text, ("model", "outcome"), outcomes))
        text = "Photos that a thread took at once."
        self.sizes = self._place(Family("batch_photos", "histogram", text, bounds=_SIZES))
        text = "How long the first of these had waited."
        self.wait_seconds = self._place(Family("wait_seconds", "histogram", text, bounds=_SECONDS))
        text = "How long it took to read and to label these."
        self.model_seconds = self._place(Family("model_seconds", "histogram", text, bounds=_SECONDS))
        self.gauges = {name: self._place(Family(name, "gauge", text)) for name, text in _GAUGES.items()}
        self.counted = self.width
        self.hours = {model: self.counted + number * MINUTES * WIDTH for number, model in enumerate(models)}
        self.width += len(models) * MINUTES * WIDTH

    def _place(self, family: Family) -> Family:
        for series in family.series:
            family.places[series] = self.width
            self.width += family.width
        self.families.append(family)
        return family


class Recorder:
    """Counts what one worker does. To be used only by the thread of its event loop."""

    def __init__(
        self,
        layout: Layout,
        row: memoryview[float],
        served: Mapping[str, ServedModel],
        clock: Callable[[], float],
    ) -> None:
        self._layout, self._row, self._served, self._clock = layout, row, served, clock

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        layout = self._layout
        if (route,) not in layout.seconds.places:
            route = OTHER
        places = layout.requests.places
        self._row[places.get((route, str(status))) or places[route, OTHER]] += 1
        self._observe(layout.seconds, (route,), seconds)

    def count_refusal(self, reason: str) -> None:
        """Something was not taken on, or was given up."""
        places = self._layout.refused.places
        self._row[places.get((reason,)) or places[OTHER,]] += 1

    def count_batch(self, size: int, waited: float, ran: float) -> None:
        """A thread took so many photos at once, of which the first had waited, and was done with them."""
        self._observe(self._layout.sizes, (), size)
        self._observe(self._layout.wait_seconds, (), waited)
        self._observe(self._layout.model_seconds, (), ran)

    def count_photo(self, model: str, tag: Tag | LapelError) -> None:
        """A photo was labelled by the model of this name, or could not be."""
        row, places = self._row, self._layout.photos.places
        if (model, "error") not in places:
            return  # it was taught here: when all was laid out, nobody knew its name
        if isinstance(tag, LapelError):
            row[places[model, "error"]] += 1
            return
        outcome = "accepted" if tag.accepted else "unsure" if tag.reason == UNSURE else "rejected"
        row[places[model, outcome]] += 1
        if served := self._served.get(model):
            minute = self._minute(model, served.stamp)
            row[minute + PHOTOS] += 1
            row[minute + ACCEPTED] += tag.accepted
            if place := served.places.get(tag.label):
                row[minute + place] += 1

    def _minute(self, model: str, stamp: float) -> int:
        """Where this minute is counted."""
        row, now = self._row, int(self._clock() // 60)
        start = self._layout.hours[model] + now % MINUTES * WIDTH
        if row[start + MINUTE] != now or row[start + STAMP] != stamp:
            # What is left of another hour or another model goes before this minute gets its number.
            for place in range(start, start + WIDTH):
                row[place] = 0
            row[start + STAMP] = stamp
            row[start + MINUTE] = now
        return start

    def set_gauge(self, name: Gauge, value: float) -> None:
        """So much there is now: set it when it changes, or every second."""
        self._row[self._layout.gauges[name].places[()]] = value

    def _observe(self, family: Family, series: _Series, value: float) -> None:
        start, bounds = family.places[series], family.bounds
        self._row[start + bisect_left(bounds, value)] += 1
        self._row[start + len(bounds) + 1] += value
