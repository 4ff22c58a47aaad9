"""The whole way in one go: data, training, judging, report, model, tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .data import Progress, load_data
from .data.dataset import Dataset
from .errors import DataError
from .evaluation import evaluate
from .exporting import export
from .files import write_atomic
from .judgement import Report
from .report.page import write_report
from .runs import Run
from .tagger import Tag, load_tagger
from .trainer import train
from .training.watch import Watch

_RECIPE = "cnn-fast"
_TAGGED = 3


@dataclass(frozen=True)
class Demo:
    """What a demo made: the run, what it came to, where things lie, and three tags with the right answers."""

    run: Run
    drawn: bool  # trained on the drawn garments, since Fashion-MNIST was not to be had
    report: Report
    page: Path
    model: Path
    tags: tuple[tuple[Tag, str, Path], ...]  # tag, actual label, picture


def find_data(progress: Progress | None = None) -> tuple[Dataset, DataError | None]:
    """Fashion-MNIST, or the drawn garments and why it could not be had."""
    try:
        return load_data("fashion-mnist", progress=progress), None
    except DataError as error:
        return load_data("synthetic"), error


def demonstrate(
    dataset: Dataset, say: Callable[[str], None], watch: Watch | None = None, *, seed: int = 0
) -> Demo:
    """Train a fast recipe on `dataset`, look at its test pictures once, and tag three of them.

    `say` is told what comes next.
    """
    assert dataset.test is not None
    say(f"Training {_RECIPE} on {dataset.name}.")
    run = train(_RECIPE, dataset.name, seed=seed, watches=[watch] if watch else [])
    say("Looking at the test pictures, once.")
    report = evaluate(run, split="test", dataset=dataset)
    say("Drawing the report.")
    page = write_report(run, report, dataset)
    say("Exporting the model, and checking that it answers as the run does.")
    model = export(run).path
    say(f"Asking the model about {_TAGGED} pictures that it has not seen.")
    tagger = load_tagger(model)
    tags = []
    for place in np.random.default_rng(seed).choice(len(dataset.test), _TAGGED, replace=False):
        actual = dataset.class_names[dataset.test.labels[place]]
        path = run.pictures_folder / f"test-{place}.png"
        _write_png(dataset.test.pictures[place], path)
        tags.append((tagger.tag(path), actual, path))
    return Demo(run, dataset.name == "synthetic", report, page, model, tuple(tags))


def _write_png(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], path: Path) -> None:
    from .encode import encode, to_image

    write_atomic(path, encode(to_image(picture)))
