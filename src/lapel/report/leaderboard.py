"""Several runs of the same data -> a page on which they stand side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from ..choice import kept_epoch
from ..comparison import Row, compare
from ..confidence import ReliabilityBin, calibration_error, reliability
from ..data import Progress
from ..errors import RunError
from ..evaluation import evaluate
from ..files import write_atomic
from ..metrics import wilson_interval
from ..runs import Run
from .certainty_figures import small_reliability
from .learning_figures import COMPARED, compare_panel
from .render import environment, render
from .style import svg

_DIAGRAMS = 24  # runs with a reliability diagram of their own
_ELSEWHERE = "Choose another folder with --out."


@dataclass(frozen=True)
class Entry:
    """One run on the leaderboard; the accuracy is that of the validation pictures."""

    row: Row
    accuracy: float
    interval: tuple[float, float]
    pictures: int
    error: float  # of calibration
    table: tuple[ReliabilityBin, ...]
    epoch: str  # which one is kept
    link: str  # the page of its own report; "" where there is none
    first: bool  # what the others are held against


def write_leaderboard(runs: Sequence[Run], folder: str | Path, progress: Progress | None = None) -> Path:
    """Write the page of two or more runs into a folder, and give its path, `index.html`.

    The best on validation pictures stands first; each is held against the first one given, on the same
    pictures. A run that was not judged on its validation pictures yet is judged now; the test pictures are
    never looked at for this. Beside the page lies `comparison.json`. Raises what `compare` raises, and
    MissingExtra where matplotlib or Jinja2 is not installed.
    """
    made, place = environment(), Path(folder)
    for run in runs:
        if run.predictions("validation") is None:
            evaluate(run, progress=progress)
    comparison = compare(runs, progress)
    rows = list(zip(comparison.rows, runs, strict=True))
    entries = [_entry(row, run, place, first=run is runs[0]) for row, run in rows]
    entries.sort(key=lambda one: -one.accuracy)
    curves = [(name, history) for name, history in comparison.curves if history]
    content = {
        "entries": entries,
        "dataset": comparison.rows[0].dataset,
        "fingerprint": comparison.rows[0].fingerprint,
        "reference": comparison.rows[0].run,
        "looked": [one.row.run for one in entries if one.row.test_accuracy is not None],
        "problems": [(row.run, row.problem) for row in comparison.rows if row.problem],
        "curves": [(which, svg(compare_panel(curves, which), which)) for which in COMPARED] if curves else [],
        "diagrams": [
            (one.row.run, svg(small_reliability(one.table), f"diagram-{number}"))
            for number, one in enumerate(entries[:_DIAGRAMS])
        ],
    }
    write_atomic(place / "index.html", render(made, "leaderboard.html", content), elsewhere=_ELSEWHERE)
    write_atomic(place / "comparison.json", comparison.to_json(), elsewhere=_ELSEWHERE)
    return place / "index.html"


def _entry(row: Row, run: Run, place: Path, *, first: bool) -> Entry:
    kept = run.predictions("validation")
    if kept is None:
        raise RunError(f"{run.name} holds no predictions.", f"Run `lapel evaluate {run.name}` first.")
    probabilities, labels = kept
    right = int(np.sum(probabilities.argmax(axis=1) == labels))
    history = run.history
    page = run.report_folder / "index.html"
    return Entry(
        row=row,
        accuracy=right / len(labels),
        interval=wilson_interval(right, len(labels)),
        pictures=len(labels),
        error=calibration_error(probabilities, labels),
        table=reliability(probabilities, labels, 10),
        epoch=f"{kept_epoch(run.recipe, history).number} of {len(history)}" if history else "–",
        link=quote(Path(os.path.relpath(page.resolve(), place.resolve())).as_posix())
        if page.is_file()
        else "",
        first=first,
    )
