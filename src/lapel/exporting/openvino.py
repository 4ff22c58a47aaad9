"""OpenVINO: a folder with model.xml and model.bin, and the card among what the network says of itself."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from ..card import KEY
from ..data.dataset import Pictures
from ..metrics import Probabilities
from .form import Ask, Source
from .parity import INT8, Bounds

_FILE = "model.xml"


def write_openvino(source: Source, target: Path) -> Bounds | None:
    """Convert the graph, its weights as they are. The card is `lapel.card` in rt_info.

    What computes in int8 is rounded by OpenVINO in places of its own.
    """
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(source.data)
        model = openvino.convert_model(path)
        model.set_rt_info(source.card.to_json(), KEY.split("."))
        target.mkdir()
        openvino.save_model(model, target / _FILE, compress_to_fp16=False)
    return INT8 if b"QuantizeLinear" in source.data else None


def open_openvino(path: Path) -> Ask:
    """The network on the processor, in fp32 where its processor would take less."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(path / _FILE, "CPU", settings)
    request, output = compiled.create_infer_request(), compiled.output("probabilities")

    def ask(pictures: Pictures) -> Probabilities:
        answers: Probabilities = request.infer({"pictures": np.ascontiguousarray(pictures)})[output].copy()
        return answers

    return ask
