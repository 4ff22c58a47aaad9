"""How often a run or a model is right about pictures that came worse than those it has learned from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from .corruptions import CORRUPTIONS, SEVERITIES, corrupt
from .data import Progress
from .data.dataset import Dataset, Split
from .errors import LapelError
from .judged import Judged, Made, open_judged, sample
from .metrics import accuracy, wilson_interval
from .splits import SplitName

SAMPLE = 2000  # validation pictures; of test pictures none is left out

Errors = dict[str, tuple[float, ...]]  # by corruption, at severities 1 to 5

_DENSE = Path(__file__).parent / "dense_errors.json"  # python benchmarks/bad_pictures.py dense


@dataclass(frozen=True)
class CorruptionFigures:
    """One corruption: accuracy at severities 1 to 5, and how much larger the errors are than the reference's.

    What knows no severity has the same accuracy at all of them. `relative` is the sum of errors over that of
    the reference's: 1 is as bad, less is better; None without a reference, or where that makes no error.
    """

    name: str
    accuracy: tuple[float, ...]
    error: float  # mean over severities
    relative: float | None = None


@dataclass(frozen=True)
class Robustness:
    """What corrupted pictures of a split did to a run or a model."""

    run: str
    split: str
    dataset: str
    fingerprint: str
    pictures: int
    of: int  # pictures that the split has; the others were not drawn
    seed: int  # of the drawing, and of the corruptions
    accuracy: float  # of the same pictures as they are
    interval: tuple[float, float]  # 95 %, Wilson's score
    corruptions: tuple[CorruptionFigures, ...]
    mean_error: float  # over corruptions and severities
    reference: str | None = None
    relative: float | None = None  # mean over corruptions: the mean corruption error, as a share
    test_looks: int | None = None  # at the test pictures, this one included; None: a model counts none

    def to_json(self) -> str:
        """All of it as JSON text."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)


def judge_robustness(
    judged: Made | str | Path,
    *,
    split: SplitName = "validation",
    against: Made | str | Path | None = None,
    dataset: Dataset | None = None,
    most: int = SAMPLE,
    seed: int = 0,
    progress: Progress | None = None,
) -> Robustness:
    """Corrupt pictures in fifteen ways at five severities, and count how often the answer is still right.

    Of the validation pictures at most `most` are drawn, by the seed; of the test pictures all are taken, and
    a run remembers the look. Errors are put in relation to those of `against`, which is asked about the same
    pictures, or else, of Fashion-MNIST, to those of the recipe `dense` as they were measured.

    Raises what `evaluate` raises, also of `against`, and LapelError where that one has learned from the
    validation pictures.

    >>> judge_robustness("runs/cnn").mean_error  # doctest: +SKIP
    0.41
    """
    one = open_judged(judged, dataset, progress)
    whole = one.held(split)
    held = whole if split == "test" else sample(whole, most, seed)
    clean = _accuracy(one, held)
    # The look is written first: a look that was cut short was still a look.
    looks = one.record_look(split, clean, len(held))
    errors = corruption_errors(one, held, seed, progress)
    reference, theirs = _reference(one, held, split, against, seed, progress)
    rows = tuple(_figures(name, errors[name], theirs) for name in CORRUPTIONS)
    shares = [row.relative for row in rows if row.relative is not None]
    return Robustness(
        run=one.name,
        split=split,
        dataset=one.dataset.name,
        fingerprint=one.dataset.fingerprint,
        pictures=len(held),
        of=len(whole),
        seed=seed,
        accuracy=clean,
        interval=wilson_interval(round(clean * len(held)), len(held)),
        corruptions=rows,
        mean_error=mean(row.error for row in rows),
        reference=reference,
        relative=mean(shares) if shares else None,
        test_looks=looks,
    )


def corruption_errors(judged: Judged, held: Split, seed: int, progress: Progress | None = None) -> Errors:
    """The share of wrong answers at each severity of each corruption."""
    steps = sum(len(way.severities) for way in CORRUPTIONS.values())
    done, errors = 0, {}
    for name, way in CORRUPTIONS.items():
        found = []
        for severity in way.severities:
            worse = Split(corrupt(held.pictures, name, severity, seed), held.labels)
            found.append(1 - _accuracy(judged, worse))
            done += 1
            if progress:
                progress(f"{judged.name}: corrupted pictures", done, steps)
        errors[name] = tuple(found) if way.levels else tuple(found * len(SEVERITIES))
    return errors


def _accuracy(judged: Judged, held: Split) -> float:
    return accuracy(judged.ask(held.pictures).argmax(axis=1), held.labels)


def _figures(name: str, errors: tuple[float, ...], theirs: Mapping[str, Any] | None) -> CorruptionFigures:
    whole = sum(theirs[name]) if theirs else 0.0
    return CorruptionFigures(
        name, tuple(1 - error for error in errors), mean(errors), sum(errors) / whole if whole else None
    )


def _reference(
    judged: Judged,
    held: Split,
    split: SplitName,
    against: Made | str | Path | None,
    seed: int,
    progress: Progress | None,
) -> tuple[str | None, Mapping[str, Any] | None]:
    """Whose errors these are held against, and the errors."""
    if against is None:
        dense = _dense_errors()
        theirs = dense["errors"].get(split)
        if judged.dataset.fingerprint != dense["fingerprint"] or theirs is None:
            return None, None
        return "dense", theirs
    other = open_judged(against, judged.dataset)
    if split == "validation" and not np.array_equal(other.held(split).labels, judged.held(split).labels):
        raise LapelError(
            f"{other.name} has learned from pictures that {judged.name} held out.",
            "Choose a reference trained with the same seed, or compare on the test pictures: --test.",
        )
    other.record_look(split, _accuracy(other, held), len(held))
    return other.name, corruption_errors(other, held, seed, progress)


@cache
def _dense_errors() -> dict[str, Any]:
    """The errors of `dense` on Fashion-MNIST, with the command and the hardware that gave them."""
    return dict(json.loads(_DENSE.read_text()))
