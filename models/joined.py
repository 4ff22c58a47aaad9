"""Two models as one: a large one that knows photographs, and a small one that knows Fashion-MNIST better."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from lapel.card import KEY, Card

FLOOR = 1e-4  # a share below it says no more than "hardly"
_SMALL = (
    "small/"  # before every name in it; those of the large one stay, so that a training can start from it
)


def joined(large: onnx.ModelProto, small: onnx.ModelProto, card: Card, *, share: float) -> onnx.ModelProto:
    """One model whose shares of the classes are a weighted geometric mean: `share` of it is the small one's.

    The large one was given no temperature; the card's is applied here. What is rejected is what the large one
    rejects. The small one is given the same pictures, made smaller.
    """
    both = _merged(large, small)
    graph, side = both.graph, card.picture.size
    smaller = next(item for item in graph.input if item.name == f"{_SMALL}pictures")
    small_side = smaller.type.tensor_type.shape.dim[1].dim_value
    shrink = shrinking(side, small_side)
    constants = {
        "shrink": shrink,
        "shrink_across": shrink.T.copy(),
        "floor": np.float32(FLOOR),
        "lowest": np.float32(0),
        "highest": np.float32(255),
        "small_share": np.float32(share / card.temperature),
        "large_share": np.float32((1 - share) / card.temperature),
    }
    graph.initializer.extend(numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items())
    before = [
        helper.make_node("Cast", ["pictures"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["levels"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node("MatMul", ["shrink", "channels_first"], ["lower"]),
        helper.make_node("MatMul", ["lower", "shrink_across"], ["smaller"]),
        helper.make_node("Round", ["smaller"], ["rounded"]),
        helper.make_node("Clip", ["rounded", "lowest", "highest"], ["clipped"]),
        helper.make_node("Cast", ["clipped"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Transpose", ["bytes"], [f"{_SMALL}pictures"], perm=[0, 2, 3, 1]),
    ]
    after = [
        *_weighted("large_probabilities", "large_share", "large_weighted"),
        *_weighted(f"{_SMALL}probabilities", "small_share", "small_weighted"),
        helper.make_node("Add", ["large_weighted", "small_weighted"], ["mean"]),
        helper.make_node("Softmax", ["mean"], ["probabilities"], axis=1),
    ]
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


def _weighted(shares: str, weight: str, gives: str) -> list[onnx.NodeProto]:
    """The logarithms of the shares that a model gives, times its weight."""
    return [
        helper.make_node("Max", [shares, "floor"], [f"{gives}_floored"]),
        helper.make_node("Log", [f"{gives}_floored"], [f"{gives}_logs"]),
        helper.make_node("Mul", [f"{gives}_logs", weight], [gives]),
    ]


def _merged(large: onnx.ModelProto, small: onnx.ModelProto) -> onnx.ModelProto:
    """Both graphs beside each other, with names that tell them apart."""
    first = onnx.ModelProto()
    first.CopyFrom(large)
    for node in first.graph.node:
        node.output[:] = [_renamed(name) for name in node.output]
        node.input[:] = [_renamed(name) for name in node.input]
    both = first, onnx.compose.add_prefix(small, _SMALL, inplace=False)
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


def _renamed(name: str) -> str:
    return "large_probabilities" if name == "probabilities" else name
