"""Normalisation inside a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from .graph import Graph
from .layer import KerasSettings, Layer, Shape, Step

if TYPE_CHECKING:
    from torch import nn

_WEIGHTS = ("weight", "bias", "running_mean", "running_var")


class BatchNorm(Layer):
    """Batch normalisation over channels. `momentum` is the share of each new batch in the running figures."""

    kind: Literal["batch-norm"] = "batch-norm"
    momentum: float = Field(0.1, gt=0, le=1)
    epsilon: float = Field(1e-5, gt=0, lt=1)

    needs_batch: ClassVar[bool] = True
    row_weights: ClassVar[tuple[str, ...] | None] = _WEIGHTS

    def weight_shapes(self, takes: Shape, gives: Shape) -> dict[str, Shape]:  # noqa: ARG002
        """Four of (channels,), or of (numbers,) behind flatten."""
        return dict.fromkeys(_WEIGHTS, takes[:1])

    def build_torch(self, step: Step) -> nn.Module:
        """A BatchNorm2d or BatchNorm1d."""
        from torch import nn

        norm = nn.BatchNorm2d if len(step.takes) == 3 else nn.BatchNorm1d
        return norm(step.takes[0], eps=self.epsilon, momentum=self.momentum)

    def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:
        """A BatchNormalization, whose momentum is the share that stays."""
        from keras import layers

        norm = layers.BatchNormalization(
            momentum=1 - self.momentum, epsilon=self.epsilon, **settings.named(step)
        )
        if settings.still:
            # Said when it is called, `training` would give way to what the network is called with.
            call = norm.call
            norm.call = lambda inputs, training=None, mask=None: call(inputs, False, mask)  # noqa: ARG005
        return norm(x)

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:
        """A BatchNormalization."""
        return graph.add(
            "BatchNormalization", value, *graph.weights_of(step.name, *_WEIGHTS), epsilon=self.epsilon
        )
