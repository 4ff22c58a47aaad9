"""The command line in a terminal of a given width, as somebody sees it who sits before it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def typed(columns: int, folder: Path, *words: str | Path) -> str:
    """What `lapel` with these words shows in a terminal that is so wide: its stdout; without colours."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "lapel", *map(str, words)],
        cwd=folder,
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ):
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how a terminal says that nobody writes to it any more
            while part := os.read(ours, 65536):
                shown += part
    os.close(ours)
    text = shown.decode().replace("\r\n", "\n")
    for style in ("\x1b[0m", "\x1b[1m"):
        text = text.replace(style, "")
    return text
