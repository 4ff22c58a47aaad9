"""How `lapel evaluate --robustness` and `--strangers` ask, and what they print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .loading import download_progress
from .tables import Column, print_pairs, print_table

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..robustness import Robustness
    from ..strangers import StrangersReport


def evaluate_robustness(
    name: str, *, test: bool, against: str | None, data: str | None, as_json: bool
) -> None:
    """Judge a run or a model on corrupted pictures, and print what was found."""
    from ..robustness import judge_robustness

    with download_progress() as progress:
        found = judge_robustness(
            name,
            split="test" if test else "validation",
            against=against,
            dataset=_dataset(data),
            progress=progress,
        )
    if as_json:
        click.echo(found.to_json())
    else:
        _print_robustness(found)


def evaluate_strangers(
    name: str, strangers: tuple[str, ...], *, test: bool, data: str | None, as_json: bool
) -> None:
    """Hold what a run or a model knows against strangers, and print what was found."""
    from ..strangers import judge_strangers

    with download_progress() as progress:
        found = judge_strangers(
            name,
            strangers,
            split="test" if test else "validation",
            dataset=_dataset(data),
            progress=progress,
        )
    for kind in found.kinds:
        if kind.unread:
            click.echo(f"{kind.name}: {kind.unread:,} could not be read; {kind.unread_first}", err=True)
    if as_json:
        click.echo(found.to_json())
    else:
        _print_strangers(found)


def _dataset(data: str | None) -> Dataset | None:
    from ..data import load_data

    return load_data(data) if data else None


def _print_robustness(found: Robustness) -> None:
    from ..wording import how_often

    _print_head(found)
    low, high = found.interval
    pairs = [
        ("accuracy as they are", f"{found.accuracy:.2%} ({low:.2%} to {high:.2%})"),
        ("mean error, corrupted", f"{found.mean_error:.2%}"),
    ]
    if found.relative is not None:
        pairs.append((f"mean error to {found.reference}'s", f"{found.relative:.1%}"))
    if found.test_looks is not None:
        pairs.append(("test set looked at", how_often(found.test_looks)))
    print_pairs(pairs)
    click.echo("\nAccuracy by severity:")
    ranks = {1: 2, 2: 5, 3: 3, 4: 4, 5: 1}
    columns = [
        Column("corruption"),
        *(Column(str(severity), rank=ranks[severity], number=True) for severity in ranks),
        Column("mean", number=True),
    ]
    if found.relative is not None:
        columns.append(Column(f"to {found.reference}'s", rank=1, number=True))
    rows = []
    for one in found.corruptions:
        alike = len(set(one.accuracy)) == 1
        shares = [""] * 5 if alike else [f"{share:.1%}" for share in one.accuracy]
        row = [one.name.replace("-", " "), *shares, f"{1 - one.error:.1%}"]
        if found.relative is not None:
            row.append("" if one.relative is None else f"{one.relative:.0%}")
        rows.append(row)
    print_table(columns, rows)


def _print_strangers(found: StrangersReport) -> None:
    from ..wording import how_often

    _print_head(found)
    if found.accepted is not None:
        click.echo(f"Of these the model accepts {found.accepted:.1%}.")
    if found.test_looks is not None:
        click.echo(f"The test set was looked at {how_often(found.test_looks)}.")
    names = [one.score for one in next(kind.figures for kind in found.kinds if kind.figures)]
    click.echo("\nAUROC: how well each score tells them from")
    print_table(
        [Column("strangers"), *(Column(name, number=True) for name in names)],
        [
            [
                _kind_name(kind.name, made=kind.made),
                *(f"{one.auroc:.4f}" for one in kind.figures or ()),
                *[""] * (len(names) - len(kind.figures)),
            ]
            for kind in found.kinds
        ],
    )
    click.echo(f"\nChosen on those that Lapel made (*): {found.chosen}. With it:")
    print_table(
        [
            Column("strangers"),
            Column("pictures", rank=2, number=True),
            Column("AUROC", number=True),
            Column("AUPR", rank=1, number=True),
            Column("FPR at 95 %", number=True),
            Column("accepted", rank=3, number=True),
        ],
        [
            [
                _kind_name(kind.name, made=kind.made),
                f"{kind.pictures:,}",
                f"{one.auroc:.4f}",
                f"{one.aupr:.4f}",
                f"{one.fpr:.2%}",
                "" if kind.accepted is None else f"{kind.accepted:.2%}",
            ]
            for kind in found.kinds
            for one in kind.figures
            if one.score == found.chosen
        ],
    )
    for score, why in found.unavailable:
        click.echo(f"{score}: not available: {why}", err=True)
    for kind_name, why in found.left_out:
        click.echo(f"{kind_name}: left out: {why}.", err=True)


def _print_head(found: Robustness | StrangersReport) -> None:
    some = "" if found.pictures == found.of else f" of {found.of:,}, drawn by seed {found.seed},"
    click.echo(f"{found.run}: {found.pictures:,}{some} {found.split} pictures of {found.dataset}")


def _kind_name(name: str, *, made: bool) -> str:
    return f"{name} *" if made else name
