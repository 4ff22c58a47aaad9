"""Figures of a sweep: how it went, which settings decided, and which went together with what accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ..sweeping.space import Choices, Dimension, Value
from ..sweeping.trials import SweepTrial, leading
from .style import INK, LINE, MUTED, PAPER, RIGHT, drawing, panel, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_AXES = 8  # settings that are drawn beside each other; more cannot be read
_EACH = 6  # an axis as long as that names each of its whole numbers
_GOOD = 0.25  # share of the trials that stand out


@drawing()
def history(trials: Sequence[SweepTrial]) -> Figure:
    """The accuracy of each trial in the order in which they began, and the best up to then."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = panel("Validation accuracy, %")
    judged = _judged(trials)
    for state, look in _LOOKS.items():
        points = [(one.number, 100 * share) for one, share in judged if one.state == state]
        if points:
            axes.plot(*zip(*points, strict=True), linestyle="none", label=_WORDS[state], **look)
    done = [(one.number, share) for one, share in judged if one.state == "done"]
    if done:
        lead = [100 * share for share in accumulate((share for _, share in done), max)]
        places = [*(number for number, _ in done), max(one.number for one in trials)]
        axes.step(places, [*lead, lead[-1]], where="post", color=INK, linewidth=1.5, label="best so far")
    axes.set_xlabel("trial", loc="left")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(y=0.12)
    # Below the axis, since a trial may lie anywhere above it.
    axes.legend(loc="upper right", bbox_to_anchor=(1.01, -0.055), ncols=3, fontsize=8, columnspacing=1.2)
    return figure


@drawing()
def importance(shares: Mapping[str, float]) -> Figure:
    """How much each setting decides whether a trial is among the best, in per cent."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 1.1 + 0.38 * len(shares)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title("What decides, %")
    names = sorted(shares, key=lambda key: shares[key])
    bars = axes.barh([plain(key, 36) for key in names], [100 * shares[key] for key in names], color=RIGHT)
    axes.bar_label(bars, fmt="%.0f", padding=4, color=INK)
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_xlim(0, 108 * max(shares.values()))
    axes.tick_params(axis="y", labelcolor=INK)
    return figure


@drawing()
def parallel(
    trials: Sequence[SweepTrial], space: Sequence[Dimension], shares: Mapping[str, float] | None = None
) -> Figure:
    """An axis for each setting and one for the accuracy; each trial that has one is a line across them.

    The settings that decide most stand next to the accuracy; of very many, the rest is left out.
    """
    from matplotlib.figure import Figure

    order = sorted(space, key=lambda one: (shares or {}).get(one.key, 0.0))[-_MOST_AXES:]
    judged = sorted(_judged(trials), key=lambda pair: pair[1])
    figure = Figure(figsize=(max(5.4, 1.9 * (len(order) + 1)), 4.4))
    axes = figure.add_axes((0.06, 0.06, 0.88, 0.76))
    axes.set_axis_off()
    low, high = _span([share for _, share in judged])
    best = leading(trials)
    good = len(judged) - max(1, round(_GOOD * len(judged)))
    for rank, (one, share) in enumerate(judged):
        heights = [_height(dimension, one.settings[dimension.key]) for dimension in order]
        look = _line(one, good=rank >= good, best=one is best)
        axes.plot(range(len(order) + 1), [*heights, (share - low) / (high - low)], **look)
    for place, dimension in enumerate(order):
        _axis(axes, place, dimension.key, _ticks(dimension))
    _axis(axes, len(order), "validation, %", [(0.0, f"{100 * low:.1f}"), (1.0, f"{100 * high:.1f}")])
    axes.set_xlim(-0.25, len(order) + 0.25)
    axes.set_ylim(-0.04, 1.04)
    return figure


_LOOKS: dict[str, dict[str, Any]] = {
    "done": {"marker": "o", "markersize": 5.5, "color": RIGHT},
    "pruned": {"marker": "o", "markersize": 5.5, "color": MUTED, "markerfacecolor": PAPER},
}
_WORDS = {"done": "trained to its end", "pruned": "pruned"}


def _judged(trials: Sequence[SweepTrial]) -> list[tuple[SweepTrial, float]]:
    """The trials whose accuracy says something, trained to their end or pruned, each with that."""
    return [(one, one.accuracy) for one in trials if one.accuracy is not None and one.state in _LOOKS]


def _line(trial: SweepTrial, *, good: bool, best: bool) -> dict[str, Any]:
    if best:
        return {"color": INK, "linewidth": 2.4, "zorder": 4}
    if good:
        return {"color": RIGHT, "linewidth": 1.4, "alpha": 0.8, "zorder": 3}
    dashed = {"linestyle": (0, (3, 2))} if trial.state == "pruned" else {}
    return {"color": MUTED, "linewidth": 0.9, "alpha": 0.45, "zorder": 2, **dashed}


def _axis(axes: Axes, place: int, title: str, ticks: Sequence[tuple[float, str]]) -> None:
    axes.plot([place, place], [0, 1], color=LINE, linewidth=1.5, zorder=1)
    word = title.rpartition(".")[2]
    above = title.removesuffix(word).rstrip(".")
    axes.annotate(
        plain(word, 18), (place, 1.12), ha="center", color=INK, fontweight="bold", annotation_clip=False
    )
    if above:
        axes.annotate(
            plain(above, 18), (place, 1.18), ha="center", color=MUTED, fontsize=8, annotation_clip=False
        )
    paper: dict[str, Any] = {"facecolor": PAPER, "edgecolor": "none", "pad": 1, "alpha": 0.85}
    for height, text in ticks:
        outside = {0.0: (0, -9), 1.0: (0, 8)}.get(height, (0, 0))
        axes.annotate(
            plain(text, 14),
            (place, height),
            xytext=outside,
            textcoords="offset points",
            ha="center",
            va="center",
            color=MUTED,
            fontsize=8,
            bbox=paper,
            zorder=6,
            annotation_clip=False,
        )


def _ticks(dimension: Dimension) -> list[tuple[float, str]]:
    if isinstance(dimension, Choices):
        return [(_height(dimension, value), value) for value in dimension.values]
    if dimension.whole and dimension.high - dimension.low <= _EACH:
        whole = range(int(dimension.low), int(dimension.high) + 1)
        return [(_height(dimension, value), str(value)) for value in whole]
    return [(0.0, f"{dimension.low:g}"), (1.0, f"{dimension.high:g}")]


def _height(dimension: Dimension, value: Value) -> float:
    """Where a value lies on its axis, from 0 to 1."""
    if isinstance(dimension, Choices):
        return dimension.values.index(str(value)) / (len(dimension.values) - 1)
    low, high, at = float(dimension.low), float(dimension.high), float(value)
    if dimension.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.01, high + 0.01)
