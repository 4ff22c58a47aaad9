"""Writing a dataset in any form that can be read again: all of it, or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..errors import DataError, did_you_mean
from ..files import file_errors
from .dataset import Dataset
from .folder import write_folder
from .idx import write_idx
from .npz import write_npz
from .parquet import write_parquet
from .table import write_csv

_FOLDERS: dict[str, Callable[[Dataset, Path], None]] = {
    "csv": write_csv,
    "folder": write_folder,
    "idx": write_idx,
    "parquet": write_parquet,
}
FORMS = (*_FOLDERS, "npz")


def save_data(dataset: Dataset, path: str | os.PathLike[str], form: str, *, overwrite: bool = False) -> Path:
    """Write `dataset` to `path` as csv, parquet, idx or folder (each a folder), or npz (a file).

    Nothing is seen at `path` before all is written. What is there already is replaced only with
    `overwrite`, and a folder only when it holds nothing but what is written anew. Returns the path.

    Raises DataError for an unknown form, for what a form cannot hold, or when `path` is taken, and
    LapelError when the disk is full or cannot be written.
    """
    target = Path(path).expanduser()
    if form not in FORMS:
        raise DataError(f"There is no form {form!r} to write a dataset in.", did_you_mean(form, FORMS))
    if (target.exists() or target.is_symlink()) and not overwrite:
        raise DataError(f"{target}: already there.", "Choose another path, or overwrite it with --overwrite.")
    if form != "npz":
        _write_folder(dataset, target, _FOLDERS[form])
    elif target.is_dir():
        raise DataError(f"{target}: a folder, but npz is written as one file.", "Choose the path of a file.")
    else:
        write_npz(dataset, target)
    return target


def _write_folder(dataset: Dataset, target: Path, write: Callable[[Dataset, Path], None]) -> None:
    """Write beside `target`, then exchange the two."""
    with file_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
    try:
        new, old = room / "new", room / "old"
        with file_errors(target):
            new.mkdir()
        write(dataset, new)
        with file_errors(target):
            if target.exists():
                _only_holds(target, {path.name for path in new.iterdir()})
                target.rename(old)
            new.rename(target)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _only_holds(folder: Path, names: set[str]) -> None:
    """Refuse to replace a folder in which something else lies, or a file."""
    if not folder.is_dir():
        raise DataError(f"{folder}: a file, but this form is written as a folder.", "Choose another path.")
    others = sorted(path.name for path in folder.iterdir() if path.name not in names)
    if others:
        raise DataError(
            f"{folder}: not replaced, since it also holds {', '.join(others[:4])}.",
            "Choose another path, or move away what is not part of the dataset.",
        )
