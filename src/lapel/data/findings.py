"""The table of what an audit found in a dataset, written by it and read by a training."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import file_errors
from .dataset import Dataset

DOUBTFUL = "doubtful label"
TABLE = "audit.csv"
_COLUMNS = ("rank", "split", "index", "file", "label", "suggested", "score", "reasons", "like")
_BETWEEN = "; "  # reasons


@dataclass(frozen=True)
class Finding:
    """A picture that deserves a look: its `split` and `index` there, and its `file` where it was a photo.

    `score` is the probability of the given label by networks that had not learned from it, and `rank` its
    place among the pictures of its split, the most doubtful first. `suggested` is the most probable label.
    `like` names the picture that is nearly the same, as in "train 17".
    """

    rank: int
    split: str
    index: int
    file: str
    label: str
    suggested: str
    score: float
    reasons: tuple[str, ...]
    like: str = ""


def write_table(findings: Sequence[Finding]) -> str:
    """The rows as CSV."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in findings:
        values = asdict(one) | {"reasons": _BETWEEN.join(one.reasons)}
        writer.writerow([values[column] for column in _COLUMNS])
    return file.getvalue()


def read_doubtful(path: Path, dataset: Dataset) -> NDArray[np.intp]:
    """The places of training pictures whose label is doubtful by an audit: its folder or its table.

    Raises DataError where that is no table of an audit, or it does not fit the dataset.
    """
    path = path / TABLE if path.is_dir() else path
    hint = "Give the folder of `lapel audit`, or the audit.csv in it."
    try:
        with file_errors(path), path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != _COLUMNS:
                raise DataError(f"{path}: not the table of an audit, to judge by its first line.", hint)
            rows = [row for row in reader if row["split"] == "train"]
            doubted = [row for row in rows if DOUBTFUL in row["reasons"].split(_BETWEEN)]
            places = np.array([int(row["index"]) for row in doubted], np.intp)
    except (UnicodeDecodeError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(f"{path}: not the table of an audit ({error}).", hint) from error
    for row, place in zip(doubted, places.tolist(), strict=True):
        there = None
        if 0 <= place < len(dataset.train):
            photo = dataset.files[place] if dataset.files else ""
            there = dataset.class_names[dataset.train.labels[place]], photo
        if there != (row["label"], row["file"]):
            raise DataError(
                f"{path}: training picture {place} is {row['label']} {row['file']} there; {dataset.name} has "
                "another at that place.",
                "Audit the dataset as it is now.",
            )
    return places
