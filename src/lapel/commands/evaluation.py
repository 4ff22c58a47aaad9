"""`lapel evaluate` and `lapel compare`: how good runs and models are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .paper import paper

if TYPE_CHECKING:
    from rich.console import Console

    from ..comparison import Comparison
    from ..evaluation import Report


@click.command()
@click.argument("run", metavar="RUN|MODEL")
@click.option("--test", is_flag=True, help="Look at the test pictures; a run remembers every look.")
@click.option(
    "--data", help="For a model: the dataset to judge it on  [default: that of its card, or fashion-mnist]"
)
@click.option("--json", "as_json", is_flag=True, help="For a program.")
@click.option(
    "--report",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the report here  [default: into the run; for a model nowhere]",
)
@click.option("--no-report", is_flag=True, help="Judge only; write no page and no figures.")
def evaluate(
    run: str, test: bool, data: str | None, as_json: bool, folder: Path | None, no_report: bool
) -> None:
    """Judge a run or a model (by name or path) on validation pictures, and write its report.

    Choose between runs by these. The test pictures are for the last look only. A model that was trained
    elsewhere may have learned from the validation pictures too; only --test says how good it is.
    """
    if folder is not None and no_report:
        raise click.UsageError("--report and --no-report cannot be combined.")
    from rich.console import Console

    from ..data import load_data
    from ..evaluation import evaluate as judge
    from ..evaluation import is_model
    from ..runs import Run, dataset_of, open_run
    from ..splits import dataset_of_model
    from ..tagger import load_tagger

    judged = load_tagger(run) if is_model(run) else open_run(run)
    if isinstance(judged, Run) and data is not None:
        raise click.UsageError("--data goes with a model; a run is judged on its own data.")
    with Console(stderr=True).status("reading the pictures") as status:

        def progress(what: str, _done: int, _total: int | None) -> None:
            status.update(what)

        if isinstance(judged, Run):
            dataset = dataset_of(judged, progress)
        else:
            dataset = load_data(data, progress=progress) if data else dataset_of_model(judged, progress)
        status.update("judging")
        report = judge(judged, split="test" if test else "validation", dataset=dataset)
        page = None
        if folder is not None or (isinstance(judged, Run) and not no_report):
            from ..report.page import write_report

            status.update("writing the report")
            page = write_report(judged, report, dataset, folder)
    if as_json:
        click.echo(report.to_json())
    else:
        _print_report(paper(), report)
    if page:
        click.echo(f"Report: {page}", err=as_json)


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="For a program.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FIGURE.png",
    help="Draw the curves of all the runs to this file.",
)
def compare(runs: tuple[str, ...], as_json: bool, out: Path | None) -> None:
    """Put RUNS side by side; each is tested against the first.

    p is the chance of such a difference on the same pictures (McNemar's exact test) if both were equally
    good. It needs runs that `lapel evaluate` has judged.
    """
    from ..comparison import compare as compared
    from ..runs import open_run

    comparison = compared([open_run(run) for run in runs])
    if out:
        from ..files import write_atomic
        from ..report.figures import compare_curves
        from ..report.style import png

        write_atomic(out, png(compare_curves(comparison.curves)))
    if as_json:
        click.echo(comparison.to_json())
    else:
        _print_comparison(paper(), comparison)
    if out:
        click.echo(f"Figure: {out}", err=as_json)


def _print_report(paper: Console, report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    low, high = report.interval
    looks = {None: "", 0: "never", 1: "once"}.get(report.test_looks, f"{report.test_looks} times")
    paper.print(Text(f"{report.run}: {report.pictures:,} {report.split} pictures of {report.dataset}"))
    paper.print(
        f"accuracy {report.accuracy:.2%}   95 % interval {low:.2%} to {high:.2%}   n = {report.pictures:,}"
    )
    paper.print(
        f"loss {report.loss:.4f}   balanced accuracy {report.balanced_accuracy:.2%}   "
        f"calibration error {report.calibration_error:.2%}{looks and f'   test set looked at {looks}'}\n"
    )
    classes = Table(box=None, pad_edge=False)
    classes.add_column("class")
    for title in ("precision", "recall", "F1", "pictures"):
        classes.add_column(title, justify="right", no_wrap=True)
    for one in report.per_class:
        shares = (f"{share:.1%}" for share in (one.precision, one.recall, one.f1))
        classes.add_row(Text(one.name), *shares, f"{one.support:,}")
    paper.print(classes)
    paper.print()
    if report.confusions:
        mistakes = Table(box=None, pad_edge=False)
        mistakes.add_column("actual")
        mistakes.add_column("taken for")
        mistakes.add_column("pictures", justify="right", no_wrap=True)
        mistakes.add_column("of the class", justify="right", no_wrap=True)
        for pair in report.confusions:
            mistakes.add_row(Text(pair.actual), Text(pair.predicted), f"{pair.count:,}", f"{pair.share:.1%}")
        paper.print(mistakes)
        paper.print()


def _print_comparison(paper: Console, comparison: Comparison) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("run", "recipe", "engine", "data"):
        table.add_column(title, overflow="fold")
    for title in ("parameters", "epochs", "validation", "test", "seconds", "p", "on"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in comparison.rows:
        table.add_row(
            Text(row.run),
            Text(row.recipe),
            row.engine,
            Text(row.dataset),
            f"{row.parameters:,}",
            str(row.epochs),
            _share(row.validation_accuracy),
            _share(row.test_accuracy),
            f"{row.seconds:,.1f}",
            "" if row.p is None else f"{row.p:.2g}",
            row.p_split or "",
        )
    paper.print(table)
    if len({row.fingerprint for row in comparison.rows}) > 1:
        click.echo("These runs were trained on different data: their accuracies do not compare.", err=True)
    elif any(row.p is None for row in comparison.rows[1:]):
        click.echo(
            "No p without answers to the same pictures: `lapel evaluate RUN` keeps them.",
            err=True,
        )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
