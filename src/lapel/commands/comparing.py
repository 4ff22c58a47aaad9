"""`lapel compare`: which run or study is better, and whether that may be chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .looks import remark_on_test
from .tables import Column, print_sentence, print_table

if TYPE_CHECKING:
    from ..answers import Contender
    from ..comparison import Comparison, Row
    from ..data import Progress
    from ..splits import SplitName

_SMALL = 1e-12  # below it, no p says more


@click.command(epilog="Example: lapel compare cnn-1 cnn-2 --out curves.png")
@click.argument("runs", metavar="RUN|STUDY...", nargs=-1, required=True)
@click.option(
    "--validation", is_flag=True, help="By the validation pictures, also where all have been tested."
)
@click.option("--json", "as_json", is_flag=True, help="For a program.")
@click.option(
    "--differences",
    "listed",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help="List the pictures that are answered differently: index, file, label, both answers.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FIGURE.png",
    help="Draw the curves of all the runs to this file.",
)
def compare(
    runs: tuple[str, ...], validation: bool, as_json: bool, listed: Path | None, out: Path | None
) -> None:
    """Put runs and studies side by side; each is tested against the first.

    Points are how much more often one is right than the first, of 100 pictures, with a 95 % interval; p is
    the chance of such a difference on the same pictures if both were equally good (McNemar's exact test), and
    for two studies "p seeds" that among other seeds (a permutation test). Of three or more, each p is shown
    as it is adjusted for being one of several (Holm).

    Where all have looked at the test pictures, it is these; else the validation pictures, on which runs are
    judged now if they were not yet.
    """
    from rich.console import Console

    from ..comparison import compare as compared
    from ..runs import open_run
    from ..study import is_study, open_study

    chosen: list[Contender] = [open_study(name) if is_study(name) else open_run(name) for name in runs]
    split: SplitName | None = "validation" if validation else None
    with Console(stderr=True).status("comparing") as status:

        def progress(what: str, _done: int, _total: int | None) -> None:
            status.update(what)

        comparison = compared(chosen, progress, split=split)
        if listed:
            _write_differences(listed, comparison, chosen, progress)
    if out:
        from ..files import write_atomic
        from ..report.learning_figures import compare_curves
        from ..report.style import png

        write_atomic(out, png(compare_curves(comparison.curves)))
    if as_json:
        click.echo(comparison.to_json())
    else:
        _print_comparison(comparison)
        if split is None:
            remark_on_test([(row.dataset, row.test_looks) for row in comparison.rows])
    for what, path in (("Differences", listed), ("Figure", out)):
        if path:
            click.echo(f"{what}: {path}", err=as_json)


def _write_differences(
    path: Path, comparison: Comparison, chosen: Sequence[Contender], progress: Progress
) -> None:
    from ..answers import dataset_behind
    from ..differences import differences, write_differences

    first, *others = chosen
    dataset = dataset_behind(first, progress)
    pairs = []
    for row, other in zip(comparison.rows[1:], others, strict=True):
        if row.split is not None:
            found = differences(first, other, dataset, split=row.split, progress=progress)
            pairs.append((first.name, other.name, found))
    write_differences(path, pairs)


def _print_comparison(comparison: Comparison) -> None:
    first, *others = comparison.rows
    several = sum(row.p is not None for row in others) > 1
    seeds = any(row.p_seeds is not None for row in others)
    columns = [
        Column("run"),
        Column("recipe", rank=6),
        Column("engine", rank=7),
        Column("parameters", rank=5, number=True),
        Column("epochs", rank=8, number=True),
        Column("seconds", rank=4, number=True),
        Column("validation", rank=2, number=True),
        Column("test", rank=3, number=True),
        Column("points"),
        Column("95 % interval"),
        Column("p (Holm)" if several else "p", number=True),
    ]
    if seeds:
        columns.append(Column("p seeds (Holm)" if several else "p seeds", rank=1, number=True))
    print_table(columns, [_cells(row)[: len(columns)] for row in comparison.rows])
    for row in others:
        if row.answered_differently is not None:
            print_sentence(_counts(first, row))
    if len(others) == 1 and others[0].classes:
        _print_classes(first, others[0])
    click.echo(f"Data: {first.dataset}, fingerprint {first.fingerprint[:12]}.", err=True)
    for split, pictures in sorted(
        {(row.split, row.pictures) for row in others if row.p is not None}, key=str
    ):
        held = [row for row in others if row.split == split]
        click.echo(
            f"Points of {', '.join(row.run for row in held)} are against {first.run}, on the same "
            f"{pictures:,} {split} pictures ({_ways(held)}).",
            err=True,
        )
    for row in others:
        if row.problem:
            click.echo(f"{row.run} has no p. {row.problem}", err=True)


def _ways(rows: Sequence[Row]) -> str:
    """How interval and p were found, in words."""
    pooled = [row for row in rows if row.interval_by == "bonett-price"]
    drawn = [row for row in rows if row.interval_by == "bootstrap"]
    intervals = [
        *(["Bonett and Price"] if pooled else []),
        *(["paired bootstrap of pictures and seeds"] if drawn else []),
    ]
    tests = [
        *(["McNemar's exact test"] if pooled else []),
        *(["exact signs over pictures, McNemar's for several networks"] if drawn else []),
    ]
    said = f"interval: {', '.join(intervals)}; p: {', '.join(tests)}"
    permuted = next((row for row in rows if row.p_seeds is not None), None)
    if permuted is None:
        return said
    how = "all" if permuted.permutations_exact else "drawn"
    return f"{said}; p seeds: permutation test, {permuted.permutations:,} arrangements, {how}"


def _counts(first: Row, row: Row) -> str:
    return (
        f"Of {row.pictures:,} pictures, {row.run} answers {row.answered_differently:,} otherwise than "
        f"{first.run}; only {first.run} is right about {_number(row.only_first)}, "
        f"only {row.run} about {_number(row.only_second)}."
    )


def _print_classes(first: Row, other: Row) -> None:
    click.echo()
    columns = [
        Column("class"),
        Column("pictures", rank=2, number=True),
        Column("1st", number=True),
        Column("2nd", number=True),
        Column("p", rank=1, number=True),
        Column("p (Holm)", number=True),
    ]
    print_table(
        columns,
        [
            [
                one.name,
                f"{one.pictures:,}",
                _number(one.only_first),
                _number(one.only_second),
                _chance(one.p),
                _chance(one.p_holm),
            ]
            for one in other.classes
        ],
    )
    click.echo(
        f"1st: pictures that only {first.run} has right; 2nd: only {other.run}. Of {len(other.classes)} "
        "classes one may have a small p by chance: go by the adjusted one (Holm).",
        err=True,
    )


def _cells(row: Row) -> list[str]:
    points = interval = ""
    if row.difference is not None and row.interval is not None:
        low, high = row.interval
        points, interval = f"{row.difference * 100:+.2f}", f"{low * 100:+.2f} to {high * 100:+.2f}"
    return [
        row.run if row.kind == "run" else f"{row.run} ({row.members} {row.kind})",
        row.recipe,
        row.engine,
        f"{row.parameters:,}",
        str(row.epochs),
        f"{row.seconds:,.1f}",
        _share(row.validation_accuracy, row.validation_spread),
        _share(row.test_accuracy, row.test_spread),
        points,
        interval,
        _chance(row.p_holm),
        _chance(row.p_seeds_holm),
    ]


def _share(value: float | None, spread: float | None) -> str:
    return "" if value is None else f"{value:.2%}" if spread is None else f"{value:.2%} ± {spread * 100:.2f}"


def _chance(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2g}" if value > _SMALL else f"<{_SMALL:.0e}"


def _number(value: float | None) -> str:
    """A count, or a mean of counts."""
    return "" if value is None else f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
