"""What networks say of pictures that they have not learned from, and what they see in all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..calibrate import probabilities_at
from ..data.dataset import Dataset, Pictures, evenly
from ..data.holdout import Division
from ..data.picture_file import take
from ..engines.features import FeatureMaker
from ..engines.learn import FitArguments
from ..engines.load import load_engine
from ..engines.weights import draw
from ..errors import DataError, MissingExtra
from ..metrics import Probabilities
from ..neighbours import components
from ..pretrained.networks import CLASSES, network_recipe
from ..pretrained.weights import read_pretrained
from ..recipes.load import load_recipe
from ..recipes.plan import plan
from ..teaching.head import learn
from .work import Arrays, Work

FOLDS = 5
_RECIPE = "cnn-simple"
_SETTINGS = ("training.epochs=3", "training.keep=last")  # chosen by planted errors, see LOG.md
_PRETRAINED = "efficientnet-lite0"
_LARGE = 96  # pixels from which on a picture in colour is a photo to a network that has seen many
_AT_ONCE = 2048  # pictures whose features are kept together
_LOOKED_AT = 4096  # pictures that the components are found of
_WIDTH = 128  # principal components of features that make an embedding

Told = Callable[[str, int, int], None]  # what is being done, how much of it is done, of how much


@dataclass(frozen=True)
class Answers:
    """The probabilities of each training picture by a network that has not learned from it (n, classes).

    `test` is what the networks say of test pictures on average, `embedding` what one network sees in all of
    them, the training pictures first: (n, width), around the origin. `by` says in words who answered.
    """

    train: Probabilities
    test: Probabilities | None
    embedding: NDArray[np.float32]
    by: str


def probe_of(shape: tuple[int, int, int]) -> str:
    """Who is asked about pictures of this shape: the name of a recipe, or of a pretrained network."""
    height, width, channels = shape
    if channels != 3 or min(height, width) < _LARGE:
        return _RECIPE
    try:
        read_pretrained(_PRETRAINED)
    except MissingExtra:
        return _RECIPE
    return _PRETRAINED


def folds_of(dataset: Dataset, folds: int, seed: int) -> NDArray[np.intp]:
    """The fold of each training picture, from 0 on; fewer where a class has fewer pictures or groups.

    Raises DataError where there is one class, or a class has one picture.
    """
    present = np.bincount(dataset.train.labels, minlength=len(dataset.class_names))
    if (present > 0).sum() < 2:
        raise DataError(
            f"{dataset.name}: all pictures are of one class ({dataset.class_names[int(present.argmax())]}).",
            "A label can only be doubted where there is another one.",
        )
    if not present.all():
        raise DataError(
            f"{dataset.name}: class {dataset.class_names[int(present.argmin())]!r} has no training picture.",
            "Add pictures of this class, or leave the class out.",
        )
    division = Division(dataset.name, dataset.train.labels, dataset.class_names, dataset.groups)
    for count in range(min(folds, int(present.min())), 2, -1):
        try:
            return division.fold(count, seed)
        except DataError:  # its groups cannot be divided so often
            continue
    return division.fold(2, seed)


def ask(dataset: Dataset, folds: NDArray[np.intp], probe: str, seed: int, work: Work, told: Told) -> Answers:
    """Ask networks that have learned from the other folds about each picture.

    Raises what training raises, and LapelError where nothing can be kept.
    """
    if probe == _PRETRAINED:
        return _by_features(dataset, folds, work, told)
    count = int(folds.max()) + 1
    train = np.empty((len(dataset.train), len(dataset.class_names)), np.float32)
    tests, embedding = [], np.empty((0, 0), np.float32)
    for fold in range(count):
        network = _Fold(dataset, folds, fold, seed, told)
        part = work.part(f"fold-{fold + 1}-of-{count}", network.arrays)
        train[folds == fold] = part["held"]
        tests.append(part["test"])
        if fold == 0:
            embedding = part["embedding"]
    return Answers(
        train,
        np.mean(tests, axis=0) if dataset.test else None,
        embedding,
        f"{count} small networks ({probe}), each asked about pictures it has not learned from",
    )


class _Fold:
    """A network that learns from all folds but one."""

    def __init__(self, dataset: Dataset, folds: NDArray[np.intp], fold: int, seed: int, told: Told) -> None:
        self._dataset, self._held, self._fold, self._seed = dataset, folds == fold, fold, seed
        self._title, self._told = f"fold {fold + 1} of {int(folds.max()) + 1}", told

    def arrays(self) -> Arrays:
        """What it says of the held pictures and of the test pictures; of the first fold, what it sees."""
        dataset, engine = self._dataset, load_engine("torch")
        recipe = load_recipe(_RECIPE, _SETTINGS)
        shape, classes = dataset.shape, len(dataset.class_names)
        held = dataset.train.take(np.flatnonzero(self._held))
        learned = dataset.train.take(np.flatnonzero(~self._held))
        # Only the end counts: the held pictures must not choose anything.
        some = held.take(slice(0, 1))
        drawn = draw(plan(recipe, shape, classes), self._seed + self._fold)
        fitting = FitArguments(
            engine, recipe, shape, classes, learned, some, self._seed + self._fold, device="cpu"
        ).fit(drawn)
        epochs = recipe.training.epochs
        for epoch in range(epochs):
            fitting.epoch(partial(self._tell, epoch, epochs))
        weights = fitting.weights()
        network = engine.build(recipe, shape, classes, weights)
        test = dataset.test.pictures if dataset.test else dataset.train.pictures[:0]
        arrays = {
            "held": engine.probabilities(network, held.pictures),
            "test": engine.probabilities(network, test) if len(test) else np.empty((0, classes), np.float32),
        }
        if self._fold == 0:
            compute = FeatureMaker(recipe, weights, shape, classes, len(recipe.layers) - 1)
            arrays["embedding"] = _embedding(dataset, lambda some: _seen(compute, some)["seen"])
        return arrays

    def _tell(self, epoch: int, epochs: int, done: int, count: int, loss: float) -> None:  # noqa: ARG002
        self._told(self._title, epoch * count + done, epochs * count)


def _by_features(dataset: Dataset, folds: NDArray[np.intp], work: Work, told: Told) -> Answers:
    """What heads on the features of a pretrained network say."""
    recipe = network_recipe(_PRETRAINED)
    # Without the dropout and the dense layer: a row of what it sees.
    compute = FeatureMaker(
        recipe, read_pretrained(_PRETRAINED), dataset.shape, CLASSES, len(recipe.layers) - 2
    )
    count = len(dataset.train) + (len(dataset.test) if dataset.test else 0)

    def features(pictures: Pictures, begin: int, split: str) -> NDArray[np.float32]:
        parts = [np.empty((0, 1), np.float32)]
        for start in range(0, len(pictures), _AT_ONCE):
            some = pictures[start : start + _AT_ONCE]
            parts.append(work.part(f"features-{split}-{start}", partial(_seen, compute, some))["seen"])
            told("features", begin + start + len(some), count)
        return np.concatenate(parts[1:])

    train = features(dataset.train.pictures, 0, "train")
    learned = learn(train[None], dataset.train.labels, folds)
    test = features(dataset.test.pictures, len(train), "test") if dataset.test else train[:0]
    both = np.concatenate([train, test])
    some = both - both.mean(axis=0)
    return Answers(
        probabilities_at(learned.held_out, learned.temperature).astype(np.float32),
        probabilities_at(learned.head.logits(test)[None], learned.temperature).astype(np.float32)
        if dataset.test
        else None,
        some @ components(some, _WIDTH),
        f"heads on what {_PRETRAINED} sees, in {learned.folds} folds, each asked about pictures it has not "
        "learned from",
    )


def _seen(compute: FeatureMaker, pictures: Pictures) -> Arrays:
    return {"seen": np.concatenate(list(compute(pictures)))}


def _embedding(dataset: Dataset, see: Callable[[Pictures], NDArray[np.float32]]) -> NDArray[np.float32]:
    """The principal components of what a network sees in all pictures, some pictures at a time."""
    splits = [dataset.train.pictures, *([dataset.test.pictures] if dataset.test else [])]
    first = see(take(splits[0], evenly(len(splits[0]), _LOOKED_AT)))
    mean = first.mean(axis=0)
    axes = components(first, _WIDTH)
    parts: list[Any] = [
        (see(pictures[start : start + _AT_ONCE]) - mean) @ axes
        for pictures in splits
        for start in range(0, len(pictures), _AT_ONCE)
    ]
    return np.asarray(np.concatenate(parts), np.float32)
