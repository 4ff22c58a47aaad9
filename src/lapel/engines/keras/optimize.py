"""Optimizers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from ...recipes.schema import Training

_EPSILON = 1e-8


def make_optimizer(
    network: keras.Model, training: Training, rates: NDArray[np.float64]
) -> keras.optimizers.Optimizer:
    """The recipe's optimizer for a network's weights: kernels decay, biases and norms do not.

    Muon takes the kernels of the hidden layers and leaves the rest (biases, norms, the last layer) to
    AdamW, its own steps scaled to the size of AdamW's. `rates` has the learning rate of every step.
    """
    variables = network.trainable_variables
    kernels = [variable for variable in variables if len(variable.shape) > 1]
    schedule, decay = _Rates(rates), training.weight_decay or None
    match training.optimizer:
        case "adam":
            optimizer = keras.optimizers.Adam(schedule, epsilon=_EPSILON)
        case "adamw":
            optimizer = keras.optimizers.AdamW(schedule, decay or 0.0, epsilon=_EPSILON)
        case "sgd":
            momentum = training.momentum
            optimizer = keras.optimizers.SGD(schedule, momentum, nesterov=momentum > 0)
        case "muon":
            optimizer = _Muon(
                kernels[:-1],
                learning_rate=schedule,
                weight_decay=decay,
                adam_weight_decay=decay,
                epsilon=_EPSILON,
                momentum=training.momentum,
            )
    if training.optimizer in ("adamw", "muon"):
        optimizer.exclude_from_weight_decay([v for v in variables if len(v.shape) <= 1])
    optimizer.build(variables)
    return optimizer


def prepared(gradients: Sequence[Any], variables: Sequence[Any], training: Training) -> list[Any]:
    """Gradients clipped as the recipe says, and with the decay that Adam and SGD take as part of them."""
    changed = list(gradients)
    if training.clip:
        norm = ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in changed))
        share = ops.minimum(training.clip / (norm + 1e-6), 1.0)
        changed = [gradient * share for gradient in changed]
    if training.weight_decay and training.optimizer in ("adam", "sgd"):
        changed = [
            gradient + training.weight_decay * ops.convert_to_tensor(variable)
            if len(variable.shape) > 1
            else gradient
            for gradient, variable in zip(changed, variables, strict=True)
        ]
    return changed


class _Rates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A learning rate for every step, from a table."""

    def __init__(self, rates: NDArray[np.float64]) -> None:
        self._rates = np.asarray(rates, dtype=np.float32)

    def __call__(self, step: Any) -> Any:
        last = len(self._rates) - 1
        return ops.take(ops.convert_to_tensor(self._rates), ops.minimum(ops.cast(step, "int32"), last))


class _Muon(keras.optimizers.Muon):  # type: ignore[misc]
    """Keras's Muon, for the filters of convolutions too: each is a column of a matrix."""

    def __init__(self, hidden: Sequence[Any], **settings: Any) -> None:
        super().__init__(**settings)
        self._hidden = {variable.path for variable in hidden}

    def _should_use_adamw(self, variable: Any) -> bool:
        return variable.path not in self._hidden

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        return ops.reshape(super().zeropower_via_newtonschulz5(matrix, steps), x.shape)

    def lr_adjust(self, x: Any) -> Any:
        return x * (max(prod(x.shape[:-1]), x.shape[-1]) ** 0.5 * self.rms_rate)
