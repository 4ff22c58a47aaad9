"""Figures of training: accuracy and loss over the epochs, of one run or of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .style import INK, LINES, MUTED, PAPER, RIGHT, drawing, panel, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..engines.protocol import Epoch


@drawing()
def accuracy_curves(history: Sequence[Epoch], kept: int | None = None) -> Figure:
    """Accuracy over the epochs, for the training and the validation pictures; the `kept` epoch is marked."""
    figure, axes = _chart("Accuracy, %")
    _pair(
        axes,
        [100 * one.accuracy for one in history],
        [100 * one.validation_accuracy for one in history],
        "{:.1f}",
        kept,
    )
    return figure


@drawing()
def loss_curves(history: Sequence[Epoch], kept: int | None = None) -> Figure:
    """Loss over the epochs, for the training and the validation pictures; the `kept` epoch is marked."""
    figure, axes = _chart("Loss")
    _pair(axes, [one.loss for one in history], [one.validation_loss for one in history], "{:.3f}", kept)
    return figure


@drawing()
def compare_curves(runs: Sequence[tuple[str, Sequence[Epoch]]]) -> Figure:
    """Validation accuracy and loss over the epochs, a line for each (name, history)."""
    from matplotlib.figure import Figure

    rows = -(-len(runs) // 3)
    figure = Figure(figsize=(10, 3.7 + 0.25 * rows), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, (title, value) in zip(panels, COMPARED.values(), strict=True):
        axes.set_title(title)
        _lines(axes, runs, value)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@drawing()
def compare_panel(runs: Sequence[tuple[str, Sequence[Epoch]]], which: str) -> Figure:
    """One of the two alone: `which` is accuracy or loss."""
    title, value = COMPARED[which]
    figure, axes = panel(title)
    _lines(axes, runs, value)
    paper: dict[str, Any] = {"frameon": True, "facecolor": PAPER, "edgecolor": "none", "framealpha": 0.8}
    axes.legend(loc="lower right" if which == "accuracy" else "upper right", fontsize=8, **paper)
    return figure


COMPARED: dict[str, tuple[str, Callable[[Epoch], float]]] = {
    "accuracy": ("Validation accuracy, %", lambda one: 100 * one.validation_accuracy),
    "loss": ("Validation loss", lambda one: one.validation_loss),
}


def _lines(axes: Axes, runs: Sequence[tuple[str, Sequence[Epoch]]], value: Callable[[Epoch], float]) -> None:
    from matplotlib.ticker import MaxNLocator

    for place, (name, history) in enumerate(runs):
        line: dict[str, Any] = {
            "color": LINES[place % len(LINES)],
            "linestyle": ("-", "--", ":")[place // len(LINES) % 3],
            "marker": "o",
            "markersize": 4 if len(history) < 30 else 0,
            "label": plain(name, 40),
        }
        axes.plot(range(1, len(history) + 1), [value(one) for one in history], **line)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _chart(title: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5.4, 3.1))
    axes = figure.add_axes((0.085, 0.17, 0.66, 0.68))
    axes.set_title(title)
    axes.set_xlabel("epoch", loc="right")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    return figure, axes


def _pair(axes: Axes, train: list[float], validation: list[float], form: str, kept: int | None) -> None:
    """Draw both lines, each named at its end, where a reader looks for it."""
    epochs = range(1, len(train) + 1)
    dots: dict[str, Any] = {"marker": "o", "markersize": 4.5} if len(train) < 30 else {}
    axes.plot(epochs, train, color=MUTED, linestyle=(0, (4, 2)), linewidth=1.6, **dots)
    axes.plot(epochs, validation, color=RIGHT, **dots)
    if not train:
        return
    axes.margins(x=0.03, y=0.12)
    if kept is not None:
        _mark(axes, kept, validation[kept - 1], form.format(validation[kept - 1]), len(train))
    low, high = axes.get_ylim()
    least = 0.15 * (high - low)  # nearer than that and the two names would overlap
    middle = (train[-1] + validation[-1]) / 2
    apart = max(abs(train[-1] - validation[-1]), least) / 2
    upper = 1 if train[-1] >= validation[-1] else -1
    for name, value, side, hue in (
        ("train", train[-1], upper, MUTED),
        ("validation", validation[-1], -upper, RIGHT),
    ):
        axes.annotate(
            f"{name} {form.format(value)}",
            (epochs[-1], middle + side * apart),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            color=hue,
            fontweight="bold",
            annotation_clip=False,
        )


def _mark(axes: Axes, kept: int, value: float, words: str, epochs: int) -> None:
    """Mark the epoch whose weights are kept: a ring on its point, a line down to the axis, and its name."""
    axes.axvline(kept, color=INK, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    ring: dict[str, Any] = {"markersize": 10, "markeredgewidth": 1.8, "zorder": 5}
    axes.plot([kept], [value], marker="o", color="none", markeredgecolor=INK, **ring)
    left = kept > 0.6 * epochs  # where there is room beside the line
    axes.annotate(
        f"kept: epoch {kept}" + (f", {words}" if kept != epochs else ""),
        (kept, 0),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if left else 5, 5),
        textcoords="offset points",
        ha="right" if left else "left",
        color=INK,
        fontweight="bold",
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1, "alpha": 0.8},
    )
