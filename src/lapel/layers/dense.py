"""The fully connected layer."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from .activation import add_activation
from .graph import Graph
from .layer import Activation, KerasSettings, Layer, Shape, ShapeError, Step, describe_shape

if TYPE_CHECKING:
    from torch import nn


class Dense(Layer):
    """Fully connected. Without `units`, one for each class of the dataset."""

    kind: Literal["dense"] = "dense"
    units: int | None = Field(None, ge=1, le=65536)
    activation: Activation = "linear"
    bias: bool = True

    mixes_row: ClassVar[bool] = True
    row_weights: ClassVar[tuple[str, ...] | None] = ("weight",)

    def output_shape(self, takes: Shape, classes: int) -> Shape:
        """(numbers,) -> (units,)."""
        if len(takes) != 1:
            raise ShapeError(
                f"needs a row of numbers, but gets {describe_shape(takes)}",
                'Put { kind = "flatten" } before it.',
            )
        return (self.units or classes,)

    def weight_shapes(self, takes: Shape, gives: Shape) -> dict[str, Shape]:
        """`weight` (units, numbers), `bias` (units,)."""
        weight = {"weight": (*gives, *takes)}
        return {**weight, "bias": gives} if self.bias else weight

    def multiplications(self, step: Step) -> int:
        """One for each number of the weight."""
        return prod(step.weights["weight"])

    def output_activation(self) -> Activation:
        """The activation behind it."""
        return self.activation

    def build_torch(self, step: Step) -> nn.Module:
        """A Linear."""
        from torch import nn

        return nn.Linear(step.takes[0], step.gives[0], bias=self.bias)

    def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:
        """A Dense."""
        from keras import layers

        return layers.Dense(*step.gives, settings.activation, use_bias=self.bias, **settings.named(step))(x)

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:
        """A Gemm."""
        row = graph.add("Gemm", value, *graph.weights_of(step.name, "weight", "bias"), transB=1)
        return add_activation(graph, self.activation, row)
