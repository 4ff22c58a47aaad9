"""A client that sends whatever bytes it is given, and reads what HTTP/1.1 answers."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass


class Gone(Exception):
    """The connection ended where an answer was due."""


class Hang(Exception):
    """Nothing came for too long."""


class Nonsense(Exception):
    """What came is not HTTP."""


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def last(self) -> bool:
        """Whether the server ends the connection after it."""
        return self.headers.get("connection", "").lower() == "close"


def request(
    method: str, path: str, headers: dict[str, str], body: bytes = b"", version: str = "HTTP/1.1"
) -> bytes:
    """The bytes of a request; where there is a body, with its length."""
    lines = [f"{method} {path} {version}", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


class Wire:
    """One connection. Every wait ends after `seconds`, by Hang."""

    def __init__(self, port: int, seconds: float = 10.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def send(self, data: bytes) -> None:
        """Send bytes. Where the server does not want them any more, its answer can still be read."""
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise Hang("while sending") from error
        except OSError:
            return

    def patience(self, seconds: float) -> None:
        """Wait so long from now on."""
        self._socket.settimeout(seconds)

    def end(self) -> None:
        """Say that nothing more will be sent."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self, *, reset: bool = False) -> None:
        """Leave; with `reset`, as a machine does that knows nothing of the connection any more."""
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def answer(self, *, bodiless: bool = False) -> Answer:
        """The next answer; one to HEAD is bodiless. Raises Gone, Hang or Nonsense."""
        while True:
            head, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            words = head.split(" ", 2)
            if len(words) < 3 or words[0] != "HTTP/1.1" or not (words[1].isdecimal() and len(words[1]) == 3):
                raise Nonsense(head[:200])
            if words[1] != "100":
                break
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = headers.get("content-length", "0")
        if not length.isdecimal() or "transfer-encoding" in headers:
            raise Nonsense(f"a body of unknown length: {headers}")
        return Answer(int(words[1]), headers, b"" if bodiless else self._exactly(int(length)))

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            self._more()
        found, _, self._read = self._read.partition(mark)
        return found

    def _exactly(self, count: int) -> bytes:
        while len(self._read) < count:
            self._more()
        found, self._read = self._read[:count], self._read[count:]
        return found

    def _more(self) -> None:
        try:
            data = self._socket.recv(65536)
        except TimeoutError as error:
            raise Hang("no answer") from error
        except OSError as error:
            raise Gone(str(error)) from error
        if not data:
            raise Gone("ended" if not self._read else "ended within an answer")
        self._read += data
