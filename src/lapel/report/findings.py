"""A judged run or model -> what its page tells of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..card import Card
from ..choice import kept_epoch
from ..data.dataset import Dataset, Split, evenly
from ..engines.protocol import Epoch
from ..errors import RunError
from ..evaluation import answers_of, fitting
from ..judgement import Report
from ..recipes.load import to_toml
from ..runs import Run
from ..splits import split_of_model, split_of_run
from ..tagger import Tag, Tagger
from ..wording import how_often
from . import figures
from .certainty import Certainty, judge_certainty
from .mistakes import Samples


@dataclass(frozen=True)
class Findings:
    """What was judged, as the page tells of it; `mistakes` are the worst ones, worst first.

    `show` gives the pictures at some places of `probabilities` (n, classes) and `labels` (n).
    """

    name: str
    about: str
    samples: Samples
    mistakes: Samples
    probabilities: metrics.Probabilities
    labels: metrics.Numbers
    show: Callable[[NDArray[np.intp]], Samples]
    certainty: Certainty
    surroundings: list[tuple[str, str]]
    facts: list[tuple[str, str]] = field(default_factory=list)
    history: list[Epoch] = field(default_factory=list)
    kept: int | None = None  # the epoch whose weights were judged
    recipe: str | None = None


def of_run(run: Run, report: Report, dataset: Dataset) -> Findings:
    """What is told of a run. Raises RunError where it holds no predictions for the report's split."""
    kept = run.predictions(report.split)
    if kept is None:
        raise RunError(
            f"{run.name} holds no predictions for its {report.split} pictures.",
            f"Run `lapel evaluate {run.name}` first.",
        )
    probabilities, labels = kept
    held = split_of_run(run, dataset, report.split)

    def answer(places: NDArray[np.intp]) -> list[Tag]:
        return figures.plain_tags(probabilities[places], dataset.class_names)

    show = _shower(held, dataset.class_names, answer)
    environment, history, seconds = run.environment, run.history, sum(run.timings)
    return Findings(
        run.name,
        f"recipe {run.recipe.name} on {report.dataset}",
        show(evenly(len(held), figures.SHOWN)),
        show(metrics.worst_mistakes(probabilities, labels, figures.SHOWN)),
        probabilities,
        labels,
        show,
        judge_certainty(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels),
        _flat(environment),
        facts=[
            ("Epochs", str(len(history))),
            ("Training", f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.1f} s"),
            ("Parameters", f"{environment['parameters']:,}"),
            ("Test set looked at", how_often(report.test_looks or 0)),
        ],
        history=history,
        kept=kept_epoch(run.recipe, history).number if history else None,
        recipe=to_toml(run.recipe),
    )


def of_model(tagger: Tagger, report: Report, dataset: Dataset) -> Findings:
    """What is told of a model."""
    held = split_of_model(tagger, dataset, report.split)

    def answer(places: NDArray[np.intp]) -> list[Tag]:
        return tagger.tag_pictures(["" for _ in places], list(fitting(tagger, held.pictures[places])))

    probabilities = answers_of(tagger, held, dataset)
    show = _shower(held, dataset.class_names, answer)
    return Findings(
        tagger.card.name,
        f"model on {report.dataset}",
        show(evenly(len(held), figures.SHOWN)),
        show(metrics.worst_mistakes(probabilities, held.labels, figures.SHOWN)),
        probabilities,
        held.labels,
        show,
        judge_certainty(probabilities.max(axis=1), probabilities.argmax(axis=1) == held.labels),
        origin(tagger.card),
    )


def origin(card: Card) -> list[tuple[str, str]]:
    """How a model was made, as the page shows it."""
    return _flat({**card.made, "picture": card.picture.to_dict()})


def _shower(
    held: Split, class_names: Sequence[str], answer: Callable[[NDArray[np.intp]], Sequence[Tag]]
) -> Callable[[NDArray[np.intp]], Samples]:
    def show(places: NDArray[np.intp]) -> Samples:
        names = [class_names[label] for label in held.labels[places]]
        return Samples(held.pictures[places], names, answer(places), held.names(places))

    return show


def _flat(data: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested settings as (name, value) rows; lists of plain values on one line."""
    rows = []
    for key, value in data.items():
        name = f"{above} {key}".strip().replace("_", " ")
        if isinstance(value, dict):
            rows += _flat(value, name)
        elif isinstance(value, list | tuple):
            rows.append((name, (" × " if key == "shape" else ", ").join(map(str, value))))
        elif value is not None:
            rows.append(
                (name, f"{value:,}" if key in {"parameters", "train", "validation", "test"} else str(value))
            )
    return rows
