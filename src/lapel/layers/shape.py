"""What changes the shape and nothing else."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from .graph import Graph
from .layer import KerasSettings, Layer, Shape, Step

if TYPE_CHECKING:
    from torch import nn


class Flatten(Layer):
    """Lay a picture out as one row of numbers (row by row, pixel by pixel, channel by channel)."""

    kind: Literal["flatten"] = "flatten"

    flattens: ClassVar[bool] = True

    def output_shape(self, takes: Shape, classes: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) -> (height · width · channels,)."""
        return (prod(takes),)

    def build_torch(self, step: Step) -> nn.Module:  # noqa: ARG002
        """A function that puts channels last: in channels-last memory no copy, forwards or backwards."""
        from .modules import Function

        return Function(lambda x: x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x)

    def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:
        """A Flatten."""
        from keras import layers

        return layers.Flatten(**settings.pictures(step))(x)

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:
        """A Transpose to channels last, and Flatten."""
        if len(step.takes) == 3:
            value = graph.add("Transpose", value, perm=[0, 2, 3, 1])
        return graph.add("Flatten", value, axis=1)
