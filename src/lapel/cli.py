"""The command line: data to stdout, everything else to stderr; exit 0 done, 1 refused, 2 wrong usage."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points

import click

from ._version import __version__
from .errors import LapelError, did_you_mean

# Where each verb is: its file and its name there.
_VERBS = {
    "demo": "demo:demo",
    "data": "data:data",
    "recipes": "runs:recipes",
    "train": "train:train",
    "sweep": "sweep:sweep",
    "import": "importing:import_",
    "runs": "runs:runs",
    "evaluate": "evaluation:evaluate",
    "compare": "comparing:compare",
    "report": "pages:report",
    "audit": "audit:audit",
    "explain": "explain:explain",
    "export": "exporting:export",
    "bench": "exporting:bench",
    "tag": "tag:tag",
    "index": "index:index",
    "search": "search:search",
    "duplicates": "search:duplicates",
    "match": "match:match",
    "serve": "serve:serve",
}
_PLUGINS = "lapel.commands"  # the group of entry points in which other packages offer verbs


class _Verbs(click.Group):
    """Loads the file of a verb when the verb is asked for, and lists verbs in the order they are used in.

    Verbs of other packages come after these, and never in their place. Their packages are imported when such
    a verb is run, and not to list it.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name in _VERBS:
            file, _, name = _VERBS[cmd_name].partition(":")
            command: click.Command = getattr(importlib.import_module(f".commands.{file}", __package__), name)
            return command
        plugin = _plugins().get(cmd_name)
        return None if plugin is None else _load(plugin)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(f'No such command "{name}". {did_you_mean(name, (*_VERBS, *_plugins()))}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        plugins = _plugins()
        if plugins:
            with formatter.section("Commands of other packages"):
                formatter.write_dl([(name, f"From {_package(one)}.") for name, one in plugins.items()])


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Example: lapel tag photos",
)
@click.version_option(__version__, prog_name="lapel")
def lapel() -> None:
    """Lapel labels apparel: it trains, judges, exports and serves clothing classifiers.

    Begin with `lapel demo`, or with `lapel recipes` and `lapel train cnn`.
    """


def main() -> None:
    """Run the command line and leave with its exit code."""
    code = _run()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        _say_unwritable(error)
        code = 1
    sys.exit(code)


def _run() -> int:
    try:
        code = lapel.main(standalone_mode=False)
    except LapelError as error:
        _say(error.message, error.hint)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped.", err=True)
        return 130
    except OSError as error:
        if error.filename is not None:
            _say(f"{error.filename}: {_reason(error)}.")
        else:
            _say_unwritable(error)
        return 1
    return code if isinstance(code, int) else 0


def _say(message: str, hint: str = "") -> None:
    # Where stderr cannot be written either, the exit code has to say it.
    with suppress(OSError):
        click.echo(f"lapel: {message}", err=True)
        if hint:
            click.echo(f"  {hint}", err=True)


def _say_unwritable(error: OSError) -> None:
    """Say that stdout takes no more, unless it was closed by whoever read it."""
    if not isinstance(error, BrokenPipeError):
        _say(
            f"the output cannot be written: {_reason(error)}.",
            "Send it to a place with room that you may write to, and run the same command again.",
        )
    # What is still held for stdout goes nowhere; else Python would complain once more at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]


def _plugins() -> dict[str, EntryPoint]:
    """The verbs that installed packages offer, by name; of two with one name, the last that is found."""
    found = sorted(entry_points(group=_PLUGINS), key=lambda one: one.name)
    return {one.name: one for one in found if one.name not in _VERBS}


def _load(plugin: EntryPoint) -> click.Command:
    """The verb itself. Raises LapelError where its package fails in whatever way, or offers another thing."""
    try:
        command = plugin.load()
    except Exception as error:  # a package of somebody else may fail in any way
        lines = str(error).splitlines() or [""]
        raise LapelError(
            f'the verb "{plugin.name}" of {_package(plugin)} cannot be loaded '
            f"({type(error).__name__}: {lines[0]}).",
            "Mend, update or uninstall that package; the other verbs work without it.",
        ) from error
    if not isinstance(command, click.Command):
        raise LapelError(
            f'the verb "{plugin.name}" of {_package(plugin)} is no click command '
            f"but {type(command).__name__}.",
            f"Its entry point {plugin.value} has to name a function under @click.command().",
        )
    return command


def _package(plugin: EntryPoint) -> str:
    return plugin.dist.name if plugin.dist is not None else plugin.value
