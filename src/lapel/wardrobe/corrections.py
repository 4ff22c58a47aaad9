"""What a person has set right in a wardrobe, as data that `lapel train` reads."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

from ..errors import DataError, LapelError
from ..index.rows import Hit
from .folder import WardrobeFolder

MOST_BYTES = 256 * 1024**2  # of all photos together


class NoCorrections(LapelError):
    """Nothing has been set right."""


class TooManyCorrections(LapelError):
    """More than is packed at once."""


def pack_corrections(wardrobe: WardrobeFolder) -> bytes:
    """A ZIP of the photos of which label or kind has been set right, with labels.csv and kinds.csv.

    Unpacked, `lapel train transfer --data FOLDER/kinds.csv` learns from them. A photo that is gone is left
    out. Raises NoCorrections where there are none, TooManyCorrections beyond MOST_BYTES.
    """
    file, size, tables = io.BytesIO(), 0, dict[str, list[tuple[str, str]]]()
    with zipfile.ZipFile(file, "w") as archive:
        for hit in wardrobe.index.rows(corrected=True):
            words = _words(hit)
            if not words:
                continue
            try:
                photo = wardrobe.photo(hit.id)
            except DataError:
                continue
            size += len(photo)
            if size > MOST_BYTES:
                raise TooManyCorrections(
                    f"The photos that were corrected have more than {MOST_BYTES // 1024**2} MiB together.",
                    f"They lie in {wardrobe.photos}, on the machine of the service.",
                )
            name = f"photos/{Path(hit.source).name}"
            archive.writestr(name, photo)
            for column, word in words.items():
                tables.setdefault(column, []).append((name, word))
        if not tables:
            raise NoCorrections(
                "No label and no kind has been corrected yet.", "Correct some where they are wrong."
            )
        for column, rows in tables.items():
            archive.writestr(f"{column}s.csv", _table(column, rows))
    return file.getvalue()


def _words(hit: Hit) -> dict[str, str]:
    said = {"label": hit.label, "kind": hit.kind}
    return {column: word for column, word in said.items() if column in hit.corrected}


def _table(column: str, rows: list[tuple[str, str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("file", column), *rows])
    return text.getvalue()
