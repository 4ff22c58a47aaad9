"""Examples of requests and answers, by operation. Those of the same name belong together, and all are sent to
a running service by the tests.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from ..route import GARMENT, LESSON, OUTFIT

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgAQAAAABbAUdZAAAATElEQVR42pXOoQ2AMBgF4a9/SKjsCGwCo3UMxqtGIREkRaAAhbk8cXm5"
    "1BFe2A9h3eh0J3OcNI0xCvn2MuVeQ01TJGoEy+fvB9Iz6ALrbQ01rDkmlAAAAABJRU5ErkJggg=="
)
_PNG_URL = f"data:image/png;base64,{PNG}"
_ID = "5f0c2a91-1"
_TIMINGS = {"received_ms": 0.251, "labelled_ms": 2.908, "total_ms": 3.224}


def _value(value: Any) -> dict[str, Any]:
    return {"value": value}


def _bytes(data: bytes, kind: str) -> dict[str, str]:
    """A body that is no text, as a data URL."""
    return {"externalValue": f"data:{kind};base64,{base64.b64encode(data).decode()}"}


def _form(*names: str, fields: tuple[str, ...] = ()) -> dict[str, str]:
    photo = base64.b64decode(PNG)
    parts = [
        f'--lapel\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        "Content-Type: image/png\r\n\r\n".encode()
        + photo
        + b"\r\n"
        for field, name in zip(fields or ("photo",) * len(names), names, strict=True)
    ]
    return _bytes(b"".join([*parts, b"--lapel--\r\n"]), "multipart/form-data;boundary=lapel")


def _tag(source: str, **more: Any) -> dict[str, Any]:
    return {
        "source": source,
        "label": "T-shirt/top",
        "confidence": 0.909,
        "score": 0.9011,
        "accepted": True,
        "reason": None,
        "alternatives": [
            {"label": "Dress", "confidence": 0.0489},
            {"label": "Shirt", "confidence": 0.0203},
        ],
        "colours": [{"name": "red", "share": 0.871, "hex": "#b0252d"}],
        **more,
    }


def _tags(*tags: dict[str, Any], **more: Any) -> dict[str, Any]:
    return _value({"id": _ID, "model": "photo", "tags": list(tags), "timings": _TIMINGS, **more})


def _untagged(source: str, error: str, hint: str = "") -> dict[str, str]:
    return {"source": source, "error": f"{source}: {error}", "hint": hint, "code": "photo_unreadable"}


def error(text: str, code: str, hint: str = "") -> dict[str, str]:
    """An error as it is answered."""
    return {"error": text, "hint": hint, "code": code, "id": "5f0c2a91-7"}


def _inference(**more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [PNG]}], **more}


def _binary_inference(**more: Any) -> tuple[bytes, int]:
    """A body of JSON with the photo as bytes after it, and the length of the JSON."""
    photo = base64.b64decode(PNG)
    follows = len(photo).to_bytes(4, "little") + photo
    one = {
        "name": "image",
        "shape": [1],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(follows)},
    }
    text = json.dumps({"inputs": [one], **more}).encode()
    return text + follows, len(text)


_BINARY, _BINARY_LENGTH = _binary_inference(outputs=[{"name": "label"}])
_BOTH_WAYS, _BOTH_WAYS_LENGTH = _binary_inference(parameters={"binary_data_output": True})


def _inferred(name: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return _value({"id": name, "model_name": "photo", "model_version": "1", "outputs": list(outputs)})


_LABEL = {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["T-shirt/top"]}
_NO_MODEL = {
    "no-such-model": _value(error('No model "foto" is served here.', "model_unknown", "Did you mean photo?"))
}
_IMAGE = _bytes(base64.b64decode(PNG), "image/png")
_UNREADABLE = _untagged(
    "photo",
    "not a picture of a known format; it looks like text.",
    "Known formats: JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF and HEIC.",
)

# Of parameters, by the names that openapi.py gives them.
PARAMETERS: dict[str, dict[str, Any]] = {
    "Model": {"second-model": _value("fashion-mnist"), "no-such-model": _value("foto")},
    "Top": {"with-picture": _value(1), "wrong-query": _value("all")},
    "Colour": {"by-words": _value("red,navy"), "no-such-colour": _value("nevy")},
    "Kind": {"by-words": _value("Trousers")},
    "ShownKind": {
        **dict.fromkeys(("matched", "with-thumbnails", "as-json"), _value("T-shirt")),
        "no-such-kind": _value("Tshirt"),
    },
    "Index": {"no-such-index": _value("wardrobes")},
    "Thumbnails": {"with-thumbnails": _value("1")},
    "Hits": {"with-thumbnails": _value(2)},
    "Garments": {"few": _value(2)},
    "Picture": {"with-picture": _value("1")},
    "Explain": {"explained": _value("1")},
    "Timeout": {"one-photo": _value(5)},
    "Id": {"one-photo": _value("till-3")},
    "HeaderLength": {"binary": _value(_BINARY_LENGTH), "binary-both-ways": _value(_BOTH_WAYS_LENGTH)},
}

# Of bodies, by their shape and type.
BODIES: dict[str, dict[str, dict[str, Any]]] = {
    "Photos": {
        "multipart/form-data": {
            "one-photo": _form("tee.png"),
            "two-photos": _form("front.png", "back.png"),
        },
        "image/*": {
            **dict.fromkeys(
                ("bytes", "second-model", "no-such-model", "with-picture", "explained", "wrong-query"), _IMAGE
            ),
            "not-a-photo": _bytes(b"This is no photo.", "image/png"),
        },
        "application/octet-stream": {
            "octets": _bytes(base64.b64decode(PNG), "application/octet-stream"),
        },
        "application/json": {
            "json": _value({"photos": [{"name": "tee.png", "data": PNG}, _PNG_URL]}),
            "one-cannot-be-read": _value({"photos": [PNG, ""]}),
            "no-photo": _value({"photos": []}),
        },
    },
    "OnePhoto": {
        "multipart/form-data": {"form": _form("tee.png")},
        "image/*": dict.fromkeys(
            ("by-photo", "by-words", "with-thumbnails", "no-such-colour", "no-such-index"), _IMAGE
        ),
        "application/json": {"as-json": _value({"photos": [PNG]})},
    },
    "GarmentPhoto": {
        "multipart/form-data": {"matched": _form("tee.png")},
        "image/*": dict.fromkeys(("with-thumbnails", "no-such-kind"), _IMAGE),
        "application/json": {"as-json": _value({"photos": [PNG]})},
    },
    "InferRequest": {
        "application/json": {
            "all-outputs": _value({"id": "till-3", **_inference()}),
            "best-three": _value(
                _inference(outputs=[{"name": "probabilities", "parameters": {"classification": 3}}])
            ),
            "wrong-input": _value({"inputs": [{**_inference()["inputs"][0], "name": "photo"}]}),
        },
        "application/octet-stream": {
            "binary": _bytes(_BINARY, "application/octet-stream"),
            "binary-both-ways": _bytes(_BOTH_WAYS, "application/octet-stream"),
        },
    },
    "WardrobePhotos": {
        "multipart/form-data": {"two-photos": _form("tee.png", "again.png")},
        "image/*": {"bytes": _IMAGE},
        "application/json": {"json": _value({"photos": [PNG, ""]})},
    },
    "Correction": {
        "application/json": {
            "corrected": _value({"label": "Shirt", "kind": "Polo", "colours": ["navy", "white"]}),
            "no-such-kind": _value({"kind": "Trouzers"}),
        }
    },
    "OutfitToKeep": {
        "application/json": {"unknown": _value({"garments": {"top": GARMENT, "shoes": OUTFIT}})}
    },
    "Classes": {
        "multipart/form-data": {
            "two-classes": _form(*("1.png", "2.png") * 2, fields=("tops", "tops", "shoes", "shoes")),
            "one-class": _form("1.png", "2.png", fields=("tops", "tops")),
        }
    },
    "IndexRequest": {"application/json": {"ready-ones": _value({"ready": True})}},
    "LoadRequest": {"application/json": {"no-parameters": _value({})}},
}


def _lesson(state: str, **more: Any) -> dict[str, Any]:
    return _value(
        {
            "lesson": LESSON,
            "state": state,
            "done": 0,
            "photos": 4,
            "classes": [{"label": label, "photos": 2, "right": None} for label in ("tops", "shoes")],
            "skipped": [],
            "accuracy": None,
            "error": None,
            "hint": None,
            **more,
        }
    )


_HIT = {
    "id": "2435de30c1ea38f2",
    "source": "/photos/jeans.jpg",
    "similarity": 0.8127,
    "label": "Trouser",
    "score": 0.9957,
    "accepted": True,
    "reason": None,
    "kind": "Trousers",
    "kind_score": 0.9961,
    "colours": [{"name": "blue", "share": 0.953, "hex": "#4a6f9e"}],
    "corrected": [],
}
_TEE = {
    "id": "photo",
    "source": "photo",
    "kind": "T-shirt",
    "colours": [{"name": "white", "share": 0.871, "hex": "#f0f0ee"}],
    "patterned": False,
}
_JEANS = {**{key: _HIT[key] for key in ("id", "source", "kind", "colours")}, "patterned": False}
_WHY = ["white and blue: a neutral with a colour", "light over dark"]
_MATCHED = {
    "id": _ID,
    "index": "wardrobe",
    "garment": _TEE,
    "suggestions": [
        {
            "role": "bottom",
            "garments": [
                {
                    **_JEANS,
                    "score": 0.951,
                    "reasons": _WHY,
                    "findings": {
                        "colour": 0.9,
                        "contrast": 1.0,
                        "pattern": 0.9,
                        "occasion": 1.0,
                        "season": 1.0,
                    },
                }
            ],
            "missing": None,
        },
        {"role": "shoes", "garments": [], "missing": "no shoes in this wardrobe"},
    ],
    "outfits": [
        {
            "garments": {"top": _TEE, "bottom": _JEANS},
            "score": 0.951,
            "reasons": [*_WHY, "leisure or casual, for mild or warm days"],
            "occasions": ["leisure", "casual"],
            "days": ["mild", "warm"],
            "lacks": ["shoes"],
        }
    ],
    "remarks": [],
}
_GARMENT = {
    **_HIT,
    "id": GARMENT,
    "source": "/wardrobe/photos/5f0c2a91.jpg",
    "similarity": None,
    "sure": True,
    "thumbnail": "data:image/jpeg;base64,/9j/",
}
_ADDED = {"source": "tee.png", "result": "added", "garment": _GARMENT}
_KEPT = {
    "outfit": OUTFIT,
    "garments": {"top": _GARMENT, "bottom": _GARMENT},
    "reasons": _WHY,
    "occasions": ["leisure", "casual"],
    "days": ["mild", "warm"],
}
_METADATA = {
    "name": "photo",
    "versions": ["1"],
    "platform": "onnxruntime_onnx",
    "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 64, 64, 3]}],
    "outputs": [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "accepted", "datatype": "BOOL", "shape": [-1]},
        {"name": "reason", "datatype": "BYTES", "shape": [-1]},
    ],
}
_CONFIG = {
    "name": "photo",
    "platform": "onnxruntime_onnx",
    "backend": "onnxruntime",
    "max_batch_size": 256,
    "input": [{"name": "image", "data_type": "TYPE_UINT8", "dims": [64, 64, 3]}],
    "output": [
        {"name": "probabilities", "data_type": "TYPE_FP32", "dims": [10]},
        {"name": "label", "data_type": "TYPE_STRING", "dims": []},
        {"name": "accepted", "data_type": "TYPE_BOOL", "dims": []},
        {"name": "reason", "data_type": "TYPE_STRING", "dims": []},
    ],
}
_CARD = {
    "name": "photo",
    "class_names": [
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ],
    "picture": {"size": 64, "channels": 3, "preparation": "plain"},
    "measured": [
        {
            "accuracy": 0.8673,
            "dataset": "phone photos of clothing-dataset",
            "interval": [0.845, 0.8837],
            "pictures": 1017,
            "split": "5 folds by photographer",
        }
    ],
    "made": {"dataset": "fashion-mnist", "recipe": "photo", "seed": 0},
    "temperature": 0.8919,
    "rejects": ["not one of the classes", "no garment found"],
    "accept": 0.6311,
    "second_look": 0.5,
    "usual": {},
    "calibration": {"method": "temperature", "fitted": 1017, "losses": {"temperature": 0.4123}},
    "format": 1,
    "served_as": "photo",
    "fingerprint": "ca9850fef879a3477263c4540144710ff099641a7b0914743cd21733c2fa945e",
}
_METRICS = (
    "# HELP lapel_photos_total Photos, by what came of them.\n# TYPE lapel_photos_total counter\n"
    'lapel_photos_total{model="photo",outcome="accepted"} 3\n'
)

# Of answers, by operation and status; a route by its version has those of the route without.
ANSWERS: dict[tuple[str, int], dict[str, Any]] = {
    ("tag", 200): {
        "one-photo": _tags(_tag("tee.png"), id="till-3"),
        "two-photos": _tags(_tag("front.png"), _tag("back.png")),
        "one-cannot-be-read": _tags(
            _tag("photo 1"), _untagged("photo 2", "empty; there is no picture in it.")
        ),
        "bytes": _tags(_tag("photo")),
        "octets": _tags(_tag("photo")),
        "json": _tags(_tag("tee.png"), _tag("photo 2")),
        "explained": _tags(_tag("photo", heat=_PNG_URL, fall=0.4127)),
        "with-picture": _tags(_tag("photo", alternatives=[], picture=_PNG_URL)),
        "second-model": _tags(
            _tag("photo", confidence=0.9688, score=0.182, accepted=False, reason="not one of the classes"),
            model="fashion-mnist",
        ),
    },
    ("tag", 400): {
        "no-photo": _value(
            error(
                "There is no photo in the request.",
                "no_photo",
                "For example: curl -F photo=@shirt.jpg …/tag",
            )
        ),
        "not-a-photo": _tags(
            _UNREADABLE, **{key: _UNREADABLE[key] for key in ("error", "hint", "code")}, id="5f0c2a91-2"
        ),
        "wrong-query": _value(error("top is a whole number from 1; this was 'all'.", "invalid_query")),
    },
    ("tag", 404): _NO_MODEL,
    ("search", 200): {
        "by-photo": _value({"id": _ID, "index": "wardrobe", "hits": [_HIT]}),
        "with-thumbnails": _value(
            {"id": _ID, "index": "wardrobe", "hits": [{**_HIT, "thumbnail": "data:image/jpeg;base64,/9j/"}]}
        ),
    },
    ("search", 400): {
        "no-such-colour": _value(
            error('There is no colour "nevy".', "invalid_query", 'Did you mean "navy"?')
        ),
    },
    ("search", 404): {
        "no-such-index": _value(
            error('No index "wardrobes" is served here.', "index_unknown", 'Did you mean "wardrobe"?')
        ),
    },
    ("match", 200): {"matched": _value(_MATCHED)},
    ("match", 400): {
        "no-such-kind": _value(
            error('The rules say nothing of the kind "Tshirt".', "no_match", 'Did you mean "T-shirt"?')
        ),
    },
    ("garments", 200): {
        "few": _value(
            {
                "id": _ID,
                "index": "wardrobe",
                "photos": 24,
                "kinds": ["T-shirt", "Trousers"],
                "labels": ["T-shirt/top", "Trouser"],
                "colours": [{"name": "navy", "hex": "#16203f"}],
                "garments": [_GARMENT],
            }
        )
    },
    ("garments", 400): {
        "no-such-colour": _value(
            error('There is no colour "nevy".', "invalid_query", 'Did you mean "navy"?')
        ),
    },
    ("addPhotos", 200): {
        "two-photos": _value(
            {"id": _ID, "photos": [_ADDED, {**_ADDED, "source": "again.png", "result": "known"}]}
        ),
        "json": _value(
            {"id": _ID, "photos": [_ADDED, _untagged("photo 2", "empty; there is no picture in it.")]}
        ),
    },
    ("duplicates", 200): {
        "some": _value(
            {
                "id": _ID,
                "groups": [{"same": "garment", "similarity": 0.957, "garments": [_GARMENT, _GARMENT]}],
            }
        )
    },
    ("outfits", 200): {"some": _value({"id": _ID, "outfits": [_KEPT]})},
    ("keepOutfit", 404): {
        "unknown": _value(error(f'There is no garment "{GARMENT}" in this wardrobe.', "garment_unknown"))
    },
    ("correctGarment", 200): {"corrected": _value({"id": _ID, "garment": _GARMENT})},
    ("correctGarment", 400): {
        "no-such-kind": _value(
            error('There is no kind "Trouzers".', "invalid_garment", 'Did you mean "Trousers"?')
        )
    },
    ("teach", 200): {"two-classes": _lesson("waiting")},
    ("teach", 400): {
        "one-class": _value(
            error(
                "Teaching needs 2 classes at least; 1 came.",
                "invalid_classes",
                "What is to be told from it? Make a class of other things, with photos of them.",
            )
        )
    },
    ("lesson", 200): {
        "done": _lesson(
            "done",
            done=4,
            classes=[{"label": label, "photos": 2, "right": 2} for label in ("tops", "shoes")],
            accuracy=1.0,
        )
    },
    ("models", 200): {
        "two-models": _value(
            {
                "models": [{"name": "photo", "ready": True}, {"name": "fashion-mnist", "ready": True}],
                "default": "photo",
                "teach": True,
                "wardrobe": True,
            }
        )
    },
    ("model", 200): {"photo": _value(_CARD)},
    ("model", 404): _NO_MODEL,
    ("live", 200): {"alive": _value({"live": True})},
    ("ready", 200): {"ready": _value({"ready": True})},
    ("metrics", 200): {"some": _value(_METRICS)},
    ("server", 200): {
        "server": _value(
            {
                "name": "lapel",
                "version": "1.0.0",
                "extensions": [
                    "binary_tensor_data",
                    "classification",
                    "model_configuration",
                    "model_repository",
                ],
            }
        )
    },
    ("serverLive", 200): {"alive": _value({"live": True})},
    ("serverReady", 200): {"ready": _value({"ready": True})},
    ("modelMetadata", 200): {"photo": _value(_METADATA)},
    ("modelReady", 200): {"ready": _value({"name": "photo", "ready": True})},
    ("modelConfig", 200): {"photo": _value(_CONFIG)},
    ("infer", 200): {
        "all-outputs": _inferred(
            "till-3",
            {
                "name": "probabilities",
                "datatype": "FP32",
                "shape": [1, 10],
                "data": [0.909, 0.0039, 0.0061, 0.0489, 0.0011, 0.0002, 0.0203, 0.0002, 0.0101, 0.0002],
            },
            _LABEL,
            {"name": "accepted", "datatype": "BOOL", "shape": [1], "data": [True]},
            {"name": "reason", "datatype": "BYTES", "shape": [1], "data": [""]},
        ),
        "best-three": _inferred(
            "5f0c2a91-4",
            {
                "name": "probabilities",
                "datatype": "BYTES",
                "shape": [1, 3],
                "data": ["0.909007:0:T-shirt/top", "0.048907:3:Dress", "0.020345:6:Shirt"],
            },
        ),
        "binary": _inferred("5f0c2a91-5", _LABEL),
    },
    ("infer", 400): {
        "wrong-input": _value(
            error("The model has one input, \"image\"; 'photo' came.", "invalid_inference_request")
        )
    },
    ("index", 200): {
        "ready-ones": _value(
            [
                {"name": "photo", "version": "1", "state": "READY", "reason": ""},
                {"name": "fashion-mnist", "version": "1", "state": "READY", "reason": ""},
            ]
        )
    },
}
