"""What the service says of itself: a line an event, for people or for programs. Photos and names never."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO


@dataclass
class Log:
    """Lines on stderr; as JSON where a program reads them."""

    as_json: bool = False
    requests: bool = False  # whether each request is a line
    stream: TextIO = field(default_factory=lambda: sys.stderr)

    def say(self, event: str, **details: Any) -> None:
        """One line: when, what, and details."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self.as_json:
            text = json.dumps({"time": now, "event": event, **details}, ensure_ascii=False, default=str)
        else:
            told = "".join(f"  {key} {value}" for key, value in details.items())
            text = f"{now[11:19]} {event}{told}"
        try:
            self.stream.write(f"{text}\n")
            self.stream.flush()
        except (OSError, ValueError):
            pass  # whoever read the log is gone; the service goes on
