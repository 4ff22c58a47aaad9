"""From a recipe and its weights to an ONNX graph: the one file format of every engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..card import KEY, Card
from ..errors import MissingExtra
from ..recipes.plan import Step, plan
from ..recipes.schema import (
    Activate,
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Pool,
    Recipe,
    Residual,
)
from ..training.normalise import check_normalise, inverse
from .protocol import Weights
from .weights import fitted

if TYPE_CHECKING:
    import onnx

# Old enough for the runtimes on phones, new enough for every operator used here.
_OPSET = 17
_IR_VERSION = 8


def to_onnx(
    recipe: Recipe,
    weights: Weights,
    card: Card,
    *,
    mirror: bool = False,
    compact: bool = False,
) -> onnx.ModelProto:
    """Build the model: pictures (n, height, width, channels; uint8) in, probabilities (n, classes) out.

    Normalisation, layout, network, temperature and softmax lie in the graph, so that nobody who uses the
    model can prepare its input otherwise. The same arguments give the same bytes.

    Where the card has rejects, the network gives one number more for each of them. The probabilities are
    then those among the classes, and a second output, `rejected` (n, rejects), is the share that each
    reject has of all. With `mirror` each picture is asked about with its mirror image, and the answers are
    averaged. With `compact` kernels are kept as int8 with a scale a filter: a quarter of the size.

    Raises RecipeError where the recipe does not suit the card's pictures and classes, ModelError where the
    weights do not suit the recipe, MissingExtra without onnx.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "train") from error

    height, width, channels = card.picture.shape
    check_normalise(recipe.normalise, channels)
    classes, rejects = len(card.class_names), len(card.rejects)
    steps = plan(recipe, card.picture.shape, classes + rejects)
    graph = _Graph(fitted(weights, steps, f'recipe "{recipe.name}"'), compact)
    pictures = "pictures"
    if mirror:
        mirrored = graph.add("Slice", pictures, *graph.part(-1, -width - 1, axis=2, step=-1))
        pictures = graph.add("Concat", pictures, mirrored, axis=0)
    pixels = graph.add("Cast", pictures, to=onnx.TensorProto.FLOAT)
    if recipe.normalise.zero != 0:
        pixels = graph.add("Sub", pixels, graph.constant(recipe.normalise.zero))
    scaled = graph.add("Mul", pixels, graph.constant(inverse(recipe.normalise.span)))
    logits = _network(graph, steps, graph.add("Transpose", scaled, perm=[0, 3, 1, 2]))
    if card.temperature != 1.0:
        logits = graph.add("Div", logits, graph.number(card.temperature))
    among = graph.add("Slice", logits, *graph.part(0, classes, axis=1)) if rejects else logits
    outputs = {"probabilities": classes}
    _averaged(graph, graph.add("Softmax", among, axis=1), "probabilities", classes, mirror)
    if rejects:
        outputs["rejected"] = rejects
        shares = graph.add("Softmax", logits, axis=1)
        last = graph.add("Slice", shares, *graph.part(classes, classes + rejects, axis=1))
        _averaged(graph, last, "rejected", rejects, mirror)

    helper = onnx.helper
    proto = helper.make_graph(
        graph.nodes,
        recipe.name,
        [helper.make_tensor_value_info("pictures", onnx.TensorProto.UINT8, ["n", height, width, channels])],
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", count])
            for name, count in outputs.items()
        ],
        initializer=[onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    model = helper.make_model(
        proto, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION, producer_name="lapel"
    )
    helper.set_model_props(model, {KEY: card.to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


class _Graph:
    """Nodes and constants on their way to becoming a graph."""

    def __init__(self, weights: Weights, compact: bool) -> None:
        self.weights = weights
        self.compact = compact
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def add(self, operator: str, *takes: str, gives: str = "", **settings: Any) -> str:
        """Append a node; returns the name of what it gives."""
        from onnx import helper

        gives = gives or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(takes), [gives], name=gives, **settings))
        return gives

    def number(self, value: float) -> str:
        """A single constant."""
        name = f"number_{value!r}"
        self.constants[name] = np.array(value, dtype=np.float32)
        return name

    def constant(self, value: float | tuple[float, ...]) -> str:
        """A single constant, or a row of them."""
        if not isinstance(value, tuple):
            return self.number(value)
        name = "row_" + "_".join(map(repr, value))
        self.constants[name] = np.array(value, dtype=np.float32)
        return name

    def numbers(self, *values: int) -> str:
        """A row of whole numbers."""
        name = "numbers_" + "_".join(map(str, values))
        self.constants[name] = np.array(values, dtype=np.int64)
        return name

    def part(self, start: int, end: int, *, axis: int, step: int = 1) -> list[str]:
        """What a Slice takes besides its value."""
        return [self.numbers(value) for value in (start, end, axis, step)]

    def of(self, step: Step, *words: str) -> list[str]:
        """The named weights of a step, those that it has."""
        return [self._weight(f"{step.name}.{word}") for word in words if word in step.weights]

    def _weight(self, name: str) -> str:
        weight = self.weights[name]
        if not self.compact or weight.ndim < 2:
            self.constants[name] = weight
            return name
        largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        steps = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1)))
        self.constants[f"{name}.int8"] = np.clip(steps, -127, 127).astype(np.int8)
        self.constants[f"{name}.scale"] = scale
        return self.add("DequantizeLinear", f"{name}.int8", f"{name}.scale", gives=name, axis=0)


