"""Builds the OpenAPI document from the route table, the shapes and the examples: `make openapi`.

    python -m lapel.serve.api.openapi.build

It needs pydantic's schemas, which the service has no use for; so it is run when a route or a shape changes,
and a test compares what it gives with what is kept beside it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import TypeAdapter

from ....files import write_atomic
from .. import inference_shapes, search_shapes, shapes, wardrobe_shapes
from ..route import Route
from ..routes import ROUTES
from . import examples
from .document import FILE
from .parts import FAILURES, HEADERS, PARAMETERS, failures

_Node = dict[str, Any]
_GROUPS = {
    "Labels": "Photos in, labels out.",
    "Search": "With `--index`: photos by photo and by words, and what goes with what.",
    "Wardrobe": "With `--wardrobe`: photos that people add and the service keeps.",
    "Own classes": "With `--teach`: a model of own classes, from a few photos of each.",
    "Models": "What is served.",
    "Health": "For probes and for Prometheus.",
    "Inference protocol": "The Open Inference Protocol, version 2, as KServe and Triton speak it, with the "
    "extensions for binary tensors, classification, the model's configuration and the model repository.",
    "Page": "For the browser.",
}
_DESCRIPTION = (
    "Send a photo to `/tag` and get its label, or the reason why there is none. The lines for curl ask a "
    "service on this machine; put the address of yours in their place.\n\nWhere the service was given a "
    "token, all but the page, this document and the routes of health ask for it: add `-H 'Authorization: "
    "Bearer TOKEN'`.\n\nEvery error is JSON with `error`, `hint`, `code` and `id`; programs go by the "
    "`code`. A method that a route does not take gives 405, with the right one in `Allow`; an address that "
    "is not there gives 404. HEAD is answered as GET, without the body, and OPTIONS as browsers need it "
    "before a page of `--allow-origin` asks. Examples of the same name in a request and in an answer "
    "belong together."
)
_BINARY = {"type": "string", "format": "binary"}
_IMAGE = {**_BINARY, "description": "The bytes of one image file."}
_FORM = {
    "type": "object",
    "additionalProperties": {
        "oneOf": [
            {**_BINARY, "description": "A file."},
            {"type": "array", "description": "Files.", "items": _BINARY},
        ]
    },
    "properties": {
        "photo": {
            "type": "array",
            "description": "Fields may be called anything: every part that is a file is a photo. Other parts "
            "are passed over.",
            "items": _BINARY,
        }
    },
}
_ONE_FORM = {
    "type": "object",
    "required": ["photo"],
    "properties": {"photo": {**_BINARY, "description": "The one part that is a file."}},
}
_CLASSES_FORM = {
    "type": "object",
    "minProperties": 2,
    "maxProperties": 50,
    "additionalProperties": {
        "type": "array",
        "description": "The photos of the class that is called as the field is.",
        "items": _BINARY,
        "minItems": 2,
        "maxItems": 200,
    },
}
_PACKED_TENSOR = {
    **_BINARY,
    "description": "JSON as InferRequest says, where `binary_data_size` in the parameters of the input "
    "stands for `data`; then, for BYTES, each photo after its length as a little-endian number of four "
    "bytes, or for UINT8, the values.",
}
_FILES = ("application/octet-stream", "application/zip", "image/jpeg")
_BODIES: dict[str, _Node] = {
    "Photos": {"required": True, "description": "One photo or several."},
    "OnePhoto": {"required": False, "description": "One photo, or none."},
    "GarmentPhoto": {"required": False, "description": "One photo; none where `like` names one."},
    "InferRequest": {
        "required": True,
        "description": "JSON; or JSON and then the bytes of the input, with the length of the JSON in "
        "Inference-Header-Content-Length. Its type is not looked at. A body may come packed "
        "(`Content-Encoding: gzip` or `deflate`).",
    },
    "WardrobePhotos": {"required": True, "description": "One photo or several, 16 at most."},
    "Correction": {"required": True},
    "OutfitToKeep": {"required": True},
    "Classes": {"required": True, "description": "Photos by class."},
    "IndexRequest": {"required": False},
    "LoadRequest": {"required": False},
}
_OTHER_TYPES: dict[str, dict[str, _Node]] = {
    "Photos": {"multipart/form-data": _FORM, "image/*": _IMAGE, "application/octet-stream": _IMAGE},
    "OnePhoto": {"multipart/form-data": _ONE_FORM, "image/*": _IMAGE},
    "GarmentPhoto": {"multipart/form-data": _ONE_FORM, "image/*": _IMAGE},
    "WardrobePhotos": {"multipart/form-data": _FORM, "image/*": _IMAGE},
    "Classes": {"multipart/form-data": _CLASSES_FORM},
    "InferRequest": {"application/octet-stream": _PACKED_TENSOR},
}


def build() -> _Node:
    """The document, without a version."""
    paths: dict[str, _Node] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    document: _Node = {
        "openapi": "3.1.0",
        "info": {
            "title": "Lapel",
            "summary": "Labels photos of clothes, and says so where it does not know.",
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "tags": [{"name": name, "description": text} for name, text in _GROUPS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token that the service was started with (LAPEL_TOKEN).",
                }
            },
            "parameters": {name: _parameter(name) for name in PARAMETERS},
            "requestBodies": {name: _body(name) for name in _BODIES},
            "responses": {name: _failure(name) for name in FAILURES} | {"NotChanged": _not_changed()},
            "headers": HEADERS,
            "schemas": _schemas(),
        },
    }
    _drop_unused(document)
    return document


def _operation(route: Route) -> _Node:
    operation: _Node = {"tags": [route.group], "operationId": route.operation, "summary": route.summary}
    if route.description:
        operation["description"] = route.description
    if not route.token:
        operation["security"] = []
    names = [*re.findall(r"{(\w+)}", route.path), *route.parameters, *["IfNoneMatch"] * route.is_file, "Id"]
    operation["parameters"] = [
        # What puts a model away is shown with one that the other examples do not ask.
        {**PARAMETERS[name], "example": "fashion-mnist"}
        if (name, route.operation) == ("model", "unload")
        else _ref("parameters", name)
        for name in names
    ]
    if route.body:
        operation["requestBody"] = _ref("requestBodies", route.body)
    operation["responses"] = _responses(route)
    operation["x-codeSamples"] = [
        {"lang": "Shell", **({"label": label} if label else {}), "source": source}
        for label, source in route.shell_samples
    ]
    return operation


def _responses(route: Route) -> _Node:
    responses: _Node = {"200": _answer(route)}
    if route.is_file:
        responses["304"] = _ref("responses", "NotChanged")
    for name in failures(route):
        status = FAILURES[name].status
        shown = _examples(route, status)
        responses[str(status)] = _failure(name, shown) if shown else _ref("responses", name)
    return responses


def _answer(route: Route) -> _Node:
    headers = ["X-Request-Id"]
    if route.is_file:
        headers += ["ETag", "Content-Security-Policy"]
    content: _Node = {}
    if route.shape:
        content["application/json"] = {"schema": _ref("schemas", route.shape)}
    for kind in route.types:
        schema = {"type": "object"} if kind == "application/json" else {"type": "string"}
        content[kind] = {"schema": _BINARY if kind in _FILES else schema}
    if "HeaderLength" in route.parameters:
        headers.append("Inference-Header-Content-Length")
    if content and (shown := _examples(route, 200)):
        content[next(iter(content))]["examples"] = shown
    answer: _Node = {"description": route.answer, "headers": _headers(headers)}
    return {**answer, "content": content} if content else answer


def _failure(name: str, shown: _Node | None = None) -> _Node:
    failure = FAILURES[name]
    schema = _ref("schemas", "Error")
    example: _Node = {"examples": shown} if shown else {"example": failure.sample}
    if name == "WrongPhotos":
        schema = {"oneOf": [schema, _ref("schemas", "NothingTagged")]}
    if name == "NotReady":
        schema = {"oneOf": [_ref("schemas", "Ready"), schema]}
        example = {"example": {"ready": False}}
    codes = ", ".join(f"`{code}`" for code in failure.codes)
    return {
        "description": f"{failure.description} Code: {codes}.",
        "headers": _headers(["X-Request-Id", *failure.headers]),
        "content": {"application/json": {"schema": schema, **example}},
    }


def _not_changed() -> _Node:
    return {
        "description": "It is the same as the one that If-None-Match names.",
        "headers": _headers(["X-Request-Id", "ETag"]),
    }


def _parameter(name: str) -> _Node:
    shown = examples.PARAMETERS.get(name)
    return {**PARAMETERS[name], **({"examples": shown} if shown else {})}


def _body(name: str) -> _Node:
    schemas = {**_OTHER_TYPES.get(name, {}), "application/json": _ref("schemas", name)}
    shown = examples.BODIES[name]
    content = {kind: {"schema": schemas[kind], "examples": shown[kind]} for kind in shown}
    if name in ("Photos", "OnePhoto", "GarmentPhoto", "WardrobePhotos"):
        content["multipart/form-data"]["encoding"] = {"photo": {"contentType": "image/*"}}
    return {**_BODIES[name], "content": content}


def _examples(route: Route, status: int) -> _Node | None:
    return examples.ANSWERS.get((route.operation.removesuffix("Version"), status))


def _headers(names: list[str]) -> _Node:
    return {name: _ref("headers", name) for name in names}


def _ref(kind: str, name: str) -> _Node:
    return {"$ref": f"#/components/{kind}/{name}"}


def _schemas() -> _Node:
    """The schemas of all shapes that a route names, and of those that these are made of."""
    names = {route.shape for route in ROUTES if route.shape}
    names |= {name for name, bodies in examples.BODIES.items() if "application/json" in bodies}
    names |= {"Error", "NothingTagged"}
    known = vars(shapes) | vars(search_shapes) | vars(wardrobe_shapes) | vars(inference_shapes)
    adapters = [(name, "validation", TypeAdapter(known[name])) for name in sorted(names)]
    _, found = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: _Node = _plain(found["$defs"])
    return {name: schemas[name] for name in sorted(schemas)}


def _plain(schema: Any) -> Any:
    """A schema without the titles that only repeat its names."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {
        key: _plain(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))
    }
    kinds = [one.get("type") for one in plain.get("anyOf", ())]
    if len(kinds) == 2 and kinds[1] == "null" and kinds[0] in ("string", "integer", "number"):
        plain = {**plain.pop("anyOf")[0], "type": kinds, **plain}
    return plain


def _drop_unused(document: _Node) -> None:
    """Leave out components that nothing refers to."""
    text = json.dumps(document)
    for kind, parts in document["components"].items():
        for name in [name for name in parts if f'"#/components/{kind}/{name}"' not in text]:
            if kind != "securitySchemes":
                del parts[name]


def to_json(document: _Node) -> bytes:
    """The document as it is kept: readable, and the same for the same document."""
    return f"{json.dumps(document, indent=1, ensure_ascii=False)}\n".encode()


if __name__ == "__main__":
    write_atomic(FILE, to_json(build()))
