"""`lapel evaluate` and `lapel compare`: how good runs and models are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import refuse_together
from .reports import print_report
from .tables import Column, print_table

if TYPE_CHECKING:
    from ..comparison import Comparison, Row
    from ..data import Progress
    from ..data.dataset import Dataset
    from ..evaluation import Report
    from ..tagger import Tagger


@click.command(epilog="Example: lapel evaluate cnn-1 --test")
@click.argument("run", metavar="RUN|STUDY|MODEL")
@click.option("--test", is_flag=True, help="Look at the test pictures; a run remembers every look.")
@click.option(
    "--data",
    metavar="NAME|FOLDER|FILE",
    help="For a model: what to judge it on. A folder with a folder of photos per label, or a CSV table with "
    "the columns file and label, may have some of its classes only, and other things  "
    "[default: the dataset of its card, or fashion-mnist]",
)
@click.option("--by", metavar="COLUMN", help="Of a CSV table: figures for each value of this column, too.")
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
    run: str,
    test: bool,
    data: str | None,
    by: str | None,
    as_json: bool,
    folder: Path | None,
    no_report: bool,
) -> None:
    """Judge a run, a study or a model (by name or path) on validation pictures, and write its report.

    Choose between runs by these. The test pictures are for the last look only. A model that was trained
    elsewhere may have learned from the validation pictures too; only --test says how good it is.

    Photos of your own with labels of your own (--data) say how a model does on what you have. All of them are
    judged, in the way that `lapel tag` goes; what is none of the model's classes, it should not accept.
    """
    refuse_together({"--report": folder, "--no-report": no_report})
    from rich.console import Console

    from ..evaluation import evaluate as judge
    from ..evaluation import is_model
    from ..runs import Run, dataset_of, open_run
    from ..splits import dataset_of_model
    from ..study import is_study
    from ..tagger import Tagger, load_tagger

    if is_study(run):
        refuse_together({"STUDY": True, "--test": test, "--data": data, "--report": folder})
        _evaluate_study(run, as_json=as_json)
        return
    judged = load_tagger(run) if is_model(run) else open_run(run)
    if isinstance(judged, Run) and data is not None:
        raise click.UsageError("--data goes with a model; a run is judged on its own data.")
    if isinstance(judged, Tagger) and data is not None and _is_own_photos(judged, data):
        report, page = _judge_photos(judged, data, by, test, folder)
        _show(report, page, as_json)
        return
    if by is not None:
        raise click.UsageError("--by goes with --data TABLE.csv, a table of labelled photos.")
    with Console(stderr=True).status("reading the pictures") as status:

        def progress(what: str, _done: int, _total: int | None) -> None:
            status.update(what)

        if isinstance(judged, Run):
            dataset = dataset_of(judged, progress)
        else:
            dataset = _dataset(judged, data, progress) if data else dataset_of_model(judged, progress)
        status.update("judging")
        report = judge(judged, split="test" if test else "validation", dataset=dataset)
        page = None
        if folder is not None or (isinstance(judged, Run) and not no_report):
            from ..report.page import write_report

            status.update("writing the report")
            page = write_report(judged, report, dataset, folder)
    _show(report, page, as_json)


def _is_own_photos(tagger: Tagger, data: str) -> bool:
    """Whether all of these photos may be judged: labelled ones that the model was not made of."""
    from ..data.registry import CATALOG
    from ..photo_labels import holds_photos

    path = Path(data).expanduser()
    # Of what it was trained on, only the pictures that were held out say anything.
    return (
        data not in CATALOG and holds_photos(path) and tagger.card.made.get("dataset") != path.resolve().name
    )


def _dataset(tagger: Tagger, data: str, progress: Progress) -> Dataset:
    """The dataset of a name or a path; photos become the pictures that the model sees."""
    from ..data import load_data
    from ..photo_labels import holds_photos

    picture = tagger.card.picture if holds_photos(Path(data).expanduser()) else None
    return load_data(data, picture=picture, progress=progress)


def _judge_photos(
    tagger: Tagger, data: str, by: str | None, test: bool, folder: Path | None
) -> tuple[Report, Path | None]:
    """Judge a model on somebody's own photos, and write the report where asked."""
    from rich.console import Console

    from ..photo_evaluation import judge_answers, write_photo_report

    with Console(stderr=True).status("reading the photos") as status:

        def progress(what: str, done: int, total: int | None) -> None:
            status.update(f"{what} {done:,} of {total:,}" if total else what)

        report, answers = judge_answers(tagger, Path(data).expanduser(), by=by, test=test, progress=progress)
        if folder is None:
            return report, None
        status.update("writing the report")
        return report, write_photo_report(tagger, report, answers, folder)


