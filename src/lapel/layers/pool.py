"""Pooling, by patches and over whole channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from .graph import Graph
from .layer import KerasSettings, Layer, Shape, ShapeError, Step, describe_shape, require_picture

if TYPE_CHECKING:
    from torch import nn


class Pool(Layer):
    """Maximum or average of each `size` × `size` patch; a rest at the edge is left out."""

    kind: Literal["pool"] = "pool"
    by: Literal["max", "average"] = "max"
    size: int = Field(2, ge=2, le=64)

    def pools_largest(self) -> bool:
        """Whether it keeps the largest of each patch."""
        return self.by == "max"

    def output_shape(self, takes: Shape, classes: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) -> (channels, height // size, width // size)."""
        require_picture(takes)
        height, width = (side // self.size for side in takes[1:])
        if min(height, width) < 1:
            raise ShapeError(
                f"is larger than what it gets, {describe_shape(takes)}", "Use fewer or smaller pools."
            )
        return (takes[0], height, width)

    def build_torch(self, step: Step) -> nn.Module:  # noqa: ARG002
        """A MaxPool2d or AvgPool2d."""
        from torch import nn

        return nn.MaxPool2d(self.size) if self.by == "max" else nn.AvgPool2d(self.size)

    def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:
        """A MaxPooling2D or AveragePooling2D."""
        from keras import layers

        pool = layers.MaxPooling2D if self.by == "max" else layers.AveragePooling2D
        return pool(self.size, **settings.pictures(step))(x)

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:  # noqa: ARG002
        """A MaxPool or AveragePool."""
        operator = "MaxPool" if self.by == "max" else "AveragePool"
        return graph.add(operator, value, kernel_shape=[self.size] * 2, strides=[self.size] * 2)


class GlobalPool(Layer):
    """Maximum or average of each whole channel; leaves one row of numbers, or a picture of one pixel."""

    kind: Literal["global-pool"] = "global-pool"
    by: Literal["max", "average"] = "average"
    flat: bool = True

    def output_shape(self, takes: Shape, classes: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) -> (channels,), or (channels, 1, 1) where it is not `flat`."""
        require_picture(takes)
        return (takes[0],) if self.flat else (takes[0], 1, 1)

    def build_torch(self, step: Step) -> nn.Module:  # noqa: ARG002
        """The function amax or mean."""
        import torch

        from .modules import Function

        pool = torch.amax if self.by == "max" else torch.mean
        return Function(lambda x: pool(x, dim=(2, 3), keepdim=not self.flat))

    def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:
        """A GlobalMaxPooling2D or GlobalAveragePooling2D."""
        from keras import layers

        pool = layers.GlobalMaxPooling2D if self.by == "max" else layers.GlobalAveragePooling2D
        return pool(keepdims=not self.flat, **settings.pictures(step))(x)

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:  # noqa: ARG002
        """A GlobalMaxPool or GlobalAveragePool, and Flatten."""
        pixel = graph.add("GlobalMaxPool" if self.by == "max" else "GlobalAveragePool", value)
        return graph.add("Flatten", pixel, axis=1) if self.flat else pixel
