"""A recipe's plan as a Keras model: uint8 pictures in, probabilities out, its layers named by their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from ...recipes.plan import Step
from ...recipes.schema import (
    Activate,
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Normalise,
    Pool,
    Residual,
)
from ...training.normalise import scale_and_offset
from ..protocol import Shape, Weights
from .device import backend

# Keras's word for each of ours, and how the axes of a kernel go there (and back, with the inverse).
_WORDS = {
    "weight": "kernel",
    "bias": "bias",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_AXES = {2: (1, 0), 4: (2, 3, 1, 0)}
_RISING = ("relu", "tanh")


def whole(steps: Sequence[Step], shape: Shape, name: str, normalise: Normalise | None = None) -> keras.Model:
    """The network as it is kept and asked: pictures (n, height, width, channels) in, from 0 to 255."""
    pictures = keras.Input(shape, name="pictures", dtype="uint8")
    scale, offset = scale_and_offset(normalise or Normalise(), shape[2])
    scaled = layers.Rescaling(scale, offset, dtype="float32", name="scaled")(pictures)
    answers = _chain(steps, scaled, "float32")
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(answers)
    return keras.Model(pictures, probabilities, name=name.replace(".", "_"))


def learner(steps: Sequence[Step], shape: Shape, policy: str) -> keras.Model:
    """The network as it is fitted: normalised numbers in, one number for each class out."""
    scaled = keras.Input(shape, dtype="float32")
    return keras.Model(scaled, _chain(steps, scaled, policy, fitted=True))


def weights(network: keras.Model, values: Iterable[keras.Variable] | None = None) -> Weights:
    """A network's weights by their common names; `values` stand in for those of `network.weights`."""
    given = zip(network.weights, network.weights if values is None else values, strict=True)
    arrays = {variable.path: backend().array(value.value) for variable, value in given}
    result: Weights = {}
    for layer in network.layers:
        for word, variable in _variables(layer).items():
            array = arrays[variable.path]
            axes = _AXES.get(array.ndim)
            turned = array if axes is None else array.transpose(np.argsort(axes))
            result[f"{layer.name}.{word}"] = np.ascontiguousarray(turned, dtype=np.float32)
    return result


def assign(network: keras.Model, values: Mapping[str, NDArray[Any]]) -> None:
    """Give a network these weights, by their common names."""
    for layer in network.layers:
        for word, variable in _variables(layer).items():
            array = values[f"{layer.name}.{word}"]
            axes = _AXES.get(array.ndim)
            variable.assign(array if axes is None else array.transpose(axes))


def _variables(layer: Any) -> dict[str, Any]:
    """The variables of a layer by our words; none for a layer that learns nothing."""
    words = {**_WORDS, "weight": "gamma", "bias": "beta"} if hasattr(layer, "gamma") else _WORDS
    found = {ours: getattr(layer, theirs, None) for ours, theirs in words.items()}
    return {word: variable for word, variable in found.items() if variable is not None}


def _chain(steps: Sequence[Step], x: Any, policy: str, *, fitted: bool = False) -> Any:
    """Layer after layer. While fitting, activations go behind the pooling that follows them.

    The largest of the activated is the activation of the largest: pool first, less is left.
    """
    waiting: Activation = "linear"
    for step in steps:
        pools = isinstance(step.layer, Pool) and step.layer.by == "max"
        if not pools:
            x = _activated(x, waiting, policy)
            waiting = "linear"
        activation = _activation(step)
        if fitted and isinstance(step.layer, Conv | Activate) and activation in _RISING:
            waiting = activation
            x = _layer(step, x, policy, "linear", fitted)
        else:
            x = _layer(step, x, policy, activation, fitted)
    return _activated(x, waiting, policy)


def _activation(step: Step) -> Activation:
    match step.layer:
        case Dense() | Conv():
            return step.layer.activation
        case Activate():
            return step.layer.by
        case _:
            return "linear"


def _activated(x: Any, activation: Activation, policy: str) -> Any:
    return x if activation == "linear" else layers.Activation(activation, dtype=policy)(x)


def _layer(step: Step, x: Any, policy: str, activation: Activation, fitted: bool) -> Any:
    layer: Any = step.layer
    named: dict[str, Any] = {"name": step.name, "dtype": policy}
    across = {**named, "data_format": "channels_last"}  # whatever the user's settings say
    match layer:
        case Flatten():
            return layers.Flatten(**across)(x)
        case Dense():
            return layers.Dense(step.gives[0], activation, use_bias=layer.bias, **named)(x)
        case Conv():
            rim = layer.kernel // 2 if layer.padding == "same" else 0
            same = rim > 0 and layer.stride == 1 and layer.kernel % 2 == 1
            if rim and not same:  # where Keras's "same" would put other rims
                x = layers.ZeroPadding2D(rim, **{**across, "name": f"{step.name}.rim"})(x)
            return layers.Conv2D(
                layer.filters,
                layer.kernel,
                layer.stride,
                "same" if same else "valid",
                activation=activation,
                use_bias=layer.bias,
                **across,
            )(x)
        case Pool():
            kind = layers.MaxPooling2D if layer.by == "max" else layers.AveragePooling2D
            return kind(layer.size, **across)(x)
        case GlobalPool():
            kind = layers.GlobalMaxPooling2D if layer.by == "max" else layers.GlobalAveragePooling2D
            return kind(**across)(x)
        case BatchNorm():
            return layers.BatchNormalization(momentum=1 - layer.momentum, epsilon=layer.epsilon, **named)(x)
        case Dropout():
            # Any seed makes the layer draw from a variable of its own, which is set anew for every epoch.
            seed = 0 if fitted else None
            if layer.whole_channels and len(step.takes) == 3:
                return layers.SpatialDropout2D(layer.rate, seed=seed, **across)(x)
            return layers.Dropout(layer.rate, seed=seed, **named)(x)
        case Activate():
            return x if activation == "linear" else layers.Activation(activation, **named)(x)
        case Residual():
            inner = _chain(step.inner, x, policy, fitted=fitted)
            return layers.Add(**named)([inner, _chain(step.shortcut, x, policy, fitted=fitted)])
