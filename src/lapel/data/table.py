"""CSV in Kaggle's form: a header line `label,pixel1,…,pixel784`, then one picture a line.

The numbers are parsed by numpy, a block at a time: a hundred megabytes take about a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, LapelError
from ..files import file_errors, write_atomic
from .assemble import Arrays, assemble, beside, square
from .dataset import Dataset, Skip, Split

_BLOCK = 4 * 1024 * 1024  # stays near the processor's cache
_ROWS_WRITTEN = 2048  # at once
_MOST = 999  # three digits
_LONGEST_LINE = 64 * 1024 * 1024
_COMMA, _LINE, _ZERO = b",\n0"


def read_csv(path: Path) -> Dataset:
    """Read a CSV file, and as test pictures the one beside it that is named alike.

    `label` may be any column; the others are named pixel and a number, n·n (grey) or n·n·3 (colour) of
    them. Raises DataError for a missing or odd column, a row of another length, or a field that is no
    whole number from 0 to 255.
    """
    train = _read(path)
    test_path = beside(path)
    if test_path is None:
        return assemble(path, train, None)
    try:
        test = _read(test_path)
    except NoLabelsError as error:  # the usual test file of a competition
        return assemble(
            path, train, None, skipped=(Skip(str(test_path), error.message.removeprefix(f"{test_path}: ")),)
        )
    return assemble(path, train, test)


def write_csv(dataset: Dataset, folder: Path) -> None:
    """Write NAME_train.csv and NAME_test.csv into `folder`.

    Raises DataError where pictures are not square, or classes are too many.
    """
    height, width, channels = dataset.shape
    if height != width or channels not in (1, 3) or len(dataset.class_names) > _MOST:
        raise DataError(
            f"CSV holds square pictures, grey or in three colours, of at most {_MOST} classes; these are "
            f"{height}×{width}×{channels} of {len(dataset.class_names)}.",
            "Choose parquet or npz.",
        )
    for part, split in (("train", dataset.train), ("test", dataset.test)):
        if split is not None:
            write_atomic(folder / f"{dataset.name}_{part}.csv", _writer(split))


class NoLabelsError(DataError):
    """The file has no `label` column."""


def _read(path: Path) -> Arrays:
    try:
        with file_errors(path), path.open("rb") as file:
            header = file.readline(_LONGEST_LINE).decode("utf-8-sig", "replace")
            label, pixels = pixel_columns(path, [name.strip(' "\r\n') for name in header.split(",")])
            blocks = []
            row = 1
            for text in _blocks(path, file):
                values = _parse(text, 1 + len(pixels))
                rows = None if values is None else values[:, pixels]
                if values is None or rows is None or rows.max(initial=0) > 255:
                    raise _first_fault(path, text, row, label, 1 + len(pixels))
                blocks.append((rows.astype(np.uint8), values[:, label].astype(np.int64)))
                row += len(values)
    except DataError:
        raise
    except LapelError as error:
        raise DataError(error.message, error.hint) from error
    if not blocks:
        raise DataError(f"{path}: holds a header and no rows.", "Check that this is the right file.")
    all_rows, labels = zip(*blocks, strict=True)
    return square(np.concatenate(all_rows), path), np.concatenate(labels)


def pixel_columns(path: Path, names: Sequence[str]) -> tuple[int, list[int]]:
    """Of a table's column names: where the label is, and where the pixels are in their order.

    Raises DataError where there is not one label, or a column is neither label nor pixel.
    """
    names = [name.casefold() for name in names]
    if names.count("label") != 1:
        raise NoLabelsError(
            f"{path}: expected one column named `label`; the columns are {', '.join(names[:4])[:80]}, ….",
            "The expected form is label,pixel1,…,pixel784.",
        )
    places: dict[int, int] = {}
    for place, name in enumerate(names):
        number = re.fullmatch(r"pixel[ _]?([0-9]{1,9})", name)
        if number and int(number[1]) not in places:
            places[int(number[1])] = place
        elif name != "label":
            raise DataError(
                f"{path}: column {place + 1} is named {name[:40]!r}; "
                "expected `label`, or `pixel` and a number of its own.",
                "Take the column out, or rename it.",
            )
    return names.index("label"), [places[number] for number in sorted(places)]


def _blocks(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """The rest of the file in blocks of whole lines, without empty ones."""
    rest = b""
    while block := file.read(_BLOCK):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise DataError(f"{path}: a line of more than {_LONGEST_LINE} bytes.", "Is this a CSV file?")
        if lines := _tidy(whole + newline):
            yield lines
    if lines := _tidy(rest):
        yield lines


def _tidy(lines: bytes) -> bytes:
    lines = lines.replace(b"\r", b"").strip(b"\n")
    if b"\n\n" in lines:
        lines = re.sub(rb"\n{2,}", b"\n", lines)
    return lines + b"\n" if lines else b""


def _parse(text: bytes, columns: int) -> NDArray[np.int16] | None:
    """Whole lines of numbers as an array (rows, columns); None where any line is not as it should be."""
    digits = np.frombuffer(text, dtype=np.uint8) - np.uint8(_ZERO)  # what is no digit wraps round to over 9
    ends = np.flatnonzero(digits > 9)
    marks = digits[ends] + np.uint8(_ZERO)
    lengths = np.diff(ends, prepend=-1) - 1
    if len(ends) % columns or lengths.min() < 1 or lengths.max() > 3:
        return None
    expected = np.full((len(ends) // columns, columns), _COMMA, dtype=np.uint8)
    expected[:, -1] = _LINE
    if (marks != expected.ravel()).any():
        return None
    values = digits[ends - 1].astype(np.int16)
    # The first field may have no byte that far before it; what is read there instead is not used.
    values += np.where(lengths > 1, digits[ends - 2], 0) * np.int16(10)
    values += np.where(lengths > 2, digits[ends - 3], 0) * np.int16(100)
    return values.reshape(-1, columns)


def _first_fault(path: Path, text: bytes, row: int, label: int, columns: int) -> DataError:
    """Say what is wrong with the first line of `text` that is not as it should be; it starts at `row`."""
    for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), start=row):
        fields = line.split(",")
        if len(fields) != columns:
            return DataError(
                f"{path}: row {number} has {len(fields)} fields; {columns} were expected.",
                "Every row needs a label and all pixels. Rows are counted from 1, after the header.",
            )
        for place, field in enumerate(fields):
            most = _MOST if place == label else 255
            if not re.fullmatch("[0-9]{1,3}", field) or int(field) > most:
                what = "label" if place == label else "pixel"
                return DataError(
                    f"{path}: row {number}, column {place + 1}: {field[:40]!r} is no whole number "
                    f"from 0 to {most}, as a {what} must be.",
                    "Rows are counted from 1, after the header.",
                )
    raise AssertionError("a block that was refused has a fault")


def _writer(split: Split) -> Callable[[BinaryIO], None]:
    """A function that writes these pictures: a row of numbers is put together from ready-made digits."""
    texts = [f"{number},".rjust(4).encode() for number in range(_MOST + 1)]
    characters = np.frombuffer(b"".join(texts), dtype=np.uint8).reshape(-1, 4)
    columns = split.pictures[0].size

    def write(file: BinaryIO) -> None:
        names = ["label", *(f"pixel{number}" for number in range(1, columns + 1))]
        file.write(",".join(names).encode() + b"\n")
        for start in range(0, len(split), _ROWS_WRITTEN):
            rows = slice(start, start + _ROWS_WRITTEN)
            pixels = split.pictures[rows].reshape(-1, columns)
            text = characters[np.column_stack([split.labels[rows], pixels])]
            text[:, -1, -1] = _LINE
            file.write(text[text != ord(" ")].tobytes())

    return write
