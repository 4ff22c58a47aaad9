"""POST /search and POST /match: photos of an index that are like a photo, and what of it goes with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ...encode import data_uri
from ...errors import DataError, LapelError, ModelError, PictureError, did_you_mean
from ..http.messages import HttpError, Request, Response, json_response
from ..inference.batcher import Batcher
from .budget import Budget
from .query import read_count, read_flag, read_words
from .uploads import photos_in

if TYPE_CHECKING:
    from ...index.index import Index
    from ...matching.garment import Garment
    from . import search_shapes as shapes

T = TypeVar("T")

_MOST_HITS = 200
_MOST_SUGGESTED = 20


@dataclass
class Searching:
    """Answers from the indexes that the service was started with."""

    indexes: Mapping[str, Index]
    batcher: Batcher
    budget: Budget

    async def search(self, request: Request) -> Response:
        """The photos of an index that are most like a photo and have a kind and a colour."""
        query = request.query
        name, index = self._index(query)
        top = read_count(query, "top", 20, most=_MOST_HITS)
        shown = read_flag(query, "thumbnails")
        photo = await self._photo(request)
        work = partial(
            index.search,
            photo,
            top=top,
            like=query.get("like") or None,
            kind=read_words(query, "kind"),
            colour=read_words(query, "colour"),
        )
        if photo is not None and query.get("like"):
            raise HttpError("invalid_query", "Search with a photo or with like=ID, not with both.")
        hits = await self._run(request, work)
        rows = [{**hit.to_dict(), **_thumbnail(hit.thumbnail, shown)} for hit in hits]
        answer = {"id": request.id, "index": name, "hits": rows}
        return json_response(cast("shapes.Hits", answer))

    async def match(self, request: Request) -> Response:
        """What of an index goes with the garment in a photo, or in one of its own."""
        query = request.query
        name, index = self._index(query)
        top = read_count(query, "top", 5, most=_MOST_SUGGESTED)
        shown = read_flag(query, "thumbnails")
        photo, like = await self._photo(request), query.get("like") or None
        if (photo is None) == (like is None):
            raise HttpError(
                "no_photo" if photo is None else "invalid_query",
                "Matching takes a photo, or like=ID for one of the index: one of both.",
                "For example: curl -F photo=@shirt.jpg …/match",
            )
        found = await self._run(
            request, partial(_match, index, photo, like, query.get("kind") or None, top, shown)
        )
        answer = {"id": request.id, "index": name, **found}
        return json_response(cast("shapes.Matched", answer))

    def _index(self, query: Mapping[str, str]) -> tuple[str, Index]:
        """The index that is asked for; the first where none is."""
        if not self.indexes:
            raise HttpError(
                "index_unknown", "No index is served here.", "Start the service with --index wardrobe.lapel."
            )
        name = query.get("index") or next(iter(self.indexes))
        if name not in self.indexes:
            raise HttpError(
                "index_unknown",
                f'No index "{name[:100]}" is served here.',
                did_you_mean(name[:100], self.indexes),
            )
        return name, self.indexes[name]

    async def _photo(self, request: Request) -> bytes | None:
        """The photo of a request; None where it has no body."""
        body = await self.budget.unpack(request)
        if not body:
            return None
        photos = await photos_in(body, request, 2)
        if len(photos) > 1:
            raise HttpError("too_many_photos", "More than one photo; one at a time is searched or matched.")
        return photos[0][1]

    async def _run(self, request: Request, work: Callable[[], T]) -> T:
        """Do it on a thread of the batcher, in its turn, and tell what is wrong from what cannot be done."""
        return await self.batcher.run(partial(_tried, work), self.budget.seconds_left(request))


def open_indexes(paths: Mapping[str, str]) -> dict[str, Index]:
    """The indexes by name, with their models loaded. Raises LapelError where one cannot be opened."""
    if not paths:
        return {}
    from ...index.index import open_index

    indexes = {name: open_index(path) for name, path in paths.items()}
    for index in indexes.values():
        index.describer  # noqa: B018  # the first request does not wait for it
    return indexes


def _match(
    index: Index, photo: bytes | None, like: str | None, kind: str | None, top: int, shown: bool
) -> dict[str, Any]:
    from ...matching.match import garment_of_hit, match_garment, read_garment, wardrobe_of
    from ...matching.rules import load_rules

    rules = load_rules()
    try:
        if photo is not None:
            garment = read_garment(photo, index.describer.kinds, rules, kind)
        else:
            garment = garment_of_hit(index.get(str(like)), index, rules, kind)
        found = match_garment(garment, wardrobe_of(index, rules), rules, top=top)
    except (DataError, ModelError, PictureError):
        raise
    except LapelError as error:
        raise HttpError("no_match", error.message, error.hint) from error
    answer = found.to_dict()
    if shown:
        garments = [pair.second for one in found.suggestions for pair in one.pairs]
        garments += [one for outfit in found.outfits for one in outfit.garments.values()]
        answer["thumbnails"] = _thumbnails([garment, *garments])
    return answer


def _thumbnails(garments: list[Garment]) -> dict[str, str]:
    return {one.id: data_uri(one.thumbnail, "jpeg") for one in garments if one.thumbnail}


def _thumbnail(data: bytes, shown: bool) -> dict[str, str]:
    return {"thumbnail": data_uri(data, "jpeg")} if shown else {}


def _tried(work: Callable[[], T]) -> T:
    try:
        return work()
    except PictureError as error:
        raise HttpError("photo_unreadable", error.message, error.hint) from error
    except (HttpError, ModelError):
        raise
    except DataError as error:
        raise HttpError("index_failed", error.message, error.hint) from error
    except LapelError as error:  # a kind, a colour or an id that there is not
        raise HttpError("invalid_query", error.message, error.hint) from error
