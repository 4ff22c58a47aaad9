"""A TensorFlow function -> an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engines.backend import load_tensorflow, quiet
from ..errors import MissingExtra, ModelError, first_line

if TYPE_CHECKING:
    import onnx

_OPSET = 17  # as our own models have
_HINT = "Leave out the layer that this comes from, or bring it to ONNX by other means and import that."


def convert_function(
    function: Callable[[Any], Any], shape: tuple[int | None, ...], number: str, source: str
) -> onnx.ModelProto:
    """The graph of a function that takes one array of `shape` (the batch first) and gives one.

    Raises ModelError that names the operations for which ONNX has none, MissingExtra without tf2onnx.
    """
    tensorflow = load_tensorflow()
    with quiet():
        try:
            import onnx
            import tf2onnx
        except ModuleNotFoundError as error:
            raise MissingExtra(error.name or "tf2onnx", "keras") from error
        takes = [tensorflow.TensorSpec(shape, number, name="pictures")]
        try:
            traced = tensorflow.function(function, input_signature=takes)
            constants = {inner.name: outer for outer, inner in traced.get_concrete_function().graph.captures}
            model: onnx.ModelProto = tf2onnx.convert.from_function(
                traced, takes, opset=_OPSET, custom_op_handlers={"Erfc": (_erfc, [])}
            )[0]
            # Constants from outside the function (a Normalization layer's) come out as further inputs.
            model.graph.initializer.extend(
                onnx.numpy_helper.from_array(constants[given.name].numpy(), given.name)
                for given in model.graph.input
                if given.name in constants
            )
        except Exception as error:  # tf2onnx raises whatever its parts raise
            raise ModelError(f"{source}: cannot be brought to ONNX ({first_line(error)}).", _HINT) from error
    # What tf2onnx does not know it leaves as it was.
    unknown = sorted({node.op_type for node in model.graph.node if not onnx.defs.has(node.op_type)})
    if unknown:
        raise ModelError(
            f"{source}: cannot be brought to ONNX, which has no operation for {', '.join(unknown)}.", _HINT
        )
    return model


def _erfc(graph: Any, node: Any, name: str, _: Any) -> None:
    """1 − erf(x): tf2onnx knows erf alone, and Keras makes the exact GELU of this."""
    node.type = "Erf"
    one = graph.make_const(f"{name}_one", np.array(1, np.float32)).output[0]
    last = graph.insert_new_node_on_output("Sub", node.output[0], name=f"{name}_complement")
    graph.replace_inputs(last, [one, node.output[0]])
