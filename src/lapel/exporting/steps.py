"""An ONNX graph as steps of a program: which function is called on which values, with which constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .graph import affine_of, attributes

if TYPE_CHECKING:
    import onnx

Array: TypeAlias = NDArray[Any]

_UNARY = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tangent", "Erf": "error", "HardSwish": "hard_swish"}
_BINARY = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}
_HINTS = {
    "Slice": "Where that comes from --mirror, export the run without it.",
    "Resize": 'Leave the layer "enlarge" out of the recipe, or export to another form.',
    "QuantizeLinear": "It computes in 8 bits already: give the run, or the model that it was made from.",
}
_HINT = "Leave the layer that this comes from out of the recipe, or export to another form."


@dataclass(frozen=True)
class Value:
    """Numbers in memory: a picture (height, width, channels), or a row.

    `channels_last` says that ONNX, too, has the axes in this order; in memory they always are.
    """

    name: str
    shape: tuple[int, ...]
    channels_last: bool = False

    @property
    def size(self) -> int:
        """How many numbers."""
        return prod(self.shape)


@dataclass
class Step:
    """A call of a function: it reads values, then takes numbers, and writes one value."""

    function: str
    reads: tuple[Value, ...]
    writes: Value
    numbers: tuple[int | float, ...] = ()
    rows: tuple[Array, ...] = ()
    kernel: Array | None = None  # (…, filters), or of groups (groups, height, width, takes, filters of each)
    offset: int = 0  # into what it reads
    in_place: bool = False  # may write to where it reads


@dataclass
class Steps:
    """The graph on its way to becoming steps."""

    constants: dict[str, Array]
    values: dict[str, Value]
    steps: list[Step] = field(default_factory=list)

    def call(self, node: onnx.NodeProto, function: str, shape: tuple[int, ...], **how: Any) -> None:
        """A step that reads the node's first input, and writes its output in this shape."""
        first = self.values[node.input[0]]
        reads = how.pop("reads", (first,))
        value = Value(node.output[0], shape, first.channels_last and len(shape) == 3)
        self.values[node.output[0]] = value
        self.steps.append(Step(function, reads, value, **how))

    def rename(self, node: onnx.NodeProto, shape: tuple[int, ...], *, channels_last: bool) -> None:
        """The node's output is its input, seen otherwise."""
        before = self.values[node.input[0]]
        self.values[node.output[0]] = Value(before.name, shape, channels_last)


def steps_of(model: onnx.ModelProto, outputs: Sequence[str], shape: tuple[int, int, int]) -> Steps:
    """The steps that make these outputs of pictures (height, width, channels).

    Raises ModelError that names the operation for which there is no function.
    """
    from onnx import numpy_helper

    steps = Steps(
        {one.name: numpy_helper.to_array(one) for one in model.graph.initializer},
        {"pictures": Value("pictures", shape, channels_last=True)},
    )
    for node in _needed(model, outputs):
        translate = _TRANSLATIONS.get(node.op_type)
        if translate is None:
            raise _lacking(node, "")
        translate(steps, node)
    return steps


def _needed(model: onnx.ModelProto, outputs: Sequence[str]) -> list[onnx.NodeProto]:
    wanted, nodes = set(outputs), []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            nodes.append(node)
    return nodes[::-1]


def _lacking(node: onnx.NodeProto, how: str) -> ModelError:
    return ModelError(
        f"Neither the form c nor litert has an operation {node.op_type}{how} "
        f"(for {node.name or node.output[0]}).",
        _HINTS.get(node.op_type, _HINT),
    )


def _cast(steps: Steps, node: onnx.NodeProto) -> None:
    value = steps.values[node.input[0]]
    if value.name != "pictures":
        raise _lacking(node, " of numbers")
    steps.call(node, "levels", value.shape, numbers=(value.size,))


def _arithmetic(steps: Steps, node: onnx.NodeProto) -> None:
    """With a constant an affine map of each channel; else number by number, or a share for each channel."""
    first, second = node.input
    if first in steps.constants or second in steps.constants:
        _affine_constant(steps, node)
        return
    one, other = steps.values[first], steps.values[second]
    if one.shape == other.shape:
        steps.call(
            node, _BINARY[node.op_type], one.shape, reads=(one, other), numbers=(one.size,), in_place=True
        )
        return
    picture, share = (one, other) if one.size >= other.size else (other, one)
    if node.op_type != "Mul" or share.shape != (1, 1, picture.shape[-1]):
        raise _lacking(node, f" of {one.shape} and {other.shape}")
    steps.call(
        node, "gate", picture.shape, reads=(picture, share), numbers=(picture.size, picture.shape[-1]),
        in_place=True,
    )  # fmt: skip


