"""What a network that stays as it is makes of pictures, kept: another head is fitted to it in seconds."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import LapelError
from ..files import locked, make_folder, write_atomic
from .cache_folder import ELSEWHERE, NO_ROOM, STATE, Cache, bytes_of

_MARK = 16  # bytes of a picture's mark

Features: TypeAlias = dict[bytes, NDArray[np.float32]]  # by the mark of a picture: a row


def mark(picture: NDArray[np.uint8]) -> bytes:
    """What tells a picture (height, width, channels; contiguous) from every other one."""
    return hashlib.blake2b(picture.data, digest_size=_MARK, salt=str(picture.shape).encode()[:16]).digest()


@dataclass(frozen=True)
class FeatureCache(Cache):
    """The features in it: an entry for every network, whose files hold some pictures each."""

    def read(self, network: str) -> Features:
        """All that is kept of a network, by its digest; nothing where nothing can be read."""
        entry, found = self._entry(network), Features()
        if not entry.is_dir():
            return found
        with suppress(LapelError), locked(entry.with_suffix(".lock"), elsewhere=ELSEWHERE):
            with suppress(OSError):
                (entry / STATE).touch()
            for path in sorted(entry.glob("*.npz")):
                # One that is not whole is as good as none: what it held is computed again.
                with (
                    suppress(OSError, ValueError, LookupError, EOFError, BadZipFile),
                    path.open("rb") as file,
                ):
                    block = np.load(file)
                    marks, rows = block["marks"], block["rows"]
                    found |= {bytes(name): row for name, row in zip(marks, rows, strict=True)}
        return found

    def keep(self, network: str, features: Features) -> None:
        """Keep these beside what there is. Where there is no room, nothing is kept: they can be computed."""
        entry, buffer = self._entry(network), BytesIO()
        names = sorted(features)
        np.savez(
            buffer,
            allow_pickle=False,
            marks=np.frombuffer(b"".join(names), np.uint8).reshape(-1, _MARK),
            rows=np.stack([features[name] for name in names]),
        )
        block = hashlib.sha256(b"".join(names)).hexdigest()[:32]
        with suppress(LapelError):
            make_folder(self.folder, elsewhere=ELSEWHERE)
            with locked(entry.with_suffix(".lock"), elsewhere=ELSEWHERE):
                make_folder(entry, elsewhere=ELSEWHERE)
                self.make_room(entry, bytes_of(entry) + buffer.getbuffer().nbytes)
                write_atomic(entry / f"{block}.npz", buffer.getvalue(), elsewhere=ELSEWHERE, no_room=NO_ROOM)
                write_atomic(entry / STATE, "{}", elsewhere=ELSEWHERE, no_room=NO_ROOM)

    def _entry(self, network: str) -> Path:
        return self.folder / f"features-{network}"
