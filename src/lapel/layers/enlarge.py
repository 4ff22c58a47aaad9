"""What makes a small or grey picture one for a network that was made for photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from .graph import Graph
from .layer import KerasSettings, Layer, Shape, Step, require_picture

if TYPE_CHECKING:
    from torch import Tensor, nn

_COLOURS = 3


class Enlarge(Layer):
    """Bring pictures that are smaller than `size` to it, and grey ones to three channels alike.

    The longer side becomes `size`, in between it is interpolated (bilinear). What is as large already, or
    in colour, passes as it is.
    """

    kind: Literal["enlarge"] = "enlarge"
    size: int = Field(ge=4, le=1024)

    def output_shape(self, takes: Shape, classes: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) -> (3 for 1 channel, height, width), the longer side at least `size`."""
        require_picture(takes)
        channels, *sides = takes
        longer = max(sides)
        if longer < self.size:
            sides = [max(1, round(side * self.size / longer)) for side in sides]
        return (_COLOURS if channels == 1 else channels, *sides)

    def build_torch(self, step: Step) -> nn.Module:
        """An interpolation, and a view of the one channel as three."""
        from torch.nn import functional

        from .modules import Function

        sides, channels = step.gives[1:], step.gives[0]
        same = sides == step.takes[1:]

        def enlarge(x: Tensor) -> Tensor:
            if not same:
                x = functional.interpolate(x, size=sides, mode="bilinear", align_corners=False)
            return x.expand(-1, channels, -1, -1)

        return Function(enlarge)

    def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:
        """A Resizing, and a Concatenate of the one channel three times."""
        from keras import layers

        if step.gives[1:] != step.takes[1:]:
            inner = {**settings.pictures(step), "name": f"{step.name}.sides"}
            x = layers.Resizing(*step.gives[1:], interpolation="bilinear", **inner)(x)
        if step.gives[0] != step.takes[0]:
            x = layers.Concatenate(**settings.named(step))([x] * _COLOURS)
        return x

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:
        """A Resize, and a Concat of the one channel three times."""
        if step.gives[1:] != step.takes[1:]:
            # A hair more, since a runtime multiplies in fp32 and rounds down.
            ratios = (
                big / small * (1 + 2**-22) for big, small in zip(step.gives[1:], step.takes[1:], strict=True)
            )
            scales = graph.constant((1.0, 1.0, *ratios))
            value = graph.add("Resize", value, "", scales, mode="linear")
        if step.gives[0] != step.takes[0]:
            value = graph.add("Concat", *[value] * _COLOURS, axis=1)
        return value
