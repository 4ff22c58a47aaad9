from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lapel.data.download import fetch, is_https
from lapel.data.registry import CATALOG, DataFile
from lapel.errors import DataError, LapelError

CONTENT = bytes(range(256)) * 4000  # about a megabyte
FILE = DataFile("garments.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "")


class Server(ThreadingHTTPServer):
    """A mirror for each way in which mirrors behave: the first part of the path chooses it."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), Mirror)

    def mirror(self, kind: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{kind}/"


class Mirror(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *words: object) -> None:
        pass

    def do_GET(self) -> None:
        kind, wanted = self.path.split("/")[1], self.headers["Range"]
        self.server.asked.append((kind, wanted))
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if kind == "gone":
            self.send_error(404)
            return
        if kind in ("elsewhere", "insecure"):
            target = self.server.mirror("good") if kind == "elsewhere" else "http://example.invalid/"
            self.send_response(302)
            self.send_header("Location", target + FILE.name)
            self.end_headers()
            return
        if kind == "slow":
            time.sleep(1.0)
        if kind == "small":
            self.answer(200, b"few")
        elif kind == "wrong":
            self.answer(200, bytes(len(CONTENT)))
        elif kind == "endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(bytes(100_000))
        elif kind == "breaks":
            self.answer(200, CONTENT[:300_000], len(CONTENT))
        elif kind == "odd" and start:
            self.answer(206, CONTENT[:-start], range_from=0)
        elif start and kind != "stubborn":
            self.answer(206, CONTENT[start:], range_from=start)
        else:
            self.answer(200, CONTENT)

    def answer(
        self, code: int, body: bytes, length: int | None = None, range_from: int | None = None
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if range_from is not None:
            self.send_header("Content-Range", f"bytes {range_from}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def local(url: str) -> bool:
    return url.startswith("http://127.0.0.1:")


def get(server: Server, folder: Path, *kinds: str, **how: object) -> bytes:
    fetch([FILE], folder, [server.mirror(kind) for kind in kinds], allow=local, **how)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", FILE.name]
    return (folder / FILE.name).read_bytes()


def test_a_file_is_fetched_once_with_its_progress(server: Server, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    assert get(server, tmp_path, "good", progress=lambda *what: told.append(what)) == CONTENT
    assert told[-1] == (FILE.name, len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert get(server, tmp_path, "good") == CONTENT
    assert server.asked == [("good", None)]


@pytest.mark.parametrize("first", ["gone", "small", "wrong", "endless", "insecure"])
def test_the_next_mirror_is_asked(server: Server, tmp_path: Path, first: str) -> None:
    assert get(server, tmp_path, first, "good") == CONTENT
    assert [kind for kind, _ in server.asked] == [first, "good"]


def test_redirections_within_what_is_allowed_are_followed(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path, "elsewhere") == CONTENT


def test_a_broken_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"the connection ended after 300000 of {len(CONTENT)} bytes"):
        fetch([FILE], tmp_path, [server.mirror("breaks")], allow=local)
    assert get(server, tmp_path, "good") == CONTENT
    assert server.asked[-1] == ("good", "bytes=300000-")


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path, "breaks", "stubborn") == CONTENT
    assert server.asked[-1] == ("stubborn", "bytes=300000-")


def test_a_server_that_sends_another_range_is_left(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path, "breaks", "odd", "good") == CONTENT


@pytest.mark.parametrize("there", [b"other bytes", bytes(len(CONTENT)), bytes(len(CONTENT) + 1)])
def test_a_wrong_part_from_before_costs_one_fresh_start(server: Server, tmp_path: Path, there: bytes) -> None:
    (tmp_path / f"{FILE.name}.partial").write_bytes(there)
    assert get(server, tmp_path, "good") == CONTENT


def test_when_every_mirror_fails_each_says_why(server: Server, tmp_path: Path) -> None:
    kinds = ("gone", "small", "wrong", "insecure")
    closed = "http://127.0.0.1:9/"  # nobody listens at the discard port
    mirrors = [*(server.mirror(kind) for kind in kinds), closed, "ftp://example.invalid/"]
    with pytest.raises(DataError) as caught:
        fetch([FILE], tmp_path, mirrors, allow=local)
    lines = caught.value.message.splitlines()
    assert lines[0] == "garments.gz could not be downloaded:"
    found = hashlib.sha256(bytes(len(CONTENT))).hexdigest()
    expected = [
        "it answers 404 Not Found",
        f"it offers 3 bytes where {len(CONTENT)} were expected",
        f"wrong SHA-256: expected {FILE.sha256}, found {found}",
        "refused: it leads to http://example.invalid/garments.gz, which is not https",
        "refused",
        "refused: not https",
    ]
    for line, mirror, reason in zip(lines[1:], mirrors, expected, strict=True):
        assert line.startswith(f"  {mirror}garments.gz: ")
        assert reason in line
    assert "goes on where it stopped" in caught.value.hint
    assert not (tmp_path / FILE.name).exists()


def test_a_silent_mirror_is_given_up(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="timed out"):
        fetch([FILE], tmp_path, [server.mirror("slow")], timeout=0.1, allow=local)


def test_only_https_is_asked_unless_told_otherwise(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="refused: not https"):
        fetch([FILE], tmp_path, [server.mirror("good")])
    assert not server.asked
    assert all(is_https(mirror) for known in CATALOG.values() for mirror in known.mirrors)
    assert all(len(known.mirrors) >= 2 for known in CATALOG.values() if known.files)


PROGRAM = f"""
import sys
from pathlib import Path
from lapel.data.registry import DataFile
from lapel.data.download import fetch
from lapel.errors import LapelError
if sys.argv[3:]:
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), -1))
file = DataFile({FILE.name!r}, {FILE.bytes}, {FILE.sha256!r}, "")
try:
    fetch([file], Path(sys.argv[1]), [sys.argv[2]], allow=lambda url: True)
except LapelError as error:
    print(error.message, error.hint, sep="\\n")
    sys.exit(1)
"""


def start(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    both = [start(tmp_path, server.mirror("slow")) for _ in range(2)]
    for process in both:
        assert process.communicate(timeout=30)[0] == ""
        assert process.returncode == 0
    assert (tmp_path / FILE.name).read_bytes() == CONTENT
    assert [kind for kind, _ in server.asked] == ["slow"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sets no limit on the size of files")
def test_no_disk_space(server: Server, tmp_path: Path) -> None:
    process = start(tmp_path, server.mirror("good"), 400_000)
    said = process.communicate(timeout=30)[0].splitlines()
    assert process.returncode == 1
    partial = tmp_path / f"{FILE.name}.partial"
    assert said[0] == f"{partial}: no space left to write it; what was there before is untouched."
    assert said[1].startswith("Free some space")
    assert not (tmp_path / FILE.name).exists()
    assert get(server, tmp_path, "good") == CONTENT
    assert server.asked[-1][1] == "bytes=400000-"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LapelError, match="file"):
        fetch([FILE], tmp_path / "file" / "cache", [])
