"""What every peer serves: one ONNX file of Lapel, and photos prepared the way tutorials do it."""

import io
import json

import numpy as np
import onnxruntime
from PIL import Image


class Model:
    """The model on one thread, asked about one photo or one picture at a time."""

    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.shape = self.session.get_inputs()[0].shape[1:]  # (height, width, channels)
        card = json.loads(self.session.get_modelmeta().custom_metadata_map["lapel.card"])
        self.labels = card["class_names"]

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Of as many pictures as there are: (n, classes)."""
        return self.session.run(["probabilities"], {"pictures": pixels.reshape(-1, *self.shape)})[0]

    def look(self, data: list[int]) -> dict:
        """Answer about the pixels of one picture, as JSON has them."""
        return self.told(self.probabilities(np.array(data, dtype=np.uint8))[0])

    def tag(self, photo: bytes) -> dict:
        """Answer about the bytes of one photo."""
        return self.told(self.probabilities(self.prepare(Image.open(io.BytesIO(photo))))[0])

    def prepare(self, photo: Image.Image) -> np.ndarray:
        """Grey, or in colour, and of the model's size whatever its form."""
        height, width, channels = self.shape
        return np.asarray(photo.convert("L" if channels == 1 else "RGB").resize((width, height)))

    def told(self, row: np.ndarray) -> dict:
        """The label and all probabilities, as plain data."""
        return {
            "label": self.labels[int(row.argmax())],
            "probabilities": dict(zip(self.labels, row.tolist(), strict=True)),
        }
