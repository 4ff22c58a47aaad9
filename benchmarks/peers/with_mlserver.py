"""MLServer with a model of its own kind: python with_mlserver.py MODEL PORT WORKERS.

With 0 workers the process that serves HTTP asks the model itself, which may be faster than to ask two.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from fastapi import UploadFile
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.handlers import custom_handler
from mlserver.types import InferenceRequest, InferenceResponse
from model import Model


class Garments(MLModel):
    """The model behind V2 and, as MLServer has no uploads of its own, behind a handler for them."""

    async def load(self) -> bool:
        """Load the model, once in every worker."""
        self.model = Model(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer V2."""
        rows = self.model.probabilities(NumpyCodec.decode_input(payload.inputs[0]))
        outputs = [NumpyCodec.encode_output("probabilities", rows)]
        return InferenceResponse(model_name=self.name, outputs=outputs)

    @custom_handler(rest_path="/tag")
    async def tag(self, file: UploadFile) -> dict:
        """Label a photo."""
        return self.model.tag(file.file.read())


if __name__ == "__main__":
    path, port, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    folder = Path(tempfile.mkdtemp())
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": port + 1,
        "metrics_endpoint": None,
        "metrics_dir": str(folder),
        "parallel_workers": workers,
        "debug": False,
    }
    model = {"name": "model", "implementation": "with_mlserver.Garments", "parameters": {"uri": path}}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent)
    os.execv(Path(sys.executable).with_name("mlserver"), ["mlserver", "start", str(folder)])
