"""`lapel demo`: the whole way in one command."""

from __future__ import annotations

import os
import shlex
import sys
import time
from itertools import count
from typing import TYPE_CHECKING

import click

from .options import invocation
from .tables import print_pairs

if TYPE_CHECKING:
    from ..demo import Demo

_DRAWN = (
    "These are drawn garments, not Fashion-MNIST, which was not to be had here: "
    "the figures say that everything works, and nothing about real clothes."
)


@click.command(epilog="Example: lapel demo --seed 1")
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
    print_pairs(
        [("The run", str(made.run.path)), ("The report", str(made.page)), ("The model", str(made.model))]
    )
    click.echo(f"\nDone in {seconds:.0f} s. To try next:")
    for command, about in _next_commands(made):
        click.echo(f"\n  # {about}\n  {command}")
    if made.drawn:
        click.echo(f"\n{_DRAWN}\nTo use Fashion-MNIST, run this again where the network can be reached.")


def _next_commands(made: Demo) -> list[tuple[str, str]]:
    """Commands that can be typed from here, and what each is for."""
    lapel = invocation()
    # A second run compares with this one only on the same data.
    data = " --data synthetic" if made.drawn else ""
    names = (f"cnn-{number}" for number in count(1))
    second = next(name for name in names if not made.run.path.with_name(name).exists())
    pictures = shlex.quote(str(made.run.pictures_folder))
    return [
        (f"{lapel} tag {pictures} --show", "these pictures again, or photos of your own"),
        (f"{lapel} recipes", "the networks that are there"),
        (f"{lapel} train cnn{data}", "one of them"),
        (f"{lapel} compare {made.run.name} {second}", "which of the two is better, and is it chance?"),
    ]


def _show(made: Demo) -> None:
    from ..tagger import load_tagger
    from ..terminal import beside, can_draw, draw
    from ..wording import percent

    pictures = can_draw(sys.stdout, os.environ)
    tagger = load_tagger(made.model)
    for tag, actual, path in made.tags:
        others = ", ".join(f"{label} {percent(share)}" for label, share in tag.label_scores[1:3])
        wrong = "  (wrong)" if tag.accepted and tag.label != actual else ""
        lines = [f"{path.name}: {tag}{wrong}", f"  actually {actual}; then {others}"]
        if pictures:
            click.echo(beside(draw(tagger.picture(path), 28), 28, lines))
        else:
            click.echo("\n".join(lines))
    click.echo()


def _say(line: str) -> None:
    click.echo(line, err=True)
