"""Where tables are printed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def paper() -> Console:
    """A console on stdout: as wide as the terminal, or as wide as it takes where a program reads."""
    from rich.console import Console

    # Whatever reads a pipe wants a row a line, however long.
    return Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
