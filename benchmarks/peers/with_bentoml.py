"""BentoML, two workers: python with_bentoml.py MODEL PORT."""

import os
import sys
from pathlib import Path

import bentoml
from model import Model


@bentoml.service(workers=2, traffic={"timeout": 30})
class Garments:
    """The model behind a form and behind JSON."""

    def __init__(self) -> None:
        self.model = Model(os.environ["BENCH_MODEL"])

    @bentoml.api(route="/tag")
    def tag(self, file: Path) -> dict:
        """Label a photo."""
        return self.model.tag(file.read_bytes())

    @bentoml.api(route="/infer")
    def infer(self, data: list[int]) -> dict:
        """Label a picture."""
        return self.model.look(data)


if __name__ == "__main__":
    os.environ.update(BENCH_MODEL=sys.argv[1], BENTOML_DO_NOT_TRACK="True")
    words = ["serve", "with_bentoml:Garments", "--host", "127.0.0.1", "--port", sys.argv[2], "--quiet"]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", *words])
