"""How the tagging of a catalogue shows itself, always on stderr: its progress, and a summary at its end."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable
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


class TaggingProgress:
    """Counts rows. Use it in a `with` block, so that the terminal is left as it was.

    `count` tells how many photos there are, or None; it is asked once it takes longer.
    """

    def __init__(self, count: Callable[[], int | None], *, bar: bool) -> None:
        self.tagged: Counter[str] = Counter()  # accepted, by label
        self.refused: Counter[str] = Counter()  # not accepted, by reason
        self.failed = 0
        self._count = count
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
        """Rows so far, those of photos that could not be read among them."""
        return self.tagged.total() + self.refused.total() + self.failed

    def add(self, row: Row) -> None:
        """Count a row, and show how far it is from time to time."""
        from ..tagger import Untagged

        if isinstance(row, Untagged):
            self.failed += 1
        elif row.accepted:
            self.tagged[row.label] += 1
        else:
            self.refused[row.reason] += 1
        now = time.monotonic()
        if now - self._samples[-1][0] > _TICK and now - self._began > _QUIET:
            if self._total is None:
                self._total = self._count()
                # A list that cannot be counted is asked for its length once.
                self._count = lambda: None
            self._samples.append((now, self.done))
            self._show(now)

    def summary(self, found: int = 0) -> str:
        """The count of each accepted label, of each reason for others, and of those that were not read.

        `found` rows were there already.
        """
        seconds = time.monotonic() - self._began
        rows = [*self.tagged.most_common(), *self.refused.most_common(), ("not read", self.failed)]
        width = max(len(label) for label, _ in rows)
        new = self.done - found
        what = "photo" if new == 1 else "photos"
        head = f"{new:,} {what} in {_clock(seconds)}."
        if found and not new:
            head = f"Complete already: {found:,} rows, and no photo that they lack."
        elif found:
            head = f"{new:,} more {what} in {_clock(seconds)}; {found:,} rows were there already."
        return "\n".join([head, *(f"  {label:<{width}}  {count:>9,}" for label, count in rows if count)])

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
                    "tagging", MofNCompleteColumn(), "{task.fields[text]}", total=None, fields={"text": ""}
                )
            self._bar.update(self._task, completed=self.done, total=self._total, text=text)
        elif now - self._shown > _LINE:
            self._shown = now
            of = "" if self._total is None else f" of {self._total:,}"
            print(f"{self.done:,}{of}   {text}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
