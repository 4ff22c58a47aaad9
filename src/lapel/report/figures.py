"""Figures of pictures and of mistakes. Each function draws one and gives it back.

`style.png` and `style.svg` write what these and the files beside this one have drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..tagger import Tag
from ..wording import percent

# Whoever draws curves finds them here, too.
from .learning_figures import accuracy_curves as accuracy_curves
from .learning_figures import compare_curves as compare_curves
from .learning_figures import loss_curves as loss_curves
from .style import INK, LINE, MUTED, PAPER, RIGHT, WRONG, drawing, plain
from .tiles import Tile, mosaic, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..data.dataset import Dataset, Labels, Pictures
    from ..judgement import Report

SHOWN = 24  # pictures in a figure of samples
_WORDS = 20  # classes up to which the cells of a confusion matrix carry figures


@drawing()
def confusion(report: Report, normalised: bool = False, order: Sequence[int] | None = None) -> Figure:
    """The confusion matrix, in counts or in per cent of each row; mistakes in a hue of their own.

    The classes come in this `order` of their numbers, or as they are given.
    """
    from matplotlib.figure import Figure

    places = list(range(len(report.class_names)) if order is None else order)
    counts = np.array(report.confusion)[np.ix_(places, places)]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = len(counts)
    side = min(12.0, 3.2 + 0.42 * classes)
    figure = Figure(figsize=(side + 0.4, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(_shades(shares))
    names = [plain(report.class_names[place], 16) for place in places]
    if classes <= 60:
        axes.set_xticks(range(classes), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(classes), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    axes.grid(False)
    axes.spines[:].set_visible(False)
    for edge in np.arange(0.5, classes - 1):
        axes.axhline(edge, color=PAPER, linewidth=1.5)
        axes.axvline(edge, color=PAPER, linewidth=1.5)
    if classes <= _WORDS:
        for row, column in np.argwhere(counts):
            share = shares[row, column]
            dark = share > 0.5 if row == column else share > 0.3
            words = _round_percentage(100 * share) if normalised else str(counts[row, column])
            style: dict[str, Any] = {"color": PAPER if dark else INK, "fontsize": 8}
            axes.text(column, row, words, ha="center", va="center", **style)
    axes.set_title("Per cent of each actual class" if normalised else "Pictures")
    return figure


@drawing()
def predictions(
    pictures: Pictures, labels: Labels, probabilities: metrics.Probabilities, class_names: Sequence[str]
) -> Figure:
    """Each picture with its actual and its predicted class and the confidence; wrong ones in another hue."""
    return tags(pictures, [class_names[label] for label in labels], plain_tags(probabilities, class_names))


@drawing()
def tags(pictures: Pictures, actual: Sequence[str], answers: Sequence[Tag]) -> Figure:
    """Each picture with what it is and what was answered; wrong answers in another hue, doubt in grey."""
    tiles = []
    for picture, name, tag in zip(pictures, actual, answers, strict=True):
        right = name == tag.label
        hue = MUTED if not tag.accepted else RIGHT if right else WRONG
        answer = f"{plain(tag.label, 14)} {percent(tag.score)}" if tag.accepted else tag.title
        mark = "–" if not tag.accepted else "✓" if right else "✗"
        bar = tag.score if tag.accepted else None
        tiles.append(Tile(picture, ((answer, hue), (f"{mark} is {plain(name, 15)}", MUTED)), bar, hue))
    return mosaic(tiles)


def plain_tags(probabilities: metrics.Probabilities, class_names: Sequence[str]) -> list[Tag]:
    """The answers of a network that never doubts: the best class of each row, its confidence as its score."""
    best = probabilities.argmax(axis=1)
    return [
        Tag("", class_names[guess], float(row[guess]), (), float(row[guess]))
        for guess, row in zip(best, probabilities, strict=True)
    ]


def worst_mistakes(
    pictures: Pictures,
    labels: Labels,
    probabilities: metrics.Probabilities,
    class_names: Sequence[str],
    limit: int = SHOWN,
) -> Figure:
    """The pictures answered wrong with the most confidence, worst first."""
    worst = metrics.worst_mistakes(probabilities, labels, limit)
    return predictions(pictures[worst], labels[worst], probabilities[worst], class_names)


@drawing()
def sample_grid(pictures: Pictures, labels: Labels, class_names: Sequence[str], columns: int = 6) -> Figure:
    """Pictures in the order given, so many in a row, each with its class."""
    return mosaic(
        [
            Tile(picture, ((plain(class_names[label], 18), INK),))
            for picture, label in zip(pictures, labels, strict=True)
        ],
        columns,
    )


@drawing()
def mean_pictures(dataset: Dataset) -> Figure:
    """The mean of each class's training pictures, with how many there are."""
    tiles = []
    for label, name in enumerate(dataset.class_names):
        own = dataset.train.pictures[dataset.train.labels == label]
        mean = own.mean(axis=0) if len(own) else np.zeros(dataset.shape)
        tiles.append(Tile(mean.astype(np.uint8), ((plain(name, 18), INK), (f"{len(own):,} pictures", MUTED))))
    return mosaic(tiles, columns=5)


@drawing()
def tag_figure(picture: NDArray[np.uint8], answers: Sequence[tuple[str, float]], doubt: str = "") -> Figure:
    """A picture as the model sees it, beside a bar for each (label, share), the first one foremost.

    With a `doubt`, which stands above the bars, none of them is.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, max(2.4, 0.6 + 0.3 * len(answers))), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    show(left, picture)
    left.set_axis_off()
    places = range(len(answers))
    shares = [share for _, share in answers]
    right.barh(places, shares, height=0.62, color=[MUTED if doubt else RIGHT] + [MUTED] * (len(answers) - 1))
    for place, share in zip(places, shares, strict=True):
        right.text(share + 0.015, place, percent(share), va="center", color=MUTED)
    right.set_yticks(places, [plain(name) for name, _ in answers], color=INK)
    right.set_xlim(0, 1.14)
    right.set_xticks([])
    right.invert_yaxis()
    right.grid(False)
    right.spines[:].set_visible(False)
    if doubt:
        figure.suptitle(plain(doubt, 70), color=WRONG)
    return figure


def _shades(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours (rows, columns, 3): right answers by their share, mistakes by its root, so that few show."""
    from matplotlib.colors import to_rgb

    diagonal = np.eye(len(shares), dtype=bool)
    depth = np.where(diagonal, shares, np.sqrt(shares))[..., None]
    hue = np.where(diagonal[..., None], to_rgb(RIGHT), to_rgb(WRONG))
    ground = np.where(shares[..., None] > 0, to_rgb(PAPER), np.array(to_rgb(LINE)) * 0.3 + 0.7)
    shaded: NDArray[np.float64] = ground * (1 - depth) + hue * depth
    return shaded


def _round_percentage(percentage: float) -> str:
    return f"{percentage:.1f}" if percentage < 1 else f"{percentage:.0f}"
