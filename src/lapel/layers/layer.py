"""What a layer is: its settings, and the questions that planning, engines and export ask of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod, sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..errors import RecipeError
from .graph import Graph

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]  # (channels, height, width), or (numbers,) once flattened
Activation = Literal["linear", "relu", "relu6", "gelu", "silu", "hard-swish", "sigmoid", "tanh"]


class ShapeError(RecipeError):
    """What a layer is given does not suit it. The message goes on after "layer 3 (conv) "."""


class Layer(BaseModel):
    """The settings of one layer, and everything that others need to know about its kind.

    A kind of layer is a subclass: it gives `kind` its word, adds its settings as fields, and answers those
    of the questions below whose usual answer does not suit it. Unknown settings are refused; none changes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str

    flattens: ClassVar[bool] = False  # lays a picture out as a row, pixel by pixel
    needs_batch: ClassVar[bool] = False  # learns from how the pictures of a batch differ
    mixes_row: ClassVar[bool] = False  # what it gives is no longer in the order of the row that it takes
    # The weights whose last axis runs over the row that it takes; None: not known.
    row_weights: ClassVar[tuple[str, ...] | None] = None

    def output_shape(self, takes: Shape, classes: int) -> Shape:  # noqa: ARG002
        """The shape it gives for the shape it takes. Raises ShapeError where it cannot take that."""
        return takes

    def weight_shapes(self, takes: Shape, gives: Shape) -> dict[str, Shape]:  # noqa: ARG002
        """The shape of each of its weights by name; those that end in "running_…" do not learn."""
        return {}

    def draw(self, step: Step, word: str, random: np.random.Generator) -> NDArray[np.float32]:
        """The first values of one weight: Glorot's draw for kernels, 1 for other weights, 0 for biases."""
        shape = step.weights[word]
        if len(shape) > 1:
            return glorot(shape, shape[0] + shape[1], random)
        return np.full(shape, 1.0 if word in ("weight", "running_var") else 0.0, dtype=np.float32)

    def first_weights(self, step: Step, random: np.random.Generator) -> dict[str, NDArray[np.float32]]:
        """The first values of all its weights by name: each drawn."""
        return {word: self.draw(step, word, random) for word in step.weights}

    def multiplications(self, step: Step) -> int:  # noqa: ARG002
        """How many multiplications it costs for one picture, those for each number alone left out."""
        return 0

    def output_activation(self) -> Activation:
        """The activation behind it, which the engines may move behind a pooling that follows."""
        return "linear"

    def pools_largest(self) -> bool:
        """Whether it keeps the largest of each patch and changes nothing else."""
        return False

    def build_torch(self, step: Step) -> nn.Module:  # noqa: ARG002
        """Its PyTorch module, (n, *takes) -> (n, *gives), without the activation behind it.

        The module's own names for its weights are those of `weight_shapes`.
        """
        raise self._no_builder("the engine torch", "Train with --engine keras")

    def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:  # noqa: ARG002
        """What its Keras layer, called by the step's name, makes of `x` (n, height, width, channels).

        With `settings.activation` behind it. Keras's kernels, biases and running figures are carried to
        and from ours; a variable of any other name is carried as it is, under its own name.
        """
        raise self._no_builder("the engine keras", "Train with --engine torch")

    def build_onnx(self, step: Step, graph: Graph, value: str) -> str:  # noqa: ARG002
        """Add its nodes, and its activation's, behind `value` (n, *takes); returns their result's name."""
        raise self._no_builder("ONNX", f"Give its class a build_onnx, or leave {self.kind} out")

    def _no_builder(self, place: str, hint: str) -> RecipeError:
        return RecipeError(f'The layer "{self.kind}" cannot be built for {place}.', f"{hint}.")


@dataclass(frozen=True)
class Step:
    """One layer in its place.

    `name` is the layer's place in the recipe ("3", or "3.layers.0" inside a residual), under which its
    weights are kept; `weights` gives the shape of each by its last word. `branches` are the ways through
    a composite layer, by name; an empty one passes on what it takes.
    """

    name: str
    layer: Layer
    takes: Shape
    gives: Shape
    weights: dict[str, Shape]
    branches: dict[str, tuple[Step, ...]] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """How many numbers of this layer are learned."""
        learned = sum(
            prod(shape)
            for word, shape in self.weights.items()
            if not word.rpartition(".")[2].startswith("running")
        )
        return learned + sum(step.parameters for steps in self.branches.values() for step in steps)

    @property
    def multiplications(self) -> int:
        """How many multiplications one picture costs, batch norm and pooling left out."""
        inner = sum(step.multiplications for steps in self.branches.values() for step in steps)
        return self.layer.multiplications(self) + inner


@dataclass(frozen=True)
class KerasSettings:
    """How a Keras layer is made: its dtype policy, the activation behind it, whether it is to be fitted.

    `still` tells a layer with running figures to go by them while it is fitted, and not to move them.
    """

    dtype: str
    activation: str = "linear"  # by Keras's name
    fitted: bool = False
    still: bool = False

    def named(self, step: Step) -> dict[str, Any]:
        """Arguments of every Keras layer."""
        return {"name": step.name, "dtype": self.dtype}

    def pictures(self, step: Step) -> dict[str, Any]:
        """Arguments of a Keras layer for pictures, whatever the user's own settings of Keras say."""
        return {**self.named(step), "data_format": "channels_last"}


def glorot(shape: Shape, fans: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Glorot's uniform draw for a kernel (outputs, inputs, …); `fans` are inputs and outputs together."""
    limit = sqrt(6 / (fans * prod(shape[2:])))
    return random.uniform(-limit, limit, shape).astype(np.float32)


def require_picture(takes: Shape) -> None:
    """Raise ShapeError where a row comes instead of a picture."""
    if len(takes) == 1:
        raise ShapeError(f"needs a picture, but gets {describe_shape(takes)}", "Move it before flatten.")


def describe_shape(shape: Shape) -> str:
    """A shape in words.

    >>> describe_shape((3, 28, 28))
    '3 channels of 28×28'
    """
    if len(shape) == 1:
        return f"{shape[0]} numbers"
    channels, height, width = shape
    return f"{channels} channel{'s' if channels > 1 else ''} of {height}×{width}"
