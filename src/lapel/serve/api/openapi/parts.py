"""What the operations of the OpenAPI document share: parameters, headers, and the ways to fail."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...http.codes import CODES, Code
from ..route import GARMENT, LESSON, OUTFIT, Route
from .examples import error

_SEGMENT = {"type": "string", "pattern": "^[^/]+$"}

PARAMETERS: dict[str, dict[str, Any]] = {
    "Model": {
        "name": "model",
        "in": "query",
        "description": "Which model. The first that is served answers where none is asked for.",
        "schema": {"type": "string"},
    },
    "Top": {
        "name": "top",
        "in": "query",
        "description": "How many labels to give for each photo, the first one included; all where there are "
        "not so many.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 999999, "default": 3},
    },
    "Picture": {
        "name": "picture",
        "in": "query",
        "description": "1: with the picture that the model saw.",
        "schema": {"enum": ["0", "1"], "default": "0"},
    },
    "Explain": {
        "name": "explain",
        "in": "query",
        "description": "1: with what in the picture mattered; for at most 8 photos.",
        "schema": {"enum": ["0", "1"], "default": "0"},
    },
    "Index": {
        "name": "index",
        "in": "query",
        "description": "Which index. The first that is served answers where none is asked for.",
        "schema": {"type": "string"},
    },
    "Hits": {
        "name": "top",
        "in": "query",
        "description": "How many photos to give; at most 200 are.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 999999, "default": 20},
    },
    "Garments": {
        "name": "top",
        "in": "query",
        "description": "How many garments to give; at most 200 are.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 999999, "default": 100},
    },
    "Start": {
        "name": "start",
        "in": "query",
        "description": "How many garments to leave out before.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 999999999, "default": 0},
    },
    "Suggested": {
        "name": "top",
        "in": "query",
        "description": "How many garments of each role, and how many outfits, to give; at most 20 are.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 999999, "default": 5},
    },
    "Kind": {
        "name": "kind",
        "in": "query",
        "description": "Only photos of this kind; several are separated by commas, and any one will do.",
        "schema": {"type": "string"},
    },
    "ShownKind": {
        "name": "kind",
        "in": "query",
        "description": "What the photo shows, where the model is not sure of it.",
        "schema": {"type": "string"},
    },
    "Colour": {
        "name": "colour",
        "in": "query",
        "description": "Only photos that have this colour; several are separated by commas.",
        "schema": {"type": "string"},
    },
    "Like": {
        "name": "like",
        "in": "query",
        "description": "The id of a photo of the index, in the place of a photo that is sent.",
        "schema": {"type": "string"},
    },
    "Thumbnails": {
        "name": "thumbnails",
        "in": "query",
        "description": "1: with a small picture of each.",
        "schema": {"enum": ["0", "1"], "default": "0"},
    },
    "Timeout": {
        "name": "X-Request-Timeout",
        "in": "header",
        "description": "Seconds in which the answer is of use, from the first byte of the request on. The "
        "service's own `--timeout`, 10 by default, where nothing is said.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": 600},
    },
    "Id": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "What the request is called in the answer and in the log; up to 128 printable ASCII "
        "characters. Anything else is passed over, and an id is made.",
        "schema": {"type": "string"},
    },
    "HeaderLength": {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "description": "How many bytes of the body are JSON, where bytes follow.",
        "schema": {"type": "integer", "minimum": 2},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of what is at hand.",
        "schema": {"type": "string"},
    },
    "model": {
        "name": "model",
        "in": "path",
        "required": True,
        "description": "The model's name.",
        "schema": _SEGMENT,
        "example": "photo",
    },
    "version": {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "Every model has the one version 1.",
        "schema": _SEGMENT,
        "example": "1",
    },
    "lesson": {
        "name": "lesson",
        "in": "path",
        "required": True,
        "description": "The name that the answer of `POST /teach` gives it.",
        "schema": _SEGMENT,
        "example": LESSON,
    },
    "garment": {
        "name": "garment",
        "in": "path",
        "required": True,
        "description": "The id of a garment.",
        "schema": _SEGMENT,
        "example": GARMENT,
    },
    "outfit": {
        "name": "outfit",
        "in": "path",
        "required": True,
        "description": "What the answer of `POST /wardrobe/outfits` calls it.",
        "schema": _SEGMENT,
        "example": OUTFIT,
    },
    "file": {
        "name": "file",
        "in": "path",
        "required": True,
        "description": "Its name.",
        "schema": _SEGMENT,
        "example": "style.css",
    },
}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The request's id: as it was sent, or made here.",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    },
    "Retry-After": {
        "description": "Seconds after which to ask again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}},
    "ETag": {
        "description": "What stands for this state of the file; send it as If-None-Match.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Content-Security-Policy": {"required": True, "schema": {"type": "string"}},
    "Inference-Header-Content-Length": {
        "description": "How many bytes of the answer are JSON, where the outputs follow as bytes.",
        "required": False,
        "schema": {"type": "integer", "minimum": 2},
    },
}


class Failure(NamedTuple):
    """A way in which requests fail: its codes, what it means, and an example of its words."""

    codes: tuple[Code, ...]
    description: str
    example: str
    hint: str = ""
    headers: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """The status, which all its codes share."""
        [status] = {CODES[code].status for code in self.codes}
        return status

    @property
    def sample(self) -> dict[str, str]:
        """The example as it is answered."""
        return error(self.example, self.codes[0], self.hint)


_BUSY: tuple[Code, ...] = ("too_many_connections", "too_many_bytes")
_NO_HTTP = "This is not HTTP/1.1 as it should be (Invalid method encountered)."
_MANY = "257 photos in one request; at most 256 are taken."
_NO_MODEL = 'No model "foto" is served here.'
_AGAIN = "Try again soon."

FAILURES: dict[str, Failure] = {
    "Malformed": Failure(
        ("malformed_request",),
        "The request is not HTTP/1.1 as it should be.",
        _NO_HTTP,
    ),
    "WrongPhotos": Failure(
        (
            *("no_photo", "photo_unreadable", "invalid_body", "invalid_query", "invalid_header"),
            *("too_many_to_explain", "malformed_request"),
        ),
        "No photo, none that could be read, or a query, a form or JSON that is not as it should be.",
        "There is no photo in the request.",
    ),
    "WrongSearch": Failure(
        (
            *("invalid_query", "no_photo", "photo_unreadable", "no_match", "invalid_body", "invalid_header"),
            "malformed_request",
        ),
        "A kind, a colour or an id that there is not; no photo, one that cannot be read or shows nothing "
        "that can be matched; or a query, a form or JSON that is not as it should be.",
        'There is no colour "nevy".',
        'Did you mean "navy"?',
    ),
    "WrongClasses": Failure(
        ("invalid_classes", "no_photo", "invalid_body", "malformed_request"),
        "The classes, or the numbers of their photos, cannot be taught; or the form is not as it should be.",
        "“shoes” has 1 photo; at least 2 are needed.",
        "Add some: five to fifty of each class are good.",
    ),
    "WrongInference": Failure(
        (
            *("invalid_inference_request", "invalid_body", "photo_unreadable", "invalid_header"),
            "malformed_request",
        ),
        "The request is not as it should be, or a photo in it cannot be read.",
        "The model has one input, \"image\"; 'photo' came.",
    ),
    "WrongBody": Failure(
        ("parameters_unsupported", "invalid_body", "malformed_request"),
        "The body is not a JSON object, or has more than is taken.",
        "A model is loaded from its own file, as it is: no parameters are taken.",
    ),
    "NoToken": Failure(
        ("token_missing", "token_wrong"),
        "A token is needed, or this is not the token.",
        "A token is needed.",
        "Send it as: Authorization: Bearer TOKEN",
        ("WWW-Authenticate",),
    ),
    "Forbidden": Failure(
        ("origin_forbidden", "host_forbidden"),
        "The page that asks is not one of `--allow-origin`; or, where no token is set, the Host is no name "
        "of this machine.",
        "Pages of https://shop.example may not ask here.",
        "Allow them: --allow-origin https://shop.example",
    ),
    "TeachesNothing": Failure(
        ("teaching_off", "origin_forbidden", "host_forbidden"),
        "The service was not started with `--teach`; or the page or the Host may not ask.",
        "Own classes are not taught here.",
        "Start the service with --teach.",
    ),
    "WrongGarment": Failure(
        ("invalid_garment", "invalid_body", "invalid_header", "malformed_request"),
        "A label, a kind or a colour that there is not, garments that make no outfit, or JSON that is not as "
        "it should be.",
        'There is no kind "Trouzers".',
        'Did you mean "Trousers"?',
    ),
    "WrongAddition": Failure(
        ("no_photo", "invalid_body", "invalid_header", "malformed_request"),
        "No photo, or a form or JSON that is not as it should be.",
        "There is no photo in the request.",
    ),
    "WrongFilter": Failure(
        ("invalid_query", "invalid_header", "malformed_request"),
        "A kind or a colour that there is not, or a query that is not as it should be.",
        'There is no colour "nevy".',
        'Did you mean "navy"?',
    ),
    "StoresNothing": Failure(
        ("wardrobe_off", "origin_forbidden", "host_forbidden"),
        "The service was not started with `--wardrobe`; or the page or the Host may not ask.",
        "There is no wardrobe here.",
        "Start the service with --wardrobe FOLDER.",
    ),
    "NoGarment": Failure(
        ("garment_unknown",),
        "There is no such garment, or no such outfit.",
        f'There is no garment "{GARMENT}" in this wardrobe.',
    ),
    "NoCorrections": Failure(
        ("corrections_none",),
        "Nothing has been corrected yet.",
        "No label and no kind has been corrected yet.",
        "Correct some where they are wrong.",
    ),
    "FullWardrobe": Failure(
        ("wardrobe_full",),
        "As many outfits as may be are kept already.",
        "1,000 outfits are kept already.",
        "Drop some that you do not wear.",
    ),
    "BrokenWardrobe": Failure(
        ("internal_error", "model_failed", "wardrobe_failed"),
        "Something is wrong here, the disk is full, or a file of the wardrobe is damaged or gone.",
        "Something is wrong here.",
    ),
    "NoLesson": Failure(
        ("lesson_unknown",),
        "There is no such lesson, or it has been forgotten.",
        "There is no such lesson here, or it has been forgotten.",
        "Teach again; download the model file to keep it.",
    ),
    "Unfinished": Failure(
        ("lesson_unfinished",),
        "The lesson has no model yet, or failed.",
        "There is no model yet.",
        f"Ask for it when /teach/{LESSON} says that the lesson is done.",
    ),
    "UnknownIndex": Failure(
        ("index_unknown",),
        "No index of that name is served, or none at all.",
        'No index "wardrobes" is served here.',
        'Did you mean "wardrobe"?',
    ),
    "UnknownModel": Failure(
        ("model_unknown",),
        "No model of that name is served.",
        _NO_MODEL,
        "Did you mean photo?",
    ),
    "NoModel": Failure(
        ("model_unknown", "version_unknown"),
        "No model of that name is served, or it has no such version.",
        _NO_MODEL,
        "Did you mean photo?",
    ),
    "Nothing": Failure(
        ("route_unknown",),
        "There is nothing at that address.",
        "There is nothing at /page/none.",
        "What there is: /docs",
    ),
    "Slow": Failure(
        ("request_timeout",),
        "The request did not come in time. The connection ends.",
        "The request did not come in time.",
        "Send it faster.",
    ),
    "TooLarge": Failure(
        ("body_too_large", "body_too_complex"),
        "The request has more bytes than `--max-body`, packed or unpacked.",
        "The request has more than 33,554,432 bytes.",
        "Send fewer or smaller photos at once.",
    ),
    "TooMany": Failure(
        ("too_many_photos", "body_too_large", "body_too_complex"),
        "More bytes than `--max-body`, packed or unpacked, or more photos than are taken.",
        _MANY,
        "Send fewer at once.",
    ),
    "OtherType": Failure(
        ("media_type_unsupported", "encoding_unsupported"),
        "A body of another type, or packed in another way.",
        "A body of type text/plain is not read here.",
        "For example: curl -F photo=@shirt.jpg …/tag",
    ),
    "OtherPacking": Failure(
        ("encoding_unsupported",),
        "A body that is packed in another way.",
        "The body is packed as 'br'; gzip and deflate are unpacked here.",
    ),
    "LongHead": Failure(
        ("headers_too_large",),
        "The headers are too many or too long: at most 100, and 16 KiB. The connection ends.",
        "The headers are too many or too long.",
    ),
    "Broken": Failure(
        ("internal_error", "model_failed"),
        "Something is wrong here. The log says more under the same id.",
        "Something is wrong here.",
    ),
    "BrokenIndex": Failure(
        ("internal_error", "model_failed", "index_failed"),
        "Something is wrong here, or the index cannot be read. The log says more under the same id.",
        "Something is wrong here.",
    ),
    "Busy": Failure(
        _BUSY,
        "Too many connections, or too many bytes at once. Ask again after the seconds in Retry-After.",
        "There are too many connections.",
        _AGAIN,
        ("Retry-After",),
    ),
    "Full": Failure(
        ("queue_full", "model_unloaded", *_BUSY),
        "As many photos as `--queue` says wait or are worked on; or the model has been put away. Where "
        "Retry-After is there, ask again after so many seconds.",
        "There is more to do than can be done.",
        _AGAIN,
        ("Retry-After",),
    ),
    "FullOfLessons": Failure(
        ("lessons_full", *_BUSY),
        "Four lessons wait already; or the service is too busy. Ask again after the seconds in Retry-After.",
        "4 lessons wait already.",
        _AGAIN,
        ("Retry-After",),
    ),
    "Away": Failure(
        ("model_unloaded", *_BUSY),
        "The model has been put away; or the service is too busy.",
        'The model "photo" is not loaded.',
        "Load it, or ask another.",
        ("Retry-After",),
    ),
    "NotReady": Failure(
        _BUSY,
        "They should not: it is ending, or a model is put away. Or there are too many connections.",
        "There are too many connections.",
        _AGAIN,
        ("Retry-After",),
    ),
    "Late": Failure(
        ("deadline_exceeded",),
        "There was no answer within X-Request-Timeout, or the service's own `--timeout`. Nothing more is "
        "done for the request.",
        "There was no answer within 10 seconds.",
    ),
}


def failures(route: Route) -> list[str]:
    """The ways in which requests to a route fail, the lowest status first."""
    names = {"Malformed", "Slow", "TooLarge", "LongHead", "Broken", "Busy"}

    def put(*others: str) -> None:
        for other in others:  # one for each status
            names.difference_update(n for n in list(names) if FAILURES[n].status == FAILURES[other].status)
            names.add(other)

    if route.token:
        put("NoToken", "Forbidden")
    if "{model}" in route.path or "Model" in route.parameters:
        put("NoModel" if "{model}" in route.path else "UnknownModel")
        if route.method == "GET":
            put("Away")
    if "{file}" in route.path:
        put("Nothing")
    if route.shape == "Ready":
        put("NotReady")
    if route.body:
        put("WrongBody", "OtherPacking", "Late")
    if route.queues:
        put("TooMany", "Full", "WrongInference")
    if route.body == "Photos":
        put("WrongPhotos", "OtherType")
    if route.body in ("OnePhoto", "GarmentPhoto"):
        put("WrongSearch", "OtherType", "UnknownIndex", "BrokenIndex")
    if route.stores:
        put("StoresNothing", "WrongFilter", "BrokenWardrobe", "Late")
    if "{garment}" in route.path or "{outfit}" in route.path or route.body == "OutfitToKeep":
        put("NoGarment")
    if route.body in ("OutfitToKeep", "Correction"):
        put("WrongGarment")
    if route.body == "OutfitToKeep":
        put("FullWardrobe")
    if route.body == "WardrobePhotos":
        put("WrongAddition", "OtherType")
    if route.operation == "corrections":
        put("NoCorrections")
    if route.teaches:
        put("TeachesNothing")
    if "{lesson}" in route.path:
        put("NoLesson", *["Unfinished"] * bool(route.types))
    if route.body == "Classes":
        put("WrongClasses", "OtherType", "FullOfLessons")
    return sorted(names, key=lambda name: FAILURES[name].status)
