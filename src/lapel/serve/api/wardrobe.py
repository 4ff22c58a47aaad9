"""The answers of a wardrobe: photos that a person adds, corrects and removes, and kept outfits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ...colour import HEX
from ...encode import data_uri
from ...errors import DataError, LapelError, ModelError, PictureError
from ..http.codes import Code
from ..http.messages import HttpError, Request, Response, json_response
from ..inference.batcher import Batcher
from .budget import Budget
from .encoding import read_json
from .query import read_count, read_place, read_words
from .uploads import photos_in

if TYPE_CHECKING:
    from ...index.rows import Hit
    from ...wardrobe.folder import WardrobeFolder
    from ...wardrobe.outfits import KeptOutfit
    from . import wardrobe_shapes as shapes

T = TypeVar("T")

NAME = "wardrobe"  # of its index, for /search and /match
MOST_ADDED = 16  # photos in one request
_MOST_SHOWN = 200  # garments in one answer
_MOST_GROUPS = 200  # of garments that are there twice
_MOST_PARTS = 200  # of a body of JSON
_SHOWN_SIDE = 960  # pixels of the longer side of a photo that is shown


@dataclass
class WardrobeRoutes:
    """Answers about a wardrobe; there is none where the service was not started with --wardrobe."""

    wardrobe: WardrobeFolder | None
    batcher: Batcher
    budget: Budget

    @property
    def is_on(self) -> bool:
        """Whether there is a wardrobe here."""
        return self.wardrobe is not None

    def admit(self) -> None:
        """Raise HttpError (403) where there is no wardrobe."""
        self._wardrobe()

    async def garments(self, request: Request) -> Response:
        """Some of the garments, of a kind and a colour, from a place on."""
        wardrobe, query = self._wardrobe(), request.query
        top, start = read_count(query, "top", 100, most=_MOST_SHOWN), read_place(query, "start")
        kind, colour = read_words(query, "kind"), read_words(query, "colour")

        def work() -> dict[str, Any]:
            index = wardrobe.index
            hits = list(islice(index.rows(kind=kind, colour=colour, start=start), top))
            return {
                "index": NAME,
                "photos": len(index),
                "kinds": list(index.kinds),
                "labels": list(index.labels),
                "colours": [{"name": name, "hex": code} for name, code in HEX.items()],
                "garments": [_garment(wardrobe, hit) for hit in hits],
            }

        answer = {"id": request.id, **await self._run(request, work, "invalid_query")}
        return json_response(cast("shapes.Garments", answer))

    async def add(self, request: Request) -> Response:
        """Take in photos; what became of each."""
        wardrobe = self._wardrobe()
        photos = await photos_in(await self.budget.unpack(request), request, MOST_ADDED + 1)
        if len(photos) > MOST_ADDED:
            raise HttpError(
                "too_many_photos",
                f"More than {MOST_ADDED} photos in one request.",
                "Send them in several.",
            )

        def work() -> list[Any]:
            rows = [_add_photo(wardrobe, name, data) for name, data in photos]
            wardrobe.index.optimise()
            return rows

        answer = {"id": request.id, "photos": await self._run(request, work, "wardrobe_failed")}
        return json_response(cast("shapes.AddedPhotos", answer))

    async def photo(self, request: Request, garment: str) -> Response:
        """The photo of a garment as a JPEG that a page can show, whatever it came as."""
        wardrobe = self._wardrobe()
        data = await self._run(request, lambda: _to_jpeg(wardrobe.photo(garment)), "wardrobe_failed")
        return Response(200, data, "image/jpeg", (("Cache-Control", "no-store"),))

    async def correct(self, request: Request, garment: str) -> Response:
        """Set right what the models say of a garment."""
        wardrobe = self._wardrobe()
        said = await self._json(request, {"label": str, "kind": str, "colours": list})

        def work() -> dict[str, Any]:
            return _garment(wardrobe, wardrobe.correct(garment, **said))

        answer = {"id": request.id, "garment": await self._run(request, work, "invalid_garment")}
        return json_response(cast("shapes.OneGarment", answer))

    async def remove(self, request: Request, garment: str) -> Response:
        """Take a garment out, and delete its photo."""
        await self._run(request, partial(self._wardrobe().remove, garment), "wardrobe_failed")
        return Response()

    async def clear(self, request: Request) -> Response:
        """Take all of it out, and delete all photos."""
        await self._run(request, self._wardrobe().clear, "wardrobe_failed")
        return Response()

    async def duplicates(self, request: Request) -> Response:
        """Garments that are there twice."""
        wardrobe = self._wardrobe()

        def work() -> list[dict[str, Any]]:
            return [
                {
                    "same": group.same,
                    "similarity": group.similarity,
                    "garments": [_garment(wardrobe, hit) for hit in group.hits],
                }
                for group in wardrobe.index.duplicates()[:_MOST_GROUPS]
            ]

        answer = {"id": request.id, "groups": await self._run(request, work, "wardrobe_failed")}
        return json_response(cast("shapes.Duplicates", answer))

    async def outfits(self, request: Request) -> Response:
        """The outfits that were kept."""
        wardrobe = self._wardrobe()

        def work() -> list[Any]:
            return [_outfit(wardrobe, *one) for one in wardrobe.outfits()]

        answer = {"id": request.id, "outfits": await self._run(request, work, "wardrobe_failed")}
        return json_response(cast("shapes.KeptOutfits", answer))

    async def keep(self, request: Request) -> Response:
        """Keep an outfit."""
        wardrobe = self._wardrobe()
        garments = (await self._json(request, {"garments": dict})).get("garments", {})
        _check_outfit(garments)

        def work() -> dict[str, Any]:
            return _outfit(wardrobe, *wardrobe.keep_outfit(garments))

        answer = {"id": request.id, **await self._run(request, work, "invalid_garment")}
        return json_response(cast("shapes.KeptOutfitAnswer", answer))

    async def drop(self, request: Request, outfit: str) -> Response:
        """Keep an outfit no longer."""
        await self._run(request, partial(self._wardrobe().drop_outfit, outfit), "wardrobe_failed")
        return Response()

    async def corrections(self, request: Request) -> Response:
        """What was set right, as data to train with."""
        from ...wardrobe.corrections import pack_corrections

        data = await self._run(request, partial(pack_corrections, self._wardrobe()), "wardrobe_failed")
        headers = (
            ("Content-Disposition", 'attachment; filename="corrections.zip"'),
            ("Cache-Control", "no-store"),
        )
        return Response(200, data, "application/zip", headers)

    def _wardrobe(self) -> WardrobeFolder:
        if self.wardrobe is None:
            raise HttpError(
                "wardrobe_off", "There is no wardrobe here.", "Start the service with --wardrobe FOLDER."
            )
        return self.wardrobe

    async def _json(self, request: Request, types: dict[str, type]) -> dict[str, Any]:
        """A body that is a JSON object of these settings; others are refused. Of a list, words alone."""
        data = read_json(await self.budget.unpack(request), _MOST_PARTS)
        names = ", ".join(f'"{name}"' for name in types)
        if not isinstance(data, dict) or not data or not types.keys() >= data.keys():
            raise HttpError("invalid_body", f"Expected a JSON object with {names}, or some of these.")
        for name, value in data.items():
            words = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
            if type(value) is not types[name] or not all(isinstance(word, str) for word in words):
                raise HttpError("invalid_body", f'"{name}" is not what is expected: see /docs.')
        return data

    async def _run(self, request: Request, work: Callable[[], T], code: Code) -> T:
        """Do it on a thread of the batcher, in its turn; `code` stands for what it refuses."""

        def attempt() -> T:
            with _error_answers(code):
                return work()

        return await self.batcher.run(attempt, self.budget.seconds_left(request))


def open_served_wardrobe(path: str) -> WardrobeFolder | None:
    """The wardrobe in a folder, with its models loaded; none for "". Raises LapelError as `open_wardrobe`."""
    if not path:
        return None
    from ...wardrobe.folder import open_wardrobe

    wardrobe = open_wardrobe(path)
    wardrobe.index.describer  # noqa: B018  # the first request does not wait for it
    return wardrobe


@contextmanager
def _error_answers(code: Code) -> Iterator[None]:
    """Turn what a wardrobe refuses into the answer that says so."""
    from ...wardrobe.corrections import NoCorrections, TooManyCorrections
    from ...wardrobe.folder import UnknownGarment
    from ...wardrobe.outfits import FullWardrobe

    codes: dict[type[LapelError], Code] = {
        UnknownGarment: "garment_unknown",
        FullWardrobe: "wardrobe_full",
        NoCorrections: "corrections_none",
        TooManyCorrections: "body_too_large",
        DataError: "wardrobe_failed",
    }
    try:
        yield
    except (HttpError, ModelError):
        raise
    except LapelError as error:
        found = next((known for kind, known in codes.items() if isinstance(error, kind)), code)
        raise HttpError(found, error.message, error.hint) from error


def _add_photo(wardrobe: WardrobeFolder, name: str, data: bytes) -> dict[str, Any]:
    """What became of one photo. What the disk refuses ends the request: the next would fare no better."""
    from ...wardrobe.outfits import FullWardrobe

    try:
        hit, is_new = wardrobe.add(data)
    except (PictureError, FullWardrobe) as error:
        is_full = isinstance(error, FullWardrobe)
        return {
            "source": name,
            "error": error.message if is_full else f"{name}{error.message.removeprefix('bytes')}",
            "hint": error.hint,
            "code": "wardrobe_full" if is_full else "photo_unreadable",
        }
    return {
        "source": name,
        "result": "added" if is_new else "known",
        "garment": _garment(wardrobe, hit),
    }


def _garment(wardrobe: WardrobeFolder, hit: Hit) -> dict[str, Any]:
    from ...matching.wardrobe import is_sure

    sure = is_sure(hit, wardrobe.index.describer.kinds.card.accept)
    return {**hit.to_dict(), "sure": sure, "thumbnail": data_uri(hit.thumbnail, "jpeg")}


def _outfit(wardrobe: WardrobeFolder, kept: KeptOutfit, hits: dict[Any, Hit]) -> dict[str, Any]:
    return {
        "outfit": kept.id,
        "garments": {role: _garment(wardrobe, hit) for role, hit in hits.items()},
        "reasons": list(kept.reasons),
        "occasions": list(kept.occasions),
        "days": list(kept.days),
    }


def _to_jpeg(photo: bytes) -> bytes:
    """A photo as a JPEG of at most _SHOWN_SIDE pixels."""
    from ...decode import Limits, decode
    from ...encode import encode

    image = decode(photo, Limits(), side=_SHOWN_SIDE, longest=1000)
    image.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    return encode(image.convert("RGB"), "jpeg")


def _check_outfit(garments: dict[str, str]) -> None:
    from ...matching.rules import ROLES

    if not garments.keys() <= set(ROLES):
        raise HttpError("invalid_garment", f"The roles of an outfit are {', '.join(ROLES)}.")
