"""What is minimised: a loss from what a network answers and what is true, for every engine.

An objective has a method for each engine that can compute it: `torch(answers, truth)` and
`keras(answers, truth)`. Both are given fp32 answers before the softmax (n, classes), those of a network with
several outputs by name, and the truth as the batches give it; both return the mean loss of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from ..data.dataset import Labels
from ..errors import LapelError
from ..recipes.schema import Training


@runtime_checkable
class TorchObjective(Protocol):
    """An objective that PyTorch can compute."""

    def torch(self, answers: Any, truth: Any) -> Any:
        """The mean loss of a batch, a scalar tensor."""


@runtime_checkable
class KerasObjective(Protocol):
    """An objective that Keras can compute, on any backend."""

    def keras(self, answers: Any, truth: Any) -> Any:
        """The mean loss of a batch, a scalar tensor."""


Objective: TypeAlias = TorchObjective | KerasObjective


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy with labels (n), or with shares of the classes (n, classes)."""

    smoothing: float = 0.0  # share of the truth that is spread over all classes
    class_weights: tuple[float, ...] | None = None
    _constants: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def torch(self, answers: Any, truth: Any) -> Any:
        """As PyTorch has it."""
        import torch

        weights = None
        if self.class_weights is not None:
            if answers.device not in self._constants:
                self._constants[answers.device] = torch.tensor(self.class_weights, device=answers.device)
            weights = self._constants[answers.device]
        return torch.nn.functional.cross_entropy(answers, truth, weights, label_smoothing=self.smoothing)

    def keras(self, answers: Any, truth: Any) -> Any:
        """The same on any backend."""
        from keras import ops

        classes, count = answers.shape[-1], truth.shape[0]
        labelled = len(truth.shape) == 1
        shares = ops.one_hot(truth, classes, dtype="float32") if labelled else truth
        surprise = (shares * (1 - self.smoothing) + self.smoothing / classes) * ops.log_softmax(answers)
        if self.class_weights is None:
            return -ops.sum(surprise) / count
        weights = ops.convert_to_tensor(np.array(self.class_weights, np.float32))
        # PyTorch divides by the weights of labels, but by the number of pictures where there are shares.
        return -ops.sum(surprise * weights) / (ops.sum(ops.take(weights, truth)) if labelled else count)


@dataclass(frozen=True)
class Agreement:
    """Two views of the same pictures are to be answered alike: the symmetric divergence of the answers.

    Of the batch's last 2 · `pairs` pictures the second half shows again what the first half shows; with
    0, of all pictures.
    """

    pairs: int = 0

    def torch(self, answers: Any, truth: Any) -> Any:  # noqa: ARG002
        """How far the answers to the one half lie from those to the other."""
        first, second = answers[-2 * self.pairs :].log_softmax(1).chunk(2)
        return ((first.exp() - second.exp()) * (first - second)).sum(1).mean()

    def keras(self, answers: Any, truth: Any) -> Any:  # noqa: ARG002
        """The same on any backend."""
        from keras import ops

        first, second = ops.split(ops.log_softmax(answers[-2 * self.pairs :]), 2)
        return ops.mean(ops.sum((ops.exp(first) - ops.exp(second)) * (first - second), -1))


@dataclass(frozen=True)
class Part:
    """An objective that counts so much in a sum; of several outputs of a network it sees the one named."""

    objective: Objective
    weight: float = 1.0
    output: str = "answers"

    def loss(self, engine: str, answers: Any, truth: Any) -> Any:
        """What it adds to the loss."""
        answers, truth = (
            given[self.output] if isinstance(given, Mapping) else given for given in (answers, truth)
        )
        return self.weight * getattr(self.objective, engine)(answers, truth)


class Sum:
    """A weighted sum of objectives, each for an output of the network: several heads, or several aims."""

    def __init__(self, *parts: Part) -> None:
        self.parts = parts

    def __repr__(self) -> str:
        return f"Sum({', '.join(map(repr, self.parts))})"

    def torch(self, answers: Any, truth: Any) -> Any:
        """The sum of what the parts say."""
        return sum(part.loss("torch", answers, truth) for part in self.parts)

    def keras(self, answers: Any, truth: Any) -> Any:
        """The sum of what the parts say; Keras networks have one output."""
        for part in self.parts:
            keras_objective(part.objective)
        return sum(part.loss("keras", answers, truth) for part in self.parts)


def torch_objective(objective: Objective) -> TorchObjective:
    """The objective, as one that PyTorch can compute. Raises LapelError where it cannot."""
    if not isinstance(objective, TorchObjective):
        raise LapelError(
            f"The objective {objective!r} has no method torch(answers, truth).",
            "Write one, or train with --engine keras.",
        )
    return objective


def keras_objective(objective: Objective) -> KerasObjective:
    """The objective, as one that Keras can compute. Raises LapelError where it cannot."""
    if not isinstance(objective, KerasObjective):
        raise LapelError(
            f"The objective {objective!r} has no method keras(answers, truth).",
            "Write one, or train with --engine torch.",
        )
    return objective


def recipe_objective(training: Training, labels: Labels | None, classes: int) -> CrossEntropy:
    """What a recipe says is minimised; `labels` are those of the training pictures, where all are known.

    Raises LapelError where as many class weights are given as there are not classes.
    """
    return CrossEntropy(training.label_smoothing, class_weights(training, labels, classes))


def class_weights(training: Training, labels: Labels | None, classes: int) -> tuple[float, ...] | None:
    """The weight of each class in the loss, or None where all weigh the same."""
    weights = training.class_weights
    if weights == "none":
        return None
    if weights == "balanced":
        if labels is None:
            raise LapelError(
                'class_weights = "balanced" needs the labels of all pictures; a stream does not tell them.',
                "Give the weight of each class.",
            )
        counts = np.bincount(labels, minlength=classes).clip(1)
        weights = tuple((len(labels) / (classes * counts)).tolist())
    if len(weights) != classes:
        raise LapelError(
            f"{len(weights)} class weights are given for {classes} classes.",
            'Give one for each class, or class_weights = "balanced".',
        )
    return weights
