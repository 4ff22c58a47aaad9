"""What drops numbers while training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from .graph import Graph
from .layer import KerasSettings, Layer, Shape, Step

if TYPE_CHECKING:
    from torch import nn


class Dropout(Layer):
    """Drop this share of the numbers while training; `whole_channels` drops channel by channel."""

    kind: Literal["dropout"] = "dropout"
    rate: float = Field(ge=0, lt=1)
    whole_channels: bool = False

    def build_torch(self, step: Step) -> nn.Module:
        """A Dropout2d for whole channels, else our own quick one."""
        from torch import nn

        from .modules import QuickDropout

        return nn.Dropout2d(self.rate) if self._by_channel(step.takes) else QuickDropout(self.rate)

    def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:
        """A Dropout or SpatialDropout2D."""
        from keras import layers

        # Any seed makes the layer draw from a variable of its own, which is set anew for every epoch.
        seed = 0 if settings.fitted else None
        if self._by_channel(step.takes):
            return layers.SpatialDropout2D(self.rate, seed=seed, **settings.pictures(step))(x)
        return layers.Dropout(self.rate, seed=seed, **settings.named(step))(x)

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:  # noqa: ARG002
        """Nothing: a model does not train."""
        return value

    def _by_channel(self, takes: Shape) -> bool:
        return self.whole_channels and len(takes) == 3
