"""Runs and studies side by side, and whether their difference may be chance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import mean, stdev
from typing import Any

from .answers import Answers, Contender, check_same_data, paired, runs_of
from .choice import kept_epoch
from .data import Progress
from .differences import ClassWins, class_wins, gain_unit, gains, wins
from .engines.protocol import Epoch
from .errors import LapelError, RunError
from .runs import Run
from .significance import (
    Permuted,
    bootstrap_interval,
    holm,
    paired_interval,
    permutation_test,
    signs_p,
)
from .splits import SplitName
from .study import Study


@dataclass(frozen=True)
class Row:
    """One run or study of a comparison. None stands for what is not known.

    Accuracies, and what was spent, are those of its members: means and sums. `difference` and all below are
    held against the first row, on the same pictures: those of `split`. Where there are no such answers,
    `problem` says why.

    Two kinds of chance are told apart. `p` is about pictures: whether others would have the same one ahead,
    given these trained networks. `p_seeds` is about training: whether other seeds would, given these
    pictures. Those with `holm` are adjusted for being one of several in the table.
    """

    run: str
    kind: str  # run, or the kind of study: seeds or folds
    members: int
    recipe: str
    engine: str
    dataset: str
    fingerprint: str
    parameters: int
    epochs: int
    validation_accuracy: float | None  # of the epoch whose weights the run keeps
    validation_spread: float | None  # standard deviation over members
    test_accuracy: float | None  # where the test pictures were looked at
    test_spread: float | None
    test_looks: int
    seconds: float
    difference: float | None = None  # between shares that are right: above 0, this one is better
    interval: tuple[float, float] | None = None  # 95 % of it
    interval_by: str | None = None  # bonett-price or bootstrap
    bootstrap: tuple[float, float] | None = None  # of pictures, and of seeds where there are several
    p: float | None = None  # McNemar's exact test; with members its like, over all ways to give signs
    p_holm: float | None = None
    p_seeds: float | None = None  # permutation test, where both have several members
    p_seeds_holm: float | None = None
    permutations: int | None = None
    permutations_exact: bool | None = None  # whether these were all there are
    pictures: int | None = None
    split: SplitName | None = None
    only_first: float | None = None  # pictures that only the first has right: a mean over pairs of members
    only_second: float | None = None
    answered_differently: int | None = None  # by all members together
    classes: tuple[ClassWins, ...] = ()
    problem: str = ""


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs and studies side by side: a row each, and the history of each run for a figure of their curves."""

    rows: tuple[Row, ...]
    curves: tuple[tuple[str, tuple[Epoch, ...]], ...]

    def __repr__(self) -> str:
        return f"Comparison({', '.join(row.run for row in self.rows)})"

    def to_json(self) -> str:
        """The comparison as JSON text."""
        return json.dumps(asdict(self), indent=2)


def compare(
    contenders: Sequence[Contender],
    progress: Progress | None = None,
    *,
    split: SplitName | None = None,
) -> Comparison:
    """Put two or more runs or studies side by side; the first is what the others are tested against.

    Answers to the test pictures are compared where both have given them, and `split` does not say otherwise.
    Else it is those to the validation pictures, and a run that has not been judged on them yet is judged now;
    the test pictures are never looked at for this. `progress` is told of data that are loaded.

    Raises RunError for fewer than two, for a study that has not begun, and where they were trained on
    different data.
    """
    if len({one.path.resolve() for one in contenders}) < 2:
        raise RunError(
            f"A comparison needs at least two different runs; {len(contenders)} came.",
            "See `lapel runs` for their names.",
        )
    for one in contenders:
        if not runs_of(one):
            raise RunError(f"{one.path}: none of its runs has begun.", "Go on with: lapel train --resume …")
    first, *others = contenders
    for other in others:
        check_same_data(first, other)
    rows = [_row(first), *(_held_against(_row(other), first, other, split, progress) for other in others)]
    return Comparison(tuple(_adjusted(rows)), tuple(_curves(contenders)))


