"""What is to be tagged: files, folders, patterns, lists and tables become photos with a name each."""

from __future__ import annotations

import csv
import glob
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ..decode import SUFFIXES, source_name
from ..errors import DataError, PictureError, did_you_mean
from ..files import file_errors
from ..runtime import pyarrow

_LONGEST_LINE = 1 << 20  # characters of a list or a table
_ROWS = 64  # of a Parquet file held at once: they may be photos of many megabytes


@dataclass(frozen=True)
class Photo:
    """One photo of a catalogue: its name as given; and its path, its bytes, or why there is neither."""

    name: str
    source: str | bytes | PictureError


@dataclass(frozen=True)
class Catalogue:
    """Photos to tag, in the order given. Iterating reads them from the beginning.

    An input is a photo, a folder (its photos and those of the folders in it, by name), a pattern such as
    `photos/**/*.jpg`, a CSV or Parquet file whose `column` holds paths or, in Parquet, photos, or `-`: a
    list of paths that is read from `listed`, one a line or, with `separator`, apart by something else.
    Paths in a table are relative to its folder. A table needs no `column` where it has only one.

    Iterating raises DataError where a table cannot be read, and MissingExtra for Parquet without pyarrow.
    """

    inputs: Sequence[str]
    column: str | None = None
    listed: io.BufferedIOBase | None = None
    separator: bytes = b"\n"

    def __iter__(self) -> Iterator[Photo]:
        for given in self.inputs:
            yield from self._photos(given)

    def count(self) -> int | None:
        """How many photos there are; None where only reading the list to its end would tell."""
        if "-" in self.inputs:
            return None
        return sum(
            _parquet_rows(given) if _is_table(given, ".parquet") else sum(1 for _ in self._photos(given))
            for given in self.inputs
        )

    def _photos(self, given: str) -> Iterator[Photo]:
        if given == "-":
            yield from _of_list(self.listed or io.BytesIO(), self.separator)
        elif _is_table(given, ".csv"):
            yield from _of_csv(given, self.column)
        elif _is_table(given, ".parquet"):
            yield from _of_parquet(given, self.column)
        elif Path(given).is_dir():
            yield from _of_folder(given)
        elif glob.has_magic(given) and not os.path.lexists(given):
            yield from _of_pattern(given)
        else:
            yield Photo(given, given)


def _of_folder(folder: str) -> Iterator[Photo]:
    """The photos in a folder and the folders in it, by name, without hidden files and links to folders."""
    closed: list[OSError] = []
    found = False
    for place, folders, files in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            # By their names alone: opening every other file would take long and say nothing new.
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                found = True
                path = str(Path(place, name))
                yield Photo(path, path)
    for error in closed:
        reason = (error.strerror or "no reason given").lower()
        yield _no_photo(str(error.filename), f"a folder that cannot be looked into ({reason})")
    if not found and not closed:
        yield _no_photo(folder, "a folder without pictures in it")


def _of_pattern(pattern: str) -> Iterator[Photo]:
    # Path.glob takes no absolute pattern.
    found = sorted(path for path in glob.iglob(pattern, recursive=True) if not Path(path).is_dir())  # noqa: PTH207
    for path in found:
        yield Photo(path, path)
    if not found:
        yield _no_photo(pattern, "no file has such a name")


def _of_list(file: io.BufferedIOBase, separator: bytes) -> Iterator[Photo]:
    rest = b""
    while block := file.read1(1 << 16):
        *lines, rest = (rest + block).split(separator)
        if len(rest) > _LONGEST_LINE:
            raise DataError(
                f"The list of photos has a line of more than {_LONGEST_LINE:,} bytes.",
                "Give one path a line; with -0, one after each zero byte.",
            )
        yield from _of_lines(lines, separator)
    yield from _of_lines([rest], separator)


def _of_lines(lines: list[bytes], separator: bytes) -> Iterator[Photo]:
    for line in lines:
        path = os.fsdecode(line.removesuffix(b"\r") if separator == b"\n" else line)
        if path:
            yield Photo(path, path)


def _of_csv(table: str, column: str | None) -> Iterator[Photo]:
    with (
        file_errors(Path(table)),
        Path(table).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file,
    ):
        rows = csv.reader(_lines(file, table))
        try:
            place = _column(table, next(rows, []), column)
            for number, row in enumerate(filter(None, rows), start=1):
                yield _of_cell(table, number, row[place] if place < len(row) else None)
        except csv.Error as error:
            raise DataError(
                f"{table}: line {rows.line_num} is no line of a CSV file ({error}).", "Save the table again."
            ) from error


def _lines(file: TextIO, table: str) -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise DataError(f"{table}: a line of {_LONGEST_LINE:,} characters or more.", "Is it a CSV file?")
        yield line


def _of_parquet(table: str, column: str | None) -> Iterator[Photo]:
    arrow, parquet = pyarrow()
    try:
        with Path(table).open("rb") as opened, parquet.ParquetFile(opened) as file:
            names = file.schema_arrow.names
            name = names[_column(table, names, column)]
            number = 0
            for batch in file.iter_batches(batch_size=_ROWS, columns=[name]):
                for cell in batch.column(0).to_pylist():
                    number += 1
                    yield _of_cell(table, number, cell)
    except (arrow.ArrowException, OSError) as error:
        raise _no_parquet(table, error) from error


def _parquet_rows(table: str) -> int:
    arrow, parquet = pyarrow()
    try:
        with Path(table).open("rb") as opened, parquet.ParquetFile(opened) as file:
            return int(file.metadata.num_rows)
    except (arrow.ArrowException, OSError) as error:
        raise _no_parquet(table, error) from error


def _of_cell(table: str, number: int, cell: Any) -> Photo:
    """What one row of a table gives; Hugging Face keeps photos as {"bytes": …, "path": …}."""
    if isinstance(cell, dict):
        cell = cell.get("bytes") or cell.get("path")
    if isinstance(cell, str) and cell:
        return Photo(cell, str(Path(table).parent / cell))
    name = f"{table}:{number}"
    if isinstance(cell, bytes):
        return Photo(name, cell)
    return _no_photo(name, "the row holds neither a path nor a photo")


def _column(table: str, names: Sequence[str], column: str | None) -> int:
    if not names:
        raise DataError(f"{table}: an empty table.", "It should begin with the names of its columns.")
    if column is None and len(names) > 1:
        raise DataError(
            f"{table}: which of its columns holds the photos? {', '.join(names)[:200]}.",
            "Say it with --column NAME.",
        )
    if column is not None and column not in names:
        raise DataError(f'{table}: there is no column "{column}".', did_you_mean(column, names))
    return 0 if column is None else list(names).index(column)


def _is_table(given: str, suffix: str) -> bool:
    return given.lower().endswith(suffix) and not Path(given).is_dir()


def _no_parquet(table: str, error: Exception) -> DataError:
    reason = "no such file" if isinstance(error, FileNotFoundError) else str(error).split("\n")[0]
    return DataError(f"{table}: no readable Parquet file ({reason}).", "Check that this is the right file.")


def _no_photo(name: str, why: str) -> Photo:
    return Photo(name, PictureError(f"{source_name(name)}: {why}."))
