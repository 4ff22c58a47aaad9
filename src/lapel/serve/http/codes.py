"""Why a request is not answered as asked, in words for programs: each code with its status and meaning."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Code: TypeAlias = Literal[
    "malformed_request",
    "invalid_query",
    "invalid_header",
    "invalid_body",
    "invalid_inference_request",
    "invalid_classes",
    "no_photo",
    "photo_unreadable",
    "no_match",
    "too_many_to_explain",
    "parameters_unsupported",
    "token_missing",
    "token_wrong",
    "host_forbidden",
    "origin_forbidden",
    "teaching_off",
    "route_unknown",
    "model_unknown",
    "index_unknown",
    "version_unknown",
    "lesson_unknown",
    "method_not_allowed",
    "request_timeout",
    "lesson_unfinished",
    "body_too_large",
    "body_too_complex",
    "too_many_photos",
    "media_type_unsupported",
    "encoding_unsupported",
    "headers_too_large",
    "model_failed",
    "index_failed",
    "internal_error",
    "too_many_connections",
    "too_many_bytes",
    "queue_full",
    "lessons_full",
    "model_unloaded",
    "deadline_exceeded",
]


class Meaning(NamedTuple):
    """The status that goes with a code, and what it means."""

    status: int
    text: str


CODES: dict[Code, Meaning] = {
    "malformed_request": Meaning(400, "not HTTP/1.1 as it should be"),
    "invalid_query": Meaning(400, "a setting in the address has a value that is not taken"),
    "invalid_header": Meaning(400, "a header has a value that is not taken"),
    "invalid_body": Meaning(400, "the form or the JSON is damaged, or not what is expected"),
    "invalid_inference_request": Meaning(400, "not as the Open Inference Protocol and the model have it"),
    "invalid_classes": Meaning(400, "classes, or numbers of photos, that cannot be taught"),
    "no_photo": Meaning(400, "there is no photo in the request"),
    "photo_unreadable": Meaning(400, "a photo cannot be read; also in the row of that photo"),
    "no_match": Meaning(400, "what the photo shows is not sure, or there is nothing to match it with"),
    "too_many_to_explain": Meaning(400, "more photos than are explained in one request"),
    "parameters_unsupported": Meaning(400, "a model is loaded as it is, without parameters"),
    "token_missing": Meaning(401, "the service asks for a token"),
    "token_wrong": Meaning(401, "this is not the token"),
    "host_forbidden": Meaning(403, "without a token, only names of this machine are answered"),
    "origin_forbidden": Meaning(403, "pages of that site may not ask"),
    "teaching_off": Meaning(403, "the service was not started with `--teach`"),
    "route_unknown": Meaning(404, "there is nothing at that address"),
    "model_unknown": Meaning(404, "no model of that name is served"),
    "index_unknown": Meaning(404, "no index of that name is served"),
    "version_unknown": Meaning(404, "the model has no such version"),
    "lesson_unknown": Meaning(404, "no such lesson, or it has been forgotten"),
    "method_not_allowed": Meaning(405, "the address takes another method: see `Allow`"),
    "request_timeout": Meaning(408, "the request did not come in time"),
    "lesson_unfinished": Meaning(409, "the lesson has no model yet, or failed"),
    "body_too_large": Meaning(413, "more bytes than `--max-body`, packed or unpacked"),
    "body_too_complex": Meaning(413, "more parts of a form or of JSON than are read"),
    "too_many_photos": Meaning(413, "more photos than are taken in one request"),
    "media_type_unsupported": Meaning(415, "a type of body that is not read"),
    "encoding_unsupported": Meaning(415, "packed in another way than gzip or deflate"),
    "headers_too_large": Meaning(431, "too many or too long headers"),
    "model_failed": Meaning(500, "the model could not answer, or could not be loaded"),
    "index_failed": Meaning(500, "the index cannot be read"),
    "internal_error": Meaning(500, "a defect: see the log"),
    "too_many_connections": Meaning(503, "more clients than `--max-connections`"),
    "too_many_bytes": Meaning(503, "more bytes of bodies at once than are held"),
    "queue_full": Meaning(503, "as many photos as `--queue` wait already"),
    "lessons_full": Meaning(503, "as many lessons wait as may"),
    "model_unloaded": Meaning(503, "the model has been put away"),
    "deadline_exceeded": Meaning(504, "there was no answer in time"),
}