def _row(one: Contender) -> Row:
    runs = runs_of(one)
    environment = runs[0].environment
    looks = [run.test_accuracies for run in runs]
    validated = [_validation_accuracy(run) for run in runs]
    tested = [seen[-1] if seen else None for seen in looks]
    return Row(
        run=one.name,
        kind=one.kind if isinstance(one, Study) else "run",
        members=len(runs),
        recipe=one.recipe.name,
        engine=environment["engine"]["name"],
        dataset=environment["dataset"]["name"],
        fingerprint=environment["dataset"]["fingerprint"],
        parameters=environment["parameters"],
        epochs=sum(len(run.history) for run in runs),
        validation_accuracy=_mean(validated),
        validation_spread=_spread(validated),
        test_accuracy=_mean(tested),
        test_spread=_spread(tested),
        test_looks=sum(map(len, looks)),
        seconds=sum(sum(run.timings) for run in runs),
    )


def _held_against(
    row: Row, first: Contender, other: Contender, split: SplitName | None, progress: Progress | None
) -> Row:
    """A row with all that is said of it beside the first, or with the reason why there is nothing to say."""
    try:
        mine, theirs = paired(first, other, split, progress)
        return replace(row, **_tests(mine, theirs), **_over_members(first, other, mine, theirs))
    except LapelError as error:
        return replace(row, problem=str(error).replace("\n", " "))


def _tests(first: Answers, second: Answers) -> dict[str, Any]:
    gained, (mine, theirs) = gains(first, second), wins(first, second)
    pictures = len(first.labels)
    drawn = bootstrap_interval(first.right, second.right)
    only = float(mine.sum()), float(theirs.sum())
    runs = gain_unit(first, second) == 1
    together = [answers.together.argmax(axis=1) for answers in (first, second)]
    return {
        "difference": float(gained.sum()) / (pictures * gain_unit(first, second)),
        "interval": paired_interval(int(only[0]), int(only[1]), pictures) if runs else drawn,
        "interval_by": "bonett-price" if runs else "bootstrap",
        "bootstrap": drawn,
        "p": signs_p(gained),
        "pictures": pictures,
        "split": first.split,
        "only_first": only[0],
        "only_second": only[1],
        "answered_differently": int((together[0] != together[1]).sum()),
        "classes": class_wins(first, second, first.class_names),
    }


def _over_members(first: Contender, second: Contender, mine: Answers, theirs: Answers) -> dict[str, Any]:
    """The permutation test over seeds or folds, where both have several of one kind."""
    if not (isinstance(first, Study) and isinstance(second, Study) and first.kind == second.kind):
        return {}
    folds = first.kind == "folds"
    shares = [_shares(study, answers) for study, answers in ((first, mine), (second, theirs))]
    # The same fold is the same pictures for both, while a seed is nothing that two recipes share.
    found: Permuted = permutation_test(*shares, paired=folds)
    return {
        "p_seeds": found.p,
        "permutations": found.arrangements,
        "permutations_exact": found.exact,
    }


def _shares(study: Study, answers: Answers) -> list[float]:
    """The share of each member that is right; folds are judged on others each."""
    if len(answers.right) > 1:
        return [float(right.mean()) for right in answers.right]
    kept = [run.predictions(answers.split) for run in study.runs]
    return [float((one[0].argmax(axis=1) == one[1]).mean()) for one in kept if one is not None]


def _adjusted(rows: list[Row]) -> list[Row]:
    """The rows with each p adjusted for being one of several."""
    for name in ("p", "p_seeds"):
        places = [place for place, row in enumerate(rows) if getattr(row, name) is not None]
        adjusted = holm([getattr(rows[place], name) for place in places])
        for place, value in zip(places, adjusted, strict=True):
            changed: dict[str, Any] = {f"{name}_holm": value}
            rows[place] = replace(rows[place], **changed)
    return rows


def _curves(contenders: Sequence[Contender]) -> list[tuple[str, tuple[Epoch, ...]]]:
    return [
        (one.name if run is one else f"{one.name}/{run.name}", tuple(run.history))
        for one in contenders
        for run in runs_of(one)
    ]


def _validation_accuracy(run: Run) -> float | None:
    done = run.done
    if done:
        return float(done["validation_accuracy"])
    history = run.history
    return kept_epoch(run.recipe, history).validation_accuracy if history else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if len(known) == len(values) else None


def _spread(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return stdev(known) if len(known) == len(values) > 1 else None
