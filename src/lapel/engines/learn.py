"""How much of a network learns: all of it, its head alone, or first the head and then all.

A head is what lies behind the last picture. Where it learns alone, what the layers before it make of each
picture is computed once, and the engine fits the head to that as it fits any other network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Pictures, Split
from ..errors import RecipeError
from ..layers.shape import Flatten
from ..recipes.plan import Step, plan
from ..recipes.schema import Augmentation, Normalise, Recipe
from ..training.objective import Objective
from ..training.watch import Epoch, Prepare, Progress
from .features import FeatureMaker
from .protocol import Engine, Fitting, Shape, Weights
from .weights import moved_name


@dataclass(frozen=True)
class FitArguments:
    """What every part of a training shares."""

    engine: Engine
    recipe: Recipe
    shape: Shape
    classes: int
    train: Split
    validation: Split
    seed: int
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    objective: Objective | None = None

    def fit(self, weights: Weights) -> Fitting:
        """Begin to fit the recipe's network, from these weights on."""
        network = self.engine.build(self.recipe, self.shape, self.classes, weights)
        return self.engine.fit(
            network,
            self.train,
            self.validation,
            self.recipe,
            seed=self.seed,
            device=self.device,
            precision=self.precision,
            threads=self.threads,
            objective=self.objective,
        )


def begin(arguments: FitArguments, weights: Weights, prepare: Prepare) -> Fitting:
    """Begin to fit as much of the recipe's network as the recipe says; `prepare` is told of features.

    Raises RecipeError where there is nothing before the head or in it, or augmentation is asked for that
    features cannot have.
    """
    match arguments.recipe.training.learn:
        case "frozen":
            _refuse_augmentation(arguments.recipe)
            return HeadAlone(arguments, weights, prepare)
        case "head-first":
            return HeadFirst(arguments, weights, prepare)
        case _:
            return arguments.fit(weights)


