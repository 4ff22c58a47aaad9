"""Answers -> report: every figure of a run or a model on one split of a dataset."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

import numpy as np

from . import metrics
from .bootstrap import BootstrapIntervals, bootstrap_intervals
from .by_group import Groups, PhotoFigures
from .choice import KeptEpoch
from .class_order import order_by_similarity
from .confidence import ReliabilityBin, adaptive_calibration_error, calibration_error, reliability
from .curves import RiskCoverage, class_curves, risk_coverage
from .errors import LapelError
from .trust import Trust, judge_trust

_TOP = (2, 3, 5)  # of so many first labels one is right
_STEPS = 100  # of coverage that a report keeps


@dataclass(frozen=True)
class Photos:
    """What a report says beyond the classes, of somebody's own labelled photos."""

    all: PhotoFigures
    classes: tuple[PhotoFigures, ...]  # those that occur
    by: str | None  # the column that the groups are of
    groups: tuple[PhotoFigures, ...]
    worst: str | None  # the group with the least accuracy, of those that are large enough
    worst_accepted: str | None  # the same among accepted
    others: tuple[tuple[str, int, int], ...]  # other things: label, photos, accepted
    near: tuple[tuple[str, str], ...]  # of them: labels that are almost the name of a class, and that name
    unread: int  # photos that could not be read, which no figure counts
    unread_first: tuple[str, ...]  # why, of the first ones


@dataclass(frozen=True)
class Look:
    """How many pictures were answered right."""

    pictures: int
    accuracy: float
    interval: tuple[float, float]  # 95 %, Wilson's score


@dataclass(frozen=True)
class CoveragePoint:
    """With answers accepted from `score` on, the share `coverage` of all is, and of it `accuracy` right."""

    score: float
    coverage: float
    accuracy: float


@dataclass(frozen=True, repr=False)
class Report:
    """What was found when a run or a model was judged on one split of a dataset."""

    run: str
    split: str
    dataset: str
    fingerprint: str
    class_names: tuple[str, ...]
    pictures: int
    accuracy: float
    interval: tuple[float, float]  # 95 %, Wilson's score
    loss: float
    balanced_accuracy: float
    precision: float  # this and the two below: means over classes
    recall: float
    f1: float
    calibration_error: float
    brier: float
    per_class: tuple[metrics.ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]  # row: actual class, column: predicted class
    confusions: tuple[metrics.Confusion, ...]  # the most frequent first
    test_looks: int | None  # at the test pictures, this one included; None: a model does not count them
    photos: Photos | None = None  # of somebody's own labelled photos
    groups: Groups | None = None  # where the data have groups, and they were asked for
    # What the first versions did not say:
    weighted_f1: float | None = None  # each class weighs as much as it has pictures
    top_k: tuple[tuple[int, float], ...] = ()  # k and the share whose class is among the first k labels
    bootstrap: BootstrapIntervals | None = None
    adaptive_calibration_error: float | None = None
    reliability: tuple[ReliabilityBin, ...] = ()
    coverage: tuple[CoveragePoint, ...] = ()  # at each percent of coverage
    aurc: float | None = None  # the mean share of wrong answers over all coverages
    auroc: float | None = None  # of each class against the others, each class alike
    average_precision: float | None = None  # likewise
    class_order: tuple[int, ...] = ()  # classes that are taken for each other stand side by side
    trust: Trust | None = None  # calibration and conformal sets, on other answers than they were fitted on
    epoch: KeptEpoch | None = None  # of a run: whose weights were judged
    test: Look | None = None  # at the test pictures with the same weights, where there was one before
    caution: str = ""  # what a reader may conclude, where that is less than it seems

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"Report({self.run!r}, {self.split} of {self.dataset!r}: accuracy {self.accuracy:.4f} "
            f"({low:.4f} to {high:.4f}) of {self.pictures:,} pictures)"
        )

    @property
    def headline(self) -> tuple[str, Look]:
        """The split that says how good it is, and what it says: the test pictures where they are known."""
        if self.test is not None:
            return "test", self.test
        return self.split, Look(self.pictures, self.accuracy, self.interval)

    @property
    def choice(self) -> str:
        """Which epoch was judged, and whether these pictures chose it; "" where that is not known."""
        return "" if self.epoch is None else self.epoch.describe(self.split)

    def to_json(self) -> str:
        """The report as JSON text that `from_json` reads back."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read a report back. Raises LapelError where the text is not one."""
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole text"
            raise LapelError(
                f"This is not a report of Lapel: {place}: {first['msg']}.",
                "Make it anew with `lapel evaluate RUN`.",
            ) from error


