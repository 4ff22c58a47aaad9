"""The block of mobile networks: widen, look at each channel alone, narrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from .activation import Activate
from .composite import Composite
from .conv import MAX_FILTERS, Conv
from .layer import Activation, Layer, Shape, ShapeError, require_picture
from .norm import BatchNorm
from .squeeze import SqueezeExcite


class MobileBlock(Composite):
    """An inverted residual, as in MobileNet v2 and v3 and in EfficientNet.

    A 1×1 conv makes `expand` times as many channels (none where expand is 1), a depthwise conv follows,
    then, with `squeeze`, a squeeze-excite through that share of the block's channels, and a 1×1 conv down
    to `filters`. Every conv has a batch norm behind it, all but the last an activation too. Where stride is
    1 and the channels stay as many, the input is added.
    """

    kind: Literal["mobile-block"] = "mobile-block"
    filters: int = Field(ge=1, le=MAX_FILTERS)
    expand: int = Field(6, ge=1, le=64)
    kernel: int = Field(3, ge=1, le=15)
    stride: int = Field(1, ge=1, le=8)
    padding: Literal["same", "tensorflow-same"] = "same"
    activation: Activation = "relu6"
    squeeze: float = Field(0.0, ge=0, le=1)
    momentum: float = Field(0.1, gt=0, le=1)
    epsilon: float = Field(1e-5, gt=0, lt=1)

    def branches(self, takes: Shape) -> dict[str, Sequence[Layer]]:
        """Its convs, and the input itself where that is added."""
        require_picture(takes)
        adds = self.stride == 1 and self.filters == takes[0]
        if adds and self.padding == "same" and self.kernel % 2 == 0:
            raise ShapeError(
                f"makes larger pictures with an even kernel ({self.kernel}) and cannot add its input",
                'Use an odd kernel, or padding = "tensorflow-same".',
            )
        shortcut: dict[str, Sequence[Layer]] = {"shortcut": ()} if adds else {}
        return {"layers": self._layers(takes[0]), **shortcut}

    def _layers(self, channels: int) -> list[Layer]:
        wide = channels * self.expand
        if wide > MAX_FILTERS:
            raise ShapeError(
                f"expands {channels} channels to {wide}, but at most {MAX_FILTERS} are possible",
                "Use a smaller expand.",
            )
        norm = BatchNorm(momentum=self.momentum, epsilon=self.epsilon)
        active = Activate(by=self.activation)
        layers: list[Layer] = []
        if self.expand > 1:
            layers += [Conv(filters=wide, kernel=1, bias=False), norm, active]
        depthwise = Conv(
            filters=wide,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            groups="depthwise",
            bias=False,
        )
        layers += [depthwise, norm, active]
        if self.squeeze:
            squeezed = max(1, int(channels * self.squeeze))
            layers.append(SqueezeExcite(channels=squeezed, activation=self.activation))
        return [*layers, Conv(filters=self.filters, kernel=1, bias=False), norm]