def _averaged(graph: _Graph, value: str, name: str, columns: int, mirror: bool) -> None:
    """Give an output its name: the mean of pictures and mirror images, where there are both."""
    if mirror:
        pairs = graph.add("Reshape", value, graph.numbers(2, -1, columns))
        graph.add("ReduceMean", pairs, gives=name, axes=[0], keepdims=0)
    else:
        graph.add("Identity", value, gives=name)


def _network(graph: _Graph, steps: Sequence[Step], value: str) -> str:
    for step in steps:
        value = _layer(graph, step, value)
    return value


def _layer(graph: _Graph, step: Step, value: str) -> str:
    match step.layer:
        case Flatten():
            if len(step.takes) == 3:
                value = graph.add("Transpose", value, perm=[0, 2, 3, 1])
            return graph.add("Flatten", value, axis=1)
        case Dense() as layer:
            row = graph.add("Gemm", value, *graph.of(step, "weight", "bias"), transB=1)
            return _activate(graph, layer.activation, row)
        case Conv() as layer:
            rim = layer.kernel // 2 if layer.padding == "same" else 0
            channels = graph.add(
                "Conv",
                value,
                *graph.of(step, "weight", "bias"),
                kernel_shape=[layer.kernel] * 2,
                strides=[layer.stride] * 2,
                pads=[rim] * 4,
            )
            return _activate(graph, layer.activation, channels)
        case Pool() as layer:
            operator = "MaxPool" if layer.by == "max" else "AveragePool"
            return graph.add(operator, value, kernel_shape=[layer.size] * 2, strides=[layer.size] * 2)
        case GlobalPool() as layer:
            operator = "GlobalMaxPool" if layer.by == "max" else "GlobalAveragePool"
            return graph.add("Flatten", graph.add(operator, value), axis=1)
        case BatchNorm() as layer:
            words = graph.of(step, "weight", "bias", "running_mean", "running_var")
            return graph.add("BatchNormalization", value, *words, epsilon=layer.epsilon)
        case Dropout():
            return value
        case Activate() as layer:
            return _activate(graph, layer.by, value)
        case Residual():
            inner = _network(graph, step.inner, value)
            return graph.add("Add", inner, _network(graph, step.shortcut, value))


def _activate(graph: _Graph, activation: Activation, value: str) -> str:
    match activation:
        case "linear":
            return value
        case "relu":
            return graph.add("Relu", value)
        case "tanh":
            return graph.add("Tanh", value)
        case "silu":
            return graph.add("Mul", value, graph.add("Sigmoid", value))
        case "gelu":
            # Gelu itself came with opset 20: x/2 · (1 + erf(x/√2)).
            error = graph.add("Erf", graph.add("Mul", value, graph.number(math.sqrt(0.5))))
            half = graph.add("Mul", value, graph.number(0.5))
            return graph.add("Mul", half, graph.add("Add", error, graph.number(1.0)))