def _affine_constant(steps: Steps, node: onnx.NodeProto) -> None:
    behind = node.input[1] in steps.constants
    name, constant = (node.input[0], node.input[1]) if behind else (node.input[1], node.input[0])
    value, numbers = steps.values[name], steps.constants[constant].astype(np.float64)
    per_channel = numbers.size > 1
    last = value.channels_last or len(value.shape) == 1
    axis = numbers.ndim - 1 if last else numbers.ndim - 3
    if per_channel and (axis < 0 or numbers.shape[axis] != numbers.size or numbers.size != value.shape[-1]):
        raise _lacking(node, f" of {value.shape} and a constant {numbers.shape}")
    row = numbers.reshape(-1)
    one, nothing = np.ones_like(row), np.zeros_like(row)
    if node.op_type == "Div" and not behind:
        raise _lacking(node, " of a constant")
    factor, shift = {
        "Add": (one, row),
        "Sub": (one, -row) if behind else (-one, row),
        "Mul": (row, nothing),
        "Div": (one / np.where(row == 0, np.nan, row), nothing),
    }[node.op_type]
    _affine(steps, node, value, factor, shift)


def _affine(steps: Steps, node: onnx.NodeProto, value: Value, factor: Array, shift: Array) -> None:
    steps.values[node.output[0]] = made = Value(node.output[0], value.shape, value.channels_last)
    rows = factor.astype(np.float32), shift.astype(np.float32)
    steps.steps.append(Step("affine", (value,), made, (value.size, len(factor)), rows, in_place=True))


def _norm(steps: Steps, node: onnx.NodeProto) -> None:
    _affine(steps, node, steps.values[node.input[0]], *affine_of(node, steps.constants))


def _transpose(steps: Steps, node: onnx.NodeProto) -> None:
    """Nothing moves: pictures always lie with their channels last."""
    value, order = steps.values[node.input[0]], list(attributes(node)["perm"])
    if order == ([0, 3, 1, 2] if value.channels_last else [0, 2, 3, 1]):
        steps.rename(node, value.shape, channels_last=not value.channels_last)
    else:
        raise _lacking(node, f" by {order}")


def _flatten(steps: Steps, node: onnx.NodeProto) -> None:
    value = steps.values[node.input[0]]
    if (
        len(value.shape) == 3
        and not value.channels_last
        and value.shape[:2] != (1, 1)
        and value.shape[2] != 1
    ):
        raise _lacking(node, " of channels first")
    steps.rename(node, (value.size,), channels_last=False)


def _same(steps: Steps, node: onnx.NodeProto) -> None:
    value = steps.values[node.input[0]]
    steps.rename(node, value.shape, channels_last=value.channels_last)


