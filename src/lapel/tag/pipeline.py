"""Photos are decoded beside, and the model asked about many pictures at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeAlias

from ..errors import PictureError
from ..tagger import Tag, Tagger, Untagged
from .inputs import Photo

if TYPE_CHECKING:
    from .decoders import Read

Row: TypeAlias = Tag | Untagged

_FEW = 32  # photos are read faster than a process is started


def tag_catalogue(
    tagger: Tagger, photos: Iterable[Photo], processes: int | None = None
) -> Iterator[tuple[Photo, Row]]:
    """Label the photos of a catalogue: one row each, in their order, and never a PictureError.

    More than a few are decoded in `processes` of their own, one for each core if not given. Photos are
    taken as they are needed, so that memory does not depend on how many there are.

    >>> for photo, row in tag_catalogue(load_tagger("model.onnx"), Catalogue(["photos"])):  # doctest: +SKIP
    ...     print(photo.name, row.label if isinstance(row, Tag) else row.error)
    """
    remaining = iter(photos)
    first = list(islice(remaining, _FEW))
    if len(first) < _FEW:
        yield from _label(tagger, [_read(tagger, photo) for photo in first])
        return
    from .decoders import Decoders

    with Decoders(tagger.card.picture, tagger.limits, processes) as decoders:
        for batch in decoders.read(chain(first, remaining)):
            yield from _label(tagger, batch)


def _read(tagger: Tagger, photo: Photo) -> Read:
    return photo, photo.source if isinstance(photo.source, PictureError) else tagger.read(photo.source)


def _label(tagger: Tagger, batch: list[Read]) -> Iterator[tuple[Photo, Row]]:
    rows = tagger.tag_read([photo.name for photo, _ in batch], [read for _, read in batch])
    return zip((photo for photo, _ in batch), rows, strict=True)
