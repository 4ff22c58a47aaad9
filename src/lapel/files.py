"""Writing files so that a reader, a kill or a full disk never meets half of one."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import LapelError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_atomic(path: Path, write: bytes | str | Callable[[BinaryIO], None]) -> None:
    """Put a whole new file at `path`, or leave what was there untouched.

    `write` is the content, or a function that writes it to an open file. The bytes reach the disk before
    the name does, so `path` never shows a part of a file, whenever the process ends.

    Raises LapelError when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary: Path | None = None
    with file_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
            temporary = Path(name)
            with os.fdopen(handle, "wb") as file:
                if callable(write):
                    write(file)
                else:
                    file.write(write.encode() if isinstance(write, str) else write)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            if temporary is not None:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
            raise


def remove_partials(folder: Path) -> None:
    """Remove what writers that were killed left half-written in `folder`."""
    for leftover in Path(folder).glob(".*.part"):
        with suppress(OSError):
            leftover.unlink()


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into one clear LapelError about `path`."""
    try:
        yield
    except PermissionError as error:
        raise LapelError(f"{path}: permission denied.", "Choose a place that you may write to.") from error
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise LapelError(
                f"{path}: no space left to write it; what was there before is untouched.",
                "Free some space, or choose another disk, and run the same command again.",
            ) from error
        raise LapelError(f"{path}: {error.strerror or error}.") from error


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


class Locked(Exception):
    """Another process holds the lock, and the caller would not wait."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file at `path`: one process at a time gets past here. The lock ends with the process.

    Raises Locked where another process holds it and `wait` is False.
    """
    with file_errors(path):
        file = path.open("a+b")
    with file:
        while not _lock(file, wait):
            if not wait:
                raise Locked(path)
            time.sleep(0.2)
        yield


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file at `path`. Makes no file; False where it cannot be told."""
    if not path.exists():
        return False
    try:
        with locked(path, wait=False):
            return False
    except Locked:
        return True
    except LapelError:
        return False


def _lock(file: BinaryIO, wait: bool) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