def _conv(steps: Steps, node: onnx.NodeProto) -> None:
    how, value = attributes(node), steps.values[node.input[0]]
    weight = _constant(steps, node, 1)
    groups, pads = how.get("group", 1), how.get("pads", [0] * 4)
    strides, dilations = how.get("strides", [1, 1]), how.get("dilations", [1, 1])
    if len(set(strides)) > 1 or list(dilations) != [1, 1] or how.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise _lacking(node, " with uneven strides, dilations or automatic padding")
    height, width, channels = value.shape
    filters, takes, *kernel = weight.shape
    rows, columns = (
        (side + pads[at] + pads[at + 2] - kernel[at]) // strides[0] + 1
        for at, side in enumerate((height, width))
    )
    bias = _bias(steps, node, filters)
    before = (height, width, channels, rows, columns)
    after = (*kernel, strides[0], pads[0], pads[1])
    if groups == channels == filters > 1:
        steps.call(
            node, "depthwise", (rows, columns, filters), numbers=(*before, *after), rows=(bias,),
            kernel=weight.transpose(2, 3, 1, 0),
        )  # fmt: skip
        return
    grouped = weight.reshape(groups, filters // groups, takes, *kernel).transpose(0, 3, 4, 2, 1)
    steps.call(
        node, "conv", (rows, columns, filters), numbers=(*before, filters, *after, groups), rows=(bias,),
        kernel=grouped,
    )  # fmt: skip


def _gemm(steps: Steps, node: onnx.NodeProto) -> None:
    how, value = attributes(node), steps.values[node.input[0]]
    plain = how.get("transA", 0) == 0 and how.get("alpha", 1.0) == how.get("beta", 1.0) == 1.0
    if not plain or len(value.shape) != 1:
        raise _lacking(node, " with factors")
    weight = _constant(steps, node, 1)
    weight = weight.T if how.get("transB", 0) else weight
    takes, gives = weight.shape
    steps.call(
        node, "dense", (gives,), numbers=(takes, gives), rows=(_bias(steps, node, gives),), kernel=weight
    )


def _constant(steps: Steps, node: onnx.NodeProto, place: int) -> Array:
    name = node.input[place]
    if name not in steps.constants:
        raise _lacking(node, f" with a computed {name}")
    return steps.constants[name]


def _bias(steps: Steps, node: onnx.NodeProto, filters: int) -> Array:
    return _constant(steps, node, 2) if len(node.input) > 2 else np.zeros(filters, np.float32)


def _pool(steps: Steps, node: onnx.NodeProto) -> None:
    how, (height, width, channels) = attributes(node), steps.values[node.input[0]].shape
    size, strides = set(how["kernel_shape"]), set(how.get("strides", [1]))
    if len(size) > 1 or len(strides) > 1 or any(how.get("pads", [])) or how.get("ceil_mode", 0):
        raise _lacking(node, " with uneven sizes or padding")
    [side], [stride] = size, strides
    rows, columns = (height - side) // stride + 1, (width - side) // stride + 1
    function = "max_pool" if node.op_type == "MaxPool" else "average_pool"
    steps.call(
        node, function, (rows, columns, channels), numbers=(width, channels, rows, columns, side, stride)
    )


def _global_pool(steps: Steps, node: onnx.NodeProto) -> None:
    value = steps.values[node.input[0]]
    function = "global_max" if node.op_type == "GlobalMaxPool" else "global_average"
    steps.call(node, function, (1, 1, value.shape[2]), numbers=(value.size, value.shape[2]))


def _unary(steps: Steps, node: onnx.NodeProto) -> None:
    value = steps.values[node.input[0]]
    steps.call(node, _UNARY[node.op_type], value.shape, numbers=(value.size,), in_place=True)


def _clip(steps: Steps, node: onnx.NodeProto) -> None:
    value = steps.values[node.input[0]]
    low, high = (float(_constant(steps, node, place)) for place in (1, 2))
    steps.call(node, "clip", value.shape, numbers=(value.size, low, high), in_place=True)


def _softmax(steps: Steps, node: onnx.NodeProto) -> None:
    value = steps.values[node.input[0]]
    if len(value.shape) != 1 or attributes(node).get("axis", -1) not in (1, -1):
        raise _lacking(node, " of pictures")
    function = "softmax" if node.op_type == "Softmax" else "log_softmax"
    steps.call(node, function, value.shape, numbers=(value.size,))


def _slice(steps: Steps, node: onnx.NodeProto) -> None:
    value = steps.values[node.input[0]]
    start, end, axis, step = (int(_constant(steps, node, place)[0]) for place in range(1, 5))
    if len(value.shape) != 1 or axis != 1 or step != 1:
        raise _lacking(node, " of pictures")
    end = min(end, value.size)
    steps.call(node, "copy", (end - start,), numbers=(end - start,), offset=start)


_TRANSLATIONS: dict[str, Callable[[Steps, Any], None]] = {
    "Cast": _cast,
    **dict.fromkeys(_BINARY, _arithmetic),
    **dict.fromkeys(_UNARY, _unary),
    "BatchNormalization": _norm,
    "Transpose": _transpose,
    "Flatten": _flatten,
    "Identity": _same,
    "Conv": _conv,
    "Gemm": _gemm,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalMaxPool": _global_pool,
    "GlobalAveragePool": _global_pool,
    "Clip": _clip,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Slice": _slice,
}
