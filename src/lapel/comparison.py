"""Two or more runs side by side, and whether their difference may be chance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from . import metrics
from .engines.protocol import Epoch
from .errors import RunError
from .runs import Run


@dataclass(frozen=True)
class Row:
    """One run of a comparison. None stands for what is not known (yet)."""

    run: str
    recipe: str
    engine: str
    dataset: str
    fingerprint: str
    parameters: int
    epochs: int
    validation_accuracy: float | None  # of the epoch whose weights the run keeps
    test_accuracy: float | None  # where the test pictures were looked at
    seconds: float
    p: float | None  # McNemar's exact test against the first run, on the same pictures
    p_split: str | None  # the pictures that `p` speaks of: test or validation


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs side by side: a row each, and the history of each for a figure of their curves."""

    rows: tuple[Row, ...]
    curves: tuple[tuple[str, tuple[Epoch, ...]], ...]

    def __repr__(self) -> str:
        return f"Comparison({', '.join(row.run for row in self.rows)})"

    def to_json(self) -> str:
        """The comparison as JSON text."""
        return json.dumps(asdict(self), indent=2)


def compare(runs: Sequence[Run]) -> Comparison:
    """Put two or more runs side by side; the first is what the others are tested against.

    Nothing is judged anew: the figures are those that training and `evaluate` left in the runs.
    Raises RunError for fewer than two runs.
    """
    if len({run.path.resolve() for run in runs}) < 2:
        raise RunError(
            f"A comparison needs at least two different runs; {len(runs)} came.",
            "See `lapel runs` for their names.",
        )
    rows = tuple(_row(run, None if run is runs[0] else runs[0]) for run in runs)
    return Comparison(rows, tuple((run.name, tuple(run.history)) for run in runs))


def _row(run: Run, first: Run | None) -> Row:
    environment = run.environment
    p, split = (None, None) if first is None else _test(first, run)
    test = [look["accuracy"] for look in run.looks if look["split"] == "test"]
    return Row(
        run=run.name,
        recipe=run.recipe.name,
        engine=environment["engine"]["name"],
        dataset=environment["dataset"]["name"],
        fingerprint=environment["dataset"]["fingerprint"],
        parameters=environment["parameters"],
        epochs=len(run.history),
        validation_accuracy=_validation_accuracy(run),
        test_accuracy=test[-1] if test else None,
        seconds=sum(run.timings),
        p=p,
        p_split=split,
    )


def _validation_accuracy(run: Run) -> float | None:
    done = run.done
    if done:
        return float(done["validation_accuracy"])
    accuracies = [epoch.validation_accuracy for epoch in run.history]
    if run.recipe.training.keep == "last":
        accuracies = accuracies[-1:]
    return max(accuracies, default=None)


def _test(first: Run, second: Run) -> tuple[float | None, str | None]:
    one, other = first.environment, second.environment
    if one["dataset"]["fingerprint"] != other["dataset"]["fingerprint"]:
        return None, None
    # Validation pictures are the same ones only where seed and share are.
    same_split = one["seed"] == other["seed"] and (
        first.recipe.training.validation == second.recipe.training.validation
    )
    for split in ("test", "validation") if same_split else ("test",):
        mine, theirs = first.predictions(split), second.predictions(split)
        if mine is not None and theirs is not None and np.array_equal(mine[1], theirs[1]):
            duel = metrics.mcnemar(mine[0].argmax(axis=1), theirs[0].argmax(axis=1), mine[1])
            return duel.p, split
    return None, None
