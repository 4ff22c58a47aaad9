"""A file of rows that a killed process leaves whole, and that the same command goes on with.

Rows are appended to the file itself, or to a file of JSON lines beside it that becomes Parquet at the end.
Each row names its photo and its model, so the file alone says how far it has come and with what.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from ..decode import source_name
from ..errors import LapelError
from ..files import Locked, file_errors, locked, make_folder, write_atomic
from ..tagger import Tagger
from .inputs import Photo
from .pipeline import Row, tag_catalogue
from .rows import Form, read_parquet, write_parquet

_AT_ONCE = 64  # rows handed to the file system together
_SECONDS = 1.0  # after which they are made to reach the disk
_LONGEST = 16 * 1024 * 1024  # bytes of a row
_ELSEWHERE = "Choose another place with --out."
_ANEW = "Choose another --out, or begin anew with --overwrite."


class Output:
    """Rows on disk. Use it in a `with` block, which writes what is still held, whatever happens.

    First take all of `done`, then `add` rows; `finish` when there are no more. `form` is that of JSON lines
    where `path` ends in .parquet. `anew` forgets what is there. Raises LapelError where another process
    writes the same file, or the disk refuses.
    """

    def __init__(self, path: Path, form: Form, *, anew: bool = False) -> None:
        self.path, self._form, self._anew = path, form, anew
        self._parquet = path.suffix.lower() == ".parquet"
        self._journal = path.with_name(f"{path.name}.part") if self._parquet else path
        # Beside the rows: a library that locks a file may do with what it holds as it likes.
        self._lock = path.with_name(f".{path.name}.lock")
        self.found = 0  # rows that were there already
        self._rows: list[bytes] = []
        self._size = 0  # of the rows that are whole
        self._synced = time.monotonic()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            make_folder(self._journal.parent, elsewhere=_ELSEWHERE)
            if self._parquet and self.path.exists() and not self._journal.exists() and not self._anew:
                self._unpack()
            try:
                stack.enter_context(locked(self._lock, wait=False, elsewhere=_ELSEWHERE))
            except Locked as error:
                raise LapelError(
                    f"{self.path}: another process is writing it.", "Let it end, or choose another --out."
                ) from error
            stack.callback(self._remove_lock)
            with file_errors(self._journal, elsewhere=_ELSEWHERE):
                self._journal.touch()
                # Without a buffer of Python's: what was written is in the hands of the system.
                self._file = stack.enter_context(self._journal.open("r+b", buffering=0))
                if self._anew:
                    self._file.truncate(0)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            self._write(sync=True)

    def done(self) -> Iterator[Row]:
        """The rows that are there. Afterwards a torn last one is cut off.

        Raises LapelError where the file holds something else, or rows of another model.
        """
        with file_errors(self._journal), self._journal.open("rb") as file:
            header = file.read(len(self._form.header))
            torn = not self._form.header.startswith(header)
            if torn or (len(header) < len(self._form.header) and file.read(1)):
                raise LapelError(
                    f"{self.path}: it is there already, and does not begin as these rows would "
                    f"({header[:40]!r}).",
                    _ANEW,
                )
            if header == self._form.header:
                self._size = len(header)
                for number, line in enumerate(self._lines(file), start=1):
                    try:
                        row = self._form.decode(line)
                    except (ValueError, RecursionError) as error:
                        raise LapelError(
                            f"{self.path}: row {number} does not fit these tags: {error}.", _ANEW
                        ) from error
                    yield row
                    self.found += 1
                    self._size += len(line)
        with file_errors(self._journal):
            self._file.truncate(self._size)
            self._file.seek(self._size)
        if not self._size:
            self._rows.append(self._form.header)

    def add(self, row: Row) -> None:
        """Append a row; rows are written some at a time, and reach the disk within seconds."""
        self._rows.append(self._form.encode(row))
        if len(self._rows) >= _AT_ONCE:
            self._write(sync=time.monotonic() - self._synced > _SECONDS)

    def finish(self) -> None:
        """Write what is held; make the Parquet file of it, where that was asked for."""
        self._write(sync=True)
        if self._parquet:
            with file_errors(self._journal), self._journal.open("rb") as file:
                rows = map(json.loads, file)
                write_atomic(self.path, lambda whole: write_parquet(rows, whole))
            self._journal.unlink()

    def _write(self, *, sync: bool) -> None:
        data, self._rows = b"".join(self._rows), []
        with file_errors(self._journal):
            while data:
                written = self._file.write(data)
                data = data[written:]
            if sync:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()

    def _remove_lock(self) -> None:
        # While it is still held. Who waits for it sees that it is gone, and makes a new one.
        with suppress(OSError):
            self._lock.unlink()

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        """The rows that end as rows do; what comes after the last of them is left out."""
        row = b""
        while line := file.readline(_LONGEST):
            row += line
            if len(row) > _LONGEST:
                raise LapelError(f"{self.path}: a row of more than {_LONGEST:,} bytes.", _ANEW)
            if row.endswith(b"\n") and not (self._form.quoted and row.count(b'"') % 2):
                yield row
                row = b""
        if row and not self._size and not row.startswith(b'{"source"'[: len(row)]):
            raise LapelError(f"{self.path}: it is there already, and holds no rows of tags.", _ANEW)

    def _unpack(self) -> None:
        """Make the finished Parquet file rows again, so that it can be compared and gone on with."""
        try:
            with file_errors(self.path), self.path.open("rb") as file:
                lines = (json.dumps(row).encode() + b"\n" for row in read_parquet(file))
                write_atomic(self._journal, lambda part: part.writelines(lines))
        except (ValueError, TypeError) as error:
            raise LapelError(
                f"{self.path}: it is there already, and holds no rows of tags ({error}).", _ANEW
            ) from error


def tag_into(
    output: Output, tagger: Tagger, photos: Iterable[Photo]
) -> Generator[tuple[Photo, Row], None, None]:
    """Label the photos of a catalogue into a file: first the rows that are there, then those it lacked.

    Raises LapelError where the rows that are there are not those of the first photos.
    """
    remaining = iter(photos)
    for number, row in enumerate(output.done(), start=1):
        photo = next(remaining, None)
        if photo is None or photo.name != row.source:
            given = "there is no such photo" if photo is None else f"the photo is {source_name(photo.name)}"
            raise LapelError(
                f"{output.path}: row {number} is of {source_name(row.source)}, but now {given}.",
                f"The photos given have changed. {_ANEW}",
            )
        yield photo, row
    with closing(tag_catalogue(tagger, remaining)) as rows:
        for photo, row in rows:
            output.add(row)
            yield photo, row
    output.finish()