def judge(
    probabilities: metrics.Probabilities,
    labels: metrics.Numbers,
    class_names: tuple[str, ...],
    *,
    split: str,
    dataset: str,
    run: str = "",
    fingerprint: str = "",
    test_looks: int | None = 0,
    held_out: tuple[metrics.Probabilities, metrics.Numbers] | None = None,
) -> Report:
    """Work out every figure of a report from probabilities (n, classes) and labels (n).

    `held_out` are answers to other pictures that were not learned from, which calibration and conformal sets
    are fitted on; without them that is done on half of these, and judged on the other half. The same answers
    give the same figures, bit for bit.

    Raises LapelError where they do not fit together, are none, or are not finite numbers.
    """
    metrics.check_answers(probabilities, labels)
    predicted = probabilities.argmax(axis=1)
    matrix = metrics.confusion_matrix(predicted, labels, len(class_names))
    classes = _with_areas(metrics.per_class(matrix, class_names), probabilities, labels)
    precision, recall, f1 = metrics.macro(classes)
    curve = risk_coverage(probabilities.max(axis=1), predicted == labels)
    return Report(
        run=run,
        split=split,
        dataset=dataset,
        fingerprint=fingerprint,
        class_names=class_names,
        pictures=len(labels),
        accuracy=metrics.accuracy(predicted, labels),
        interval=metrics.wilson_interval(int(np.sum(predicted == labels)), len(labels)),
        loss=metrics.log_loss(probabilities, labels),
        balanced_accuracy=metrics.balanced_accuracy(classes),
        precision=precision,
        recall=recall,
        f1=f1,
        calibration_error=calibration_error(probabilities, labels),
        brier=metrics.brier(probabilities, labels),
        per_class=classes,
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
        confusions=metrics.top_confusions(matrix, class_names),
        test_looks=test_looks,
        weighted_f1=metrics.weighted_f1(classes),
        top_k=tuple(
            (k, metrics.top_k_accuracy(probabilities, labels, k)) for k in _TOP if k < len(class_names)
        ),
        bootstrap=bootstrap_intervals(matrix),
        adaptive_calibration_error=adaptive_calibration_error(probabilities, labels),
        reliability=reliability(probabilities, labels),
        coverage=_each_percent(curve),
        aurc=curve.area,
        auroc=_mean([one.auroc for one in classes]),
        average_precision=_mean([one.average_precision for one in classes]),
        class_order=order_by_similarity(matrix),
        trust=judge_trust(probabilities, labels, held_out),
    )


def _with_areas(
    figures: tuple[metrics.ClassFigures, ...], probabilities: metrics.Probabilities, labels: metrics.Numbers
) -> tuple[metrics.ClassFigures, ...]:
    """The figures of classes with the areas under their curves, where there are pictures beside others."""
    found = list(figures)
    for one in class_curves(probabilities, labels):
        found[one.number] = replace(
            found[one.number],
            auroc=one.roc.area,
            average_precision=one.precision_recall.average_precision,
        )
    return tuple(found)


def _each_percent(curve: RiskCoverage) -> tuple[CoveragePoint, ...]:
    points = (curve.at(step / _STEPS) for step in range(1, _STEPS + 1))
    return tuple(CoveragePoint(*point) for point in dict.fromkeys(points))


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
