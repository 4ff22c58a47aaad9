"""An ONNX graph in the making: what layers and export add their nodes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx


class Graph:
    """Nodes and constants on their way to becoming a graph."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], compact: bool) -> None:
        self.weights = weights
        self.compact = compact
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def add(self, operator: str, *takes: str, gives: str = "", **settings: Any) -> str:
        """Append a node; returns the name of what it gives."""
        from onnx import helper

        gives = gives or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(takes), [gives], name=gives, **settings))
        return gives

    def add_graph(self, layer: str, model: onnx.ModelProto, value: str) -> str:
        """Append a graph of one input and one output, under the name of the layer in this place.

        Its constants that are called as a weight of the layer become that weight. Returns the name of what
        it gives.
        """
        from onnx import compose, numpy_helper

        inner = compose.add_prefix(model, f"{layer}.").graph
        for constant in inner.initializer:
            if constant.name in self.weights:
                self._weight(constant.name)
            else:
                self.constants[constant.name] = numpy_helper.to_array(constant)
        self.add("Identity", value, gives=inner.input[0].name)
        self.nodes.extend(inner.node)
        return str(inner.output[0].name)

    def number(self, value: float) -> str:
        """A single constant."""
        name = f"number_{value!r}"
        self.constants[name] = np.array(value, dtype=np.float32)
        return name

    def constant(self, value: float | tuple[float, ...]) -> str:
        """A single constant, or a row of them."""
        if not isinstance(value, tuple):
            return self.number(value)
        name = "row_" + "_".join(map(repr, value))
        self.constants[name] = np.array(value, dtype=np.float32)
        return name

    def numbers(self, *values: int) -> str:
        """A row of whole numbers."""
        name = "numbers_" + "_".join(map(str, values))
        self.constants[name] = np.array(values, dtype=np.int64)
        return name

    def part(self, start: int, end: int, *, axis: int, step: int = 1) -> list[str]:
        """What a Slice takes besides its value."""
        return [self.numbers(value) for value in (start, end, axis, step)]

    def weights_of(self, layer: str, *words: str) -> list[str]:
        """Constants for the named weights of the layer in this place, those that it has."""
        names = [f"{layer}.{word}" for word in words]
        return [self._weight(name) for name in names if name in self.weights]

    def _weight(self, name: str) -> str:
        weight = self.weights[name]
        if not self.compact or weight.ndim < 2:
            self.constants[name] = weight
            return name
        largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        steps = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
        self.constants[f"{name}.int8"] = np.clip(steps, -127, 127).astype(np.int8)
        self.constants[f"{name}.scale"] = scale
        return self.add("DequantizeLinear", f"{name}.int8", f"{name}.scale", gives=name, axis=0)
