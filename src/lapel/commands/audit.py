"""`lapel audit`: a dataset is looked over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .loading import cache_option, download_progress, group_option
from .tables import Column, print_pairs, print_table

if TYPE_CHECKING:
    from ..auditing.audit import Audit

_SHOWN = 5  # pairs of classes in a terminal


@click.command(epilog="Example: lapel audit fashion-mnist --out looked-over")
@click.argument("dataset", metavar="[NAME_OR_PATH]", default="fashion-mnist")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Folder of the table, the figures and the page  [default: audit-DATASET]",
)
@click.option(
    "--folds",
    default=5,
    show_default=True,
    type=click.IntRange(2, 20),
    help="Parts that networks have not learned from in turn.",
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Draws the folds."
)
@group_option
@cache_option
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, for programs.")
def audit(
    dataset: str,
    out: Path | None,
    folds: int,
    seed: int,
    group: str | None,
    cache_limit: int | None,
    as_json: bool,
) -> None:
    """Look for doubtful labels, cut-outs that went wrong, copies, and classes that overlap.

    Small networks learn from all folds but one and are asked about that one, so that nobody judges a picture
    that it has learned from. In the folder are audit.csv (a row for each picture that anything was found of),
    summary.json, and gallery.html to look at. An audit that was stopped goes on in its folder. `lapel train
    --drop-doubtful FOLDER` leaves the doubtful training pictures out.
    """
    from ..auditing.audit import audit as look_over
    from ..auditing.audit import load_to_audit

    with download_progress() as progress:
        pictures = load_to_audit(dataset, group=group, cache_limit=cache_limit, progress=progress)
    folder = out or Path(f"audit-{pictures.name}")
    with download_progress() as progress:
        found = look_over(pictures, folder, folds=folds, seed=seed, progress=progress)
    if as_json:
        click.echo(json.dumps(found.summary.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(found)
    click.echo(f"Look at {folder / 'gallery.html'}; {folder / 'audit.csv'} has a row for each.", err=True)


def _print(found: Audit) -> None:
    summary = found.summary
    splits = list(summary.pictures)
    click.echo(f"{summary.dataset}: " + ", ".join(f"{summary.pictures[name]:,} {name}" for name in splits))
    click.echo(f"asked: {summary.by}; they agree with {summary.agreement:.1%} of the training labels")
    click.echo()
    reasons = list(dict.fromkeys(reason for name in splits for reason in summary.reasons.get(name, {})))
    if reasons:
        print_table(
            [Column("found"), *(Column(name, number=True) for name in splits)],
            [
                [reason, *(f"{summary.reasons.get(name, {}).get(reason, 0):,}" for name in splits)]
                for reason in reasons
            ],
        )
    else:
        click.echo("Nothing to complain of.")
    if summary.test_like_train:
        print_pairs([("test pictures like a training picture", f"{summary.test_like_train:,}")])
    if summary.overlaps:
        click.echo()
        print_table(
            [
                Column("taken for each other"),
                Column("mistaken", number=True),
                Column("of", rank=1, number=True),
                Column("AUROC", rank=2, number=True),
            ],
            [
                [
                    f"{one.first} and {one.second}",
                    f"{one.mistaken:,}",
                    f"{one.pictures:,}",
                    f"{one.auroc:.3f}",
                ]
                for one in summary.overlaps[:_SHOWN]
            ],
        )
