"""The route table: it feeds the dispatch, the gate, the labels of metrics, and the OpenAPI document."""

from __future__ import annotations

import re
from functools import partial

from .route import Route, with_version

_v2 = partial(Route, group="Inference protocol", label="/v2", packs=True)
_PIPE = "\"$(base64 < shirt.jpg | tr -d '\\n')\""
_INPUT = '{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["%s"]}'

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/tag",
        "tagging.tag",
        group="Labels",
        operation="tag",
        summary="Label photos",
        description="Every photo is decoded, prepared as the model wants it, and labelled. A label on which "
        "the model cannot be relied is not accepted, and says why.\n\nA photo that cannot be read gives a "
        "row with an `error`; the others are labelled all the same. Only where not one could be read is the "
        "answer 400.\n\nPhotos are JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF and, where that is installed, HEIC. "
        "A body may come packed (`Content-Encoding: gzip` or `deflate`).",
        parameters=("Model", "Top", "Picture", "Explain", "Timeout"),
        body="Photos",
        answer="What came of the photos: of at least one, a tag.",
        shape="Tags",
        queues=True,
        samples=(
            ("One photo", "curl -F photo=@shirt.jpg http://localhost:8000/tag"),
            ("Several photos", "curl -F photo=@shirt.jpg -F photo=@shirt.jpg http://localhost:8000/tag"),
            (
                "The bytes alone, five labels",
                "curl -H 'Content-Type: image/jpeg' --data-binary @shirt.jpg "
                "'http://localhost:8000/tag?top=5'",
            ),
            (
                "JSON",
                f"printf '{{\"photos\": [\"%s\"]}}' {_PIPE} | curl -H 'Content-Type: application/json' "
                "--data-binary @- http://localhost:8000/tag",
            ),
        ),
    ),
    Route(
        "GET",
        "/models",
        "status.models_list",
        group="Models",
        operation="models",
        summary="Which models are served",
        answer="Their names.",
        shape="Models",
    ),
    Route(
        "GET",
        "/model",
        "status.model",
        group="Models",
        operation="model",
        summary="What a model says of itself",
        description="Its card: classes, how it sees photos, what it reached and how it was made.",
        parameters=("Model",),
        answer="The card.",
        shape="Card",
        samples=(
            ("", "curl http://localhost:8000/model"),
            ("Of another model", "curl 'http://localhost:8000/model?model=fashion-mnist'"),
        ),
    ),
    Route(
        "GET",
        "/health/live",
        "status.live",
        group="Health",
        operation="live",
        summary="Is the process alive?",
        description="For a liveness probe. It needs no token.",
        answer="It is.",
        shape="Live",
        token=False,
    ),
    Route(
        "GET",
        "/health/ready",
        "status.ready",
        group="Health",
        operation="ready",
        summary="Should requests come here?",
        description="For a readiness probe. It needs no token. The answer is no as soon as the service was "
        "told to end, and while a model is put away.",
        answer="They should.",
        shape="Ready",
        token=False,
    ),
    Route(
        "GET",
        "/metrics",
        "status.metrics",
        group="Health",
        operation="metrics",
        summary="What happens, in numbers",
        description="As Prometheus reads them, of all workers together: requests, times, photos by what came "
        "of them, and for each model the labels of the last hour and how far they lie from the usual ones.",
        answer="Prometheus' text format, version 0.0.4.",
        types=("text/plain",),
    ),
    _v2(
        "GET",
        "/v2",
        "inference.server",
        operation="server",
        summary="What this server is",
        answer="Its name, version and extensions.",
        shape="Server",
    ),
    _v2(
        "GET",
        "/v2/health/live",
        "inference.live",
        operation="serverLive",
        summary="Is the server alive?",
        answer="It is.",
        shape="Live",
        token=False,
    ),
    _v2(
        "GET",
        "/v2/health/ready",
        "inference.ready",
        operation="serverReady",
        summary="Is the server ready?",
        answer="It is.",
        shape="Ready",
        token=False,
    ),
    *with_version(
        _v2(
            "GET",
            "/v2/models/{model}",
            "inference.metadata",
            operation="modelMetadata",
            summary="A model's inputs and outputs",
            answer="What it takes and gives.",
            shape="ModelMetadata",
        )
    ),
    *with_version(
        _v2(
            "GET",
            "/v2/models/{model}/ready",
            "inference.model_ready",
            operation="modelReady",
            summary="Is a model ready?",
            answer="It is.",
            shape="ModelReady",
        )
    ),
    *with_version(
        _v2(
            "GET",
            "/v2/models/{model}/config",
            "inference.config",
            operation="modelConfig",
            summary="A model's configuration",
            answer="As Triton writes it.",
            shape="ModelConfig",
        )
    ),
    *with_version(
        _v2(
            "POST",
            "/v2/models/{model}/infer",
            "inference.infer",
            operation="infer",
            summary="Ask a model",
            description="The one input is `image`: encoded photos (BYTES), or pictures as the model sees "
            "them (UINT8). A photo that cannot be read ends the request: the protocol has no place for an "
            "error of one.",
            parameters=("HeaderLength", "Timeout"),
            body="InferRequest",
            answer="What the model answers; with bytes after the JSON where that was asked for.",
            shape="InferAnswer",
            types=("application/octet-stream",),
            label="/v2/infer",
            queues=True,
            samples=(
                (
                    "The label of a photo",
                    f'printf \'{{"inputs": [{_INPUT}], "outputs": [{{"name": "label"}}]}}\' {_PIPE} | '
                    "curl --data-binary @- http://localhost:8000/v2/models/photo/infer",
                ),
            ),
        )
    ),
    _v2(
        "POST",
        "/v2/repository/index",
        "inference.index",
        operation="index",
        summary="Which models there are",
        body="IndexRequest",
        answer="Each model and whether it answers.",
        shape="Index",
    ),
    _v2(
        "POST",
        "/v2/repository/models/{model}/load",
        "inference.load",
        operation="load",
        summary="Load a model's file again",
        description="All workers do it, and until they have, or where the file is no model any more, the old "
        "one answers. No request is lost.",
        body="LoadRequest",
        answer="The model answers. There is no body.",
    ),
    _v2(
        "POST",
        "/v2/repository/models/{model}/unload",
        "inference.unload",
        operation="unload",
        summary="Put a model away",
        description="It answers 503 from now on, and the service is not ready any more, until the model is "
        "loaded again.",
        body="LoadRequest",
        samples=(("", "curl -X POST http://localhost:8000/v2/repository/models/fashion-mnist/unload"),),
        answer="The model is put away. There is no body.",
    ),
    Route(
        "GET",
        "/",
        "files.page",
        group="Page",
        operation="page",
        summary="The page",
        description="For the browser: drop photos, take or draw them.",
        answer="HTML.",
        types=("text/html",),
        token=False,
    ),
    Route(
        "GET",
        "/page/{file}",
        "files.page_file",
        group="Page",
        operation="pageFile",
        summary="A file of the page",
        answer="The file.",
        types=("text/css", "text/javascript", "image/svg+xml"),
        label="/page",
        token=False,
    ),
    Route(
        "GET",
        "/docs",
        "files.docs",
        group="Page",
        operation="docs",
        summary="This document as a page",
        answer="HTML.",
        types=("text/html",),
        token=False,
    ),
    Route(
        "GET",
        "/openapi.json",
        "files.openapi",
        group="Page",
        operation="openapi",
        summary="This document",
        answer="OpenAPI 3.1.",
        types=("application/json",),
        token=False,
    ),
)
LABELS = tuple(dict.fromkeys(route.metrics_label for route in ROUTES))  # of metrics

_EXACT = {route.path: route for route in ROUTES if "{" not in route.path}
_PATTERNS = [
    (re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route.path)), route)
    for route in ROUTES
    if "{" in route.path
]


def find_route(path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of an address, and the parts of it that the route names; None where there is none."""
    if route := _EXACT.get(path):
        return route, {}
    for pattern, route in _PATTERNS:
        if found := pattern.fullmatch(path):
            return route, found.groupdict()
    return None
