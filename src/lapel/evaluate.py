"""A run and its dataset -> report: how well the run answers pictures it has not learned from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from . import metrics
from .data import Progress
from .data.dataset import Dataset, Split
from .engines import load_engine
from .errors import LapelError, RunError
from .runs import Run, dataset_of, same_data

SplitName = Literal["validation", "test"]


@dataclass(frozen=True)
class Report:
    """What was found when a run was judged on one split of its dataset."""

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
    test_looks: int  # how often the test pictures have been looked at, this time included

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
    test_looks: int = 0,
) -> Report:
    """Work out every figure of a report from probabilities (n, classes) and labels (n).

    Raises LapelError where they do not fit together, are none, or are not finite numbers.
    """
    metrics.checked(probabilities, labels)
    predicted = probabilities.argmax(axis=1)
    matrix = metrics.confusion_matrix(predicted, labels, len(class_names))
    classes = metrics.per_class(matrix, class_names)
    precision, recall, f1 = metrics.macro(classes)
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
        calibration_error=metrics.calibration_error(probabilities, labels),
        brier=metrics.brier(probabilities, labels),
        per_class=classes,
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
        confusions=metrics.top_confusions(matrix, class_names),
        test_looks=test_looks,
    )


def evaluate(
    run: Run,
    *,
    split: SplitName = "validation",
    dataset: Dataset | None = None,
    progress: Progress | None = None,
) -> Report:
    """Judge a run on the pictures that were held out from its training, or on the test pictures.

    Without `dataset` the run's own is loaded. The probabilities are kept in the run, so that a comparison
    or a report needs no engine, and every look is written down.

    Raises RunError where the run holds no weights yet, where the dataset is not the one that the run was
    trained on, or where it has no such pictures; DataError where the dataset cannot be had.

    >>> evaluate(open_run("runs/cnn"), split="test").accuracy  # doctest: +SKIP
    0.9121
    """
    dataset = dataset_of(run, progress) if dataset is None else same_data(run, dataset)
    held = held_out(run, dataset, split)
    engine = load_engine(run.environment["engine"]["name"])
    network = engine.build(run.recipe, dataset.shape, len(dataset.class_names), run.weights())
    probabilities = engine.probabilities(network, held.pictures)
    metrics.checked(probabilities, held.labels)
    right = metrics.accuracy(probabilities.argmax(axis=1), held.labels)
    # The look is written first: a look that was cut short was still a look.
    run.record_look(split, right, len(held))
    run.save_predictions(split, probabilities, held.labels)
    return judge(
        probabilities,
        held.labels,
        dataset.class_names,
        split=split,
        dataset=dataset.name,
        run=run.name,
        fingerprint=dataset.fingerprint,
        test_looks=sum(look["split"] == "test" for look in run.looks),
    )


def held_out(run: Run, dataset: Dataset, split: str) -> Split:
    """The pictures of a split: the run's own validation pictures, by its seed, or the test pictures.

    Raises RunError where the dataset has no test pictures, or `split` is another word.
    """
    if split == "validation":
        return dataset.split(run.recipe.training.validation, run.environment["seed"])[1]
    if split != "test":
        raise RunError(f'There is no split "{split}" to judge a run on.', "Known: validation, test.")
    if dataset.test is None:
        raise RunError(
            f"{dataset.name} has no test pictures.",
            "Judge the run on its validation pictures: leave --test out.",
        )
    return dataset.test
