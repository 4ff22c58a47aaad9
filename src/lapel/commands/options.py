"""What the options of verbs share."""

from __future__ import annotations

import shlex
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import LapelError


class _Size(click.ParamType[int]):
    """A number of bytes as people write it."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from ..data.cache_folder import read_size

        try:
            return value if isinstance(value, int) else read_size(value)
        except LapelError as error:
            self.fail(f"{error.message} {error.hint}", param, ctx)


SIZE = _Size()


def refuse_together(values: Mapping[str, object]) -> None:
    """Raise UsageError, which names them, where more than one of these options was given a value."""
    names = [name for name, value in values.items() if value]
    if len(names) > 1:
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        raise click.UsageError(f"{listed} cannot be combined; choose one.")


def invocation() -> str:
    """How `lapel` is typed from the working folder, on whatever path it lies."""
    scripts = Path(sysconfig.get_path("scripts"))
    found = shutil.which("lapel")
    if found and Path(found).resolve().parent == scripts.resolve():
        return "lapel"
    script = shutil.which("lapel", path=scripts)
    if script is None:
        return f"{shlex.quote(sys.executable)} -m lapel"
    if not Path(script).is_relative_to(Path.cwd()):
        return shlex.quote(script)
    place = Path(script).relative_to(Path.cwd())
    # A shell looks for a name without a folder on its path alone.
    return shlex.quote(str(place) if len(place.parts) > 1 else f"./{place}")
