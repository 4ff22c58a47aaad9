"""The folder of a wardrobe: photos, their index and the kept outfits. Nothing outside it is ever changed."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..decode import form_suffix
from ..errors import DataError, LapelError
from ..files import file_errors, locked, make_folder, remove_partials, write_atomic
from ..index.describe import Models
from ..index.index import Index, create_index
from ..index.rows import Hit
from ..index.store import table_names
from ..matching.outfit import judge_outfit
from ..matching.pairs import Pairs
from ..matching.rules import Role, load_rules
from ..matching.wardrobe import garment_of, with_pattern
from .outfits import FullWardrobe, KeptOutfit, OutfitFile

MOST = 10_000  # photos
MOST_BYTES = 20 * 1024**3  # of all of them

_INDEX, _PHOTOS, _OUTFITS, _LOCK = "index.lapel", "photos", "outfits.json", ".lock"
_NAME = re.compile(r"[0-9a-f]{32}\.[a-z]{3,4}")  # of a photo: by its content
_ELSEWHERE = "Choose another folder for the wardrobe."


class UnknownGarment(LapelError):
    """There is no garment, or no kept outfit, of that id."""


class WardrobeFolder:
    """A wardrobe on disk. Made by `open_wardrobe`; any number of processes may use it at the same time."""

    def __init__(self, path: Path, index: Index) -> None:
        self.path, self.index = path, index
        self.photos = path / _PHOTOS
        self._outfits = OutfitFile(path / _OUTFITS)

    def add(self, data: bytes) -> tuple[Hit, bool]:
        """Take in a photo: its garment, and whether it is new here.

        What is no photo, or too large a one, is never written. Raises PictureError for that, FullWardrobe
        where there is no room by MOST and MOST_BYTES, and LapelError where the disk refuses.
        """
        digest = hashlib.sha256(data).hexdigest()
        if known := self.index.find_copy(digest):
            return known, False
        seen = self.index.describer.describe_photo(data)
        path = self.photos / f"{digest[:32]}{form_suffix(data)}"
        with self._changes():
            if known := self.index.find_copy(digest):  # somebody else has been quicker
                return known, False
            self._check_room(len(data))
            write_atomic(path, data, elsewhere=_ELSEWHERE)
            try:
                return self.index.take(path, digest, seen), True
            except BaseException:
                path.unlink(missing_ok=True)
                raise

    def get(self, garment: str) -> Hit:
        """The garment of this id. Raises UnknownGarment where there is none."""
        for hit in self.index.find([garment]):
            return hit
        raise UnknownGarment(f'There is no garment "{garment[:100]}" in this wardrobe.')

    def photo(self, garment: str) -> bytes:
        """The photo of a garment, as it was added. Raises UnknownGarment and DataError."""
        path = self._file(self.get(garment))
        if path is None or not path.is_file():
            raise DataError(f"{self.photos}: the photo of {garment} is gone.", "Remove it, and add it again.")
        with file_errors(path):
            return path.read_bytes()

    def correct(
        self,
        garment: str,
        *,
        label: str | None = None,
        kind: str | None = None,
        colours: Sequence[str] | None = None,
    ) -> Hit:
        """Set right what the models say of a garment, as `Index.correct` does."""
        self.get(garment)
        return self.index.correct(garment, label=label, kind=kind, colours=colours)

    def remove(self, garment: str) -> None:
        """Take a garment out: its photo, and the outfits that it is part of. Raises UnknownGarment."""
        with self._changes():
            hit = self.get(garment)
            self._outfits.drop_garment(hit.id)
            self.index.remove([hit.id])
            if path := self._file(hit):
                with file_errors(path):
                    path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Take everything out. What is not of the wardrobe stays."""
        with self._changes():
            with file_errors(self.path):
                self._outfits.path.unlink(missing_ok=True)
            self.index.clear()
            for path in list(self._files()):
                with file_errors(path):
                    path.unlink(missing_ok=True)

    def outfits(self) -> list[tuple[KeptOutfit, dict[Role, Hit]]]:
        """The outfits that were kept and of which all garments are still here, the last first."""
        kept = self._outfits.read()
        wanted = {garment for outfit in kept for garment in outfit.garments.values()}
        hits = {hit.id: hit for hit in self.index.find(sorted(wanted))}
        return [
            (outfit, {role: hits[garment] for role, garment in outfit.garments.items()})
            for outfit in reversed(kept)
            if all(garment in hits for garment in outfit.garments.values())
        ]

    def keep_outfit(self, garments: Mapping[Role, str]) -> tuple[KeptOutfit, dict[Role, Hit]]:
        """Keep an outfit of these garments by their roles, with what the rules say of it.

        Raises UnknownGarment, and LapelError for garments that make none.
        """
        if len(set(garments.values())) < max(2, len(garments)):
            raise LapelError("An outfit has two garments or more, each of them once.")
        hits, rules = {role: self.get(garment) for role, garment in garments.items()}, load_rules()
        for hit in hits.values():
            if hit.kind not in rules.kinds:
                raise LapelError(f'The rules of outfits say nothing of the kind "{hit.kind}".')
        pieces = [(role, with_pattern(garment_of(hit), hit.thumbnail, rules)) for role, hit in hits.items()]
        outfit = judge_outfit(pieces, Pairs(rules))
        with self._changes():
            return self._outfits.keep(outfit), hits

    def drop_outfit(self, outfit: str) -> None:
        """Keep an outfit no longer. Raises UnknownGarment where there is none of this id."""
        with self._changes():
            if not self._outfits.drop(outfit):
                raise UnknownGarment(f'There is no outfit "{outfit[:100]}" in this wardrobe.')

    @contextmanager
    def _changes(self) -> Iterator[None]:
        """Photos, rows and outfits change together: one at a time does that, in all processes."""
        with locked(self.path / _LOCK, elsewhere=_ELSEWHERE):
            yield

    def _files(self) -> Iterator[Path]:
        """The photos that are files of the wardrobe, whatever the index says."""
        for path in self.photos.iterdir():
            if _NAME.fullmatch(path.name):
                yield path

    def _file(self, hit: Hit) -> Path | None:
        """Where the photo of a garment lies: here, wherever the folder was when it was added."""
        name = Path(hit.source).name
        return self.photos / name if _NAME.fullmatch(name) else None

    def _check_room(self, more: int) -> None:
        with file_errors(self.photos):
            sizes = [path.stat().st_size for path in self._files()]
        if len(sizes) >= MOST:
            raise FullWardrobe(f"The wardrobe has {MOST:,} photos, and takes no more.", "Remove some.")
        if sum(sizes) + more > MOST_BYTES:
            raise FullWardrobe(
                f"The wardrobe's photos have {MOST_BYTES // 1024**3} GiB, and it takes no more.",
                "Remove some, or add smaller ones.",
            )


