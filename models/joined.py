"""Several answers as one model: a network's own, a second opinion, and of grey pictures a small model's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import Extractor
from PIL import Image

from lapel.card import KEY, Card

FLOOR = 1e-4  # a share below it says no more than "hardly"
GREY = 8  # levels by which the channels of every pixel may differ in a grey picture
_SMALL = (
    "small/"  # before every name in it; those of the large one stay, so that a training can start from it
)
_OTHER = "opinion/"


@dataclass(frozen=True)
class Shares:
    """How much each has to say: the weights of a geometric mean, which are 1 together."""

    small: float  # the small model, about grey pictures; about others it is not asked
    opinion: float  # of what is left, the second opinion; the rest is the large model's


def second_opinion(
    model: onnx.ModelProto, other: onnx.ModelProto, begin: tuple[str, str], groups: NDArray[np.float32]
) -> onnx.ModelProto:
    """The model with another output, `opinion` (n, classes): another network's probabilities, in groups.

    Both networks are alike up to the values that `begin` names in each, so that the other one goes on from
    there. `groups` (names, classes) says which name speaks for which class. The model's one dense layer stays
    the last: another head can be put in its place.
    """
    given = onnx.ModelProto()
    given.CopyFrom(model)
    graph = given.graph
    inferred = onnx.shape_inference.infer_shapes(other)
    part = Extractor(inferred).extract_model([begin[1]], ["probabilities"])
    part = onnx.compose.add_prefix(part, _OTHER)
    for node in part.graph.node:
        node.input[:] = [begin[0] if name == _OTHER + begin[1] else name for name in node.input]
    graph.initializer.extend([*part.graph.initializer, numpy_helper.from_array(groups, "grouping")])
    (place,) = (place for place, node in enumerate(graph.node) if node.op_type == "Gemm")
    grouped = helper.make_node("Gemm", [f"{_OTHER}probabilities", "grouping"], ["opinion"], "opinion")
    nodes = [*graph.node[:place], *part.graph.node, grouped, *graph.node[place:]]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.output.append(helper.make_tensor_value_info("opinion", TensorProto.FLOAT, ["n", groups.shape[1]]))
    return given


def joined(
    large: onnx.ModelProto, card: Card, shares: Shares, small: onnx.ModelProto | None = None
) -> onnx.ModelProto:
    """One model whose shares of the classes are a weighted geometric mean.

    The large one, which has a second opinion, was given no temperature; the card's is applied here. What is
    rejected is what the large one rejects. The small one is given the same pictures, made smaller.
    """
    both = _merged(large, small)
    graph, side = both.graph, card.picture.size
    constants: dict[str, NDArray[np.float32] | np.float32] = {
        "floor": np.float32(FLOOR),
        "of_large": np.float32(1 - shares.opinion),
        "of_opinion": np.float32(shares.opinion),
        "temperature": np.float32(card.temperature),
    }
    before: list[onnx.NodeProto] = []
    weights = {"large_probabilities": "of_large", "opinion": "of_opinion"}
    if small:
        given = next(item for item in graph.input if item.name == f"{_SMALL}pictures")
        shrink = shrinking(side, given.type.tensor_type.shape.dim[1].dim_value)
        constants |= {"shrink": shrink, "shrink_across": shrink.T.copy(), "of_grey": np.float32(shares.small)}
        constants |= {"lowest": np.float32(0), "highest": np.float32(255)}
        constants |= {"one": np.float32(1), "grey_levels": np.float32(GREY)}
        before = [*_smaller(), *_grey()]
        weights = {"large_probabilities": "large_share", "opinion": "opinion_share"}
        weights[f"{_SMALL}probabilities"] = "small_share"
    after = [node for name, weight in weights.items() for node in _weighted(name, weight)]
    after += [
        helper.make_node("Sum", [f"{name}_weighted" for name in weights], ["mean"]),
        helper.make_node("Div", ["mean", "temperature"], ["cooled"]),
        helper.make_node("Softmax", ["cooled"], ["probabilities"], axis=1),
    ]
    graph.initializer.extend(numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items())
    inside = list(graph.node)
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend([*before, *inside, *after])
    graph.input.append(helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", side, side, 3]))
    for name, count in (("probabilities", len(card.class_names)), ("rejected", len(card.rejects))):
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", count]))
    del both.metadata_props[:]
    helper.set_model_props(both, {KEY: card.to_json()})
    onnx.checker.check_model(both, full_check=True)
    return both


def shrinking(side: int, smaller: int) -> NDArray[np.float32]:
    """The matrix (smaller, side) that makes a column of pixels smaller as Pillow's bicubic filter does."""
    ones = Image.fromarray(np.eye(side, dtype=np.float32))
    return np.asarray(ones.resize((side, smaller), Image.Resampling.BICUBIC), dtype=np.float32)


