"""A judged run or model -> its report: a page that needs nothing else, Markdown, JSON and figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bootstrap import bootstrap_intervals
from ..class_order import order_by_similarity
from ..confidence import reliability
from ..curves import class_curves
from ..data import Progress
from ..data.dataset import Dataset
from ..encode import data_uri
from ..errors import LapelError, RunError
from ..evaluation import report_of_run
from ..files import file_errors, write_atomic
from ..judgement import Report
from ..metrics import ClassFigures
from ..runs import Run, dataset_of
from ..tagger import Tagger
from . import certainty_figures, class_figures, figures, learning_figures
from .findings import Findings, of_model, of_run
from .mistakes import TABLE_CLASSES, Samples, cards, cell_pictures, cells
from .render import environment, render
from .style import png, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIGURES = (
    "accuracy",
    "loss",
    "confusion",
    "confusion-shares",
    "classes",
    "reliability",
    "reliability-calibrated",
    "coverage",
    "roc",
    "precision-recall",
    "predictions",
    "mistakes",
)
_PICTURES = {"confusion", "confusion-shares", "predictions", "mistakes"}  # drawn by the page itself
_ELSEWHERE = "Choose another folder with --report, or leave the report out with --no-report."


def write_report(
    judged: Run | Tagger, report: Report, dataset: Dataset, folder: str | Path | None = None
) -> Path:
    """Write the report of a run or a model, and give the path of the page, `index.html`.

    `report` is what `evaluate` gave, `dataset` what it was judged on. A run's goes into the run if no
    `folder` is given. Beside the page lie `report.md`, `report.json` and each figure as PNG. Raises RunError
    where the run holds no predictions for the report's split, LapelError for a model without a `folder`,
    MissingExtra where matplotlib or Jinja2 is not installed.
    """
    if isinstance(judged, Tagger):
        if folder is None:
            raise LapelError("A model has no folder for its report.", "Give one: --report FOLDER.")
        findings, place = of_model(judged, report, dataset), Path(folder)
    else:
        findings = of_run(judged, report, dataset)
        place = Path(folder) if folder is not None else judged.report_folder
    return write_page(findings, report, place, drawn_garments=dataset.name == "synthetic")


def write_again(run: Run, folder: str | Path | None = None, progress: Progress | None = None) -> Path:
    """Write the report of a run from the answers that it keeps: those to the test pictures, if it has them.

    Nothing is looked at for this. Raises RunError where the run has not been judged, and as above.
    """
    for split in ("test", "validation"):
        kept = run.predictions(split)
        if kept is not None:
            dataset = dataset_of(run, progress)
            return write_report(run, report_of_run(run, split, *kept), dataset, folder)
    raise RunError(f"{run.name} has not been judged yet.", f"Judge it with: lapel evaluate {run.name}")


def write_page(findings: Findings, report: Report, place: Path, *, drawn_garments: bool = False) -> Path:
    """Write a report of what was found into a folder, and give the path of the page. Raises as above."""
    made = environment()
    order = report.class_order or order_by_similarity(np.array(report.confusion))
    drawn = _figures(findings, report, order)
    pngs = {name: png(figure) for name, figure in drawn.items()}
    for name in _FIGURES:
        path = place / f"{name}.png"
        if name in pngs:
            write_atomic(path, pngs[name], elsewhere=_ELSEWHERE)
        else:
            # An earlier report may have drawn what this one has no use for.
            with file_errors(path):
                path.unlink(missing_ok=True)
    content = {
        "report": report,
        "judged": findings,
        "drawn": list(drawn),
        "svg": {name: svg(drawn[name], name) for name in drawn if name not in _PICTURES},
        "drawn_garments": drawn_garments,
        "worst": _worst_class(report),
        "spread": report.bootstrap or bootstrap_intervals(np.array(report.confusion)),
        **_matrix(findings, report, order, pngs["confusion-shares"]),
        "samples": cards(findings.samples),
        "mistakes": cards(findings.mistakes),
    }
    for name, target in (("report.html", "index.html"), ("report.md", "report.md")):
        write_atomic(place / target, render(made, name, content), elsewhere=_ELSEWHERE)
    write_atomic(place / "report.json", report.to_json(), elsewhere=_ELSEWHERE)
    return place / "index.html"


def _matrix(findings: Findings, report: Report, order: tuple[int, ...], figure: bytes) -> dict[str, Any]:
    """The confusion matrix as a table in both orders, or as a figure where there are many classes."""
    shown = cell_pictures(report, findings.probabilities, findings.labels, findings.show)
    given = tuple(range(len(report.class_names)))
    orders = [("similar", order), *([("given", given)] if order != given else [])]
    small = len(report.class_names) <= TABLE_CLASSES
    return {
        "cells": shown,
        "matrices": [
            (name, [report.class_names[place] for place in places], cells(report, places, shown))
            for name, places in orders
        ]
        if small
        else [],
        "matrix_figure": data_uri(figure, "png"),
    }


def _figures(findings: Findings, report: Report, order: tuple[int, ...]) -> dict[str, Figure]:
    certainty = findings.certainty
    curves = class_curves(findings.probabilities, findings.labels)
    points = [(one.goal, one.coverage, one.accuracy) for one in certainty.accepted]
    drawn = {
        "confusion": figures.confusion(report, order=order),
        "confusion-shares": figures.confusion(report, normalised=True, order=order),
        "classes": class_figures.class_intervals(report.per_class),
        "reliability": certainty_figures.reliability_diagram(
            report.reliability or reliability(findings.probabilities, findings.labels)
        ),
        "coverage": certainty_figures.coverage_curve(certainty.curve, points),
        "predictions": _tags(findings.samples),
    }
    if report.trust:
        drawn["reliability-calibrated"] = certainty_figures.reliability_diagram(
            report.trust.after.reliability, "After calibration: right, % of the answers"
        )
    if curves:
        drawn["roc"] = class_figures.roc_curves(curves, report.class_names)
        drawn["precision-recall"] = class_figures.precision_recall_curves(curves, report.class_names)
    if findings.history:
        drawn["accuracy"] = learning_figures.accuracy_curves(findings.history, findings.kept)
        drawn["loss"] = learning_figures.loss_curves(findings.history, findings.kept)
    if len(findings.mistakes.tags):
        drawn["mistakes"] = _tags(findings.mistakes)
    return drawn


def _tags(some: Samples) -> Figure:
    return figures.tags(some.pictures, some.actual, some.tags)


def _worst_class(report: Report) -> ClassFigures | None:
    """The class of which the least is right; None where each is right altogether."""
    known = [one for one in report.per_class if one.support]
    worst = min(known, key=lambda one: one.recall)
    return worst if worst.recall < 1 else None
