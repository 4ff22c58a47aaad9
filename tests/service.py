"""A service as its users start it, and a client that can also misbehave."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """`lapel serve` in a process of its own, ready to answer."""

    def __init__(self, *words: str | Path, **environment: str) -> None:
        self._words, self._environment, self.port, self.said = words, environment, 0, ""
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, again at the same port if it has had one."""
        command = [sys.executable, "-W", "error", "-m", "lapel", "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--grace", "0.1", *map(str, self._words)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self._environment},
        )
        assert self.process.stderr
        for line in self.process.stderr:
            self.said += line
            if found := re.search(r"answers at http://\S+:(\d+)", line):
                self.port = int(found[1])
                return
        raise AssertionError(f"The service ended with {self.process.wait()}:\n{self.said}")

    def ask(
        self, method: str, path: str, body: bytes | str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()

    def raw(self, sent: bytes, *, wait: float = 10.0) -> bytes:
        """Send bytes; whatever comes back until the service hangs up, or for so long."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            connection.sendall(sent)
            return received(connection)

    def end(self) -> tuple[int, str]:
        """Tell it to end: its exit status, and all it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.stderr
        try:
            _, rest = self.process.communicate(timeout=35)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.said += rest or ""
        return self.process.returncode, self.said


@contextlib.contextmanager
def running(*words: str | Path, **environment: str) -> Iterator[Service]:
    """A service for as long as the `with` block lasts."""
    service = Service(*words, **environment)
    try:
        yield service
    finally:
        service.end()


def received(connection: socket.socket) -> bytes:
    """All that comes until the other end hangs up or says nothing for its time-out."""
    parts = []
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def form(*photos: tuple[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """Photos as a browser's form sends them: the body, and its header."""
    parts = [
        f'--rim\r\nContent-Disposition: form-data; name="photo"; filename="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in photos
    ]
    return b"".join(parts) + b"--rim--\r\n", {"Content-Type": "multipart/form-data; boundary=rim"}


def eventually(check: Any, seconds: float = 5.0) -> bool:
    """Whether something comes to hold in that time."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
