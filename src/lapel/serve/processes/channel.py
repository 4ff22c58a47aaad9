"""Messages between the supervisor and a worker: JSON objects, a line each, over a pair of sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from typing import Any

_MESSAGE = 64 * 1024


class Channel:
    """One end of the pair. Both ends are read without waiting."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._rest = b""

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two ends that belong together."""
        first, second = socket.socketpair()
        return cls(first), cls(second)

    def fileno(self) -> int:
        """To be waited on."""
        return self._end.fileno()

    def close(self) -> None:
        """Hang up."""
        self._end.close()

    def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a message, and open files with it. Raises OSError where the other end does not listen."""
        socket.send_fds(self._end, [json.dumps(message).encode() + b"\n"], descriptors)

    def receive(self) -> tuple[list[dict[str, Any]], list[int]] | None:
        """The messages and the open files that have come; None where the other end is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._end, _MESSAGE, 64)
        except BlockingIOError:
            return [], []
        except OSError:
            return None
        return (list(self._messages(data)), descriptors) if data else None

    def _messages(self, data: bytes) -> Iterator[dict[str, Any]]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield json.loads(line)
