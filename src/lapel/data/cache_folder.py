"""Lapel's own folder of what took long to make, and would be made again: it has a bound."""

from __future__ import annotations

import math
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError, LapelError
from ..files import Locked, file_errors, locked
from .places import cache_folder

STATE = "state.json"  # in each entry: what it holds; its time is when it was used last
ELSEWHERE = "Set LAPEL_CACHE to a folder that you may write to: what took long to make is kept there."
NO_ROOM = "Free some space, or set LAPEL_CACHE to another disk, and run the same command again."

_USUAL_LIMIT = "50GB"
_LIMIT = "LAPEL_CACHE_LIMIT"
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def read_size(text: str) -> int:
    """A number of bytes as people write it. Raises LapelError for what is none.

    >>> read_size("1.5 GB")
    1500000000
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*", text.casefold())
    if found is None:
        raise LapelError(f"{text!r} is no size.", "Write it as 500MB, 20GB or 1TB.")
    unit = 1024 ** list(_UNITS).index(found[2]) if found[3] else _UNITS[found[2]]
    return int(float(found[1]) * unit)


def write_size(count: int) -> str:
    """A number of bytes for people.

    >>> write_size(1_250_000_000)
    '1.2 GB'
    """
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:,} bytes"


@dataclass(frozen=True)
class Cache:
    """A folder of entries, each a folder.

    `limit` is how many bytes they take together, at most; those that were used least recently go first.
    """

    folder: Path = field(default_factory=lambda: cache_folder() / "pictures")
    limit: int = field(default_factory=lambda: read_size(os.environ.get(_LIMIT) or _USUAL_LIMIT))

    def entries(self) -> list[Path]:
        """The folder of each entry, the one first that was used least recently."""
        found = [path for path in self.folder.iterdir() if path.is_dir()] if self.folder.is_dir() else []
        return sorted(found, key=_used)

    def clean(self) -> int:
        """Throw all of it away but what a process is writing now. Gives the bytes that are free again."""
        return sum(self._remove(entry) for entry in self.entries())

    def make_room(self, entry: Path, need: int) -> None:
        """Throw others away until so many bytes fit. Raises DataError where they cannot."""
        if need > self.limit:
            raise DataError(
                f"{self.folder}: what is to be kept takes {write_size(need)}, more than the "
                f"{write_size(self.limit)} that this cache may hold.",
                f"Make pictures smaller, or give it more: {_LIMIT}={math.ceil(need / 1e9)}GB.",
            )
        others = [other for other in self.entries() if other != entry]
        held = sum(map(bytes_of, others))
        for other in others:
            if held + need <= self.limit:
                break
            held -= self._remove(other)
        with file_errors(self.folder):
            free = shutil.disk_usage(self.folder).free + bytes_of(entry)
        if need > free:
            raise DataError(
                f"{self.folder}: what is to be kept takes {write_size(need)}; {write_size(free)} are free.",
                "Free some space, set LAPEL_CACHE to a folder on another disk, or make pictures smaller.",
            )

    def _remove(self, entry: Path) -> int:
        held = bytes_of(entry)
        try:
            with locked(entry.with_suffix(".lock"), wait=False):
                shutil.rmtree(entry, ignore_errors=True)
        except Locked:
            return 0
        return held - bytes_of(entry)


def _used(entry: Path) -> tuple[int, str]:
    try:
        return (entry / STATE).stat().st_mtime_ns, entry.name
    except OSError:
        return 0, entry.name


def bytes_of(entry: Path) -> int:
    """How many bytes an entry takes."""
    held = 0
    with suppress(OSError):
        held = sum(path.stat().st_size for path in entry.iterdir())
    return held
