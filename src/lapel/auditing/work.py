"""What an audit has computed so far, kept so that one that was killed goes on."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import LapelError
from ..files import Locked, file_errors, locked, make_folder, remove_partials, write_atomic

Arrays = dict[str, NDArray[Any]]

_FACTS, _PARTS, _LOCK = "audit.json", "parts", ".lock"
_ELSEWHERE = "Choose another place with --out."
_OTHER = "Choose another folder with --out, or move this one away."


class Work:
    """The folder of an audit: what it is of, and the parts that are computed.

    Without a folder nothing is kept. Raises LapelError where the folder holds something else, or the audit of
    other pictures or with other settings.
    """

    def __init__(self, folder: Path | None, facts: Mapping[str, Any]) -> None:
        self.folder = folder
        if folder is None:
            return
        known = _known(folder)
        if known is None:
            make_folder(folder, elsewhere=_ELSEWHERE)
            write_atomic(folder / _FACTS, json.dumps(dict(facts), indent=2) + "\n", elsewhere=_ELSEWHERE)
        elif known != dict(facts):
            different = [word for word in facts if known.get(word) != facts[word]]
            raise LapelError(
                f"{folder}: holds another audit; "
                + "; ".join(f"{word} was {known.get(word)!r}, now {facts[word]!r}" for word in different)
                + ".",
                _OTHER,
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder while working in it. Raises LapelError where another process does."""
        if self.folder is None:
            yield
            return
        try:
            with locked(self.folder / _LOCK, wait=False, elsewhere=_ELSEWHERE):
                remove_partials(self.folder)
                remove_partials(self.folder / _PARTS)
                yield
        except Locked as error:
            raise LapelError(f"{self.folder}: another process works on this audit.", _OTHER) from error

    def part(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Arrays that were kept by this name, or else what `make` gives, which is kept."""
        if self.folder is None:
            return make()
        path = self.folder / _PARTS / f"{name}.npz"
        if path.exists():
            try:
                with file_errors(path), path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                    return dict(kept)
            except (ValueError, EOFError, zipfile.BadZipFile) as error:
                raise LapelError(f"{path}: not whole.", "Delete it; it is computed again.") from error
        arrays = make()

        def write(file: BinaryIO) -> None:
            np.savez(file, allow_pickle=False, **arrays)

        write_atomic(path, write, elsewhere=_ELSEWHERE)
        return arrays


def _known(folder: Path) -> dict[str, Any] | None:
    """What the audit in a folder is of; None where there is none. Raises LapelError where it is not empty."""
    path = folder / _FACTS
    with file_errors(folder):
        if path.exists():
            try:
                return dict(json.loads(path.read_text()))
            except ValueError as error:
                raise LapelError(f"{path}: not the facts of an audit.", _OTHER) from error
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise LapelError(f"{folder}: holds something else than an audit.", _OTHER)
    return None
