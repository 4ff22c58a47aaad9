"""POST /tag: photos in, labels out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ...encode import image_uri, to_image
from ...errors import PictureError
from ...heat import heat_map, overlay
from ...tagger import Tag, Tagger, discount_rejects
from ..http.messages import HttpError, Request, Response, json_response
from ..inference.batcher import MAX_PHOTOS, Batcher, Prediction
from ..inference.models import Models
from .budget import Budget
from .query import read_count, read_flag
from .uploads import photos_in

if TYPE_CHECKING:
    from . import shapes

_MAX_EXPLAINED = 8  # photos in one request


@dataclass
class Tagging:
    """Labels photos; `on_tag` is called with the name of the model and what came of each photo."""

    models: Models
    batcher: Batcher
    budget: Budget
    on_tag: Callable[[str, Tag | PictureError], None]

    async def tag(self, request: Request) -> Response:
        """The tags of the photos in a request."""
        query = request.query
        loaded = self.models.get(query.get("model"))
        tagger = self.models.tagger(loaded.name)
        top = read_count(query, "top", 3, most=len(tagger.card.class_names))
        with_picture, with_heat = read_flag(query, "picture"), read_flag(query, "explain")
        photos = await self._read(request)
        if with_heat and len(photos) > _MAX_EXPLAINED:
            raise HttpError(
                "too_many_to_explain",
                f"{len(photos)} photos to explain; at most {_MAX_EXPLAINED} are, in one request.",
            )
        read = time.perf_counter()
        predictions = await self.batcher.predict(
            tagger, [data for _, data in photos], self.budget.seconds_left(request)
        )
        labelled = time.perf_counter()
        rows: list[shapes.Tag | shapes.Untagged] = []
        for (name, _), prediction in zip(photos, predictions, strict=True):
            result = _tag(tagger, name, prediction)
            self.on_tag(loaded.name, result)
            rows.append(_row(name, result, top))
        if with_picture or with_heat:
            more = await self.batcher.run(
                lambda: [_extras(tagger, one, with_picture, with_heat) for one in predictions],
                self.budget.seconds_left(request),
            )
            for row, extras in zip(rows, more, strict=True):
                cast("dict[str, Any]", row).update(extras)
        timings: shapes.Timings = {
            "received_ms": _milliseconds(read - request.received),
            "labelled_ms": _milliseconds(labelled - read),
            "total_ms": _milliseconds(time.perf_counter() - request.received),
        }
        answer: shapes.Tags = {"id": request.id, "model": loaded.name, "tags": rows, "timings": timings}
        return _refuse_all(answer) or json_response(answer)

    async def _read(self, request: Request) -> list[tuple[str, bytes]]:
        return await photos_in(await self.budget.unpack(request), request, MAX_PHOTOS)


def _tag(tagger: Tagger, name: str, prediction: Prediction | PictureError) -> Tag | PictureError:
    if isinstance(prediction, PictureError):
        return PictureError(f"{name}{prediction.message.removeprefix('bytes')}", prediction.hint)
    answers = prediction.probabilities[None], prediction.rejected[None]
    [tag] = tagger.tags([name], *answers, [prediction.colours])
    return tag


def _row(name: str, result: Tag | PictureError, top: int) -> shapes.Tag | shapes.Untagged:
    """What is answered for one photo."""
    if isinstance(result, PictureError):
        return {"source": name, "error": result.message, "hint": result.hint, "code": "photo_unreadable"}
    return cast("shapes.Tag", result.to_dict(top))


def _refuse_all(answer: shapes.Tags) -> Response | None:
    """The answer where not one photo could be read: that of a request that has failed."""
    if not all("error" in row for row in answer["tags"]):
        return None
    failed = cast("list[shapes.Untagged]", answer["tags"])
    first = failed[0]
    refusal: shapes.NothingTagged = {
        "error": first["error"],
        "hint": first["hint"],
        "code": first["code"],
        "id": answer["id"],
        "model": answer["model"],
        "tags": failed,
        "timings": answer["timings"],
    }
    return json_response(refusal, 400)


def _extras(
    tagger: Tagger, prediction: Prediction | PictureError, with_picture: bool, with_heat: bool
) -> dict[str, Any]:
    """The picture that the model saw, and what in it mattered."""
    if isinstance(prediction, PictureError):
        return {}
    extras: dict[str, Any] = {}
    if with_picture:
        picture = prediction.picture
        extras["picture"] = image_uri(to_image(picture))
    if with_heat:
        found = heat_map(
            lambda pictures: discount_rejects(*tagger.answers(pictures)),
            prediction.picture,
            int(prediction.probabilities.argmax()),
        )
        extras["heat"] = image_uri(to_image(overlay(found.heat)))
        extras["fall"] = found.fall
    return extras


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
