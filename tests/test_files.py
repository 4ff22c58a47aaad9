"""Files: whole or untouched, one process at a time, and what is said where the file system refuses."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lapel.errors import LapelError
from lapel.files import Locked, is_locked, locked, make_folder, write_atomic


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock, by the system call alone."""
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'a+b'); fcntl.flock(file, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            yield other
        finally:
            other.kill()


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_lock_that_another_process_holds_is_not_waited_for(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    assert not is_locked(lock)
    assert not lock.exists()
    with held_elsewhere(lock):
        assert is_locked(lock)
        with pytest.raises(Locked), locked(lock, wait=False):
            pass
    with locked(lock, wait=False):
        assert is_locked(lock)
    assert not is_locked(lock)


def test_a_lock_is_waited_for_until_its_process_ends(tmp_path: Path) -> None:
    lock, past = tmp_path / ".lock", threading.Event()

    def wait() -> None:
        with locked(lock):
            past.set()

    with held_elsewhere(lock) as other:
        thread = threading.Thread(target=wait)
        thread.start()
        assert not past.wait(0.3)
        other.kill()
        assert past.wait(20)
    thread.join()


@pytest.mark.parametrize("wait", [True, False])
def test_a_file_system_without_locks_is_named_and_blames_nobody(
    tmp_path: Path, without_locks: None, wait: bool
) -> None:
    lock = tmp_path / ".lock"
    with pytest.raises(LapelError) as caught, locked(lock, wait=wait, elsewhere="Set LAPEL_RUNS."):
        pass
    assert caught.value.message.startswith(f"{lock}: cannot be locked; the file system has no locks")
    assert caught.value.hint == "Set LAPEL_RUNS. A local disk has locks."
    assert not is_locked(lock)


def test_a_lock_keeps_what_its_file_holds_and_follows_links(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("kept")
    link.symlink_to(file)
    with locked(link):
        assert is_locked(file)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_folder_that_cannot_be_written_says_where_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "mkdir", refuse)
    hint = "Choose another folder with --out."
    for write in (
        lambda path: make_folder(path, elsewhere=hint),
        lambda path: write_atomic(path / "file", b"", elsewhere=hint),
    ):
        with pytest.raises(LapelError, match=r"permission denied|read-only file system") as caught:
            write(tmp_path / "new")
        assert caught.value.hint == hint


def test_a_full_disk_gives_the_hint_of_the_caller(tmp_path: Path) -> None:
    def write(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "file").write_text("before")
    with pytest.raises(LapelError, match="no space left") as caught:
        write_atomic(tmp_path / "file", write, no_room="Then go on with --resume.")
    assert caught.value.hint == "Then go on with --resume."
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "before"
