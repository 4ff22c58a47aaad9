"""The residual: what layers make of their input, added to the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from .composite import Composite
from .layer import Layer, Shape, ShapeError, describe_shape
from .reference import AnyLayer


class Residual(Composite):
    """Add what `layers` make of the input to the input itself (or to what `shortcut` makes of it)."""

    kind: Literal["residual"] = "residual"
    layers: tuple[AnyLayer, ...] = Field(min_length=1)
    shortcut: tuple[AnyLayer, ...] = ()

    def branches(self, takes: Shape) -> dict[str, Sequence[Layer]]:  # noqa: ARG002
        """Both, as they are."""
        return {"layers": self.layers, "shortcut": self.shortcut}

    def joined_shape(self, ends: Sequence[Shape]) -> Shape:
        """That of both, which must be one."""
        inner, around = ends
        if inner != around:
            raise ShapeError(
                f"adds {describe_shape(inner)} to {describe_shape(around)}",
                "Make both alike: give it a shortcut with a conv of the same filters and stride.",
            )
        return around
