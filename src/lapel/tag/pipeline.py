"""Photos are decoded beside, and the model asked about many pictures at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ..ahead import ahead
from ..errors import PictureError
from ..runtime import cores
from ..tagger import Tag, Tagger, Untagged
from .inputs import Photo

if TYPE_CHECKING:
    from .decoders import Read

Row: TypeAlias = Tag | Untagged
T = TypeVar("T")

_FEW = 32  # photos are read faster than a process is started


def tag_catalogue(
    tagger: Tagger, photos: Iterable[Photo], processes: int | None = None
) -> Generator[tuple[Photo, Row], None, None]:
    """Label the photos of a catalogue: one row each, in their order, and never a PictureError.

    More than a few are decoded in `processes` of their own, one for each core if not given, and the model
    is asked by as many threads. Photos are taken as they are needed, so that memory does not depend on how
    many there are.

    >>> for photo, row in tag_catalogue(load_tagger("model.onnx"), Catalogue(["photos"])):  # doctest: +SKIP
    ...     print(photo.name, row.label if isinstance(row, Tag) else row.error)
    """
    return look_through(tagger, photos, partial(_label, tagger), processes)


def look_through(
    tagger: Tagger, photos: Iterable[Photo], answer: Callable[[list[Read]], list[T]], processes: int | None
) -> Generator[T, None, None]:
    """What `answer` gives for the photos, read as this tagger reads them: one each, in their order.

    It is asked by several threads, about some photos at a time. Whoever may stop before the end closes it,
    which ends processes and threads.
    """
    remaining = iter(photos)
    first = list(islice(remaining, _FEW))
    if len(first) < _FEW:
        yield from answer([_read(tagger, photo) for photo in first])
        return
    from .decoders import Decoders

    count = processes or cores()
    with (
        Decoders(tagger.card.picture, tagger.limits, count) as decoders,
        ThreadPoolExecutor(count) as threads,
    ):
        for answers in ahead(threads, answer, decoders.read(chain(first, remaining)), count):
            yield from answers


def _read(tagger: Tagger, photo: Photo) -> Read:
    return photo, photo.source if isinstance(photo.source, PictureError) else tagger.read(photo.source)


def _label(tagger: Tagger, batch: list[Read]) -> list[tuple[Photo, Row]]:
    rows = tagger.tag_read([photo.name for photo, _ in batch], [read for _, read in batch])
    return list(zip((photo for photo, _ in batch), rows, strict=True))
