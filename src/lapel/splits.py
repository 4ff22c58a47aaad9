"""The pictures that a run or a model is judged on: the validation pictures by its seed, or the test ones."""

from __future__ import annotations

from typing import Literal

from .data import Progress, load_data
from .data.dataset import Dataset, Split
from .data.registry import CATALOG, FASHION_MNIST
from .errors import RunError
from .runs import Run
from .tagger import Tagger

SplitName = Literal["validation", "test"]

_VALIDATION = 0.1  # of the training pictures, for a model, which does not know its recipe's share


def split_of_run(run: Run, dataset: Dataset, split: str) -> Split:
    """The pictures of a split: the run's own validation pictures, by its seed, or the test pictures.

    Raises RunError where the dataset has no test pictures, or `split` is another word.
    """
    if split == "validation":
        return dataset.split(run.recipe.training.validation, run.environment["seed"], run.fold)[1]
    return _test(dataset, split)


def learned_by(run: Run, dataset: Dataset) -> Split:
    """The pictures that a run has learned from."""
    return dataset.split(run.recipe.training.validation, run.environment["seed"], run.fold, run.left_out)[0]


def dataset_of_model(tagger: Tagger, progress: Progress | None = None) -> Dataset:
    """The dataset that a model's card names, where Lapel knows it by that name; else Fashion-MNIST."""
    named = tagger.card.made.get("dataset")
    return load_data(str(named) if named in CATALOG else FASHION_MNIST, progress=progress)


def split_of_model(tagger: Tagger, dataset: Dataset, split: str) -> Split:
    """The pictures of a split to judge a model on. Raises RunError as `split_of_run` does."""
    if split == "validation":
        seed = tagger.card.made.get("seed")
        return dataset.split(_VALIDATION, seed if isinstance(seed, int) else 0)[1]
    return _test(dataset, split)


def _test(dataset: Dataset, split: str) -> Split:
    if split != "test":
        raise RunError(f'There is no split "{split}" to judge on.', "Known: validation, test.")
    if dataset.test is None:
        raise RunError(
            f"{dataset.name} has no test pictures.",
            "Judge on the validation pictures: leave --test out.",
        )
    return dataset.test
