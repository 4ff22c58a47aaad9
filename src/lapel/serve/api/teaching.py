"""POST /teach and what follows: photos by class in, a model out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ...errors import LapelError
from ...teaching.teach import LEAST_PHOTOS, check_classes
from ..http.messages import HttpError, Request, Response, json_response
from ..inference.models import Models
from .budget import Budget
from .lessons import Lesson, Lessons, Photos
from .uploads import read_classes

if TYPE_CHECKING:
    from . import shapes

_MAX_CLASSES = 50
_MAX_PHOTOS_OF_A_CLASS = 200
_MAX_PHOTOS = 2000


@dataclass
class Teaching:
    """Answers about lessons; there are none where the service was not started with --teach."""

    lessons: Lessons | None
    models: Models
    budget: Budget

    @property
    def is_on(self) -> bool:
        """Whether own classes can be taught here."""
        return self.lessons is not None

    def admit(self, begins: bool) -> None:
        """Raise HttpError: 403 where nothing is taught here, 503 where no other lesson may begin."""
        lessons = self._lessons()
        if begins:
            lessons.admit()

    async def begin(self, request: Request) -> Response:
        """Begin a lesson with the photos of a form, of which each field is a class."""
        lessons = self._lessons()
        base = self.models.served(request.query.get("model"))
        body = await self.budget.unpack(request)
        content_type = request.headers.get("content-type", "")
        photos = await asyncio.to_thread(partial(read_classes, body, content_type, _MAX_PHOTOS))
        _check(photos)
        return json_response(_row(lessons.add(base.source, photos)))

    async def lesson(self, _request: Request, lesson: str) -> Response:
        """How far a lesson is, and what came of it."""
        return json_response(_row(self._lessons().get(lesson)))

    async def model_file(self, _request: Request, lesson: str) -> Response:
        """The model file."""
        found = self._lessons().get(lesson)
        if found.taught is None:
            raise HttpError(
                "lesson_unfinished",
                "There is no model yet." if not found.is_over else "There is no model: the lesson failed.",
                f"Ask for it when /teach/{lesson} says that the lesson is done.",
            )
        headers = (
            ("Content-Disposition", 'attachment; filename="own-classes.onnx"'),
            ("Cache-Control", "no-store"),
        )
        return Response(200, found.taught.data, "application/octet-stream", headers)

    async def forget(self, _request: Request, lesson: str) -> Response:
        """Forget a lesson, and what it has taught."""
        self._lessons().forget(lesson)
        return Response()

    def _lessons(self) -> Lessons:
        if self.lessons is None:
            raise HttpError(
                "teaching_off", "Own classes are not taught here.", "Start the service with --teach."
            )
        return self.lessons


def _check(photos: Photos) -> None:
    """Raise HttpError for classes and numbers of photos that cannot be taught."""
    try:
        check_classes(list(photos))
    except LapelError as error:
        raise HttpError("invalid_classes", error.message, error.hint) from error
    if len(photos) > _MAX_CLASSES:
        raise HttpError("invalid_classes", f"{len(photos)} classes; at most {_MAX_CLASSES} are taught.")
    for label, own in photos.items():
        if len(own) < LEAST_PHOTOS:
            raise HttpError(
                "invalid_classes",
                f"“{label}” has {len(own)} photo; at least {LEAST_PHOTOS} are needed.",
                "Add some: five to fifty of each class are good.",
            )
        if len(own) > _MAX_PHOTOS_OF_A_CLASS:
            raise HttpError(
                "too_many_photos",
                f"“{label}” has {len(own)} photos; at most {_MAX_PHOTOS_OF_A_CLASS} of a class are taken.",
                "Choose those that differ most.",
            )


def _row(lesson: Lesson) -> shapes.Lesson:
    """What is answered about a lesson."""
    taught, error = lesson.taught, lesson.error
    counts = taught.photos if taught else lesson.counts
    classes: list[shapes.LessonClass] = [
        {"label": label, "photos": count, "right": taught.right[label] if taught else None}
        for label, count in counts.items()
    ]
    skipped: list[shapes.SkippedPhoto] = [
        {"label": label, "source": name, "error": why.message, "hint": why.hint}
        for label, name, why in lesson.skipped
    ]
    return {
        "lesson": lesson.name,
        "state": lesson.state,
        "done": lesson.done,
        "photos": sum(lesson.counts.values()),
        "classes": classes,
        "skipped": skipped,
        "accuracy": taught.accuracy if taught else None,
        "error": error.message if error else None,
        "hint": error.hint if error else None,
    }
