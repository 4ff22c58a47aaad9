"""Photos become pictures, several at a time, in their order, few of them in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from ..ahead import ahead
from ..decode import source_name
from ..errors import DataError, PictureError
from ..picture import Picture, PictureSpec, Source, read_picture
from ..runtime import cores
from .dataset import Skip
from .download import Progress

_TOGETHER = 16  # photos that a thread takes at once
_AHEAD = 4  # for each thread, so many such parts are worked on or wait
_TOLD = 100  # photos between two words of progress


def decode_in_order(
    sources: Sequence[Source], spec: PictureSpec, progress: Progress | None, what: str, *, begin: int = 0
) -> Iterator[Picture | PictureError]:
    """The pictures of `sources` from the place `begin` on; of one that cannot be read, its error.

    Threads do it, since decoders let go of the interpreter's lock.
    """
    count, done = len(sources), begin
    parts = (sources[start : start + _TOGETHER] for start in range(begin, count, _TOGETHER))
    with ThreadPoolExecutor(cores()) as threads:
        for part in ahead(threads, partial(_decode, spec=spec), parts, cores() * _AHEAD):
            for found in part:
                yield found
                done += 1
                if progress is not None and (done % _TOLD == 0 or done == count):
                    progress(what, done, count)


def reason(error: PictureError, source: Source) -> str:
    """Why a photo cannot be read, without its name."""
    return error.message.removeprefix(f"{source_name(source)}: ").removesuffix(".")


def refuse_ruins(source: Path, good: int, bad: Sequence[Skip]) -> None:
    """Raise DataError where more than half of the photos cannot be read: more is wrong than a few files."""
    if len(bad) <= good:
        return
    reasons = Counter(skip.why for skip in bad).most_common(3)
    listed = "; ".join(f"{number:,}: {why}" for why, number in reasons)
    raise DataError(
        f"{source}: {len(bad):,} of {good + len(bad):,} photos cannot be read, "
        f"the first {bad[0].file} ({listed}).",
        "Mend them or take them away: a few bad files are left out, but not most of them.",
    )


def _decode(sources: Iterable[Source], spec: PictureSpec) -> list[Picture | PictureError]:
    found: list[Picture | PictureError] = []
    for source in sources:
        try:
            found.append(read_picture(source, spec))
        except PictureError as error:
            found.append(error)
    return found
