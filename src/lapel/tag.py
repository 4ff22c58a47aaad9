"""From a catalogue of photos to rows of tags."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from .decode import source_name
from .errors import PictureError
from .tagger import Tag, Tagger, Untagged

# By their names alone: opening every other file of a folder would take long and say nothing new.
_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif"}


def tag_catalogue(tagger: Tagger, paths: Iterable[Path]) -> Iterator[Tag | Untagged]:
    """Label files, and the photos in folders, in the order given: one row each, and never a PictureError.

    A file that cannot be read comes back Untagged, and so does a folder that may not be looked into or
    that holds no photos.
    """
    found = (item for path in paths for item in photos(path))
    for known, items in groupby(found, key=lambda item: isinstance(item, Untagged)):
        if known:
            yield from (item for item in items if isinstance(item, Untagged))
        else:
            yield from tagger.tag_many(item for item in items if isinstance(item, Path))


def photos(path: Path) -> Iterator[Path | Untagged]:
    """The photos in a folder and the folders in it, by name; any other path gives itself.

    Hidden files and links to folders are passed over.
    """
    if not path.is_dir():
        yield path
        return
    closed: list[OSError] = []
    found = False
    for folder, folders, files in os.walk(path, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in _SUFFIXES:
                found = True
                yield Path(folder, name)
    for error in closed:
        reason = (error.strerror or "no reason given").lower()
        yield _unread(Path(error.filename), f"a folder that cannot be looked into ({reason})")
    if not found and not closed:
        yield _unread(path, "a folder without pictures in it")


def _unread(path: Path, why: str) -> Untagged:
    return Untagged(str(path), PictureError(f"{source_name(path)}: {why}."))
