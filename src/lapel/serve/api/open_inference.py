"""The Open Inference Protocol, version 2, as KServe and Triton speak it over HTTP.

A model has one input, `image`: pictures as it sees them (UINT8) or encoded photos (BYTES). Of Triton's
extensions there are binary tensors, classification, the model's configuration and the model repository.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..._version import __version__
from ...errors import PictureError
from ...picture import Picture
from ...tagger import Tag, Tagger
from ..http.messages import HttpError, Request, Response, json_response
from ..inference.batcher import MAX_PHOTOS, Batcher, Prediction
from ..inference.models import Models
from .budget import Budget
from .encoding import read_json
from .status import Status
from .tensors import (
    INPUT,
    Output,
    Signature,
    Tensor,
    classification,
    read_infer_request,
    write_infer_answer,
)

if TYPE_CHECKING:
    from . import inference_shapes as shapes

_VERSION: Literal["1"] = "1"  # of every model: a file is one model
_EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository")
_OUTPUTS: dict[shapes.OutputName, shapes.DataType] = {
    "probabilities": "FP32",
    "label": "BYTES",
    "accepted": "BOOL",
    "reason": "BYTES",
}
_OUTPUT_TYPES = dict[str, str](_OUTPUTS.items())
_CONFIG_TYPES: dict[shapes.DataType, shapes.ConfigType] = {
    "FP32": "TYPE_FP32",
    "BYTES": "TYPE_STRING",
    "BOOL": "TYPE_BOOL",
}
_LENGTH = "Inference-Header-Content-Length"
_PARTS = 1000  # of the JSON of requests that hold no photos


@dataclass
class OpenInference:
    """Answers what is under /v2; `on_tag` is called with the model's name and what came of each photo."""

    models: Models
    batcher: Batcher
    budget: Budget
    status: Status
    on_tag: Callable[[str, Tag | PictureError], None]

    async def infer(self, request: Request, model: str, version: str | None = None) -> Response:
        """What a model answers."""
        tagger = self._tagger(model, version)
        signature = Signature(tagger.card.picture.shape, MAX_PHOTOS, _OUTPUT_TYPES)
        body = await self.budget.unpack(request)
        wanted = read_infer_request(body, request.headers.get(_LENGTH.lower()), signature)
        tags, probabilities = await self._tags(request, model, tagger, wanted.photos)
        about = {"id": wanted.id or request.id, "model_name": model, "model_version": _VERSION}
        tensors = [
            Tensor(output.name, _values(output, tagger, tags, probabilities), output.binary)
            for output in wanted.outputs
        ]
        answer, length = write_infer_answer(about, tensors)
        if length is None:
            return Response(body=answer)
        return Response(body=answer, type="application/octet-stream", headers=((_LENGTH, str(length)),))

    async def _tags(
        self, request: Request, model: str, tagger: Tagger, photos: Sequence[bytes | Picture]
    ) -> tuple[list[Tag], NDArray[np.float32]]:
        """What the model answers. A photo that cannot be read ends it: there is no place for an error."""
        predictions: list[Prediction] = []
        refusal: HttpError | None = None
        for place, one in enumerate(
            await self.batcher.predict(tagger, photos, self.budget.seconds_left(request))
        ):
            if isinstance(one, PictureError):
                self.on_tag(model, one)
                text = f'Photo {place} of "{INPUT}", counted from 0: {one.message.removeprefix("bytes: ")}'
                refusal = refusal or HttpError("photo_unreadable", text, one.hint)
            else:
                predictions.append(one)
        if refusal:
            raise refusal
        probabilities = np.array([one.probabilities for one in predictions])
        tags = tagger.tags(
            [""] * len(predictions),
            probabilities,
            np.array([one.rejected for one in predictions]),
            [one.colours for one in predictions],
        )
        for tag in tags:
            self.on_tag(model, tag)
        return tags, probabilities

    def _tagger(self, model: str, version: str | None) -> Tagger:
        tagger = self.models.tagger(model)
        if version not in (None, _VERSION):
            raise HttpError(
                "version_unknown", f'The model "{model}" has no version {version[:60]!r}; it has {_VERSION}.'
            )
        return tagger

    async def server(self, _request: Request) -> Response:
        """What this server is."""
        answer: shapes.Server = {
            "name": "lapel",
            "version": __version__,
            "extensions": list(_EXTENSIONS),
        }
        return json_response(answer)

    async def live(self, request: Request) -> Response:
        """As /health/live."""
        return await self.status.live(request)

    async def ready(self, request: Request) -> Response:
        """As /health/ready."""
        return await self.status.ready(request)

    async def model_ready(self, _request: Request, model: str, version: str | None = None) -> Response:
        """Whether a model answers: 503 where it has been put away."""
        self._tagger(model, version)
        answer: shapes.ModelReady = {"name": model, "ready": True}
        return json_response(answer)

    async def metadata(self, _request: Request, model: str, version: str | None = None) -> Response:
        """The inputs and outputs of a model."""
        tagger = self._tagger(model, version)
        outputs: list[shapes.OutputMetadata] = [
            {"name": name, "datatype": kind, "shape": [-1, *_row(name, tagger)]}
            for name, kind in _OUTPUTS.items()
        ]
        answer: shapes.ModelMetadata = {
            "name": model,
            "versions": [_VERSION],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, *tagger.card.picture.shape]}],
            "outputs": outputs,
        }
        return json_response(answer)

    async def config(self, _request: Request, model: str, version: str | None = None) -> Response:
        """A model's configuration, as Triton writes it."""
        tagger = self._tagger(model, version)
        outputs: list[shapes.OutputConfig] = [
            {"name": name, "data_type": _CONFIG_TYPES[kind], "dims": _row(name, tagger)}
            for name, kind in _OUTPUTS.items()
        ]
        answer: shapes.ModelConfig = {
            "name": model,
            "platform": "onnxruntime_onnx",
            "backend": "onnxruntime",
            "max_batch_size": MAX_PHOTOS,
            "input": [{"name": INPUT, "data_type": "TYPE_UINT8", "dims": list(tagger.card.picture.shape)}],
            "output": outputs,
        }
        return json_response(answer)

    async def index(self, request: Request) -> Response:
        """Which models there are."""
        only_ready = (await self._read_object(request)).get("ready") is True
        entries: list[shapes.IndexEntry] = []
        for name in self.models.names:
            ready = self.models.get(name).ready
            if ready:
                entries.append({"name": name, "version": _VERSION, "state": "READY", "reason": ""})
            elif not only_ready:
                entries.append(
                    {"name": name, "version": _VERSION, "state": "UNAVAILABLE", "reason": "unloaded"}
                )
        return json_response(entries)

    async def load(self, request: Request, model: str) -> Response:
        """Load the file of a model again, in all workers."""
        if (await self._read_object(request)).get("parameters"):
            raise HttpError(
                "parameters_unsupported",
                "A model is loaded from its own file, as it is: no parameters are taken.",
            )
        await self.models.load(model)
        return Response()

    async def unload(self, request: Request, model: str) -> Response:
        """Put a model away, in all workers."""
        await self._read_object(request)
        await self.models.unload(model)
        return Response()

    async def _read_object(self, request: Request) -> dict[str, Any]:
        """The JSON object of a request; without a body it is empty."""
        body = await self.budget.unpack(request)
        data = read_json(body, _PARTS) if body else {}
        if not isinstance(data, dict):
            raise HttpError(
                "invalid_body", f"The body should be a JSON object; it is a {type(data).__name__}."
            )
        return data


def _row(output: str, tagger: Tagger) -> list[int]:
    """The shape of an output for one photo."""
    return [len(tagger.card.class_names)] if output == "probabilities" else []


def _values(
    output: Output, tagger: Tagger, tags: Sequence[Tag], probabilities: NDArray[np.float32]
) -> NDArray[Any]:
    """What fills an output."""
    if output.classes:
        return classification(probabilities, output.classes, tagger.card.class_names)
    if output.name == "probabilities":
        return probabilities
    if output.name == "accepted":
        return np.array([tag.accepted for tag in tags])
    return np.array([tag.label if output.name == "label" else tag.reason for tag in tags], dtype=object)
