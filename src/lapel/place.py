"""A new file or folder in its place, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ModelError
from .files import file_errors, make_folder

_ELSEWHERE = "Choose another place with --out."


def require_free(target: Path, overwrite: bool, folder: bool) -> None:
    """Raise ModelError where something is at `target` that may not be overwritten."""
    if target.is_dir() and not folder:
        raise ModelError(f"{target}: a folder; a model is a file.", f"Give a name: {target / 'model.onnx'}")
    if target.exists() and not overwrite:
        raise ModelError(f"{target} exists already.", "Give another path, or allow it with --overwrite.")
    if folder and target.exists() and not target.is_dir():
        raise ModelError(f"{target}: a file; this form is a folder.", _ELSEWHERE)


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A path beside `target` to write a file or a folder to, which takes its place when the block is done.

    Where the block raises, what was there before is untouched. Raises ModelError where a folder holds files
    that would not be replaced: those are somebody's.
    """
    make_folder(target.parent, elsewhere=_ELSEWHERE)
    with file_errors(target, elsewhere=_ELSEWHERE):
        beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
        try:
            made = beside / "made"
            yield made
            for path in [made, *made.rglob("*")] if made.is_dir() else [made]:
                _sync(path)
            if target.is_dir():
                _require_same_files(target, made)
                target.replace(beside / "before")
            try:
                made.replace(target)
            except OSError:
                if (beside / "before").exists():
                    (beside / "before").replace(target)
                raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _sync(path: Path) -> None:
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _require_same_files(target: Path, made: Path) -> None:
    others = sorted(_files_in(target) - _files_in(made))
    if others:
        raise ModelError(
            f"{target}: holds {others[0]}, which no model of this form does; it is not replaced.", _ELSEWHERE
        )


def _files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def bytes_of(path: Path) -> int:
    """The size of a file, or of all in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