def _smaller() -> list[onnx.NodeProto]:
    """The pictures as the small model takes them."""
    return [
        helper.make_node("Cast", ["pictures"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["levels"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node("MatMul", ["shrink", "channels_first"], ["lower"]),
        helper.make_node("MatMul", ["lower", "shrink_across"], ["smaller"]),
        helper.make_node("Round", ["smaller"], ["rounded"]),
        helper.make_node("Clip", ["rounded", "lowest", "highest"], ["clipped"]),
        helper.make_node("Cast", ["clipped"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Transpose", ["bytes"], [f"{_SMALL}pictures"], perm=[0, 2, 3, 1]),
    ]


def _grey() -> list[onnx.NodeProto]:
    """Which pictures are grey, and what each has to say of these and of others."""
    return [
        helper.make_node("ReduceMax", ["levels"], ["brightest"], axes=[3], keepdims=1),
        helper.make_node("ReduceMin", ["levels"], ["darkest"], axes=[3], keepdims=1),
        helper.make_node("Sub", ["brightest", "darkest"], ["colour"]),
        helper.make_node("ReduceMax", ["colour"], ["most_colour"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Flatten", ["most_colour"], ["colourful"], axis=1),
        helper.make_node("LessOrEqual", ["colourful", "grey_levels"], ["is_grey"]),
        helper.make_node("Cast", ["is_grey"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["grey", "of_grey"], ["small_share"]),
        helper.make_node("Sub", ["one", "small_share"], ["rest"]),
        helper.make_node("Mul", ["rest", "of_opinion"], ["opinion_share"]),
        helper.make_node("Mul", ["rest", "of_large"], ["large_share"]),
    ]


def _weighted(shares: str, weight: str) -> list[onnx.NodeProto]:
    """The logarithms of the shares of this name, times a weight."""
    return [
        helper.make_node("Max", [shares, "floor"], [f"{shares}_floored"]),
        helper.make_node("Log", [f"{shares}_floored"], [f"{shares}_logs"]),
        helper.make_node("Mul", [f"{shares}_logs", weight], [f"{shares}_weighted"]),
    ]


def _merged(large: onnx.ModelProto, small: onnx.ModelProto | None) -> onnx.ModelProto:
    """Both graphs, the small one first, with names that tell them apart."""
    last = onnx.ModelProto()
    last.CopyFrom(large)
    for node in last.graph.node:
        node.output[:] = [_renamed(name) for name in node.output]
        node.input[:] = [_renamed(name) for name in node.input]
    _opinion_first(last.graph)
    both = [*([onnx.compose.add_prefix(small, _SMALL)] if small else []), last]
    graph = helper.make_graph(
        [node for model in both for node in model.graph.node],
        "photo",
        [item for model in both for item in model.graph.input],
        [item for model in both for item in model.graph.output],
        initializer=[item for model in both for item in model.graph.initializer],
    )
    version = max(e.version for model in both for e in model.opset_import if e.domain in ("", "ai.onnx"))
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", version)],
        ir_version=max(model.ir_version for model in both),
        producer_name="lapel",
    )


def _opinion_first(graph: onnx.GraphProto) -> None:
    """Put what the second opinion needs before the rest, so that the answers' layer is the last dense one."""
    wanted = {"opinion"}
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
    nodes = sorted(graph.node, key=lambda node: not wanted.intersection(node.output))
    del graph.node[:]
    graph.node.extend(nodes)


def _renamed(name: str) -> str:
    return "large_probabilities" if name == "probabilities" else name
