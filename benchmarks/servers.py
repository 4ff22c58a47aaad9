"""Servers that benchmarks ask: started on a free port, waited for, weighed, and stopped."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

_PATIENCE = 90.0  # seconds until a server answers; some start many processes
_GRACE = 10.0  # seconds to end when told to
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Contender:
    """A way of serving a model.

    `command` gets the model's file and the port in place of {model} and {port}, and is run in `folder`. `v2`
    says that pixels are asked about as the Open Inference Protocol has it.
    """

    name: str
    command: Sequence[str]
    folder: Path | None = None
    v2: bool = False

    def started(self, model: Path) -> Server:
        """A server of this kind, to be used in a with statement."""
        port = free_port()
        words = [word.format(model=model.resolve(), port=port) for word in self.command]
        return Server(words, port, self.folder)


def lapel(workers: int, *words: str) -> Contender:
    """`lapel serve` with so many workers."""
    command = [sys.executable, "-m", "lapel", "serve", "--model", "model={model}", "--host", "127.0.0.1"]
    told = f"Lapel, {workers} worker{'s' if workers > 1 else ''}"
    return Contender(told, [*command, "--port", "{port}", "--workers", str(workers), *words], v2=True)


@dataclass
class Server:
    """A running server and whatever it has started."""

    command: Sequence[str]
    port: int
    folder: Path | None = None
    _pids: set[int] = field(default_factory=set)

    def __enter__(self) -> Server:
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self.command, cwd=self.folder, stdout=self._log, stderr=self._log, start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pids.update(tree(self._process.pid))
        self._process.terminate()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        ended = time.monotonic() + _GRACE
        while (left := [pid for pid in self._pids if Path(f"/proc/{pid}").exists()]) and (
            time.monotonic() < ended
        ):
            time.sleep(0.1)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        self._log.close()

    def wait(self, request: Request) -> bytes:
        """Ask until it answers with 200; the body of the answer."""
        ends, told = time.monotonic() + _PATIENCE, "no connection"
        while time.monotonic() < ends and self._process.poll() is None:
            try:
                status, body = ask(self.port, request)
            except (OSError, http.client.HTTPException) as error:
                told = str(error)
            else:
                if status == 200:
                    return body
                told = f"{status} {body[:300]!r}"
            time.sleep(0.2)
        raise RuntimeError(f"{' '.join(self.command)}: does not answer ({told})\n{self.said()}")

    def alive(self) -> bool:
        """Whether the process that was started still runs."""
        return self._process.poll() is None

    def said(self) -> str:
        """The last of what it wrote to stdout and stderr."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 4000))
        return self._log.read().decode(errors="replace")

    def memory(self) -> int:
        """Bytes of memory that it and its processes hold (RSS, so what they share counts once for each)."""
        return sum(_resident(pid) for pid in tree(self._process.pid))

    def cpu(self) -> float:
        """Seconds of processor time that it and its processes have taken."""
        return sum(_seconds(pid) for pid in tree(self._process.pid))


@dataclass(frozen=True)
class Request:
    """A request with a body."""

    path: str
    type: str
    body: bytes
    method: str = "POST"


def ask(port: int, request: Request, timeout: float = 30) -> tuple[int, bytes]:
    """Status and body of the answer to one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(request.method, request.path, request.body, {"Content-Type": request.type})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def form(photo: bytes, name: str = "photo.jpg", boundary: str = "lapel-benchmark") -> Request:
    """The upload of one photo, as a form sends it."""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    body = head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + photo + f"\r\n--{boundary}--\r\n".encode()
    return Request("/tag", f"multipart/form-data; boundary={boundary}", body)


def free_port() -> int:
    """A port that is free, and the next one, too: MLServer asks for two."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def children_cpu() -> float:
    """Seconds of processor time of all children that have ended: taken before and after, those of one run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _stat(pid: int) -> list[str]:
    """State, parent and what follows in /proc/PID/stat; nothing of a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0
