"""Squeeze and excite: every channel weighed by what the whole picture holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from .composite import Composite
from .conv import MAX_FILTERS, Conv
from .layer import Activation, Layer, Shape, require_picture
from .pool import GlobalPool


class SqueezeExcite(Composite):
    """Multiply each channel by a number from 0 to 1, drawn from the means of all channels.

    The means pass through `channels` numbers on their way.
    """

    kind: Literal["squeeze-excite"] = "squeeze-excite"
    channels: int = Field(ge=1, le=MAX_FILTERS)
    activation: Activation = "relu"

    join: ClassVar[Literal["add", "multiply"]] = "multiply"

    def branches(self, takes: Shape) -> dict[str, Sequence[Layer]]:
        """The picture itself, and (channels, 1, 1) to multiply it by."""
        require_picture(takes)
        gate = (
            GlobalPool(flat=False),
            Conv(filters=self.channels, kernel=1, activation=self.activation),
            Conv(filters=takes[0], kernel=1, activation="sigmoid"),
        )
        return {"picture": (), "layers": gate}
