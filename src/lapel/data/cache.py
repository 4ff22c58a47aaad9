"""Pictures of photos, kept: what was decoded once lies in a folder of Lapel's own, which has a bound."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import PictureError
from ..files import file_errors, locked, make_folder, write_atomic
from ..picture import PictureSpec
from .cache_folder import ELSEWHERE, NO_ROOM, STATE, Cache
from .download import Progress
from .photos import decode_in_order, reason

_FORM = 1  # raised when the same photo becomes another picture than before
_PICTURES = "pictures.bin"
_STEP = 4096  # photos after which what is done is written down

LeftOut: TypeAlias = list[tuple[int, str]]  # places of photos that cannot be read, and why


@dataclass(frozen=True)
class PictureCache(Cache):
    """The decoded pictures in it: an entry for every list of photos and every PictureSpec."""

    def pictures(
        self, photos: Sequence[str], spec: PictureSpec, progress: Progress | None, what: str
    ) -> tuple[Path, LeftOut]:
        """The file with the pictures of all photos that can be read, in order; and which cannot, and why.

        Where they are not kept yet they are decoded; a process that was killed is gone on with. Raises
        DataError where they are more than the limit or the disk can take, and LapelError where the folder
        cannot be written.
        """
        make_folder(self.folder, elsewhere=ELSEWHERE)
        entry = self.folder / _key(photos, spec)
        with locked(entry.with_suffix(".lock"), elsewhere=ELSEWHERE):
            state = _read_state(entry)
            if not state["whole"]:
                make_folder(entry, elsewhere=ELSEWHERE)
                self.make_room(entry, len(photos) * math.prod(spec.shape))
                _fill(entry, state, photos, spec, progress, what)
            with suppress(OSError):  # another may own it
                os.utime(entry / STATE)
        return entry / _PICTURES, [(place, why) for place, why in state["left_out"]]


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
    with file_errors(path, elsewhere=ELSEWHERE, no_room=NO_ROOM), path.open("ab") as file:
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
                write_atomic(entry / STATE, json.dumps(state), elsewhere=ELSEWHERE, no_room=NO_ROOM)


def _read_state(entry: Path) -> dict[str, Any]:
    """What an entry has: how many photos were looked at, which were left out, and whether it is whole."""
    try:
        state = json.loads((entry / STATE).read_text())
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
