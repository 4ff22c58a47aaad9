"""What happens is counted in memory that all workers share, and shown as Prometheus text by any of them."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...card import Card
from .counters import (
    ACCEPTED,
    BEGAN,
    LABELS,
    MINUTE,
    MINUTES,
    MOST_LABELS,
    PHOTOS,
    PROCESS,
    REASONS,
    STAMP,
    WIDTH,
    Layout,
    Recorder,
    ServedModel,
)
from .prometheus import Labels, Sample, lines


@dataclass(frozen=True)
class Hour:
    """The photos that a model labelled in the last hour, of these the accepted, and the share of each label.

    There are no shares where there are no photos, or too many classes.
    """

    photos: int
    accepted: int
    shares: dict[str, float]


class Telemetry:
    """The counts of all workers. To be made before these are forked.

    `routes` and `reasons` are all that are distinguished; anything else is counted as "other". `models` are
    the names that are served.

    >>> telemetry = Telemetry(["/tag"], ["photo"])
    >>> telemetry.recorder(0).count_request("/tag", 200, 0.0021)
    >>> 'lapel_requests_total{route="/tag",status="200"} 1' in telemetry.text()
    True
    """

    def __init__(
        self,
        routes: Sequence[str],
        models: Sequence[str],
        workers: int = 1,
        *,
        reasons: Sequence[str] = REASONS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._layout = Layout(routes, reasons, models)
        self._served: dict[str, ServedModel] = {}
        self._clock = clock
        self._began = clock()
        # Anonymous memory is shared with the processes that are forked later.
        memory = mmap.mmap(-1, workers * self._layout.width * 8)
        self._cells = memoryview(memory).cast("d")
        self._rows: NDArray[np.float64] = np.frombuffer(memory).reshape(workers, -1)

    def recorder(self, number: int) -> Recorder:
        """What the process that calls this records with, as worker `number`, counted from 0.

        One that takes the place of another goes on with its counts.
        """
        layout = self._layout
        row = self._cells[number * layout.width : (number + 1) * layout.width]
        row[PROCESS], row[BEGAN] = os.getpid(), self._clock()
        recorder = Recorder(layout, row, self._served, self._clock)
        for name in layout.gauges:
            recorder.set_gauge(name, 0)
        return recorder

    def add_model(self, model: str, card: Card, fingerprint: str) -> None:
        """This process answers with this model from now on, where that name is asked."""
        self._served[model] = ServedModel(card, fingerprint)

    def remove_model(self, model: str) -> None:
        """This process answers no more where that name is asked."""
        self._served.pop(model, None)

    def hour(self, model: str) -> Hour:
        """What all workers labelled in this minute and the 59 before it, with the file served here."""
        served, start = self._served[model], self._layout.hours[model]
        minutes = self._rows[:, start : start + MINUTES * WIDTH].reshape(-1, WIDTH)
        now = int(self._clock() // 60)
        fresh = (minutes[:, MINUTE] > now - MINUTES) & (minutes[:, MINUTE] <= now)
        totals = minutes[fresh & (minutes[:, STAMP] == served.stamp)].sum(axis=0).tolist()
        photos, known = int(totals[PHOTOS]), sum(totals[LABELS:])
        # A worker may be counting: shares add up to 1 all the same, and no more is accepted than came.
        shares = {name: totals[place] / known for name, place in served.places.items() if known}
        return Hour(photos, min(photos, int(totals[ACCEPTED])), shares)

    def text(self) -> str:
        """All of it as Prometheus reads it. Everything but the hours is of the time since the start."""
        parts = (self._counts(), self._service(), self._hours())
        return "".join(f"{line}\n" for part in parts for line in part)

    def _counts(self) -> Iterator[str]:
        totals: list[float] = self._rows[:, : self._layout.counted].sum(axis=0).tolist()
        for family in self._layout.families:
            yield from lines(f"lapel_{family.name}", family.kind, family.help, family.samples(totals))

    def _service(self) -> Iterator[str]:
        models = [
            Sample({"model": name, "fingerprint": model.fingerprint}, 1)
            for name, model in self._served.items()
        ]
        yield from _gauge("model_info", "The models that are served, and the SHA-256 of their files.", models)
        yield from _gauge(
            "start_time_seconds", "When the service began, in Unix time.", [Sample({}, self._began)]
        )
        yield from _gauge(
            "uptime_seconds", "How long it has been running.", [Sample({}, self._clock() - self._began)]
        )
        rows = enumerate(self._rows[:, : BEGAN + 1].tolist())
        workers = [({"worker": str(number)}, process, began) for number, (process, began) in rows if process]
        yield from _gauge(
            "worker_start_time_seconds",
            "When a worker began, in Unix time.",
            [Sample(labels, began) for labels, _, began in workers],
        )
        yield from _gauge(
            "worker_resident_bytes",
            "Memory that a worker holds.",
            [Sample(labels, size) for labels, process, _ in workers if (size := _resident(int(process)))],
        )

    def _hours(self) -> Iterator[str]:
        models = [
            ({"model": name}, self.hour(name), model.card.usual or {"labels": {}})
            for name, model in self._served.items()
        ]
        yield from _gauge(
            "hour_photos",
            "Photos labelled in the last hour.",
            [Sample(labels, hour.photos) for labels, hour, _ in models],
        )
        yield from _gauge(
            "hour_accepted_share",
            "Share of these that was accepted.",
            [Sample(labels, hour.accepted / hour.photos) for labels, hour, _ in models if hour.photos],
        )
        yield from _gauge(
            "hour_label_share",
            "Share of each label among these, accepted or not.",
            [one for labels, hour, _ in models for one in _shares(labels, hour.shares)],
        )
        yield from _gauge(
            "expected_accepted_share",
            "Share that was accepted of the pictures of the model's calibration.",
            [Sample(labels, usual["accepted"]) for labels, _, usual in models if "accepted" in usual],
        )
        yield from _gauge(
            "expected_label_share",
            "Share of each label among those.",
            [one for labels, _, usual in models for one in _shares(labels, usual["labels"])],
        )
        yield from _gauge(
            "label_drift",
            "How far the shares of labels lie from the expected ones, 0 to 1 (total variation distance). "
            "It says little where there are fewer than some hundred photos.",
            [
                Sample(labels, _total_variation(hour.shares, usual["labels"]))
                for labels, hour, usual in models
                if hour.shares and usual["labels"]
            ],
        )


def _gauge(name: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    return lines(f"lapel_{name}", "gauge", text, samples)


def _shares(labels: Labels, shares: Mapping[str, float]) -> list[Sample]:
    few = len(shares) <= MOST_LABELS
    return [Sample({**labels, "label": name}, share) for name, share in shares.items() if few]


def _total_variation(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Half the sum of the differences, 0 to 1."""
    return sum(abs(one.get(name, 0) - other.get(name, 0)) for name in {*one, *other}) / 2


def _resident(process: int) -> int | None:
    """Bytes of memory; nothing where the system does not say, or the process is no more."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
