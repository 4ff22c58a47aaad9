"""LitServe, two workers: python with_litserve.py MODEL PORT."""

import sys

import litserve
from fastapi import Request
from model import Model


class Upload(litserve.LitAPI):
    """Labels a photo."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load the model, once in every worker."""
        self.model = Model(sys.argv[1])

    def decode_request(self, request: Request) -> bytes:
        """Take the photo out of the form."""
        return request["file"].file.read()

    def predict(self, photo: bytes) -> dict:
        """Answer."""
        return self.model.tag(photo)

    def encode_response(self, answer: dict) -> dict:
        """As it is."""
        return answer


class Tensor(Upload):
    """Labels a picture."""

    def decode_request(self, request: Request) -> list[int]:
        """Take the pixels out of the JSON."""
        return request["data"]

    def predict(self, data: list[int]) -> dict:
        """Answer."""
        return self.model.look(data)


if __name__ == "__main__":
    apis = [Upload(api_path="/tag"), Tensor(api_path="/infer")]
    server = litserve.LitServer(apis, accelerator="cpu", workers_per_device=2)
    server.run("127.0.0.1", int(sys.argv[2]), log_level="warning", generate_client_file=False)
