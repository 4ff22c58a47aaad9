"""A sweep -> a page: the best trial and what may be said of it, how it went, which settings decided."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RunError
from ..files import write_atomic
from ..sweeping.folder import Sweep
from ..sweeping.trials import count_states, leading, ranked
from . import sweep_figures
from .render import environment, render
from .style import png, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ELSEWHERE = "Choose another folder with --out."


def write_sweep_page(sweep: Sweep, folder: str | Path | None = None) -> Path:
    """Write the page of a sweep into a folder (by default its own `report`), and give its path, `index.html`.

    Beside it lies each figure as PNG. It tells what the folder holds, and needs neither Optuna nor its
    storage. Raises RunError where no trial was trained to its end yet, MissingExtra where matplotlib or
    Jinja2 is not installed.
    """
    trials, best = sweep.trials, sweep.best
    if best is None or leading(trials) is None:
        raise RunError(
            f"{sweep.path}: no trial was trained to its end yet.",
            "Go on with the sweep, by the same command.",
        )
    made, place = environment(), Path(folder or sweep.report_folder)
    shares = sweep.importance
    figures: dict[str, Callable[[], Figure]] = {
        "history": lambda: sweep_figures.history(trials),
        "parallel": lambda: sweep_figures.parallel(trials, sweep.space, shares),
    }
    if shares:
        figures["importance"] = lambda: sweep_figures.importance(shares)
    drawn = {name: draw() for name, draw in figures.items()}
    facts = sweep.facts
    content = {
        "name": sweep.name,
        "recipe": sweep.recipe.name,
        "facts": facts,
        "best": best,
        "counts": count_states(trials),
        "trials": ranked(trials),
        "keys": list(facts["space"]),
        "figures": {name: svg(figure, name) for name, figure in drawn.items()},
        "best_recipe": sweep.best_recipe_path.read_text(),
    }
    for name, figure in drawn.items():
        write_atomic(place / f"{name}.png", png(figure), elsewhere=_ELSEWHERE)
    write_atomic(place / "index.html", render(made, "sweep.html", content), elsewhere=_ELSEWHERE)
    return place / "index.html"
