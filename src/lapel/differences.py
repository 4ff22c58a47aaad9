"""Where two sets of answers about the same pictures differ: class by class, and picture by picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .answers import Answers, Contender, dataset_behind, paired, places_of
from .data import Progress
from .data.dataset import Dataset
from .files import write_atomic
from .metrics import Numbers
from .significance import holm, signs_p
from .splits import SplitName


@dataclass(frozen=True)
class ClassWins:
    """One class: how many of its pictures only the first has right, how many only the second.

    Of studies these are means over all pairs of their members. `p` is as for all pictures, and `p_holm` is
    adjusted for being one of as many tests as there are classes.
    """

    name: str
    pictures: int
    only_first: float
    only_second: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Difference:
    """One picture about which two differ: where it stands, what it is, and both answers.

    `split` and `index` say where it stands in the dataset; `file` and `group` are empty where there are none.
    `first_right` and `second_right` are the shares of members that are right: 0 or 1 of a run.
    """

    split: str
    index: int
    file: str
    group: str
    label: str
    first: str
    first_confidence: float
    first_right: float
    second: str
    second_confidence: float
    second_right: float


def gains(first: Answers, second: Answers) -> Numbers:
    """By how much more of its members the second is right about each picture, as whole numbers (n).

    Divided by `gain_unit` they are shares of members.
    """
    unit = gain_unit(first, second)
    one, other = (
        answers.right.sum(axis=0) * (unit // len(answers.probabilities)) for answers in (first, second)
    )
    return np.asarray(other - one, np.int64)


def gain_unit(first: Answers, second: Answers) -> int:
    """What a gain of all members is in whole numbers: 1 of two runs."""
    return math.lcm(len(first.probabilities), len(second.probabilities))


def wins(first: Answers, second: Answers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each picture, of how many pairs of members only the first is right, and only the second: shares."""
    one, other = first.right.mean(axis=0), second.right.mean(axis=0)
    return one * (1 - other), other * (1 - one)


def class_wins(first: Answers, second: Answers, class_names: tuple[str, ...]) -> tuple[ClassWins, ...]:
    """Who wins in each class that has pictures."""
    gained, (mine, theirs) = gains(first, second), wins(first, second)
    present = np.unique(first.labels).tolist()
    found = [first.labels == label for label in present]
    chances = [signs_p(gained[of_class]) for of_class in found]
    return tuple(
        ClassWins(
            name=class_names[label],
            pictures=int(of_class.sum()),
            only_first=float(mine[of_class].sum()),
            only_second=float(theirs[of_class].sum()),
            p=p,
            p_holm=adjusted,
        )
        for label, of_class, p, adjusted in zip(present, found, chances, holm(chances), strict=True)
    )


def differences(
    first: Contender,
    second: Contender,
    dataset: Dataset | None = None,
    *,
    split: SplitName | None = None,
    progress: Progress | None = None,
) -> list[Difference]:
    """The pictures about which two runs or studies answer differently, in the order of the dataset.

    Of a study counts what its members answer together, by the mean of their probabilities. The split is the
    one that `compare` takes, too. Without `dataset` that of the first is loaded: it has the pictures' places
    and names. Raises as `compare` does.
    """
    mine, theirs = paired(first, second, split, progress)
    dataset = dataset or dataset_behind(first, progress)
    places = places_of(first, dataset, mine.split)
    one, other = mine.together, theirs.together
    said, answered = one.argmax(axis=1), other.argmax(axis=1)
    right = mine.right.mean(axis=0), theirs.right.mean(axis=0)
    files, groups = dataset.names_of(mine.split)
    found = np.flatnonzero(said != answered)
    names = dataset.class_names
    return [
        Difference(
            split=mine.split,
            index=int(places[at]),
            file=files[places[at]] if files else "",
            group=groups[places[at]] if groups else "",
            label=names[mine.labels[at]],
            first=names[said[at]],
            first_confidence=round(float(one[at].max()), 6),
            first_right=float(right[0][at]),
            second=names[answered[at]],
            second_confidence=round(float(other[at].max()), 6),
            second_right=float(right[1][at]),
        )
        for at in found[np.argsort(places[found], kind="stable")].tolist()
    ]


def write_differences(path: Path, pairs: Sequence[tuple[str, str, Sequence[Difference]]]) -> None:
    """Write the pictures on which pairs differ, a CSV row each, behind the names of the two."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["first_run", "second_run", *(field.name for field in fields(Difference))])
    for first, second, found in pairs:
        rows.writerows([first, second, *astuple(one)] for one in found)
    # A file's name may hold bytes that are no text.
    write_atomic(path, text.getvalue().encode("utf-8", "surrogateescape"))
