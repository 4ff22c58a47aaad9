"""`lapel demo`: the whole way in one command."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..demo import Demo

_DRAWN = (
    "These are drawn garments, not Fashion-MNIST, which was not to be had here: "
    "the figures say that everything works, and nothing about real clothes."
)


@click.command()
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**31 - 1),
    help="Decides all that is drawn.",
)
def demo(seed: int) -> None:
    """Fetch Fashion-MNIST, train a network, judge it, write a report, and label three pictures.

    Where Fashion-MNIST cannot be had, the drawn garments stand in for it.
    """
    from ..demo import demonstrate, find_data
    from .loading import download_progress
    from .progress import TrainingProgress

    began = time.perf_counter()
    with download_progress() as progress:
        dataset, missing = find_data(progress)
    if missing:
        _say(f"{missing.message}\n\n{_DRAWN}\n")
    _say(f"{dataset!r}, from {dataset.source}")
    made = demonstrate(dataset, _say, TrainingProgress(), seed=seed)
    _conclude(made, time.perf_counter() - began)


def _conclude(made: Demo, seconds: float) -> None:
    low, high = made.report.interval
    click.echo(
        f"\n{made.report.accuracy:.2%} of {made.report.pictures:,} test pictures are labelled right "
        f"(95 % interval {low:.2%} to {high:.2%}).\n"
    )
    _show(made)
    run = made.run.path
    click.echo(
        f"The run      {run}\n"
        f"The report   {made.page}\n"
        f"The model    {made.model}\n"
        f"\n"
        f"Done in {seconds:.0f} s. To try next:\n"
        f"  lapel tag {made.run.pictures_folder} --show    (or photos of your own)\n"
        f"  lapel recipes                        the networks that are there\n"
        f"  lapel train cnn                      one of them\n"
        f"  lapel compare {made.run.name} cnn-1        which is better, and is it chance?"
    )
    if made.drawn:
        click.echo(f"\n{_DRAWN}\nTo use Fashion-MNIST, run this again where the network can be reached.")


def _show(made: Demo) -> None:
    from ..tagger import load_tagger
    from ..terminal import beside, can_draw, draw

    pictures = can_draw(sys.stdout, os.environ)
    tagger = load_tagger(made.model)
    for tag, actual, path in made.tags:
        others = ", ".join(f"{label} {share:.1%}" for label, share in tag.alternatives[:2])
        lines = [
            f"{path.name}: {tag.label}, {tag.confidence:.1%} sure"
            + ("" if tag.accepted else f", not accepted: {tag.reason}")
            + ("" if tag.label == actual else "  (wrong)"),
            f"  actually {actual}; then {others}",
        ]
        if pictures:
            click.echo(beside(draw(tagger.picture(path), 28), 28, lines))
        else:
            click.echo("\n".join(lines))
    click.echo()


def _say(line: str) -> None:
    click.echo(line, err=True)
