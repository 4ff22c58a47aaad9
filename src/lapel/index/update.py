"""Photos -> rows of an index: what has not changed is not looked at again."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ..decode import source_name
from ..errors import PictureError
from ..tag import Photo
from ..tag.pipeline import look_through
from .describe import Describer
from .rows import EMBEDDING, ID, SHOWN, SOURCE, Description, Stamp, row_of
from .store import Store, one_of

What: TypeAlias = Literal["added", "updated", "moved", "unchanged", "not read"]

_LOOKED_UP = 256  # photos asked of the store at once
_WRITTEN = 500  # rows written at once
_SECONDS = 10.0  # after which rows are written, however few


@dataclass(frozen=True)
class Change:
    """What became of a photo, called as it was given; `error` says why where it could not be read."""

    source: str
    what: What
    error: PictureError | None = None


@dataclass(frozen=True)
class _Ready:
    """A row to be written: of a photo that was described, or a copy of what is known of the same bytes."""

    name: str
    source: str
    stamp: Stamp
    seen: Description | dict[str, Any]


class _Settled(PictureError):
    """No error, but a photo that need not be looked at, on its way past those who look at the others."""

    def __init__(self, result: Change | _Ready) -> None:
        super().__init__("")
        self.result = result


class Update:
    """One going through of photos; iterate it to have it done, a Change each.

    Rows are written some at a time, so that what was done stays done when the process ends. Photos are told
    apart by their paths, and known again by their bytes where a path has changed.
    """

    def __init__(self, store: Store, describer: Describer, photos: Iterable[Photo]) -> None:
        self._store, self._describer, self._photos = store, describer, photos
        self._ready: list[_Ready] = []
        self._stamps: dict[str, Stamp] = {}  # of photos that are being looked at
        self._written = time.monotonic()

    def __iter__(self) -> Iterator[Change]:
        describe, labels = self._describer.describe_read, self._describer.labels
        with closing(look_through(labels, self._sorted(), describe, None)) as described:
            for photo, seen in described:
                result = seen.result if isinstance(seen, _Settled) else self._result(photo, seen)
                if isinstance(result, Change):
                    yield result
                else:
                    self._ready.append(result)
                if len(self._ready) >= _WRITTEN or time.monotonic() - self._written > _SECONDS:
                    yield from self._write()
        yield from self._write()

    def _sorted(self) -> Iterator[Photo]:
        """The photos; those that need not be looked at come with what becomes of them."""
        remaining = map(_checked, self._photos)
        while photos := list(islice(remaining, _LOOKED_UP)):
            known = self._store.known([source_of(photo) for photo in photos])
            stamps = [_stamp(photo, known.get(source_of(photo))) for photo in photos]
            copies = self._copies(stamps, known)
            for photo, stamp in zip(photos, stamps, strict=True):
                source = source_of(photo)
                identity, old = known.get(source, ("", None))
                if stamp is None:
                    yield photo  # whatever reads it says why it cannot be read
                elif old and stamp.hash == old.hash:
                    if stamp != old:
                        self._store_stamp(identity, stamp)
                    yield Photo(photo.name, _Settled(Change(photo.name, "unchanged")))
                elif stamp.hash in copies:
                    ready = _Ready(photo.name, source, stamp, copies[stamp.hash])
                    yield Photo(photo.name, _Settled(ready))
                else:
                    self._stamps[source] = stamp
                    yield photo

    def _copies(
        self, stamps: Iterable[Stamp | None], known: dict[str, tuple[str, Stamp]]
    ) -> dict[str, dict[str, Any]]:
        """Rows of the same bytes under another path, by the hash."""
        same = {stamp.hash for _, stamp in known.values()}
        new = sorted({stamp.hash for stamp in stamps if stamp} - same)
        columns = (*SHOWN, "hash", "colour_names", EMBEDDING)
        rows = self._store.rows(one_of("hash", new), columns) if new else []
        # Of several, one whose file is gone comes last, and so is the one that has moved.
        return {row["hash"]: row for row in sorted(rows, key=lambda row: not os.path.lexists(row[SOURCE]))}

    def _result(self, photo: Photo, seen: Description | PictureError) -> Change | _Ready:
        source = source_of(photo)
        stamp = self._stamps.pop(source, None)
        if isinstance(seen, PictureError):
            return Change(photo.name, "not read", seen)
        if stamp is None:
            gone = PictureError(f"{source_name(photo.name)}: it changed while it was read.", "Run it again.")
            return Change(photo.name, "not read", gone)
        return _Ready(photo.name, source, stamp, seen)

    def _write(self) -> Iterator[Change]:
        """Write what is ready. Whoever writes at the same time has had its turn before, or has it after."""
        ready = {one.source: one for one in self._ready}  # of a photo that was given twice, the last
        changes: list[Change] = []
        if ready:
            with self._store.writing():
                known = self._store.known(list(ready))
                taken = {identity for identity, _ in known.values()}
                rows = []
                for one in ready.values():
                    identity, what = self._place(one, known, taken)
                    taken.add(identity)
                    rows.append(_row(identity, one))
                    changes.append(Change(one.name, what))
                self._store.put(rows)
        self._ready, self._written = [], time.monotonic()
        yield from changes

    def _place(self, one: _Ready, known: dict[str, tuple[str, Stamp]], taken: set[str]) -> tuple[str, What]:
        """The id under which a row is written, and what has become of the photo by that."""
        if one.source in known:
            return known[one.source][0], "updated"
        if isinstance(one.seen, dict) and one.seen[ID] not in taken and not os.path.lexists(one.seen[SOURCE]):
            return one.seen[ID], "moved"
        return _identity(one), "added"

    def _store_stamp(self, identity: str, stamp: Stamp) -> None:
        with self._store.writing():
            self._store.set(identity, {"size": stamp.size, "mtime": stamp.mtime})


def source_of(photo: Photo) -> str:
    """What a photo is called in an index: its path from the root, or the name of what is no file."""
    return os.path.abspath(photo.source) if isinstance(photo.source, str) else photo.name  # noqa: PTH100


def _checked(photo: Photo) -> Photo:
    """The photo; one whose name cannot be kept comes with that for an error, under a name that can be."""
    try:
        source_of(photo).encode()
    except UnicodeEncodeError:
        name = source_name(photo.name)
        hint = "Give it a name in UTF-8, which an index keeps names in."
        return Photo(name, PictureError(f"{name}: the file's name is not UTF-8.", hint))
    return photo


def _stamp(photo: Photo, known: tuple[str, Stamp] | None) -> Stamp | None:
    """The stamp of a photo; its bytes are read only where size or time differ. None where it has none."""
    source = photo.source
    if isinstance(source, PictureError):
        return None
    if isinstance(source, bytes):
        return Stamp(len(source), 0, hashlib.sha256(source).hexdigest())
    try:
        status = Path(source).stat()
        if known and (known[1].size, known[1].mtime) == (status.st_size, status.st_mtime_ns):
            return known[1]
        with Path(source).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
    return Stamp(status.st_size, status.st_mtime_ns, digest)


def _identity(one: _Ready) -> str:
    return hashlib.sha256(f"{one.source}\0{one.stamp.hash}".encode()).hexdigest()[:16]


def row_of_file(path: Path, digest: str, seen: Description) -> dict[str, Any]:
    """The row of a file that has been described already, and of which the SHA-256 is known."""
    source, status = os.path.abspath(path), path.stat()  # noqa: PTH100
    ready = _Ready(source, source, Stamp(status.st_size, status.st_mtime_ns, digest), seen)
    return _row(_identity(ready), ready)


def _row(identity: str, one: _Ready) -> dict[str, Any]:
    if isinstance(one.seen, Description):
        return row_of(identity, one.source, one.stamp, one.seen)
    stamp = {"size": one.stamp.size, "mtime": one.stamp.mtime, "hash": one.stamp.hash}
    return {**one.seen, ID: identity, SOURCE: one.source, **stamp}
