"""The route table: it feeds the dispatch, the gate, the labels of metrics, and the OpenAPI document."""

from __future__ import annotations

import re
from functools import partial

from .route import LESSON, Route, with_version
from .wardrobe_routes import WARDROBE_ROUTES

_teach = partial(Route, group="Own classes", teaches=True)
_search = partial(Route, group="Search", queues=True)
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
    _search(
        "POST",
        "/search",
        "searching.search",
        operation="search",
        summary="Search an index by photo",
        description="The photos of an index that are most like a photo, the likest first, of those that have "
        "this kind and this colour. Without a photo, all that have them, in the order in which they came; "
        "with `like`, those like a photo of the index itself. A garment has a colour if some of it has.",
        parameters=("Index", "Hits", "Kind", "Colour", "Like", "Thumbnails", "Timeout"),
        body="OnePhoto",
        answer="The photos, the likest first; none where none fits.",
        shape="Hits",
        samples=(
            ("By a photo", "curl -F photo=@shirt.jpg 'http://localhost:8000/search?kind=Shirt,Polo&top=5'"),
            ("By words", "curl -X POST 'http://localhost:8000/search?kind=Trousers&colour=blue'"),
        ),
    ),
    _search(
        "POST",
        "/match",
        "searching.match",
        operation="match",
        summary="What goes with a garment",
        description="What in an index goes with the garment in a photo, or in a photo of the index (`like`): "
        "by role, and as whole outfits, each with its reasons. The scores are those of rules that people "
        "wrote down (`lapel match --show-rules`), and no measured taste.\n\nWhere the model is not sure what "
        "the photo shows, the answer is 400, unless `kind` says it.",
        parameters=("Index", "Suggested", "ShownKind", "Like", "Thumbnails", "Timeout"),
        body="GarmentPhoto",
        answer="What goes with it; a role without any says what is missing.",
        shape="Matched",
        samples=(("", "curl -F photo=@shirt.jpg 'http://localhost:8000/match?kind=Shirt'"),),
    ),
    *WARDROBE_ROUTES,
    _teach(
        "POST",
        "/teach",
        "teaching.begin",
        operation="teach",
        summary="Teach own classes",
        description="Each field of the form is a class, and the files in it are its photos: at least two "
        "classes of at least two photos, five to fifty are better; at most 50 classes, 200 photos of a class "
        "and 2,000 of all. The last layer of the model that is asked for gives way to one that tells these "
        "classes apart.\n\nThe answer comes at once; ask `/teach/{lesson}` how far it is. Once it is done, "
        "`POST /tag?model={lesson}` labels with it, `GET /model?model={lesson}` shows its card, and so it is "
        "with all routes that name a model. What was taught lies in the memory of this process alone: it is "
        "forgotten an hour after it was last asked for, when sixteen others have been since, and when the "
        "service ends.",
        parameters=("Model",),
        body="Classes",
        answer="The lesson, which waits or has begun.",
        shape="Lesson",
        queues=True,
        samples=(
            (
                "Two classes",
                "curl -F tops=@shirt.jpg -F tops=@tee.jpg -F shoes=@boot.jpg -F shoes=@sandal.jpg "
                "http://localhost:8000/teach",
            ),
        ),
    ),
    _teach(
        "GET",
        "/teach/{lesson}",
        "teaching.lesson",
        operation="lesson",
        summary="How far a lesson is",
        answer="Its state; once it is done, how many photos were labelled right while they were left out.",
        shape="Lesson",
    ),
    _teach(
        "DELETE",
        "/teach/{lesson}",
        "teaching.forget",
        operation="forget",
        summary="Forget a lesson and what it has taught",
        answer="It is forgotten. There is no body.",
    ),
    _teach(
        "GET",
        "/teach/{lesson}/model.onnx",
        "teaching.model_file",
        operation="taughtModel",
        summary="The model file of a lesson",
        description="It is a model as any other: for `lapel tag --model`, `lapel serve --model`, "
        "`lapel explain` and all else.",
        answer="The file.",
        types=("application/octet-stream",),
        label="/teach/{lesson}/model",
        samples=(("", f"curl -o own-classes.onnx -w done http://localhost:8000/teach/{LESSON}/model.onnx"),),
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
        types=("text/css", "text/javascript", "text/html", "image/svg+xml"),
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

_EXACT: dict[str, list[Route]] = {}
_PATTERNS: dict[str, tuple[re.Pattern[str], list[Route]]] = {}
for _route in ROUTES:
    if "{" not in _route.path:
        _EXACT.setdefault(_route.path, []).append(_route)
    else:
        _pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", _route.path.replace(".", r"\."))
        _PATTERNS.setdefault(_pattern, (re.compile(_pattern), []))[1].append(_route)


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of an address, and the parts of it that the route names; None where there is none.

    Where the address does not take the method, it is the first of its routes.
    """
    routes, parts = _EXACT.get(path), {}
    if routes is None:
        for pattern, held in _PATTERNS.values():
            if found := pattern.fullmatch(path):
                routes, parts = held, found.groupdict()
                break
        else:
            return None
    wanted = "GET" if method == "HEAD" else method
    return next((route for route in routes if route.method == wanted), routes[0]), parts


def methods_of(path: str) -> tuple[str, ...]:
    """The methods of all routes with this path, as it stands in the table."""
    return tuple(route.method for route in ROUTES if route.path == path)
