"""Two models as one: a large one that knows photographs, and a small one that knows Fashion-MNIST better."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from lapel.card import KEY, Card

FLOOR = 1e-4  # a share below it says no more than "hardly"
_LARGE, _SMALL = "large/", "small/"


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
        helper.make_node("Identity", ["pictures"], [f"{_LARGE}pictures"]),
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
        *_weighted(_LARGE, "large_share"),
        *_weighted(_SMALL, "small_share"),
        helper.make_node("Add", [f"{_LARGE}weighted", f"{_SMALL}weighted"], ["mean"]),
        helper.make_node("Softmax", ["mean"], ["probabilities"], axis=1),
        helper.make_node("Identity", [f"{_LARGE}rejected"], ["rejected"]),
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


def _weighted(whose: str, share: str) -> list[onnx.NodeProto]:
    """The logarithms of the shares that a model gives, times its weight."""
    return [
        helper.make_node("Max", [f"{whose}probabilities", "floor"], [f"{whose}likely"]),
        helper.make_node("Log", [f"{whose}likely"], [f"{whose}logs"]),
        helper.make_node("Mul", [f"{whose}logs", share], [f"{whose}weighted"]),
    ]


def _merged(large: onnx.ModelProto, small: onnx.ModelProto) -> onnx.ModelProto:
    """Both graphs beside each other, with names that tell them apart."""
    both = [
        onnx.compose.add_prefix(model, prefix, inplace=False)
        for model, prefix in ((large, _LARGE), (small, _SMALL))
    ]
    graph = helper.make_graph(
        [node for model in both for node in model.graph.node],
        "photo",
        [item for model in both for item in model.graph.input],
        [item for model in both for item in model.graph.output],
        initializer=[item for model in both for item in model.graph.initializer],
    )
    versions = {
        entry.domain: max(
            entry.version, *(e.version for m in both for e in m.opset_import if e.domain == entry.domain)
        )
        for model in both
        for entry in model.opset_import
        if entry.domain in ("", "ai.onnx")
    }
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in versions.items()],
        ir_version=max(model.ir_version for model in both),
        producer_name="lapel",
    )
