"""Writing files so that a reader, a kill or a full disk never meets half of one; and locks."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import LapelError

ELSEWHERE = "Choose a place that you may write to."  # the hint where a caller knows no better one
NO_ROOM = "Free some space, or choose another disk, and run the same command again."

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_GRACE = 0.2  # seconds; whoever only asks whether a lock is held lets go of it sooner


def write_atomic(
    path: Path,
    write: bytes | str | Callable[[BinaryIO], None],
    *,
    elsewhere: str = ELSEWHERE,
    no_room: str = NO_ROOM,
) -> None:
    """Put a whole new file at `path`, or leave what was there untouched.

    `write` is the content, or a function that writes it to an open file. The bytes reach the disk before
    the name does, so `path` never shows a part of a file, whenever the process ends.

    Raises LapelError when the disk is full (with the hint `no_room`) or the folder cannot be written (with
    the hint `elsewhere`).
    """
    path = Path(path)
    temporary: Path | None = None
    with file_errors(path, elsewhere=elsewhere, no_room=no_room):
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


def make_folder(path: Path, *, elsewhere: str = ELSEWHERE) -> None:
    """Make a folder and those above it. Raises LapelError with the hint `elsewhere` where that is refused."""
    with file_errors(path, elsewhere=elsewhere):
        path.mkdir(parents=True, exist_ok=True)


def remove_partials(folder: Path) -> None:
    """Remove what writers that were killed left half-written in `folder`."""
    for leftover in Path(folder).glob(".*.part"):
        with suppress(OSError):
            leftover.unlink()


@contextmanager
def file_errors(path: Path, *, elsewhere: str = ELSEWHERE, no_room: str = NO_ROOM) -> Iterator[None]:
    """Turn what the file system refuses into one clear LapelError about `path`, with one of these hints."""
    try:
        yield
    except OSError as error:
        if error.errno in _NOT_WRITABLE:
            reason = "permission denied" if isinstance(error, PermissionError) else "a read-only file system"
            raise LapelError(f"{path}: {reason}.", elsewhere) from error
        if error.errno in _NO_ROOM:
            raise LapelError(
                f"{path}: no space left to write it; what was there before is untouched.", no_room
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
def locked(path: Path, *, wait: bool = True, elsewhere: str = ELSEWHERE) -> Iterator[None]:
    """Hold the lock file at `path`: one process at a time gets past here. The lock ends with the process.

    Raises Locked where another process holds it and `wait` is False; LapelError with the hint `elsewhere`
    where the file cannot be made, or lies on a file system without locks. Nothing goes on unlocked there:
    two processes that write at once would spoil what both write.
    """
    from filelock import FileLock, Timeout

    # Of a symbolic link, the file: filelock follows none.
    lock = FileLock(os.path.realpath(path), timeout=-1 if wait else _GRACE, fallback_to_soft=False)
    with file_errors(path, elsewhere=elsewhere):
        try:
            lock.acquire()
        except Timeout as error:
            raise Locked(path) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            raise LapelError(
                f"{path}: cannot be locked; the file system has no locks ({error.strerror}), "
                "and without one two processes may write at once.",
                f"{elsewhere} A local disk has locks.",
            ) from error
    try:
        yield
    finally:
        lock.release()


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
