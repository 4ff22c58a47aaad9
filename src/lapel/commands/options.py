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


class _Seeds(click.ParamType[int | tuple[int, ...]]):
    """How many seeds, or which: 5, or 3,7,11."""

    name = "N|LIST"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | tuple[int, ...]:
        if isinstance(value, int | tuple):
            return value
        try:
            found = tuple(int(part) for part in value.split(",") if part.strip())
        except ValueError:
            self.fail(f"{value!r} is neither a number of seeds (5) nor a list of them (3,7,11).", param, ctx)
        if any(not 0 <= seed < 2**31 for seed in found):
            self.fail(f"{value!r}: seeds lie between 0 and {2**31 - 1}.", param, ctx)
        if "," in value:
            return found
        if not found or not 2 <= found[0] <= _MOST_SEEDS:
            self.fail(f"{value!r} seeds make no study; 2 to {_MOST_SEEDS} do.", param, ctx)
        return found[0]


SIZE = _Size()
SEEDS = _Seeds()
_MOST_SEEDS = 1000

engine_option = click.option(
    "--engine", default="torch", show_default=True, help="torch or keras: what fits the network."
)
backend_option = click.option(
    "--backend",
    help="tensorflow, jax or torch: what Keras computes with  [default: KERAS_BACKEND, else tensorflow]",
)
device_option = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps …"
)
precision_option = click.option(
    "--precision", default="auto", show_default=True, type=click.Choice(["auto", "fp32", "bf16"])
)
data_option = click.option(
    "--data", default="fashion-mnist", show_default=True, help="Dataset: a name or a path."
)


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
