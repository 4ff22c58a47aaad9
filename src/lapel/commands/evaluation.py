"""`lapel evaluate`: how good runs, studies and models are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import refuse_together
from .reports import print_report, print_study_report

if TYPE_CHECKING:
    from ..data import Progress
    from ..data.dataset import Dataset
    from ..judgement import Report
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
@click.option(
    "--by",
    metavar="COLUMN|PATTERN",
    help="Figures for each group of photos, and which is worst: by a column of the table, or by path, as for "
    "lapel train --group.",
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
@click.option(
    "--robustness",
    is_flag=True,
    help="Corrupt the pictures in fifteen ways at five severities: 2,000 validation pictures, or with --test "
    "all test pictures.",
)
@click.option(
    "--against",
    metavar="RUN|MODEL",
    help="With --robustness: whose errors are the measure  [default: of Fashion-MNIST, those of dense, where "
    "they were measured]",
)
@click.option(
    "--strangers",
    is_flag=False,
    flag_value="",
    multiple=True,
    metavar="NAME|FOLDER|PHOTO",
    help="How well it tells what it knows from noise, scrambled pictures, digits, and what you name here; "
    "may be given several times, last on the line where without a name.",
)
def evaluate(
    run: str,
    test: bool,
    data: str | None,
    by: str | None,
    as_json: bool,
    folder: Path | None,
    no_report: bool,
    robustness: bool,
    against: str | None,
    strangers: tuple[str, ...],
) -> None:
    """Judge a run, a study or a model (by name or path) on validation pictures, and write its report.

    Choose between runs by these. The test pictures are for the last look only. A model that was trained
    elsewhere may have learned from the validation pictures too; only --test says how good it is.

    How true confidence is after calibration, and sets of classes that hold the right one as promised, are
    fitted on validation pictures and judged on the test ones; without --test, they are fitted on half of the
    validation pictures and judged on the other half. --json has every figure.

    Photos of your own with labels of your own (--data) say how a model does on what you have. All of them are
    judged, in the way that `lapel tag` goes; what is none of the model's classes, it should not accept.
    """
    refuse_together({"--report": folder, "--no-report": no_report})
    for other in ({"--by": by}, {"--report": folder}):
        refuse_together({"--robustness": robustness, "--strangers": strangers, **other})
    if against is not None and not robustness:
        raise click.UsageError("--against goes with --robustness.")
    if robustness or strangers:
        from .robustness import evaluate_robustness, evaluate_strangers

        if robustness:
            evaluate_robustness(run, test=test, against=against, data=data, as_json=as_json)
        else:
            named = tuple(filter(None, strangers))
            evaluate_strangers(run, named, test=test, data=data, as_json=as_json)
        return
    from rich.console import Console

    from ..evaluation import evaluate as judge
    from ..evaluation import is_model, with_groups
    from ..runs import Run, dataset_of, open_run
    from ..splits import dataset_of_model
    from ..study import is_study
    from ..tagger import Tagger, load_tagger

    if is_study(run):
        refuse_together({"STUDY": True, "--data": data, "--report": folder})
        _evaluate_study(run, test=test, by=by, as_json=as_json)
        return
    judged = load_tagger(run) if is_model(run) else open_run(run)
    if isinstance(judged, Run) and data is not None:
        raise click.UsageError("--data goes with a model; a run is judged on its own data.")
    if isinstance(judged, Tagger) and data is not None and _is_own_photos(judged, data):
        report, page = _judge_photos(judged, data, by, test, folder)
        _show(report, page, as_json)
        return
    if by is not None and not isinstance(judged, Run):
        raise click.UsageError("--by goes with a run, a study, or labelled photos (--data).")
    with Console(stderr=True).status("reading the pictures") as status:

        def progress(what: str, _done: int, _total: int | None) -> None:
            status.update(what)

        if isinstance(judged, Run):
            dataset = dataset_of(judged, progress)
        else:
            dataset = _dataset(judged, data, progress) if data else dataset_of_model(judged, progress)
        status.update("judging")
        report = judge(judged, split="test" if test else "validation", dataset=dataset)
        if by is not None and isinstance(judged, Run):
            report = with_groups(report, judged, by, dataset, progress)
        page = None
        if folder is not None or (isinstance(judged, Run) and not no_report):
            from ..report.page import write_report

            status.update("writing the report")
            page = write_report(judged, report, dataset, folder)
    _show(report, page, as_json)


def _evaluate_study(name: str, *, test: bool, by: str | None, as_json: bool) -> None:
    """Judge each run of a study, and all together."""
    from rich.console import Console

    from ..study import judge_study, open_study

    with Console(stderr=True).status("judging") as status:
        found = judge_study(
            open_study(name),
            progress=lambda what, *_: status.update(what),
            split="test" if test else "validation",
            by=by,
        )
    if as_json:
        click.echo(found.to_json())
    else:
        print_study_report(found)


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
