"""A network of timm as one layer, for PyTorch alone: whatever is inside it, nobody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .graph import Graph
from .layer import Layer, Shape, Step, require_picture

if TYPE_CHECKING:
    from torch import nn


class Backbone(Layer):
    """A network of timm, pooled and without its last layer: a picture in, a row of numbers out.

    `name` is timm's own behind "timm:", such as "timm:resnet18". It begins with `weights`: "pretrained" are
    those that timm offers (fetched once, then kept by timm), "none" draws them, and anything else is the path
    of a .safetensors or .pth file that holds the same network. Such a network is for PyTorch alone.
    """

    kind: Literal["backbone"] = "backbone"
    name: str = Field(pattern=r"^timm:[\w.-]+$", max_length=128)
    weights: str = Field("pretrained", min_length=1)

    needs_batch: ClassVar[bool] = True  # most do

    @property
    def network(self) -> str:
        """The name that timm knows."""
        return self.name.removeprefix("timm:")

    def output_shape(self, takes: Shape, classes: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) -> (numbers,)."""
        from . import timm_networks

        require_picture(takes)
        return (timm_networks.outline(self.network, takes).gives,)

    def weight_shapes(self, takes: Shape, gives: Shape) -> dict[str, Shape]:  # noqa: ARG002
        """What timm's network holds, by timm's own names."""
        from . import timm_networks

        return dict(timm_networks.outline(self.network, takes).weights)

    def first_weights(self, step: Step, random: np.random.Generator) -> dict[str, NDArray[np.float32]]:
        """What `weights` says. Raises ModelError where that is not to be had, or is of another network."""
        from . import timm_networks

        return timm_networks.first_weights(
            self.network, step.takes, self.weights, seed=int(random.integers(2**63))
        )

    def multiplications(self, step: Step) -> int:
        """Those of its convolutions, matrix products and attention."""
        from . import timm_networks

        return timm_networks.outline(self.network, step.takes).multiplications

    def build_torch(self, step: Step) -> nn.Module:
        """timm's own module."""
        from . import timm_networks

        return timm_networks.build(self.network, step.takes)

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:
        """What PyTorch makes of timm's module, with the graph's weights."""
        from . import timm_networks

        return graph.add_graph(step.name, timm_networks.exported(self.network, step.takes), value)