def _show(report: Report, page: Path | None, as_json: bool) -> None:
    if report.photos:
        for label, name in report.photos.near:
            click.echo(f'The label "{label}" counts as other things. If it is {name}, rename it.', err=True)
        if report.photos.unread:
            first = report.photos.unread_first[0]
            click.echo(f"{report.photos.unread:,} could not be read; the first: {first}", err=True)
    if as_json:
        click.echo(report.to_json())
    else:
        print_report(report)
    if page:
        click.echo(f"Report: {page}", err=as_json)


@click.command(epilog="Example: lapel compare cnn-1 cnn-2 --out curves.png")
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

    Points are how much more often a run is right than the first one, of 100 pictures, with a 95 % interval; p
    is the chance of such a difference on the same pictures (McNemar's exact test) if both were equally good.
    Where both runs have looked at the test pictures, it is these; else the validation pictures, on which runs
    are judged now if they were not yet.
    """
    from rich.console import Console

    from ..comparison import compare as compared
    from ..runs import open_run

    with Console(stderr=True).status("comparing") as status:
        comparison = compared([open_run(run) for run in runs], lambda what, *_: status.update(what))
    if out:
        from ..files import write_atomic
        from ..report.learning_figures import compare_curves
        from ..report.style import png

        write_atomic(out, png(compare_curves(comparison.curves)))
    if as_json:
        click.echo(comparison.to_json())
    else:
        _print_comparison(comparison)
    if out:
        click.echo(f"Figure: {out}", err=as_json)


def _evaluate_study(name: str, *, as_json: bool) -> None:
    """Judge each run of a study on the fold that it held out, and all folds together."""
    from rich.console import Console

    from ..study import judge_study, open_study

    with Console(stderr=True).status("judging") as status:
        found = judge_study(open_study(name), progress=lambda what, *_: status.update(what))
    if as_json:
        click.echo(found.to_json())
        return
    print_table(
        [Column("fold"), Column("accuracy", number=True), Column("pictures", number=True)],
        [[report.run, f"{report.accuracy:.2%}", f"{report.pictures:,}"] for report in found.folds],
    )
    click.echo(f"\n{found.mean:.2%} on average over {len(found.folds)} folds, ± {found.spread:.2%}\n")
    print_report(found.pooled)
    click.echo("Each picture once, answered by the run that has not learned from it:")
    names = [str(number) for number in range(1, len(found.pooled.class_names) + 1)]
    print_table(
        [Column("actual"), *(Column(number, number=True) for number in names)],
        [
            [f"{number} {name}", *map(str, row)]
            for number, name, row in zip(names, found.pooled.class_names, found.pooled.confusion, strict=True)
        ],
    )


def _print_comparison(comparison: Comparison) -> None:
    first, *others = comparison.rows
    columns = [
        Column("run"),
        Column("recipe", rank=5),
        Column("engine", rank=6),
        Column("parameters", rank=4, number=True),
        Column("epochs", rank=7, number=True),
        Column("seconds", rank=3, number=True),
        Column("validation", rank=1, number=True),
        Column("test", rank=2, number=True),
        Column("points"),
        Column("95 % interval"),
        Column("p", number=True),
    ]
    print_table(columns, [_comparison_cells(row) for row in comparison.rows])
    click.echo(f"Data: {first.dataset}, fingerprint {first.fingerprint[:12]}.", err=True)
    held = {(row.split, row.pictures) for row in others if row.p is not None}
    for split, pictures in sorted(held, key=str):
        names = ", ".join(row.run for row in others if row.split == split)
        click.echo(
            f"Points of {names} are against {first.run}, on the same {pictures:,} {split} pictures "
            "(interval: Bonett and Price; p: McNemar's exact test).",
            err=True,
        )
    for row in others:
        if row.problem:
            click.echo(f"{row.run} has no p. {row.problem}", err=True)


def _comparison_cells(row: Row) -> list[str]:
    points = interval = p = ""
    if row.difference is not None and row.interval is not None:
        low, high = row.interval
        points, interval = f"{row.difference * 100:+.2f}", f"{low * 100:+.2f} to {high * 100:+.2f}"
        p = f"{row.p:.2g}"
    return [
        row.run,
        row.recipe,
        row.engine,
        f"{row.parameters:,}",
        str(row.epochs),
        f"{row.seconds:,.1f}",
        _share(row.validation_accuracy),
        _share(row.test_accuracy),
        points,
        interval,
        p,
    ]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
