"""Layers that are made of other layers: one way or several through them, joined at the end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from .graph import Graph
from .layer import KerasSettings, Layer, Shape, Step

if TYPE_CHECKING:
    from torch import Tensor


class Composite(Layer):
    """A layer whose inner layers are planned, drawn, built and exported as any others are.

    Each of its branches takes what it takes itself; what they give is added up or multiplied.
    """

    join: ClassVar[Literal["add", "multiply"]] = "add"
    deep: ClassVar[bool] = False  # a network of its own: its layers learn at rates that fall one by one

    @abstractmethod
    def branches(self, takes: Shape) -> dict[str, Sequence[Layer]]:
        """Its inner layers by the name of their branch; an empty branch passes on what it takes.

        Raises ShapeError where it cannot take that shape.
        """

    def joined_shape(self, ends: Sequence[Shape]) -> Shape:
        """The shape of all branches joined. Raises ShapeError where they do not suit each other."""
        return ends[0]

    def join_torch(self, values: Sequence[Tensor]) -> Tensor:
        """PyTorch's sum or product."""
        import torch

        return reduce(torch.add if self.join == "add" else torch.mul, values)

    def join_keras(self, step: Step, values: Sequence[Any], settings: KerasSettings) -> Any:
        """An Add or Multiply, where there are several values."""
        from keras import layers

        if len(values) == 1:
            return values[0]
        kind = layers.Add if self.join == "add" else layers.Multiply
        return kind(**settings.named(step))(list(values))

    def join_onnx(self, graph: Graph, values: Sequence[str]) -> str:
        """An Add or Mul for each value after the first."""
        operator = "Add" if self.join == "add" else "Mul"
        return reduce(lambda sum_, value: graph.add(operator, sum_, value), values)
