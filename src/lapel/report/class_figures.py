"""Figures of one class after the other: intervals, ROC, precision against recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..curves import macro_precision_recall, macro_roc
from .style import INK, LINE, LINES, MUTED, PAPER, RIGHT, WRONG, drawing, panel, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..curves import ClassCurves
    from ..metrics import ClassFigures

SHOWN = 40  # classes with a bar of their own: the worst ones
_NAMED = 3  # curves with a colour and a name: the worst ones
_POINTS = 160  # of a curve, at most
_HUES = (WRONG, LINES[2], LINES[3])


@drawing()
def class_intervals(classes: Sequence[ClassFigures]) -> Figure:
    """The recall of each class as a bar, with its 95 % interval as a whisker, the worst one first.

    Classes without pictures have none; of more than forty the worst are drawn.
    """
    from matplotlib.figure import Figure

    known = sorted((one for one in classes if one.support), key=lambda one: (one.recall, one.name))[:SHOWN]
    figure = Figure(figsize=(5.4, 0.9 + 0.3 * len(known)), layout="constrained")
    axes = figure.subplots()
    places = range(len(known))
    worst = known[0].recall if known else 0.0
    hues = [WRONG if one.recall == worst < 1 else RIGHT for one in known]
    axes.barh(places, [100 * one.recall for one in known], height=0.56, color=hues)
    for place, one in enumerate(known):
        low, high = one.recall_interval or (one.recall, one.recall)
        axes.plot([100 * low, 100 * high], [place, place], color=INK, linewidth=1.6)
        ends: dict[str, Any] = {"marker": "|", "markersize": 7, "linestyle": "none", "color": INK}
        axes.plot([100 * low, 100 * high], [place, place], **ends)
        axes.text(101.5, place, f"{100 * one.recall:.1f}", va="center", color=MUTED)
    axes.set_yticks(list(places), [plain(one.name, 20) for one in known], color=INK)
    axes.set_xlim(0, 109)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.invert_yaxis()
    axes.grid(True, axis="x")
    axes.grid(False, axis="y")
    axes.spines[:].set_visible(False)
    axes.set_title("Right, % of each class, with 95 % interval", loc="left")
    return figure


@drawing()
def roc_curves(curves: Sequence[ClassCurves], names: Sequence[str]) -> Figure:
    """The ROC curve of each class against all others: the three worst ones by name, and the mean."""
    figure, axes = _square("Caught, % of the class", "caught wrongly, % of all others")
    axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
    worst = sorted(curves, key=lambda one: one.roc.area)
    drawn = [(one, (one.roc.false_positives, one.roc.true_positives), one.roc.area) for one in worst]
    _draw(axes, drawn, names, macro_roc(tuple(curves)) if curves else None, "lower right")
    return figure


@drawing()
def precision_recall_curves(curves: Sequence[ClassCurves], names: Sequence[str]) -> Figure:
    """Precision against recall of each class, likewise."""
    figure, axes = _square("Precision, %", "recall, %")
    worst = sorted(curves, key=lambda one: one.precision_recall.average_precision)
    drawn = [
        (
            one,
            (one.precision_recall.recall, one.precision_recall.precision),
            one.precision_recall.average_precision,
        )
        for one in worst
    ]
    _draw(axes, drawn, names, macro_precision_recall(tuple(curves)) if curves else None, "lower left")
    return figure


_Line = tuple[NDArray[np.float64], NDArray[np.float64]]


def _draw(
    axes: Axes,
    curves: Sequence[tuple[ClassCurves, _Line, float]],
    names: Sequence[str],
    mean: _Line | None,
    place: Literal["lower right", "lower left"],
) -> None:
    for _, line, _ in curves[_NAMED:SHOWN]:
        axes.plot(*_thin(line), color=LINE, linewidth=1.2)
    for hue, (one, line, area) in zip(_HUES, curves[:_NAMED], strict=False):
        axes.plot(*_thin(line), color=hue, linewidth=1.6, label=f"{plain(names[one.number], 20)} {area:.3f}")
    if mean is not None:
        axes.plot(*_thin(mean), color=RIGHT, linewidth=2.2, label="mean of classes")
        paper: dict[str, Any] = {"frameon": True, "facecolor": PAPER, "edgecolor": "none", "framealpha": 0.8}
        axes.legend(loc=place, fontsize=8, **paper)


def _thin(line: _Line) -> _Line:
    """Per cent, and no more points than can be seen, evenly along the curve rather than along one axis."""
    x, y = line
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    places = np.unique(np.searchsorted(length, np.linspace(0, length[-1], _POINTS)).clip(0, len(x) - 1))
    return 100 * x[places], 100 * y[places]


def _square(title: str, below: str) -> tuple[Figure, Axes]:
    figure, axes = panel(title)
    axes.set_xlabel(below)
    axes.set(xlim=(-2, 102), ylim=(-2, 102))
    return figure, axes
