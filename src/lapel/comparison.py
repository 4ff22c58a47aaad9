"""Two or more runs side by side, and whether their difference may be chance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import metrics
from .choice import kept_epoch
from .data import Progress
from .engines.protocol import Epoch
from .errors import LapelError, RunError
from .evaluation import evaluate
from .runs import Run


@dataclass(frozen=True)
class Row:
    """One run of a comparison. None stands for what is not known.

    `difference`, its `interval` and `p` are held against the first run, on the same pictures: those of
    `split`. Where there are no such answers, `problem` says why.
    """

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
    difference: float | None = None  # between shares that are right: above 0, this run is better
    interval: tuple[float, float] | None = None  # 95 % of it, by Bonett and Price
    p: float | None = None  # McNemar's exact test
    pictures: int | None = None
    split: str | None = None  # test or validation
    problem: str = ""


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


@dataclass(frozen=True)
class _Held:
    """One run held against another on the same pictures."""

    difference: float
    interval: tuple[float, float]
    p: float
    pictures: int
    split: str


_Kept: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int64]]  # probabilities and labels


def compare(runs: Sequence[Run], progress: Progress | None = None) -> Comparison:
    """Put two or more runs side by side; the first is what the others are tested against.

    Answers to the test pictures are compared where both runs have given them. Otherwise it is those to the
    validation pictures, and a run that has not been judged on them yet is judged now; the test pictures are
    never looked at for this. `progress` is told of data that are loaded.

    Raises RunError for fewer than two runs, and where they were trained on different data.
    """
    if len({run.path.resolve() for run in runs}) < 2:
        raise RunError(
            f"A comparison needs at least two different runs; {len(runs)} came.",
            "See `lapel runs` for their names.",
        )
    first, *others = runs
    for other in others:
        _check_same_data(first, other)
    rows = [_row(first), *(_row(other, first, progress) for other in others)]
    return Comparison(tuple(rows), tuple((run.name, tuple(run.history)) for run in runs))


def _check_same_data(first: Run, other: Run) -> None:
    one, another = first.environment["dataset"], other.environment["dataset"]
    if one["fingerprint"] != another["fingerprint"]:
        raise RunError(
            f"{first.name} was trained on {one['name']} of fingerprint {one['fingerprint'][:12]} and "
            f"{other.name} on {another['name']} of {another['fingerprint'][:12]}: "
            "their accuracies do not compare.",
            "Compare runs of the same data.",
        )


def _row(run: Run, first: Run | None = None, progress: Progress | None = None) -> Row:
    environment = run.environment
    held: dict[str, Any] = {}
    if first is not None:
        try:
            held = vars(_held_against(first, run, progress))
        except LapelError as error:
            held = {"problem": str(error).replace("\n", " ")}
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
        **held,
    )


def _validation_accuracy(run: Run) -> float | None:
    done = run.done
    if done:
        return float(done["validation_accuracy"])
    history = run.history
    return kept_epoch(run.recipe, history).validation_accuracy if history else None


def _held_against(first: Run, second: Run, progress: Progress | None) -> _Held:
    """Hold the second run against the first. Raises LapelError where there are no pictures to do it on."""
    split, (mine, labels), (theirs, same) = _answers(first, second, progress)
    if not np.array_equal(labels, same):
        raise RunError(
            f"{first.name} and {second.name} have answered other {split} pictures.",
            "Evaluate both of them again.",
        )
    duel = metrics.mcnemar(mine.argmax(axis=1), theirs.argmax(axis=1), labels)
    return _Held(
        difference=(duel.only_second - duel.only_first) / len(labels),
        interval=metrics.paired_interval(duel.only_first, duel.only_second, len(labels)),
        p=duel.p,
        pictures=len(labels),
        split=split,
    )


def _answers(first: Run, second: Run, progress: Progress | None) -> tuple[str, _Kept, _Kept]:
    mine, theirs = first.predictions("test"), second.predictions("test")
    if mine is not None and theirs is not None:
        return "test", mine, theirs
    one, other = ((run.environment["seed"], run.recipe.training.validation) for run in (first, second))
    if one != other:
        raise RunError(
            f"{first.name} and {second.name} were validated on different pictures "
            f"(seed {one[0]}, share {one[1]:g}, and seed {other[0]}, share {other[1]:g}).",
            "The test pictures are the same for both: lapel evaluate RUN --test",
        )
    return "validation", _validated(first, progress), _validated(second, progress)


def _validated(run: Run, progress: Progress | None) -> _Kept:
    """What a run answers to its validation pictures; it is judged on them where it was not yet."""
    kept = run.predictions("validation")
    if kept is None:
        evaluate(run, progress=progress)
        kept = run.predictions("validation")
        assert kept is not None
    return kept
