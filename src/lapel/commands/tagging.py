"""How the tagging of a catalogue shows itself, always on stderr: its progress, and a summary at its end."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from .bar import open_bar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..tag import Row

_QUIET = 1.0  # seconds before anything is shown
_TICK = 0.2
_LINE = 30.0  # seconds between lines where there is no terminal
_SAMPLES = 50  # ticks that the rate is taken over, so that rows which were there already do not count


class CountingProgress:
    """Counts photos by what became of them. Use it in a `with` block, so that the terminal is left as it was.

    `total` tells how many photos there are, or None; it is asked once it takes longer.
    """

    def __init__(self, title: str, total: Callable[[], int | None], *, bar: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._title = title
        self._count = total
        self._total: int | None = None
        self._wants_bar = bar
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._began = self._shown = time.monotonic()
        self._samples: deque[tuple[float, int]] = deque([(self._began, 0)], maxlen=_SAMPLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    @property
    def done(self) -> int:
        """Photos so far, those that could not be read among them."""
        return self.counts.total()

    def count(self, what: str) -> None:
        """Count a photo, and show how far it is from time to time."""
        self.counts[what] += 1
        now = time.monotonic()
        if now - self._samples[-1][0] > _TICK and now - self._began > _QUIET:
            if self._total is None:
                self._total = self._count()
                # A list that cannot be counted is asked for its length once.
                self._count = lambda: None
            self._samples.append((now, self.done))
            self._show(now)

    def say(self, line: str) -> None:
        """Print a line beside the bar."""
        if self._bar:
            self._bar.console.print(line, highlight=False, markup=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def summary(self) -> str:
        """How many photos in how long, and the count of each that became of them."""
        what = "photo" if self.done == 1 else "photos"
        return _table(f"{self.done:,} {what} in {self._clock()}.", self.counts.most_common())

    def _clock(self) -> str:
        return _clock(time.monotonic() - self._began)

    def _show(self, now: float) -> None:
        (then, before) = self._samples[0]
        rate = (self.done - before) / (now - then)
        left = (
            ""
            if self._total is None
            else f"   {_clock(max(0, self._total - self.done) / max(rate, 1e-3))} left"
        )
        text = f"{rate:,.0f} photos/s{left}"
        if self._wants_bar:
            if self._bar is None or self._task is None:
                from rich.progress import MofNCompleteColumn

                self._bar, self._task = open_bar(
                    self._title, MofNCompleteColumn(), "{task.fields[text]}", total=None, fields={"text": ""}
                )
            self._bar.update(self._task, completed=self.done, total=self._total, text=text)
        elif now - self._shown > _LINE:
            self._shown = now
            of = "" if self._total is None else f" of {self._total:,}"
            print(f"{self.done:,}{of}   {text}", file=sys.stderr, flush=True)


class TaggingProgress(CountingProgress):
    """Counts rows of tags."""

    def __init__(self, total: Callable[[], int | None], *, bar: bool) -> None:
        super().__init__("tagging", total, bar=bar)
        self.tagged: Counter[str] = Counter()  # accepted, by label
        self.refused: Counter[str] = Counter()  # not accepted, by reason
        self.failed = 0

    def add(self, row: Row) -> None:
        """Count a row, and show how far it is from time to time."""
        from ..tagger import Untagged

        if isinstance(row, Untagged):
            self.failed += 1
        elif row.accepted:
            self.tagged[row.label] += 1
        else:
            self.refused[row.reason] += 1
        self.count("row")

    def summary(self, found: int = 0) -> str:
        """The count of each accepted label, of each reason for others, and of those that were not read.

        `found` rows were there already.
        """
        rows = [*self.tagged.most_common(), *self.refused.most_common(), ("not read", self.failed)]
        new = self.done - found
        what = "photo" if new == 1 else "photos"
        head = f"{new:,} {what} in {self._clock()}."
        if found and not new:
            head = f"Complete already: {found:,} rows, and no photo that they lack."
        elif found:
            head = f"{new:,} more {what} in {self._clock()}; {found:,} rows were there already."
        return _table(head, rows)


def _table(head: str, rows: Sequence[tuple[str, int]]) -> str:
    width = max((len(label) for label, _ in rows), default=0)
    return "\n".join([head, *(f"  {label:<{width}}  {count:>9,}" for label, count in rows if count)])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
