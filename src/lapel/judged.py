"""A run or a model, asked about any pictures: one way for both engines, imported and shipped models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from .data import Progress
from .data.dataset import Dataset, Pictures, Split, drawn
from .evaluation import answers_of, is_model
from .exporting import card_of
from .metrics import Probabilities
from .model_file import read_model
from .picture import PictureSpec
from .runs import Run, dataset_of, open_run, same_data
from .splits import SplitName, dataset_of_model, learned_by, split_of_model, split_of_run
from .tagger import Tagger, tagger_of

Made: TypeAlias = Run | Tagger


@dataclass(frozen=True)
class Judged:
    """What is judged, and how it is asked: `ask` takes pictures, and gives the dataset's classes in order.

    `file` makes the bytes of its model, or is None where only a Tagger is at hand.
    """

    name: str
    dataset: Dataset
    made: Made
    picture: PictureSpec  # what it sees
    ask: Callable[[Pictures], Probabilities]
    file: Callable[[], bytes] | None

    def held(self, split: SplitName) -> Split:
        """The pictures of a split. Raises RunError where the dataset has no test pictures."""
        if isinstance(self.made, Run):
            return split_of_run(self.made, self.dataset, split)
        return split_of_model(self.made, self.dataset, split)

    def learned(self) -> Split:
        """The training pictures that were learned from."""
        return learned_by(self.made, self.dataset)

    def record_look(self, split: SplitName, accuracy: float, pictures: int) -> int | None:
        """Write a look down in the run, and give how often test pictures were looked at; of a model, None."""
        if not isinstance(self.made, Run):
            return None
        self.made.record_look(split, accuracy, pictures)
        return len(self.made.test_accuracies)


def open_judged(
    judged: Made | str | Path, dataset: Dataset | None = None, progress: Progress | None = None
) -> Judged:
    """A run or a model, by name, path or as it is, with its own dataset or the one that is given.

    Raises RunError, ModelError and DataError as `evaluate` does.
    """
    file = None
    if isinstance(judged, str | Path):
        if is_model(judged):
            path, data = read_model(judged)
            judged, file = tagger_of(data, str(path)), lambda: data
        else:
            judged = open_run(judged)
    if isinstance(judged, Tagger):
        return _of_model(judged, dataset or dataset_of_model(judged, progress), file)
    run = judged
    dataset = dataset_of(run, progress) if dataset is None else same_data(run, dataset)
    engine = run.engine()
    network = engine.build(run.recipe, dataset.shape, len(dataset.class_names), run.weights())
    return Judged(
        run.name,
        dataset,
        run,
        card_of(run).picture,
        lambda pictures: engine.probabilities(network, pictures),
        lambda: _file_of(run),
    )


def sample(split: Split, most: int, seed: int) -> Split:
    """At most so many pictures of a split, drawn by a seed, in their order."""
    return split if len(split) <= most else split.take(drawn(len(split), most, seed))


def _of_model(tagger: Tagger, dataset: Dataset, file: Callable[[], bytes] | None) -> Judged:
    def ask(pictures: Pictures) -> Probabilities:
        return answers_of(tagger, Split(pictures, np.zeros(len(pictures), np.int64)), dataset)

    return Judged(tagger.card.name, dataset, tagger, tagger.card.picture, ask, file)


def _file_of(run: Run) -> bytes:
    """The model of a run, as it is before it is calibrated."""
    from .engines.onnx import to_onnx

    data: bytes = to_onnx(run.recipe, run.weights(), card_of(run)).SerializeToString(deterministic=True)
    return data
