"""How figures look: one palette, one set of sizes, and the two forms a figure leaves in."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#17212b"
MUTED = "#5e6b78"
LINE = "#d9dfe5"
PAPER = "#ffffff"
# Blue and vermilion stay apart for every common kind of colour blindness, in grey print too.
RIGHT = "#0b63a5"
WRONG = "#c2490a"
# Okabe and Ito's palette without its yellow, which is lost on white paper.
LINES = ("#0b63a5", "#c2490a", "#00876c", "#a3508a", "#b98000", "#3f9bd6", "#17212b")

# The page gives these colours its own values, light or dark.
_ROLES = {INK: "ink", MUTED: "muted", LINE: "line", PAPER: "paper", RIGHT: "right", WRONG: "wrong"}
_ROLES |= {hue: f"line-{number}" for number, hue in enumerate(LINES, start=1) if hue not in _ROLES}
_DPI = 150
PANEL = (5.4, 4.1)  # inches

_STYLE: dict[Any, Any] = {
    "figure.facecolor": PAPER,
    "figure.constrained_layout.w_pad": 0.14,
    "figure.constrained_layout.h_pad": 0.14,
    "axes.facecolor": "none",
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.labelsize": 9,
    "font.size": 9,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    # A class may be called "$x": its name is text, never a formula.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "lapel",
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in Lapel's style, and leave matplotlib's settings as they were.

    Raises MissingExtra where matplotlib is not installed.
    """
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise MissingExtra("matplotlib", "train") from error
    with warnings.catch_warnings(), matplotlib.rc_context(_STYLE):
        # A class name in a script that the font lacks is shown as boxes; that is no reason to complain.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def panel(title: str) -> tuple[Figure, Axes]:
    """An empty figure of the usual size, laid out by hand: measuring words takes longer than drawing."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=PANEL)
    axes = figure.add_axes((0.085, 0.13, 0.885, 0.77))
    axes.set_title(title)
    return figure, axes


def plain(text: str, longest: int = 24) -> str:
    """`text` on one line, without what no font can show, and cut to `longest` characters."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    return _render(figure, "png", {"Software": None}, dpi=_DPI)


def svg_file(figure: Figure) -> bytes:
    """The figure as an SVG file of its own."""
    return _render(figure, "svg", dict.fromkeys(("Creator", "Date", "Format", "Type")))


def svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element for a page, whose colours it takes; `name` keeps its marks apart."""
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    text = _render(figure, "svg", nothing, transparent=True).decode()
    text = text[text.index("<svg") :]
    for colour, role in _ROLES.items():
        text = text.replace(colour, f"var(--{role})")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(|xlink:href=")#', rf"\1#{name}-", text)
    # Size and typeface are the page's to choose.
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", text)
    return re.sub(r"(font: (?:bold|\d+) ([\d.]+px))[^;\"]*", r"font-weight: bold; font-size: \2", text)


def _render(figure: Figure, form: str, metadata: dict[str, None], **how: Any) -> bytes:
    with drawing():
        file = io.BytesIO()
        figure.savefig(file, format=form, metadata=metadata, **how)
        figure.set_layout_engine("none")  # it is laid out now, and stays so in its other form
        return file.getvalue()
