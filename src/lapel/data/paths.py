"""A table, CSV or Parquet, whose rows are paths of photos and their labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, did_you_mean
from ..files import file_errors
from ..runtime import pyarrow
from .assemble import beside
from .dataset import Dataset, Skip
from .download import Progress
from .listing import Listing, Photos, class_labels, read_photos

_FILES = ("file", "path", "image", "filename")  # of several such columns the first of this list is taken
_LABELS = ("label", "class", "kind", "category")
_MARKS = ",;\t"  # between the columns of a CSV file
_FORM = f"Name its columns file and label (or {', '.join(_FILES[1:])}; {', '.join(_LABELS[1:])})."


@dataclass(frozen=True)
class _Rows:
    """What a table says: names of photos, their labels, the group's cell of each, and what it leaves out."""

    names: list[str]
    labels: list[str]
    groups: list[str]
    skipped: list[Skip]
    columns: tuple[str, ...]


def holds_paths(path: Path) -> bool:
    """Whether a table has a column of paths. False where it cannot be read."""
    try:
        return _is_table_of_paths(path)
    except (DataError, OSError):
        return False


def photos_in(path: Path) -> list[Path]:
    """The photos that a table of paths names. Raises DataError where it is none."""
    return [path.parent / name for name in _read(path, None).names]


def read_paths(path: Path, how: Photos, progress: Progress | None) -> Dataset:
    """Read the photos that a table names, and for tests those of the table beside it that is named alike.

    Paths are relative to the table. A row without a path or a label, or with a photo that was named before,
    is left out and named in `skipped`. Raises DataError for a table without such columns or that is broken,
    and what `read_photos` raises.
    """
    train, other = _read(path, how.group), beside(path)
    test = _read(other, how.group) if other is not None and holds_paths(other) else None
    class_names, labels = class_labels(
        path, train.labels, "two classes or more", "Check which column holds the labels."
    )
    for name in test.labels if test else ():
        if name not in labels:
            raise DataError(
                f"{other}: class {name!r} to test on is not there to train on.", did_you_mean(name, labels)
            )
    rows = [train, *([test] if test else [])]
    return read_photos(
        Listing(
            source=path,
            folder=path.parent,
            names=[name for part in rows for name in part.names],
            labels=[labels[name] for part in rows for name in part.labels],
            class_names=class_names,
            tests=len(test.names) if test else 0,
            columns=train.columns,
            groups=[cell for part in rows for cell in part.groups] if how.group in train.columns else None,
            skipped=tuple(skip for part in rows for skip in part.skipped),
        ),
        how,
        progress,
    )


def _is_table_of_paths(path: Path) -> bool:
    if path.suffix.casefold() == ".csv":
        with path.open("rb") as file:
            header = file.readline(1 << 16).decode("utf-8-sig", "replace")
        return _place(_FILES, next(csv.reader([header], delimiter=_mark(header)), [])) is not None
    arrow, parquet = pyarrow()
    try:
        with path.open("rb") as file:
            schema = parquet.read_schema(file)
    except arrow.ArrowException:
        return False
    place = _place(_FILES, schema.names)
    kind = None if place is None else schema.field(place).type
    return kind is not None and (arrow.types.is_string(kind) or arrow.types.is_large_string(kind))


def _read(path: Path, group: str | None) -> _Rows:
    cells = _of_csv(path) if path.suffix.casefold() == ".csv" else _of_parquet(path, group)
    columns = tuple(str(name) for name in next(cells, []))
    file, label = _place(_FILES, columns), _place(_LABELS, columns)
    if file is None or label is None:
        what = "of paths" if file is None else "of labels"
        raise DataError(f"{path}: no column {what}; its columns are {', '.join(columns)[:120]}.", _FORM)
    own = columns.index(group) if group in columns else None
    rows = _Rows([], [], [], [], columns)
    before: dict[str, int] = {}
    for number, row in enumerate(cells, start=1):
        name, word = _word(row, file), _word(row, label)
        if not name or not word:
            rows.skipped.append(Skip(name or f"row {number}", "no path" if not name else "no label"))
        elif before.setdefault(name, number) != number:
            rows.skipped.append(Skip(name, f"row {number} names it again, after row {before[name]}"))
        else:
            rows.names.append(name)
            rows.labels.append(word)
            rows.groups.append("" if own is None else _word(row, own))
    if not rows.names:
        raise DataError(f"{path}: no row has both a path and a label.", "Check that this is the right file.")
    return rows


def _of_csv(path: Path) -> Iterator[Sequence[Any]]:
    """The header and the rows of a CSV file, without empty ones."""
    with file_errors(path), path.open(encoding="utf-8-sig", newline="") as file:
        try:
            mark = _mark(file.readline(1 << 16))
            file.seek(0)
            yield from filter(None, csv.reader(file, delimiter=mark))
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: its text is not UTF-8.", "Save the table as CSV in UTF-8.") from error
        except csv.Error as error:
            raise DataError(f"{path}: no readable CSV file ({error}).", "Save the table again.") from error


def _of_parquet(path: Path, group: str | None) -> Iterator[Sequence[Any]]:
    """The names and the rows of the columns of a Parquet file that are needed."""
    arrow, parquet = pyarrow()
    try:
        with path.open("rb") as opened, parquet.ParquetFile(opened) as file:
            known = {name.casefold(): name for name in file.schema_arrow.names[::-1]}
            wanted = [*(known[name] for name in (*_FILES, *_LABELS) if name in known), group]
            names = [name for name in file.schema_arrow.names if name in wanted]
            yield names
            for batch in file.iter_batches(columns=names):
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(
            f"{path}: no readable Parquet file ({str(error).splitlines()[0]}).", "Write the file again."
        ) from error


def _place(known: Sequence[str], columns: Sequence[str]) -> int | None:
    """Where the first of the known names stands among the columns."""
    found = [column.strip().casefold() for column in columns]
    return next((found.index(name) for name in known if name in found), None)


def _word(row: Sequence[Any], place: int) -> str:
    """A cell as a word; "" where it is missing."""
    cell = row[place] if place < len(row) else None
    if isinstance(cell, float) and cell.is_integer():  # whole numbers of a column in which some are missing
        cell = int(cell)
    return "" if cell is None or cell != cell else str(cell).strip()


def _mark(header: str) -> str:
    """What stands between the columns: whatever the header has most of."""
    return max(_MARKS, key=header.count)
