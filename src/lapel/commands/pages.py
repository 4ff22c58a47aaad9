"""`lapel report`: the page of a run that was judged before, of a sweep, or a leaderboard of several runs."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(epilog="Example: lapel report cnn-1 cnn-2 dense-1")
@click.argument("names", nargs=-1, required=True, metavar="RUN…|SWEEP")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where to  [default: into the run; for several the folder leaderboard beside them]",
)
def report(names: tuple[str, ...], out: Path | None) -> None:
    """Write the report of RUN anew from the answers that it keeps, that of a SWEEP, or a leaderboard of runs.

    The leaderboard has every run with its accuracy, interval, time and size, how it does against the first
    one on the same pictures, the curves together, and links to each run's own report. Runs that were not
    judged on their validation pictures yet are judged now. The test pictures are not looked at.
    """
    from rich.console import Console

    from ..runs import open_run, runs_folder
    from ..sweeping.folder import is_sweep, open_sweep

    if len(names) == 1 and is_sweep(names[0]):
        from ..report.sweep_page import write_sweep_page

        click.echo(str(write_sweep_page(open_sweep(names[0]), out)))
        return
    runs = [open_run(name) for name in names]
    with Console(stderr=True).status("writing the report") as status:
        if len(runs) == 1:
            from ..report.page import write_again

            page = write_again(runs[0], out, lambda what, *_: status.update(what))
        else:
            from ..report.leaderboard import write_leaderboard

            folder = out or runs_folder() / "leaderboard"
            page = write_leaderboard(runs, folder, lambda what, *_: status.update(what))
    click.echo(str(page))
