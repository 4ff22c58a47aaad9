"""Activations: their words in each framework, and the layer that is nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .graph import Graph
from .layer import Activation, KerasSettings, Layer, Step

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class _Form:
    torch: str  # a function of torch.nn.functional
    keras: str
    onnx: Callable[[Graph, str], str]
    rising: bool = False  # never less for more


def _onnx_gelu(graph: Graph, value: str) -> str:
    # Gelu itself came with opset 20: x/2 · (1 + erf(x/√2)).
    error = graph.add("Erf", graph.add("Mul", value, graph.number(math.sqrt(0.5))))
    half = graph.add("Mul", value, graph.number(0.5))
    return graph.add("Mul", half, graph.add("Add", error, graph.number(1.0)))


def _onnx_relu6(graph: Graph, value: str) -> str:
    return graph.add("Clip", value, graph.number(0.0), graph.number(6.0))


def _onnx_silu(graph: Graph, value: str) -> str:
    return graph.add("Mul", value, graph.add("Sigmoid", value))


_FORMS: dict[Activation, _Form] = {
    "relu": _Form("relu", "relu", lambda graph, value: graph.add("Relu", value), rising=True),
    "relu6": _Form("relu6", "relu6", _onnx_relu6, rising=True),
    "gelu": _Form("gelu", "gelu", _onnx_gelu),
    "silu": _Form("silu", "silu", _onnx_silu),
    "hard-swish": _Form("hardswish", "hard_silu", lambda graph, value: graph.add("HardSwish", value)),
    "sigmoid": _Form("sigmoid", "sigmoid", lambda graph, value: graph.add("Sigmoid", value), rising=True),
    "tanh": _Form("tanh", "tanh", lambda graph, value: graph.add("Tanh", value), rising=True),
}


def is_rising(activation: Activation) -> bool:
    """Whether the largest of the activated is the activation of the largest."""
    return activation != "linear" and _FORMS[activation].rising


def torch_activation(activation: Activation) -> Callable[[Tensor], Tensor] | None:
    """PyTorch's function; None for linear."""
    from torch.nn import functional

    if activation == "linear":
        return None
    function: Callable[[Tensor], Tensor] = getattr(functional, _FORMS[activation].torch)
    return function


def keras_activation(activation: Activation) -> str:
    """Keras's name for it."""
    return "linear" if activation == "linear" else _FORMS[activation].keras


def add_activation(graph: Graph, activation: Activation, value: str) -> str:
    """Add its ONNX nodes behind `value`; returns the name of what they give."""
    return value if activation == "linear" else _FORMS[activation].onnx(graph, value)


class Activate(Layer):
    """An activation on its own."""

    kind: Literal["activation"] = "activation"
    by: Activation = "relu"

    def output_activation(self) -> Activation:
        """The activation that it is."""
        return self.by

    def build_torch(self, step: Step) -> nn.Module:  # noqa: ARG002
        """Nothing: the engine puts the activation behind it."""
        from torch import nn

        return nn.Identity()

    def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:
        """An Activation, or nothing where it is linear or comes later."""
        from keras import layers

        if settings.activation == "linear":
            return x
        return layers.Activation(settings.activation, **settings.named(step))(x)

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:  # noqa: ARG002
        """The activation's nodes."""
        return add_activation(graph, self.by, value)
