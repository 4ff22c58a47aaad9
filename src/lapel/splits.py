"""The pictures that a run or a model is judged on: the validation pictures by its seed, or the test ones."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .data import Progress, load_data
from .data.dataset import Dataset, Split
from .data.registry import CATALOG, FASHION_MNIST
from .errors import RunError
from .runs import Run
from .tagger import Tagger

SplitName = Literal["validation", "test"]

_VALIDATION = 0.1  # of the training pictures, for a model, which does not know its recipe's share


def split_of_run(run: Run, dataset: Dataset, split: str) -> Split:
    """The pictures of a split: the run's own validation pictures, or the test pictures.

    Raises RunError where the dataset has no test pictures, or `split` is another word.
    """
    places = places_of_run(run, dataset, split)
    return dataset.train.take(places) if split == "validation" else _test(dataset, split)


def places_of_run(run: Run, dataset: Dataset, split: str) -> NDArray[np.intp]:
    """Where these pictures stand among the training or the test pictures. Raises as `split_of_run` does."""
    if split == "validation":
        return np.flatnonzero(dataset.held(run.recipe.training.validation, run.split_seed, run.fold))
    return np.arange(len(_test(dataset, split)))


def held_by(run: Run) -> str:
    """What decides which pictures a run holds out, in words: the same words, the same pictures of a dataset.

    >>> held_by(open_run("runs/cnn-1"))  # doctest: +SKIP
    'seed 0, share 0.1'
    """
    if run.fold is not None:
        number, count = run.fold
        return f"seed {run.split_seed}, fold {number} of {count}"
    return f"seed {run.split_seed}, share {run.recipe.training.validation:g}"


def learned_by(judged: Run | Tagger, dataset: Dataset) -> Split:
    """The pictures that a run has learned from; of a model, all that its seed would not hold out."""
    if isinstance(judged, Tagger):
        return _parts_of_model(judged, dataset)[0]
    share = judged.recipe.training.validation
    return dataset.split(share, judged.split_seed, judged.fold, judged.left_out)[0]


def dataset_of_model(tagger: Tagger, progress: Progress | None = None) -> Dataset:
    """The dataset that a model's card names, where Lapel knows it by that name; else Fashion-MNIST."""
    named = tagger.card.made.get("dataset")
    return load_data(str(named) if named in CATALOG else FASHION_MNIST, progress=progress)


def split_of_model(tagger: Tagger, dataset: Dataset, split: str) -> Split:
    """The pictures of a split to judge a model on. Raises RunError as `split_of_run` does."""
    return _parts_of_model(tagger, dataset)[1] if split == "validation" else _test(dataset, split)


def _parts_of_model(tagger: Tagger, dataset: Dataset) -> tuple[Split, Split]:
    made = tagger.card.made
    seed = made.get("split_seed", made.get("seed"))
    return dataset.split(_VALIDATION, seed if isinstance(seed, int) else 0)


def _test(dataset: Dataset, split: str) -> Split:
    if split != "test":
        raise RunError(f'There is no split "{split}" to judge on.', "Known: validation, test.")
    if dataset.test is None:
        raise RunError(
            f"{dataset.name} has no test pictures.",
            "Judge on the validation pictures: leave --test out.",
        )
    return dataset.test
