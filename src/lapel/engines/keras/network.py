"""A recipe's plan as a Keras model: uint8 pictures in, probabilities out, its layers named by their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from ...layers.activation import is_rising, keras_activation
from ...layers.composite import Composite
from ...layers.layer import KerasSettings
from ...recipes.plan import Step
from ...recipes.schema import Normalise
from ...training.normalise import scale_and_offset
from ..protocol import Shape, Weights
from .device import backend

# Keras's word for each of ours.
_WORDS = {
    "weight": "kernel",
    "bias": "bias",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_NORM_WORDS = {**_WORDS, "weight": "gamma", "bias": "beta"}


def whole(
    steps: Sequence[Step],
    shape: Shape,
    name: str,
    normalise: Normalise | None = None,
    dtype: str = "uint8",
) -> keras.Model:
    """The network as it is kept and asked: pictures (n, height, width, channels) in, from 0 to 255.

    With another dtype, shares of white from 0 to 1.
    """
    pictures = keras.Input(shape, name="pictures", dtype=dtype)
    scale, offset = scale_and_offset(normalise or Normalise(), shape[2])
    if dtype != "uint8":
        scale = [one * 255 for one in scale] if isinstance(scale, list) else scale * 255
    scaled = layers.Rescaling(scale, offset, dtype="float32", name="scaled")(pictures)
    answers = _chain(steps, scaled, KerasSettings("float32"))
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(answers)
    return keras.Model(pictures, probabilities, name=name.replace(".", "_"))


def learner(steps: Sequence[Step], shape: Shape, policy: str, *, still: bool = False) -> keras.Model:
    """The network as it is fitted: normalised numbers in, one number for each class out.

    With `still` batch norm does not move its running figures.
    """
    scaled = keras.Input(shape, dtype="float32")
    return keras.Model(scaled, _chain(steps, scaled, KerasSettings(policy, fitted=True, still=still)))


def weights(network: keras.Model, values: Iterable[keras.Variable] | None = None) -> Weights:
    """A network's weights by their common names; `values` stand in for those of `network.weights`."""
    given = zip(network.weights, network.weights if values is None else values, strict=True)
    arrays = {variable.path: backend().array(value.value) for variable, value in given}
    result: Weights = {}
    for layer in network.layers:
        for word, variable in _variables(layer).items():
            array = _from_keras(layer, word, arrays[variable.path])
            result[f"{layer.name}.{word}"] = np.ascontiguousarray(array, dtype=np.float32)
    return result


def assign(network: keras.Model, values: Mapping[str, NDArray[Any]]) -> None:
    """Give a network these weights, by their common names."""
    for layer in network.layers:
        for word, variable in _variables(layer).items():
            variable.assign(_to_keras(layer, word, values[f"{layer.name}.{word}"]))


def _variables(layer: Any) -> dict[str, Any]:
    """The variables of a layer by our words, those of other names by their own."""
    words = _NORM_WORDS if hasattr(layer, "gamma") else _WORDS
    by_attribute = {ours: getattr(layer, theirs, None) for ours, theirs in words.items()}
    known = {word: variable for word, variable in by_attribute.items() if variable is not None}
    paths = {variable.path for variable in known.values()}
    return known | {variable.name: variable for variable in layer.weights if variable.path not in paths}


def _from_keras(layer: Any, word: str, array: NDArray[Any]) -> NDArray[Any]:
    """One of Keras's arrays with the axes as ours: kernels (outputs, inputs of the group, …)."""
    if word != "weight" or array.ndim < 2:
        return array
    if isinstance(layer, layers.DepthwiseConv2D):  # (height, width, channels, filters of each)
        across, down, *_ = array.shape
        return array.transpose(2, 3, 0, 1).reshape(-1, 1, across, down)
    return array.transpose(-1, -2, *range(array.ndim - 2))


def _to_keras(layer: Any, word: str, array: NDArray[Any]) -> NDArray[Any]:
    """One of our arrays with the axes as Keras's layer keeps them."""
    if word != "weight" or array.ndim < 2:
        return array
    if isinstance(layer, layers.DepthwiseConv2D):
        filters, _, across, down = array.shape
        channels = filters // layer.depth_multiplier
        return array.reshape(channels, -1, across, down).transpose(2, 3, 0, 1)
    return array.transpose(*range(2, array.ndim), 1, 0)


def _chain(steps: Sequence[Step], x: Any, settings: KerasSettings) -> Any:
    """Layer after layer. While fitting, activations go behind the pooling that follows them.

    The largest of the activated is the activation of the largest: pool first, less is left.
    """
    postponed = "linear"
    for step in steps:
        if not step.layer.pools_largest():
            x = _activate(x, postponed, settings.dtype)
            postponed = "linear"
        activation = step.layer.output_activation()
        word = keras_activation(activation)
        if settings.fitted and len(step.gives) == 3 and is_rising(activation):
            postponed, word = word, "linear"
        x = _layer(step, x, replace(settings, activation=word))
    return _activate(x, postponed, settings.dtype)


def _activate(x: Any, activation: str, policy: str) -> Any:
    return x if activation == "linear" else layers.Activation(activation, dtype=policy)(x)


def _layer(step: Step, x: Any, settings: KerasSettings) -> Any:
    if not isinstance(step.layer, Composite):
        return step.layer.build_keras(step, x, settings)
    ends = [_chain(branch, x, settings) for branch in step.branches.values()]
    return step.layer.join_keras(step, ends, settings)
