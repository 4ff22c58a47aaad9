"""The Open Inference Protocol, version 2, as KServe and Triton speak it over HTTP.

A model has one input, `image`: pictures as it sees them (UINT8) or encoded photos (BYTES). Of Triton's
extensions there are binary tensors, classification, the model's configuration and the model repository.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._version import __version__
from ...errors import PictureError
from ...picture import Picture
from ...tagger import Tag, Tagger
from ..http.messages import HttpError, Request, Response, check_method, json_response
from ..inference.batcher import LARGEST, Batcher, Seen
from ..inference.models import Models
from .encoding import packed, read_json
from .tensors import INPUT, Output, Takes, Tensor, classification, read_question, write_answer

Handler: TypeAlias = Callable[..., Awaitable[Response]]

_VERSION = "1"  # of every model: a file is one model
_EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository")
_OUTPUTS = {"probabilities": "FP32", "label": "BYTES", "accepted": "BOOL", "reason": "BYTES"}
_CONFIG_TYPES = {"FP32": "TYPE_FP32", "BYTES": "TYPE_STRING", "BOOL": "TYPE_BOOL"}
_MODEL = "/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?"
_REPOSITORY = "/v2/repository/models/(?P<model>[^/]+)"
_LENGTH = "Inference-Header-Content-Length"
_PARTS = 1000  # of the JSON of requests that hold no photos


@dataclass
class V2:
    """All that is answered under /v2.

    `left` says how many seconds a request has yet, `ready` whether the service is, and `unpacked` gives the
    body of a request. `tagged` is told what came of each photo, under the name of its model.
    """

    models: Models
    batcher: Batcher
    left: Callable[[Request], float]
    ready: Callable[[], bool]
    unpacked: Callable[[Request], Awaitable[bytes]]
    tagged: Callable[[str, Tag | PictureError], None] = lambda _model, _tag: None
    _routes: list[tuple[str, re.Pattern[str], Handler]] = field(default_factory=list)

    def __post_init__(self) -> None:
        routes: list[tuple[str, str, Handler]] = [
            ("POST", f"{_MODEL}/infer", self._infer),
            ("GET", "/v2", self._server),
            ("GET", "/v2/health/live", self._live),
            ("GET", "/v2/health/ready", self._ready),
            ("GET", _MODEL, self._metadata),
            ("GET", f"{_MODEL}/ready", self._model_ready),
            ("GET", f"{_MODEL}/config", self._config),
            ("POST", "/v2/repository/index", self._index),
            ("POST", f"{_REPOSITORY}/load", self._load),
            ("POST", f"{_REPOSITORY}/unload", self._unload),
        ]
        self._routes = [(method, re.compile(path), handler) for method, path, handler in routes]

    async def answer(self, request: Request) -> Response:
        """Answer a request to /v2 or below. Raises HttpError, and ModelError where a model fails."""
        for method, path, handler in self._routes:
            found = path.fullmatch(request.path)
            if not found:
                continue
            check_method(request, method)
            return packed(request, await handler(request, **found.groupdict()))
        raise HttpError(404, f"There is nothing at {request.path[:200]}.", "See /v2/models/NAME.")

    async def _infer(self, request: Request, model: str, version: str | None) -> Response:
        tagger = self._tagger(model, version)
        takes = Takes(tagger.card.picture.shape, LARGEST, _OUTPUTS)
        body = await self.unpacked(request)
        question = read_question(body, request.headers.get(_LENGTH.lower()), takes)
        tags, probabilities = await self._tags(request, model, tagger, question.photos)
        about = {"id": question.id or request.id, "model_name": model, "model_version": _VERSION}
        tensors = [
            Tensor(output.name, _values(output, tagger, tags, probabilities), output.binary)
            for output in question.outputs
        ]
        answer, length = write_answer(about, tensors)
        if length is None:
            return Response(body=answer)
        return Response(body=answer, type="application/octet-stream", headers=((_LENGTH, str(length)),))

    async def _tags(
        self, request: Request, model: str, tagger: Tagger, photos: Sequence[bytes | Picture]
    ) -> tuple[list[Tag], NDArray[np.float32]]:
        """What the model answers. A photo that cannot be read ends it: there is no place for an error."""
        seen: list[Seen] = []
        refusal: HttpError | None = None
        for place, one in enumerate(await self.batcher.ask(tagger, photos, self.left(request))):
            if isinstance(one, PictureError):
                self.tagged(model, one)
                told = f'Photo {place} of "{INPUT}", counted from 0: {one.message.removeprefix("bytes: ")}'
                refusal = refusal or HttpError(400, told, one.hint)
            else:
                seen.append(one)
        if refusal:
            raise refusal
        probabilities = np.array([one.probabilities for one in seen])
        tags = tagger.tags([""] * len(seen), probabilities, np.array([one.rejected for one in seen]))
        for tag in tags:
            self.tagged(model, tag)
        return tags, probabilities

    def _tagger(self, model: str, version: str | None) -> Tagger:
        tagger = self.models.tagger(model)
        if version not in (None, _VERSION):
            raise HttpError(404, f'The model "{model}" has no version {version[:60]!r}; it has {_VERSION}.')
        return tagger

    async def _server(self, _request: Request) -> Response:
        return json_response({"name": "lapel", "version": __version__, "extensions": _EXTENSIONS})

    async def _live(self, _request: Request) -> Response:
        return json_response({"live": True})

    async def _ready(self, _request: Request) -> Response:
        ready = self.ready()
        return json_response({"ready": ready}, 200 if ready else 503)

    async def _model_ready(self, _request: Request, model: str, version: str | None) -> Response:
        self._tagger(model, version)
        return json_response({"name": model, "ready": True})

    async def _metadata(self, _request: Request, model: str, version: str | None) -> Response:
        tagger = self._tagger(model, version)
        outputs = [
            {"name": name, "datatype": kind, "shape": [-1, *_row(name, tagger)]}
            for name, kind in _OUTPUTS.items()
        ]
        return json_response(
            {
                "name": model,
                "versions": [_VERSION],
                "platform": "onnxruntime_onnx",
                "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, *tagger.card.picture.shape]}],
                "outputs": outputs,
            }
        )

    async def _config(self, _request: Request, model: str, version: str | None) -> Response:
        tagger = self._tagger(model, version)
        outputs = [
            {"name": name, "data_type": _CONFIG_TYPES[kind], "dims": _row(name, tagger)}
            for name, kind in _OUTPUTS.items()
        ]
        return json_response(
            {
                "name": model,
                "platform": "onnxruntime_onnx",
                "backend": "onnxruntime",
                "max_batch_size": LARGEST,
                "input": [{"name": INPUT, "data_type": "TYPE_UINT8", "dims": tagger.card.picture.shape}],
                "output": outputs,
            }
        )

    async def _index(self, request: Request) -> Response:
        only_ready = (await self._said(request)).get("ready") is True
        entries = []
        for name in self.models.names:
            ready = self.models.get(name).ready
            state, reason = ("READY", "") if ready else ("UNAVAILABLE", "unloaded")
            if ready or not only_ready:
                entries.append({"name": name, "version": _VERSION, "state": state, "reason": reason})
        return json_response(entries)

    async def _load(self, request: Request, model: str) -> Response:
        if (await self._said(request)).get("parameters"):
            raise HttpError(400, "A model is loaded from its own file, as it is: no parameters are taken.")
        await self.models.load(model)
        return Response()

    async def _unload(self, request: Request, model: str) -> Response:
        await self._said(request)
        await self.models.unload(model)
        return Response()

    async def _said(self, request: Request) -> dict[str, Any]:
        """The JSON object of a request; without a body it is empty."""
        body = await self.unpacked(request)
        said = read_json(body, _PARTS) if body else {}
        if not isinstance(said, dict):
            raise HttpError(400, f"The body should be a JSON object; it is a {type(said).__name__}.")
        return said


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
