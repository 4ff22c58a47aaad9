"""The convolution: whole, in groups, or each channel alone (depthwise)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .activation import add_activation
from .graph import Graph
from .layer import (
    Activation,
    KerasSettings,
    Layer,
    Shape,
    ShapeError,
    Step,
    describe_shape,
    glorot,
    require_picture,
)

if TYPE_CHECKING:
    from torch import nn

Padding = Literal["same", "valid", "tensorflow-same"]
MAX_FILTERS = 8192


class Conv(Layer):
    """Convolution.

    `same` padding puts kernel // 2 zeros on every side. `tensorflow-same` puts as many as make the output
    ceil(side / stride) long, the odd one below and on the right, as TensorFlow does: networks that were
    trained with it need it where stride is not 1. With `groups` each filter reads only its own share of the
    channels; "depthwise" makes every channel a group.
    """

    kind: Literal["conv"] = "conv"
    filters: int = Field(ge=1, le=MAX_FILTERS)
    kernel: int = Field(3, ge=1, le=15)
    stride: int = Field(1, ge=1, le=8)
    padding: Padding = "same"
    groups: Annotated[int, Field(ge=1)] | Literal["depthwise"] = 1
    activation: Activation = "linear"
    bias: bool = True

    def output_shape(self, takes: Shape, classes: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) -> (filters, height, width) after kernel, stride and padding."""
        require_picture(takes)
        groups = self._groups(takes)
        if takes[0] % groups or self.filters % groups:
            raise ShapeError(
                f"cannot part {describe_shape(takes)} and {self.filters} filters into {groups} groups",
                "Give groups that divide both.",
            )
        top, left, bottom, right = self._pads(takes)
        height = (takes[1] + top + bottom - self.kernel) // self.stride + 1
        width = (takes[2] + left + right - self.kernel) // self.stride + 1
        if min(height, width) < 1:
            raise ShapeError(
                f"is larger than what it gets, {describe_shape(takes)}",
                "Use a smaller kernel or fewer pools.",
            )
        return (self.filters, height, width)

    def weight_shapes(self, takes: Shape, gives: Shape) -> dict[str, Shape]:  # noqa: ARG002
        """`weight` (filters, channels / groups, kernel, kernel), `bias` (filters,)."""
        weight: dict[str, Shape] = {
            "weight": (self.filters, takes[0] // self._groups(takes), self.kernel, self.kernel)
        }
        return {**weight, "bias": (self.filters,)} if self.bias else weight

    def draw(self, step: Step, word: str, random: np.random.Generator) -> NDArray[np.float32]:
        """As always, but that a number feeds only the filters of its group."""
        if word != "weight":
            return super().draw(step, word, random)
        shape = step.weights[word]
        return glorot(shape, shape[0] // self._groups(step.takes) + shape[1], random)

    def multiplications(self, step: Step) -> int:
        """One for each number of the weight, at every place of the output."""
        return prod(step.weights["weight"]) * prod(step.gives[1:])

    def output_activation(self) -> Activation:
        """The activation behind it."""
        return self.activation

    def build_torch(self, step: Step) -> nn.Module:
        """A Conv2d, which pads unevenly where it must."""
        from torch import nn

        from .modules import StridedPointwise, UnevenConv2d

        top, left, bottom, right = self._pads(step.takes)
        settings: dict[str, Any] = {"groups": self._groups(step.takes), "bias": self.bias}
        sizes = step.takes[0], self.filters, self.kernel, self.stride
        if self.kernel == 1 and self.stride > 1:
            return StridedPointwise(*sizes, **settings)
        if (top, left) == (bottom, right):
            return nn.Conv2d(*sizes, padding=(top, left), **settings)
        return UnevenConv2d(*sizes, pads=(left, right, top, bottom), **settings)

    def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:
        """A Conv2D or DepthwiseConv2D, behind a ZeroPadding2D where Keras would pad otherwise."""
        from keras import layers

        across = settings.pictures(step)
        rim = self.kernel // 2 if self.padding == "same" else 0
        evenly = rim > 0 and self.stride == 1 and self.kernel % 2 == 1
        if rim and not evenly:  # where Keras's "same" would put other rims
            x = layers.ZeroPadding2D(rim, **{**across, "name": f"{step.name}.rim"})(x)
        given: dict[str, Any] = {
            "kernel_size": self.kernel,
            "strides": self.stride,
            "padding": "same" if evenly or self.padding == "tensorflow-same" else "valid",
            "activation": settings.activation,
            "use_bias": self.bias,
            **across,
        }
        channels, groups = step.takes[0], self._groups(step.takes)
        if groups == channels > 1:
            return layers.DepthwiseConv2D(depth_multiplier=self.filters // channels, **given)(x)
        return layers.Conv2D(self.filters, groups=groups, **given)(x)

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:
        """A Conv."""
        groups = self._groups(step.takes)
        settings: dict[str, Any] = {"group": groups} if groups > 1 else {}
        channels = graph.add(
            "Conv",
            value,
            *graph.weights_of(step.name, "weight", "bias"),
            kernel_shape=[self.kernel] * 2,
            strides=[self.stride] * 2,
            pads=list(self._pads(step.takes)),
            **settings,
        )
        return add_activation(graph, self.activation, channels)

    def _groups(self, takes: Shape) -> int:
        return takes[0] if self.groups == "depthwise" else self.groups

    def _pads(self, takes: Shape) -> tuple[int, int, int, int]:
        """Zeros above, on the left, below and on the right."""
        if self.padding == "tensorflow-same":
            rests = [(-(-side // self.stride) - 1) * self.stride + self.kernel - side for side in takes[1:]]
            down, across = (max(0, rest) for rest in rests)
            return down // 2, across // 2, down - down // 2, across - across // 2
        rim = self.kernel // 2 if self.padding == "same" else 0
        return rim, rim, rim, rim
