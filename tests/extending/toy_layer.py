"""A layer of one's own: every channel times a number, plus a number, both learned."""

from __future__ import annotations

from typing import Any, Literal

from lapel.layers.graph import Graph
from lapel.layers.layer import KerasSettings, Layer, Shape, Step
from lapel.layers.registry import register


@register
class ScaleShift(Layer):
    """Multiply each channel by a number and add another."""

    kind: Literal["scale-shift"] = "scale-shift"

    def weight_shapes(self, takes: Shape, gives: Shape) -> dict[str, Shape]:
        return {"weight": (takes[0], 1, 1, 1), "bias": (takes[0],)}

    def build_torch(self, step: Step) -> Any:
        from torch import nn

        return nn.Conv2d(step.takes[0], step.takes[0], 1, groups=step.takes[0])

    def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:
        from keras import layers

        return layers.DepthwiseConv2D(1, **settings.pictures(step))(x)

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:
        return graph.add("Conv", value, *graph.weights_of(step.name, "weight", "bias"), group=step.takes[0])
