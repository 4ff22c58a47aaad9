"""The service's log: a line an event, for people or for programs. Photos and names of files never.

It is a logger of the standard library, "lapel.serve": a program that mounts the service handles it as its
own; `lapel serve` writes it to stderr, with the formatters of this file.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

LOGGER = logging.getLogger("lapel.serve")


def log_event(event: str, level: int = logging.INFO, **details: Any) -> None:
    """One line: when, what, and details."""
    LOGGER.log(level, event, extra={"details": details})


def log_to_stderr(as_json: bool) -> None:
    """Write the log to stderr from now on; as JSON where a program reads it."""
    handler = _Handler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    LOGGER.handlers = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


class JsonFormatter(logging.Formatter):
    """An event as a JSON object: time, event, and its details."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {"time": _time(record), "event": record.getMessage(), **_details(record)}
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """An event as people read it."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        details = "".join(f"  {key} {value}" for key, value in _details(record).items())
        return f"{_time(record)[11:19]} {record.getMessage()}{details}"


class _Handler(logging.StreamHandler[Any]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Whoever read the log is gone; the service goes on."""


def _time(record: logging.LogRecord) -> str:
    now = datetime.fromtimestamp(record.created, UTC)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _details(record: logging.LogRecord) -> dict[str, Any]:
    return dict(getattr(record, "details", {}))
