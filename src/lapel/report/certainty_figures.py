"""Figures of how sure answers are: whether confidence is true, and what is right of what is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..wording import percent
from .style import INK, LINE, MUTED, PANEL, RIGHT, WRONG, drawing, panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..confidence import ReliabilityBin
    from ..curves import RiskCoverage

_POINTS = 240  # of a curve, at most: more cannot be seen, and make the page large


@drawing()
def reliability_diagram(table: Sequence[ReliabilityBin], title: str = "") -> Figure:
    """How often answers are right against how sure they are, with intervals, and below how many there are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=PANEL)
    above = figure.add_axes((0.085, 0.32, 0.885, 0.58))
    below = figure.add_axes((0.085, 0.13, 0.885, 0.16))
    above.set_xlim(0, 100)
    above.set_xticklabels([])
    above.set_title(title or "Right, % of the answers")
    _reliability(above, table)
    below.bar(
        [50 * (one.low + one.high) for one in table],
        [one.pictures for one in table],
        width=[100 * max(one.high - one.low, 0.01) * 0.86 for one in table],
        color=MUTED,
    )
    below.set_yscale("symlog", linthresh=1)
    below.set_ylim(0, 30 * max(one.pictures for one in table))
    below.set_yticks([])
    below.minorticks_off()
    below.grid(False)
    for one in table:
        below.annotate(
            f"{one.pictures:,}",
            (50 * (one.low + one.high), one.pictures),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            rotation=0 if len(table) <= 8 else 45,
            fontsize=7,
            color=MUTED,
        )
    below.set_xlabel("confidence, %   (below: answers)")
    below.set_xlim(0, 100)
    return figure


@drawing()
def small_reliability(table: Sequence[ReliabilityBin]) -> Figure:
    """The same, small: one of several beside each other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.7, 2.5))
    axes = figure.add_axes((0.14, 0.12, 0.83, 0.84))
    _reliability(axes, table)
    axes.set_xlim(-2, 102)
    axes.set_xticks([0, 50, 100])
    axes.set_yticks([0, 50, 100])
    return figure


@drawing()
def coverage_curve(
    curve: RiskCoverage, points: Sequence[tuple[float, float, float]] = (), words: str = "accepted"
) -> Figure:
    """What is right of what is accepted, for every share that could be.

    `points` are marked: (goal, share accepted, share of these right).
    """
    figure, axes = panel("Right, % of what is accepted")
    # Each answer that is accepted more changes the share of a few by much: that is noise, and no finding.
    places = np.unique(np.linspace(0, len(curve.coverage) - 1, _POINTS).astype(int))
    axes.plot(100 * curve.coverage[places], 100 * curve.accuracy[places], color=RIGHT)
    whole = 100 * float(curve.accuracy[-1])
    axes.plot([100], [whole], marker="o", color=MUTED, clip_on=False)
    least = min(whole, 100 * float(curve.accuracy[places].min()))
    axes.set(xlim=(0, 101), ylim=(max(0.0, least - 0.15 * (100 - least) - 1), 100.6))
    axes.annotate(
        f"all: {whole:.1f} %",
        (100, whole),
        xytext=(-6, -10),
        textcoords="offset points",
        ha="right",
        va="top",
        color=MUTED,
    )
    for _, covered, right in points:
        axes.plot([100 * covered], [100 * right], marker="o", color=WRONG, zorder=5, clip_on=False)
        axes.annotate(
            f"{percent(right)} of {percent(covered)}",
            (100 * covered, 100 * right),
            xytext=(-8, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            color=INK,
            fontweight="bold",
        )
    axes.set_xlabel(f"{words}, % of all, the surest first")
    return figure


def _reliability(axes: Axes, table: Sequence[ReliabilityBin]) -> None:
    axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
    sure = [100 * one.confidence for one in table]
    right = [100 * one.accuracy for one in table]
    low = [100 * max(0.0, one.accuracy - one.interval[0]) for one in table]
    high = [100 * max(0.0, one.interval[1] - one.accuracy) for one in table]
    bars: dict[str, Any] = {"linewidth": 1.4, "zorder": 3}
    axes.errorbar(sure, right, [low, high], linestyle="none", ecolor=LINE, elinewidth=4, zorder=2)
    axes.vlines(sure, sure, right, color=WRONG, **bars)
    axes.plot(sure, right, color=RIGHT, marker="o", markersize=5, linewidth=1.2, zorder=4)
    axes.set_ylim(-2, 102)