class HeadAlone:
    """A training of the head, which speaks of the whole network."""

    def __init__(self, arguments: FitArguments, weights: Weights, prepare: Prepare) -> None:
        self._arguments = arguments
        steps = plan(arguments.recipe, arguments.shape, arguments.classes)
        self._place = _last_picture(arguments.recipe, steps)
        self._body = {name: value for name, value in weights.items() if _layer(name) <= self._place}
        train, validation = _features(arguments, self._place, self._body, prepare)
        alone = replace(
            arguments,
            recipe=_head_recipe(arguments.recipe, self._place),
            shape=(1, 1, train.pictures.shape[3]),
            train=train,
            validation=validation,
            threads=arguments.threads or 1,  # so little work that more would wait for each other
        )
        self._fitting = alone.fit(
            {self._inner(name): value for name, value in weights.items() if name not in self._body}
        )

    @property
    def precision(self) -> str:
        """Of the head; features are always computed in fp32."""
        return self._fitting.precision

    @property
    def device(self) -> str:
        """Where it is computed."""
        return self._fitting.device

    @property
    def threads(self) -> int:
        """Those that fit the head."""
        return self._fitting.threads

    def epoch(self, progress: Progress | None = None) -> Epoch:
        """Fit one epoch more and judge it on the validation pictures."""
        return self._fitting.epoch(progress)

    def weights(self) -> Weights:
        """The weights that were judged, those of the layers before the head as they came."""
        return self._body | {self._outer(name): value for name, value in self._fitting.weights().items()}

    def adopt(self, weights: Weights) -> None:
        """Take these weights of the head for the first ones; the layers before it stay."""
        self._fitting.adopt(
            {self._inner(name): value for name, value in weights.items() if name not in self._body}
        )

    def saved(self) -> bytes:
        """The same weights, as the file that this engine keeps them in."""
        arguments = self._arguments
        return arguments.engine.pack(arguments.recipe, arguments.shape, arguments.classes, self.weights())

    def state(self) -> Weights:
        """All that is needed to go on; the layers before the head are as in every epoch's weights."""
        return self._fitting.state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go back to a kept state."""
        self._fitting.restore(state)

    def _inner(self, name: str) -> str:
        return moved_name(name, -self._place)

    def _outer(self, name: str) -> str:
        return moved_name(name, self._place)


class HeadFirst:
    """Some epochs of the head alone, then all layers."""

    def __init__(self, arguments: FitArguments, weights: Weights, prepare: Prepare) -> None:
        training = arguments.recipe.training
        self._alone, self._done = training.head_epochs, 0
        if self._alone >= training.epochs:
            raise RecipeError(
                f"The head learns alone for {self._alone} of {training.epochs} epochs; none is left for all "
                "layers.",
                'Ask for more "training.epochs", or set "training.learn" to "frozen".',
            )
        _last_picture(arguments.recipe, plan(arguments.recipe, arguments.shape, arguments.classes))
        rest = _changed(arguments.recipe, epochs=training.epochs - self._alone, steps=0)
        self._whole = replace(arguments, recipe=rest).fit(weights)
        first = replace(arguments, recipe=_changed(arguments.recipe, epochs=self._alone))
        self._make_head = partial(HeadAlone, first, weights, prepare)
        self._head: HeadAlone | None = None
        self.precision, self.device = self._whole.precision, self._whole.device

    @property
    def threads(self) -> int:
        """Those that fit all layers."""
        return self._whole.threads

    def epoch(self, progress: Progress | None = None) -> Epoch:
        """Fit one epoch more, of the head or of all layers, and judge it on the validation pictures."""
        if self._done == self._alone:
            self._whole.adopt(self._fitting.weights())
        self._done += 1
        return replace(self._fitting.epoch(progress), number=self._done)

    def weights(self) -> Weights:
        """The weights that were judged."""
        return self._fitting.weights()

    def adopt(self, weights: Weights) -> None:
        """Take these weights for the first ones; only before the first epoch."""
        self._fitting.adopt(weights)

    def saved(self) -> bytes:
        """The same weights, as the file that this engine keeps them in."""
        return self._fitting.saved()

    def state(self) -> Weights:
        """All that is needed to go on from the end of this epoch, and the epoch's number."""
        return {**self._fitting.state(), "epoch": np.asarray(self._done)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go back to a kept state."""
        self._done = int(state["epoch"])
        before = self._alone if self._done > self._alone else 0
        self._fitting.restore({**state, "epoch": np.asarray(self._done - before)})

    @property
    def _fitting(self) -> Fitting:
        """What fits the epoch that is under way, or that was the last; features are made when needed."""
        if self._done > self._alone:
            return self._whole
        self._head = self._head or self._make_head()
        return self._head


def _refuse_augmentation(recipe: Recipe) -> None:
    """Raise RecipeError where pictures would have to be changed anew in every epoch."""
    changes = recipe.augmentation.model_copy(update={"flip": False}).model_dump(exclude_defaults=True)
    for word in changes:
        if word != "flip":
            raise RecipeError(
                f'recipe "{recipe.name}": its head learns from what is computed of each picture once, so '
                f'"augmentation.{word}" has no effect.',
                'Leave it out (a flip is possible), or set "training.learn" to "head-first".',
            )


def _last_picture(recipe: Recipe, steps: Sequence[Step]) -> int:
    """The place of the layer that takes the last picture and gives a row."""
    place = max((place for place, step in enumerate(steps) if len(step.takes) == 3), default=0)
    before, behind = (
        any(step.parameters for step in part) for part in (steps[: place + 1], steps[place + 1 :])
    )
    if not before or not behind:
        raise RecipeError(
            f'recipe "{recipe.name}": no layer {"before" if behind else "of"} its head has weights, so it '
            "cannot learn apart.",
            'Set "training.learn" to "all".',
        )
    return place


def _head_recipe(recipe: Recipe, place: int) -> Recipe:
    """What lies behind the last picture as a network for rows, which come as pictures of one pixel."""
    rates = {
        moved_name(name, -place): rate for name, rate in recipe.training.rates.items() if _layer(name) > place
    }
    settings = {
        "layers": (Flatten(), *recipe.layers[place + 1 :]),
        "normalise": Normalise(),
        "augmentation": Augmentation(),
    }
    return _changed(recipe.model_copy(update=settings), learn="all", rates=rates)


def _features(arguments: FitArguments, place: int, weights: Weights, prepare: Prepare) -> tuple[Split, Split]:
    """What the layers before the head make of the pictures: to learn from, and to validate."""
    train, validation = arguments.train, arguments.validation
    views = [train.pictures]
    if arguments.recipe.augmentation.flip:
        views.append(train.pictures[:, :, ::-1])
    count, done = len(train) * len(views) + len(validation), 0
    compute = FeatureMaker(
        arguments.recipe, weights, arguments.shape, arguments.classes, place + 1, kept=True
    )

    def features(pictures: Pictures) -> Pictures:
        nonlocal done
        parts = []
        for part in compute(pictures):
            parts.append(part)
            done += len(part)
            prepare("features", done, count)
        # Engines take what is no whole number for shares of white, and leave it as it is.
        return cast(Pictures, np.concatenate(parts)[:, None, None])

    with compute:
        learned = np.concatenate([features(view) for view in views])
        validated = features(validation.pictures)
    return Split(learned, np.tile(train.labels, len(views))), Split(validated, validation.labels)


def _changed(recipe: Recipe, **training: Any) -> Recipe:
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=training)})


def _layer(name: str) -> int:
    return int(name.partition(".")[0])
