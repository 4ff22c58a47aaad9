"""How the figures of a report are printed for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .tables import Column, print_pairs, print_table

if TYPE_CHECKING:
    from ..by_group import Groups, PhotoFigures
    from ..judgement import Look, Photos, Report
    from ..study import StudyGroups, StudyReport


def print_report(report: Report) -> None:
    """Print the figures of a report for people."""
    low, high = report.interval
    looks = {0: "never", 1: "once"}.get(report.test_looks or 0, f"{report.test_looks} times")
    click.echo(f"{report.run}: {report.pictures:,} {report.split} pictures of {report.dataset}")
    if report.photos:
        _print_photos(report, report.photos)
        _print_confusions(report)
        return
    pairs = [
        ("accuracy", f"{report.accuracy:.2%}"),
        ("95 % interval", f"{low:.2%} to {high:.2%}"),
        *([("epoch", report.choice)] if report.choice else []),
        *([("on the test pictures", _of_test(report.test))] if report.test else []),
        ("balanced accuracy", f"{report.balanced_accuracy:.2%}"),
        *[(f"among the first {k}", f"{share:.2%}") for k, share in report.top_k[:1]],
        ("loss", f"{report.loss:.4f}"),
        ("calibration error", _calibration_error(report)),
        *_pairs_of_sets(report),
    ]
    if report.test_looks is not None:
        pairs.append(("test set looked at", looks))
    print_pairs(pairs)
    click.echo()
    shares = [(Column(title, number=True)) for title in ("precision", "recall", "F1")]
    print_table(
        [Column("class"), *shares, Column("pictures", rank=1, number=True)],
        [
            [one.name, f"{one.precision:.1%}", f"{one.recall:.1%}", f"{one.f1:.1%}", f"{one.support:,}"]
            for one in report.per_class
        ],
    )
    click.echo()
    if report.groups:
        _print_groups(report.groups)
    _print_confusions(report)
    if report.caution:
        click.echo(f"{report.caution}\n")


def _of_test(look: Look) -> str:
    low, high = look.interval
    return f"{look.accuracy:.2%} ({low:.2%} to {high:.2%}) of {look.pictures:,}"


def _print_groups(groups: Groups) -> None:
    """Every figure of each group, and which is worst."""
    columns = [
        Column(groups.by),
        Column("pictures", number=True),
        Column("right", number=True),
        Column("95 % interval", rank=1, number=True),
        Column("alike", rank=2, number=True),
        Column("F1", rank=3, number=True),
        Column("loss", rank=3, number=True),
        Column("Brier", rank=5, number=True),
        Column("calibration error", rank=4, number=True),
    ]
    cells = [
        [
            *_right_cells(one),
            _tenths(one.f1),
            "" if one.loss is None else f"{one.loss:.3f}",
            "" if one.brier is None else f"{one.brier:.3f}",
            _tenths(one.calibration_error),
        ]
        for one in groups.figures
    ]
    print_table(columns, cells)
    worst = groups.of_worst
    if worst is not None:
        click.echo(
            f"Worst, of those with 20 pictures or more: {worst.name or '(empty)'}, {worst.accuracy:.1%}."
        )
    click.echo()


def _print_study_groups(found: StudyGroups, members: str) -> None:
    numbers = [
        Column("pictures", number=True),
        Column("right", number=True),
        Column(f"sd over {members}", rank=2, number=True),
        Column("least", rank=1, number=True),
    ]
    click.echo()
    print_table(
        [Column(found.by), *numbers],
        [
            [
                one.name or "(empty)",
                f"{one.pictures:,}",
                f"{one.accuracy:.1%}",
                f"{one.spread:.1%}",
                f"{one.least:.1%}",
            ]
            for one in found.groups
        ],
    )
    if found.worst is not None:
        click.echo(f"Worst, of those with 20 pictures or more: {found.worst or '(empty)'}.")


def print_study_report(found: StudyReport) -> None:
    """Print the figures of a study for people: each member, their mean with spread and interval, the pool."""
    one, count = found.members[0], len(found.members)
    pictures = f"{one.pictures:,} {found.split} pictures" if found.pooled is None else "pictures"
    click.echo(f"{found.study}: {count} {found.kind}, {pictures} of {one.dataset}")
    shares = [Column("accuracy", number=True), Column("each class alike", rank=2, number=True)]
    print_table(
        [
            Column(found.kind.removesuffix("s")),
            *shares,
            Column("loss", number=True),
            Column("pictures", rank=1, number=True),
        ],
        [
            [
                report.run,
                f"{report.accuracy:.2%}",
                f"{report.balanced_accuracy:.2%}",
                f"{report.loss:.4f}",
                f"{report.pictures:,}",
            ]
            for report in found.members
        ],
    )
    low, high = found.interval
    click.echo(
        f"\n{found.mean:.2%} on average over {count} {found.kind}, standard deviation {found.spread:.2%}"
        f"\n{low:.2%} to {high:.2%}: 95 % interval (t) of {found.interval_of}"
    )
    if found.kind == "seeds" and found.split == "validation":
        click.echo("All seeds hold out the same pictures, which the first of them drew.")
    if found.test_looks:
        click.echo(f"Test set looked at: {found.test_looks} times by {count} runs.")
    if found.groups is not None:
        _print_study_groups(found.groups, found.kind)
    if found.pooled is not None:
        _print_pooled(found.pooled)


def _print_pooled(report: Report) -> None:
    click.echo()
    print_report(report)
    click.echo("Each picture once, answered by the run that has not learned from it:")
    names = [str(number) for number in range(1, len(report.class_names) + 1)]
    print_table(
        [Column("actual"), *(Column(number, number=True) for number in names)],
        [
            [f"{number} {name}", *map(str, row)]
            for number, name, row in zip(names, report.class_names, report.confusion, strict=True)
        ],
    )


def _calibration_error(report: Report) -> str:
    """As it is, and what it would be after calibration."""
    if report.trust is None:
        return f"{report.calibration_error:.2%}"
    trust = report.trust
    before, after = trust.before.calibration_error, trust.after.calibration_error
    if trust.fitted_on == "half":
        return f"{report.calibration_error:.2%}; on half {before:.2%}, calibrated on the other {after:.2%}"
    return f"{before:.2%}; calibrated on validation ({trust.method}) {after:.2%}"


def _pairs_of_sets(report: Report) -> list[tuple[str, str]]:
    """The sets that miss one class in a hundred, made in the simplest way."""
    if report.trust is None:
        return []
    found = [one for one in report.trust.sets if (one.method, one.alpha) == ("lac", 0.01)]
    return [
        (
            "sets for 99 %",
            f"{one.mean_size:.2f} classes; right in {one.coverage:.2%} "
            f"({one.interval[0]:.2%} to {one.interval[1]:.2%})",
        )
        for one in found
    ]


def _print_photos(report: Report, photos: Photos) -> None:
    whole = photos.all
    pairs = [
        ("accuracy", _with_interval(whole.accuracy, whole.interval)),
        (
            "each class alike",
            f"{report.balanced_accuracy:.1%} ({whole.classes} of {len(report.class_names)})",
        ),
        ("accepted", _with_interval(whole.accepted, whole.accepted_interval)),
        ("right among accepted", _with_interval(whole.accepted_accuracy, whole.accepted_accuracy_interval)),
        ("calibration error", f"{report.calibration_error:.1%}"),
    ]
    if whole.others:
        pairs += [
            ("photos of other things", f"{whole.others:,}"),
            ("  accepted", _with_interval(whole.others_accepted, whole.others_accepted_interval)),
            ("  told apart (AUROC)", "" if whole.auroc is None else f"{whole.auroc:.3f}"),
        ]
    print_pairs(pairs)
    click.echo()
    _print_figures("class", photos.classes)
    if photos.by is not None:
        click.echo()
        _print_figures(photos.by, photos.groups)
        if photos.worst is not None:
            click.echo(
                f"Worst, of those with 20 photos or more: {photos.worst}; "
                f"among accepted: {photos.worst_accepted}."
            )
    if len(photos.others) > 1:
        click.echo()
        numbers = [Column("photos", number=True), Column("accepted", number=True)]
        print_table(
            [Column("other things"), *numbers],
            [[label, f"{count:,}", f"{accepted:,}"] for label, count, accepted in photos.others],
        )
    click.echo()


def _print_figures(head: str, rows: Sequence[PhotoFigures]) -> None:
    columns = [
        Column(head),
        Column("photos", number=True),
        Column("right", number=True),
        Column("95 % interval", rank=3, number=True),
        Column("alike", rank=2, number=True),
        Column("accepted", number=True),
        Column("of these right", number=True),
        Column("others", rank=1, number=True),
        Column("others accepted", rank=1, number=True),
    ]
    wanted = [place for place in range(len(columns)) if place not in (4, 7, 8) or head != "class"]
    cells = [
        [
            *_right_cells(one),
            _tenths(one.accepted),
            _tenths(one.accepted_accuracy),
            f"{one.others:,}",
            _tenths(one.others_accepted),
        ]
        for one in rows
    ]
    print_table([columns[place] for place in wanted], [[row[place] for place in wanted] for row in cells])


def _with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None or interval is None:
        return "none"
    return f"{value:.1%} ({interval[0]:.1%} to {interval[1]:.1%})"


def _right_cells(one: PhotoFigures) -> list[str]:
    """The first cells of a row: name, pictures, how many are right with their interval, each class alike."""
    return [
        one.name or "(empty)",
        f"{one.pictures:,}",
        _tenths(one.accuracy),
        "" if one.interval is None else f"{one.interval[0]:.1%} to {one.interval[1]:.1%}",
        _tenths(one.balanced_accuracy),
    ]


def _tenths(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _print_confusions(report: Report) -> None:
    if report.confusions:
        numbers = [Column("pictures", number=True), Column("of the class", rank=1, number=True)]
        print_table(
            [Column("actual"), Column("taken for"), *numbers],
            [
                [pair.actual, pair.predicted, f"{pair.count:,}", f"{pair.share:.1%}"]
                for pair in report.confusions
            ],
        )
        click.echo()