def check_wardrobe(path: Path) -> None:
    """Raise LapelError where a folder cannot be a wardrobe, because something else is there."""
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise LapelError(f"{path}: a file; a wardrobe is a folder.", _ELSEWHERE)
    if table_names(path):
        raise LapelError(
            f"{path}: an index, and not the folder of a wardrobe.", f"Serve it as one: --index {path}"
        )
    with file_errors(path):
        others = {one.name for one in path.iterdir()} - {_INDEX, _PHOTOS, _OUTFITS, _LOCK}
    if others and not table_names(path / _INDEX):
        raise LapelError(f"{path}: something else is there, and nothing is overwritten.", _ELSEWHERE)
    for name in (_INDEX, _PHOTOS):
        place = path / name
        if os.path.lexists(place) and (place.is_symlink() or not place.is_dir()):
            raise LapelError(f"{place}: no folder of a wardrobe's own.", _ELSEWHERE)


def open_wardrobe(path: str | Path, models: Models | None = None) -> WardrobeFolder:
    """Open a wardrobe, or begin one where the folder is empty or not there.

    Raises LapelError where something else is there, and what `open_index` raises.
    """
    path = Path(path)
    check_wardrobe(path)
    make_folder(path / _PHOTOS, elsewhere=_ELSEWHERE)
    with locked(path / _LOCK, elsewhere=_ELSEWHERE):
        wardrobe = WardrobeFolder(path, create_index(path / _INDEX, models))
        remove_partials(wardrobe.photos)
    return wardrobe
