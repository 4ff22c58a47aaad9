"""Fetching published files: over https, from one mirror after the other, checked before they get their name.

Bytes arrive in NAME.partial and get their name only when size and SHA-256 are right. What a broken
connection left is gone on with, from any mirror. A lock lets one process at a time write to a folder.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from ..errors import DataError
from ..files import file_errors, locked, make_folder
from .registry import DataFile

Progress = Callable[[str, int, int | None], None]  # what is done, how much of it, of how much

_CHUNK = 256 * 1024
_ELSEWHERE = "Set LAPEL_CACHE to a folder that you may write to: what is fetched is kept there."


def is_https(url: str) -> bool:
    """Whether this address is reached over https."""
    return urlsplit(url).scheme == "https"


def fetch(
    files: Sequence[DataFile],
    folder: Path,
    mirrors: Sequence[str],
    *,
    progress: Progress | None = None,
    timeout: float = 20.0,
    allow: Callable[[str], bool] = is_https,
) -> None:
    """Fetch those of `files` that `folder` does not hold yet, from the first mirror that has them.

    A file that is there is not fetched again; a second process waits for the first and then finds its
    files. `timeout` is in seconds, for connecting and for each read. Only addresses that `allow` approves
    are asked, redirections included.

    Raises DataError when every mirror failed, with each one's reason, and LapelError when the disk is full
    or the folder cannot be written.
    """
    fetcher = _Fetcher(folder, mirrors, build_opener(_CarefulRedirects(allow)), progress, timeout, allow)
    make_folder(folder, elsewhere=_ELSEWHERE)
    with locked(folder / ".lock", elsewhere=_ELSEWHERE):
        for file in files:
            if not (folder / file.name).exists():
                fetcher.fetch(file)


class _MirrorError(Exception):
    """One mirror could not give the file; the next may."""


class _WrongBytesError(_MirrorError):
    """All bytes came, but they are not the published ones."""


@dataclass(frozen=True)
class _Fetcher:
    folder: Path
    mirrors: Sequence[str]
    opener: OpenerDirector
    progress: Progress | None
    timeout: float
    allow: Callable[[str], bool]

    def fetch(self, file: DataFile) -> None:
        """Try the mirrors in turn until the file is there. Raises DataError with every mirror's reason."""
        partial, whole = self.folder / f"{file.name}.partial", self.folder / file.name
        reasons = []
        waiting = deque(self.mirrors)
        while waiting:
            mirror = waiting.popleft()
            resumed = partial.exists() and partial.stat().st_size > 0
            try:
                self._fill(partial, file, mirror + file.name)
            except _MirrorError as failure:
                if isinstance(failure, _WrongBytesError):
                    partial.unlink()
                    if resumed:  # the part from before may be at fault: once more, from the beginning
                        waiting.appendleft(mirror)
                        continue
                reasons.append(f"{mirror}{file.name}: {failure}")
            else:
                with file_errors(whole, elsewhere=_ELSEWHERE):
                    partial.replace(whole)
                return
        raise DataError(
            "\n  ".join([f"{file.name} could not be downloaded:", *reasons]),
            "Check the connection and run the same command again: it goes on where it stopped.",
        )

    def _fill(self, partial: Path, file: DataFile, url: str) -> None:
        """Bring `partial` to the whole, right file."""
        with file_errors(partial, elsewhere=_ELSEWHERE), partial.open("a+b") as target:
            digest = hashlib.sha256()
            have = _take_in(target, digest, file.bytes)
            if have < file.bytes:
                with self._ask(url, have, file.bytes) as answer:
                    if answer.status != 206:  # it begins at the beginning, whatever was asked for
                        target.truncate(0)
                        have, digest = 0, hashlib.sha256()
                    for chunk in _chunks(answer, file.bytes - have):
                        target.write(chunk)
                        digest.update(chunk)
                        have += len(chunk)
                        if self.progress is not None:
                            self.progress(file.name, have, file.bytes)
            target.flush()
            os.fsync(target.fileno())
        if have < file.bytes:
            raise _MirrorError(f"the connection ended after {have} of {file.bytes} bytes")
        if digest.hexdigest() != file.sha256:
            raise _WrongBytesError(f"wrong SHA-256: expected {file.sha256}, found {digest.hexdigest()}")

    @contextmanager
    def _ask(self, url: str, start: int, size: int) -> Iterator[HTTPResponse]:
        """The mirror's answer: the file from `start` on, or (status 200) the whole of it."""
        if not self.allow(url):
            raise _MirrorError("refused: not https")
        request = Request(url, headers={"User-Agent": "lapel", "Accept-Encoding": "identity"})
        if start:
            request.add_header("Range", f"bytes={start}-")
        with _mirror_errors():
            answer = self.opener.open(request, timeout=self.timeout)
        with answer:
            expected = size
            if answer.status == 206:
                expected = size - start
                if not (answer.headers["Content-Range"] or "").startswith(f"bytes {start}-"):
                    raise _MirrorError("it sent another part of the file than was asked for")
            length = answer.headers["Content-Length"] or ""
            if length.isdecimal() and int(length) != expected:
                raise _MirrorError(f"it offers {length} bytes where {expected} were expected")
            yield answer


class _CarefulRedirects(HTTPRedirectHandler):
    def __init__(self, allow: Callable[[str], bool]) -> None:
        self.allow = allow

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Follow, but only where `allow` approves."""
        if not self.allow(newurl):
            fp.close()
            raise URLError(f"refused: it leads to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _take_in(target: IO[bytes], digest: hashlib._Hash, most: int) -> int:
    """Read what is there of a file into `digest` and count it; more than `most` bytes are thrown away."""
    if os.fstat(target.fileno()).st_size > most:
        target.truncate(0)
    target.seek(0)
    for chunk in iter(lambda: target.read(_CHUNK), b""):
        digest.update(chunk)
    return target.tell()


def _chunks(answer: HTTPResponse, most: int) -> Iterator[bytes]:
    """What the mirror sends, but never more than `most` bytes."""
    while most > 0:
        with _mirror_errors():
            chunk = answer.read(min(_CHUNK, most))
        if not chunk:
            return
        most -= len(chunk)
        yield chunk


@contextmanager
def _mirror_errors() -> Iterator[None]:
    """Turn whatever a network does into a reason to try the next mirror."""
    try:
        yield
    except HTTPError as error:
        error.close()
        raise _MirrorError(f"it answers {error.code} {error.reason}") from error
    except URLError as error:
        raise _MirrorError(str(error.reason)) from error
    except (OSError, HTTPException, ValueError) as error:
        raise _MirrorError(str(error) or type(error).__name__) from error
