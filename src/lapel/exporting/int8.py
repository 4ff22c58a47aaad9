"""A model in whole numbers of eight bits: a quarter of the size, on most processors three times as fast.

Kernels have a scale for each filter, and what flows between layers has the range that pictures showed.
`compact` does less: it keeps kernels as int8 and computes in floats, for which no picture is needed.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..card import KEY
from ..errors import ModelError
from .graph import load_graph, without_kept_int8

if TYPE_CHECKING:
    import onnx

    from .form import Source

# What is left as it is: the pixels' way in and the answers' way out, which are little work.
_KEPT = frozenset(
    (
        "Cast",
        "Mul",
        "Transpose",
        "GlobalAveragePool",
        "Flatten",
        "Gemm",
        "Div",
        "Slice",
        "Softmax",
        "Identity",
    )
)
_BATCH = 64
_MOST = 1024  # pictures by which ranges are found; the more there are, the wider a single one makes them


def write_int8(source: Source, target: Path) -> None:
    """Write a model that computes in int8. Raises ModelError where it does so already."""
    model = without_kept_int8(load_graph(source.data))
    operators = [node.op_type for node in model.graph.node]
    if "QuantizeLinear" in operators:
        raise ModelError(f"{source.name} computes in int8 already.", "Use it as it is.")
    places = np.linspace(0, len(source.pictures) - 1, min(_MOST, len(source.pictures))).astype(np.intp)
    target.write_bytes(quantised(model, source.pictures[places], dense=True))


def quantised(model: onnx.ModelProto, pictures: NDArray[np.uint8], *, dense: bool = False) -> bytes:
    """The same model with convolutions of whole numbers; `pictures` are like those that it will see.

    With `dense` its dense layers, too, but for the last, which gives the answers.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Pictures by which the range of every number inside the network is found."""

        def __init__(self) -> None:
            count = max(1, len(pictures) // _BATCH)
            self._parts: Iterator[NDArray[np.uint8]] = iter(np.array_split(pictures, count))

        def get_next(self) -> dict[str, Any] | None:
            part = next(self._parts, None)
            return None if part is None else {"pictures": part}

    card = {entry.key: entry.value for entry in model.metadata_props}[KEY]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        given, plain, small = (Path(folder, f"{name}.onnx") for name in ("given", "plain", "small"))
        onnx.save(model, given)
        quant_pre_process(given, plain, skip_symbolic_shape=True)  # batch norm goes into the convolutions
        nodes = onnx.load(plain).graph.node
        quantize_static(
            plain,
            small,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # Seven bits for the weights: with eight, sums overflow on processors without VNNI.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_left_out(nodes, dense=dense),
        )
        result = onnx.load(small)
    del result.metadata_props[:]
    onnx.helper.set_model_props(result, {KEY: card})
    onnx.checker.check_model(result, full_check=True)
    data: bytes = result.SerializeToString(deterministic=True)
    return data


def _left_out(nodes: Sequence[onnx.NodeProto], *, dense: bool) -> list[str]:
    """The names of the nodes that stay as they are."""
    layers = [node.name for node in nodes if node.op_type == "Gemm"]
    only_one = len(layers) == 1 and all(node.op_type != "Conv" for node in nodes)
    taken = layers if only_one else layers[:-1]
    return [node.name for node in nodes if node.op_type in _KEPT and not (dense and node.name in taken)]


@contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime logs advice that is followed here already."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
