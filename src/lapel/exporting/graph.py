"""A model's graph in plain floats: kept int8 becomes floats, batch norm goes into kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtra

if TYPE_CHECKING:
    import onnx


def load_graph(data: bytes) -> onnx.ModelProto:
    """The model of these bytes. Raises MissingExtra without onnx."""
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "train") from error
    return onnx.load_from_string(data)


def without_kept_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with floats where constants are kept as int8; what computes in int8 stays as it is."""
    from onnx import numpy_helper

    constants = {one.name: one for one in model.graph.initializer}
    kept = [
        node
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        and all(name in constants for name in node.input)
        and constants[node.input[0]].data_type != constants[node.input[1]].data_type
    ]
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        return model
    for node in kept:
        steps, scale, *zero = (numpy_helper.to_array(constants[name]) for name in node.input)
        rim = [1] * steps.ndim
        axis = attributes(node).get("axis", 1)
        if scale.ndim:
            rim[axis] = -1
        lowered = steps.astype(np.float32) - (zero[0].astype(np.float32).reshape(rim) if zero else 0)
        values = (lowered * scale.reshape(rim)).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        model.graph.node.remove(node)
    _drop_unused(model)
    return model


def fold_batch_norm(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with each batch norm inside the convolution or dense layer before it, where there is one."""
    from onnx import numpy_helper

    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    makers = {node.output[0]: node for node in model.graph.node}
    for norm in [node for node in model.graph.node if node.op_type == "BatchNormalization"]:
        before = makers.get(norm.input[0])
        uses = sum(list(node.input).count(norm.input[0]) for node in model.graph.node)
        if before is None or before.op_type not in ("Conv", "Gemm") or uses != 1:
            continue
        weight = constants[before.input[1]]
        bias = constants[before.input[2]] if len(before.input) > 2 else np.zeros(len(weight), np.float32)
        factor, shift = affine_of(norm, constants)
        names = f"{norm.output[0]}.weight", f"{norm.output[0]}.bias"
        folded = (weight * factor.reshape(-1, *[1] * (weight.ndim - 1)), bias * factor + shift)
        for name, values in zip(names, folded, strict=True):
            constants[name] = values.astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(constants[name], name))
        before.input[:] = [before.input[0], *names]
        before.output[0] = norm.output[0]
        makers[norm.output[0]] = before
        model.graph.node.remove(norm)
    _drop_unused(model)
    return model


def affine_of(
    norm: onnx.NodeProto, constants: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """What a batch norm multiplies each channel with, and what it adds then."""
    weight, bias, mean, variance = (constants[name] for name in norm.input[1:])
    factor = weight / np.sqrt(variance.astype(np.float64) + attributes(norm).get("epsilon", 1e-5))
    return factor, bias - mean * factor


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's settings by name."""
    from onnx import helper

    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _drop_unused(model: onnx.ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input}
    kept = [one for one in model.graph.initializer if one.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
