"""The command line: data to stdout, everything else to stderr; exit 0 done, 1 refused, 2 wrong usage."""

from __future__ import annotations

import importlib
import os
import sys

import click

from ._version import __version__
from .errors import LapelError

# Where each verb is: its file and its name there.
_VERBS = {
    "demo": "demo:demo",
    "data": "data:data",
    "recipes": "runs:recipes",
    "train": "train:train",
    "import": "importing:import_",
    "runs": "runs:runs",
    "evaluate": "evaluation:evaluate",
    "compare": "evaluation:compare",
    "export": "exporting:export",
    "tag": "tag:tag",
    "serve": "serve:serve",
}


class _Verbs(click.Group):
    """Loads the file of a verb when the verb is asked for, and lists verbs in the order they are used in."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _VERBS:
            return None
        file, _, name = _VERBS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f".commands.{file}", __package__), name)
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="lapel")
def lapel() -> None:
    """Lapel labels apparel: it trains, judges, exports and serves clothing classifiers.

    Begin with `lapel demo`, or with `lapel recipes` and `lapel train cnn`.
    """


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        code = lapel.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except LapelError as error:
        click.echo(f"lapel: {error.message}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has left; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
