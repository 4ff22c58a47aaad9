"""Pictures of photos, kept: what was decoded once lies in a folder of Lapel's own, which has a bound."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import DataError, LapelError, PictureError
from ..files import Locked, file_errors, locked, make_folder, write_atomic
from ..picture import PictureSpec
from .download import Progress
from .photos import decode_in_order, reason
from .places import cache_folder

_FORM = 1  # raised when the same photo becomes another picture than before
_USUAL_LIMIT = "50GB"
_LIMIT = "LAPEL_CACHE_LIMIT"
_PICTURES, _STATE = "pictures.bin", "state.json"
_STEP = 4096  # photos after which what is done is written down
_ELSEWHERE = "Set LAPEL_CACHE to a folder that you may write to: decoded pictures are kept there."
_NO_ROOM = "Free some space, or set LAPEL_CACHE to another disk, and run the same command again."
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}

LeftOut: TypeAlias = list[tuple[int, str]]  # places of photos that cannot be read, and why


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
class PictureCache:
    """The folder of decoded pictures: an entry for every list of photos and every PictureSpec.

    `limit` is how many bytes they take together, at most; those that were used least recently go first.
    """

    folder: Path = field(default_factory=lambda: cache_folder() / "pictures")
    limit: int = field(default_factory=lambda: read_size(os.environ.get(_LIMIT) or _USUAL_LIMIT))

    def pictures(
        self, photos: Sequence[str], spec: PictureSpec, progress: Progress | None, what: str
    ) -> tuple[Path, LeftOut]:
        """The file with the pictures of all photos that can be read, in order; and which cannot, and why.

        Where they are not kept yet they are decoded; a process that was killed is gone on with. Raises
        DataError where they are more than the limit or the disk can take, and LapelError where the folder
        cannot be written.
        """
        make_folder(self.folder, elsewhere=_ELSEWHERE)
        entry = self.folder / _key(photos, spec)
        with locked(entry.with_suffix(".lock"), elsewhere=_ELSEWHERE):
            state = _read_state(entry)
            if not state["whole"]:
                make_folder(entry, elsewhere=_ELSEWHERE)
                self._make_room(entry, len(photos) * math.prod(spec.shape))
                _fill(entry, state, photos, spec, progress, what)
            with suppress(OSError):  # another may own it
                os.utime(entry / _STATE)
        return entry / _PICTURES, [(place, why) for place, why in state["left_out"]]

    def entries(self) -> list[Path]:
        """The folder of each entry, the one first that was used least recently."""
        found = [path for path in self.folder.iterdir() if path.is_dir()] if self.folder.is_dir() else []
        return sorted(found, key=_used)

    def clean(self) -> int:
        """Throw all of it away but what a process is writing now. Gives the bytes that are free again."""
        return sum(self._remove(entry) for entry in self.entries())

    def _make_room(self, entry: Path, need: int) -> None:
        if need > self.limit:
            raise DataError(
                f"{self.folder}: the decoded pictures take {write_size(need)}, more than the "
                f"{write_size(self.limit)} that this cache may hold.",
                f"Make pictures smaller, or give it more: {_LIMIT}={math.ceil(need / 1e9)}GB.",
            )
        others = [other for other in self.entries() if other != entry]
        held = sum(map(_bytes_of, others))
        for other in others:
            if held + need <= self.limit:
                break
            held -= self._remove(other)
        with file_errors(self.folder):
            free = shutil.disk_usage(self.folder).free + _bytes_of(entry)
        if need > free:
            raise DataError(
                f"{self.folder}: the decoded pictures take {write_size(need)}; {write_size(free)} are free.",
                "Free some space, set LAPEL_CACHE to a folder on another disk, or make pictures smaller.",
            )

    def _remove(self, entry: Path) -> int:
        held = _bytes_of(entry)
        try:
            with locked(entry.with_suffix(".lock"), wait=False):
                shutil.rmtree(entry, ignore_errors=True)
        except Locked:
            return 0
        return held - _bytes_of(entry)


def _fill(
    entry: Path,
    state: dict[str, Any],
    photos: Sequence[str],
    spec: PictureSpec,
    progress: Progress | None,
    what: str,
) -> None:
    """Decode the photos that `state` does not have yet; afterwards it has all of them."""
    one, path = math.prod(spec.shape), entry / _PICTURES
    with file_errors(path, elsewhere=_ELSEWHERE, no_room=_NO_ROOM), path.open("ab") as file:
        file.truncate((state["photos"] - len(state["left_out"])) * one)
        for found in decode_in_order(photos, spec, progress, what, begin=state["photos"]):
            if isinstance(found, PictureError):
                state["left_out"].append([state["photos"], reason(found, photos[state["photos"]])])
            else:
                file.write(found.data)
            state["photos"] += 1
            state["whole"] = state["photos"] == len(photos)
            if state["photos"] % _STEP == 0 or state["whole"]:
                file.flush()
                os.fsync(file.fileno())
                # After the pictures: whatever is cut off in between is decoded again.
                write_atomic(entry / _STATE, json.dumps(state), elsewhere=_ELSEWHERE, no_room=_NO_ROOM)


def _read_state(entry: Path) -> dict[str, Any]:
    """What an entry has: how many photos were looked at, which were left out, and whether it is whole."""
    try:
        state = json.loads((entry / _STATE).read_text())
        return {name: state[name] for name in ("photos", "left_out", "whole")}
    except (OSError, ValueError, LookupError, TypeError):  # nothing yet, or nothing to be relied on
        return {"photos": 0, "left_out": [], "whole": False}


def _key(photos: Sequence[str], spec: PictureSpec) -> str:
    """The name of an entry: other paths, sizes, times or settings have another one."""
    digest = hashlib.sha256(json.dumps([_FORM, spec.to_dict()]).encode())
    for photo in photos:
        try:
            status = os.stat(photo)  # noqa: PTH116  # a Path for each of a million photos takes long
            size, time = status.st_size, status.st_mtime_ns
        except (OSError, ValueError):
            size, time = -1, -1
        digest.update(f"{photo}\0{size}\0{time}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _used(entry: Path) -> tuple[int, str]:
    try:
        return (entry / _STATE).stat().st_mtime_ns, entry.name
    except OSError:
        return 0, entry.name


def _bytes_of(entry: Path) -> int:
    held = 0
    with suppress(OSError):
        held = sum(path.stat().st_size for path in entry.iterdir())
    return held
