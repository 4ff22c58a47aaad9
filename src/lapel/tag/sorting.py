"""Photos sorted into a folder per label, or per reason, without moving or overwriting any."""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ..errors import LapelError
from ..files import file_errors
from ..tagger import Tag
from .inputs import Photo
from .pipeline import Row


class Sorting:
    """Puts a copy of each photo, or with `link` a symbolic link to it, into the folder of its label.

    A photo whose tag is not accepted goes into a folder named after the reason, one of `reasons`.
    `dry` only tells where each would go. Going over the same photos again adds nothing.
    """

    def __init__(
        self,
        folder: Path,
        class_names: Sequence[str],
        reasons: Sequence[str],
        *,
        link: bool = False,
        dry: bool = False,
    ) -> None:
        self._link, self._dry = link, dry
        self._folders: dict[tuple[bool, str], Path] = {}  # by whether it is accepted, and its label or reason
        for accepted, name in [*((True, name) for name in class_names), *((False, name) for name in reasons)]:
            # A label comes out of a model file, and may be no name for a folder, or the name of another.
            plain = "".join(c if c.isalnum() or c in " -_.,&+()" else "-" for c in name).strip(" .") or "-"
            same = {place.name.casefold() for place in self._folders.values()}
            while plain.casefold() in same:
                plain += "-"
            self._folders[accepted, name] = folder / plain

    def add(self, photo: Photo, row: Row) -> tuple[Path, Path] | None:
        """Sort one photo: from where to where; None where it is there already, or was not read.

        Raises LapelError where the photo is no file, or the folder cannot be written.
        """
        if not isinstance(row, Tag):
            return None
        if not isinstance(photo.source, str):
            raise LapelError(
                f"{photo.name}: it is no file that could be sorted into a folder.",
                "Leave out --sort-into for tables that hold the photos themselves.",
            )
        # Of a link, the photo; and of a relative path, one that holds wherever a link to it lies.
        source = Path(os.path.realpath(photo.source))
        name = Path(photo.source).name
        target = self._folders[row.accepted, row.reason or row.label] / name
        with file_errors(target, elsewhere="Choose another folder with --sort-into."):
            free = self._free(source, target)
            if free is not None and not self._dry:
                free.parent.mkdir(parents=True, exist_ok=True)
                self._put(source, free)
        return None if free is None else (source, free)

    def _free(self, source: Path, target: Path) -> Path | None:
        """Where there is room for it: `target`, or beside another of that name; None where it is there."""
        mark = hashlib.sha256(os.fsencode(source)).hexdigest()[:8]
        for place in (target, target.with_name(f"{target.stem}-{mark}{target.suffix}")):
            if not os.path.lexists(place):
                return place
            if self._is(source, place):
                return None
        raise LapelError(
            f"{place}: another file is there, and none is overwritten.",
            "Choose another folder with --sort-into.",
        )

    def _is(self, source: Path, target: Path) -> bool:
        if target.is_symlink():
            return Path(os.path.realpath(target)) == source
        # Where size and time are alike, the bytes are not read: the copy was given the time of the photo.
        return not self._link and target.is_file() and filecmp.cmp(source, target)

    def _put(self, source: Path, target: Path) -> None:
        if self._link:
            target.symlink_to(source)
            return
        # A process killed in the midst of it leaves no half of a photo under its name.
        part = target.with_name(f".{target.name}.part")
        part.unlink(missing_ok=True)
        shutil.copy2(source, part)
        part.rename(target)
