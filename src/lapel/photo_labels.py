"""Somebody's own labelled photos: a folder per label, or a table of files and labels."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .data.listing import group_finder
from .data.registry import slug
from .errors import DataError, PictureError, did_you_mean
from .files import file_errors
from .tag.inputs import Catalogue, Photo

OTHER = -1  # the label of what is none of the classes

_FILES = ("file", "path", "photo", "image", "filename", "file_name", "image_path")
_LABELS = ("label", "class", "category")
_TRAIN, _VALIDATION, _TEST = {"train", "training"}, {"val", "valid", "validation"}, {"test", "testing"}
_NEAR = 0.82  # of a name; "skirt" and "shirt", which are both right, are less alike
_FORM = "Give a folder with a folder for each label, or a CSV table with the columns file and label."


@dataclass(frozen=True)
class LabelledPhoto:
    """A photo, what its owner calls it, and the group that it belongs to (empty without groups)."""

    photo: Photo
    label: str
    group: str = ""


@dataclass(frozen=True)
class Labels:
    """What the labels mean to a model: the number of a class for each, or OTHER.

    `near` holds the labels that count as other things and are almost the name of a class, with that name.
    """

    numbers: dict[str, int]
    near: dict[str, str]


def holds_photos(data: Path) -> bool:
    """Whether this is a folder per label, or a table of files, and not pictures in a form of their own."""
    if data.is_file():
        return data.suffix.lower() == ".csv" and _place(_header(data), _FILES) is not None
    return data.is_dir() and bool(_folders(data)) and not any(data.glob("*-ubyte*"))


def read_labelled(data: Path, *, by: str | None = None, test: bool = False) -> list[LabelledPhoto]:
    """The photos of a folder or of a table, in their order, each with its label.

    A photo's label is the name of the folder in which its folder per label lies; in a table the column
    `label` (or class, category), and files are relative to its folder, or to the one above. Rows without a
    label are left out. `by` names the column with the group; in a folder it is a pattern on the path, such as
    "{group}_*.jpg". Of train/ and test/, `test` takes the photos in test/, else those in val/, or in train/
    without it.

    Raises DataError where there are no labels, no photos, or no such column or pattern.
    """
    if data.is_file():
        if test:
            raise DataError(f"{data}: a table has no test photos apart.", "Leave --test out.")
        return list(_of_table(data, by))
    found = list(_of_folder(_part(data, test), by))
    if not found:
        raise DataError(f"{data}: no photos in the folders in it.", _FORM)
    return found


def match_labels(labels: Iterable[str], class_names: Sequence[str]) -> Labels:
    """Find the class of each label: by name, however it is written, or by its number from 0 on.

    >>> match_labels(["t-shirt-top", "1", "coats", "hat"], ["T-shirt/top", "Trouser", "Coat"])
    Labels(numbers={'t-shirt-top': 0, '1': 1, 'coats': -1, 'hat': -1}, near={'coats': 'Coat'})
    """
    places = {str(number): number for number in range(len(class_names))}
    # A class may be called "7", and be another than the seventh.
    places |= {slug(name): number for number, name in enumerate(class_names)}
    numbers = {label: places.get(label if label == "-1" else slug(label), OTHER) for label in labels}
    others = [label for label, number in numbers.items() if number == OTHER]
    near = {label: name for label in others if (name := _nearest(label, class_names))}
    return Labels(numbers, near)


def _nearest(label: str, class_names: Sequence[str]) -> str:
    """The class that the label is a plural or a misspelling of; nothing where there is none."""
    forms = {
        slug(part).replace("-", ""): name for name in class_names for part in (name, *re.split("[/,]", name))
    }
    word = slug(label).replace("-", "")
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if form in forms:
            return forms[form]
    near = difflib.get_close_matches(word, forms, n=1, cutoff=_NEAR)
    return forms[near[0]] if near else ""


def _part(folder: Path, test: bool) -> Path:
    """The folder that holds the folders per label."""
    inside = {path.name.casefold(): path for path in _folders(folder)}
    parts = [{inside[name] for name in inside.keys() & names} for names in (_TEST, _VALIDATION, _TRAIN)]
    apart = bool(parts[2]) and inside.keys() <= _TRAIN | _VALIDATION | _TEST
    if test and not (apart and parts[0]):
        raise DataError(
            f"{folder}: it has no test photos apart.", "Leave --test out: all of them are judged."
        )
    if not apart:
        return folder
    return (parts[0] if test else parts[1] or parts[2]).pop()


def _of_folder(folder: Path, by: str | None) -> Iterator[LabelledPhoto]:
    find = (lambda _: "") if by is None else group_finder(by, folder)
    for inside in _folders(folder):
        for photo in Catalogue([str(inside)]):
            # Of a folder that holds no photos, there is nothing to say.
            if not isinstance(photo.source, PictureError):
                yield LabelledPhoto(photo, inside.name, find(str(Path(photo.name).relative_to(folder))))


def _of_table(table: Path, by: str | None) -> Iterator[LabelledPhoto]:
    names = _header(table)
    file, label = _place(names, _FILES), _place(names, _LABELS)
    if file is None or label is None:
        raise DataError(
            f"{table}: one column with files and one with labels are needed; there are "
            f"{', '.join(names)[:200]}.",
            f"Call them file and label ({', '.join(_FILES[1:])}; {', '.join(_LABELS[1:])} will do).",
        )
    if by is not None and by not in names:
        raise DataError(f'{table}: there is no column "{by}".', did_you_mean(by, names))
    needed = max(file, label)
    base: Path | None = None
    for number, row in enumerate(_rows(table), start=1):
        if number == 1 or not row:
            continue
        if len(row) <= needed:
            raise DataError(f"{table}: row {number} has {len(row)} fields; expected {len(names)}.", _FORM)
        if row[label].strip():
            group = "" if by is None else dict(zip(names, row, strict=False)).get(by, "")
            base = base or _base(table, row[file])
            photo = Photo(row[file], str(base / row[file]))
            yield LabelledPhoto(photo, row[label].strip(), group)


def _base(table: Path, file: str) -> Path:
    """What the files of a table are relative to: its folder, or the one above where the first lies so."""
    above = table.absolute().parent.parent
    return above if not (table.parent / file).exists() and (above / file).exists() else table.parent


def _header(table: Path) -> list[str]:
    try:
        return [name.strip() for name in next(_rows(table), [])]
    except DataError:
        return []


def _rows(table: Path) -> Iterator[list[str]]:
    with file_errors(table), table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        try:
            yield from csv.reader(file)
        except csv.Error as error:
            raise DataError(f"{table}: no readable CSV file ({error}).", "Save the table again.") from error


def _place(names: Sequence[str], known: Sequence[str]) -> int | None:
    """Where the first of the known names stands among the columns."""
    lower = [name.casefold() for name in names]
    return next((lower.index(name) for name in known if name in lower), None)


def _folders(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))
    )
