"""The body of EfficientNet-Lite: the networks that pretrained weights are to be had for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import ClassVar, Literal, NamedTuple

from .activation import Activate
from .composite import Composite
from .conv import Conv
from .layer import Layer, Shape, require_picture
from .mobile import MobileBlock
from .norm import BatchNorm


class Scale(NamedTuple):
    """By how much a version is wider and deeper than version 0, and the pictures it was made for."""

    width: float
    depth: float
    size: int
    dropout: float


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int  # of the first block
    expand: int
    filters: int


SCALES = {0: Scale(1.0, 1.0, 224, 0.2), 1: Scale(1.0, 1.1, 240, 0.2), 2: Scale(1.1, 1.2, 260, 0.3)}
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280  # filters, in every version
_MOMENTUM, _EPSILON = 0.01, 1e-3


class EfficientNetLite(Composite):
    """Picture in, 1,280 channels of a 32nd of its size out: a conv, mobile blocks, and a conv of kernel 1.

    `version` 0 was made for pictures of 224×224, 1 (deeper) for 240×240, 2 (deeper and wider) for 260×260;
    each takes others, too. Put a global pool and a dense layer behind it.
    """

    kind: Literal["efficientnet-lite"] = "efficientnet-lite"
    version: Literal[0, 1, 2] = 0

    deep: ClassVar[bool] = True

    def branches(self, takes: Shape) -> dict[str, Sequence[Layer]]:
        """All of it one after the other."""
        require_picture(takes)
        stem = Conv(filters=_STEM, stride=2, padding="tensorflow-same", bias=False)
        head = Conv(filters=_HEAD, kernel=1, bias=False)
        active = BatchNorm(momentum=_MOMENTUM, epsilon=_EPSILON), Activate(by="relu6")
        return {"layers": (stem, *active, *self._blocks(), head, *active)}

    def _blocks(self) -> Iterator[MobileBlock]:
        scale = SCALES[self.version]
        for place, stage in enumerate(_STAGES):
            # The first stage and the last have as many blocks in every version.
            deepened = 0 < place < len(_STAGES) - 1
            for block in range(ceil(stage.repeats * scale.depth) if deepened else stage.repeats):
                yield MobileBlock(
                    filters=_by_eights(stage.filters * scale.width),
                    expand=stage.expand,
                    kernel=stage.kernel,
                    stride=stage.stride if block == 0 else 1,
                    padding="tensorflow-same",
                    momentum=_MOMENTUM,
                    epsilon=_EPSILON,
                )


def _by_eights(filters: float) -> int:
    """The nearest multiple of eight, unless that is less by more than a tenth."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * filters else rounded + 8
