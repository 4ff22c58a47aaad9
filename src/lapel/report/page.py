"""A judged run or model -> its report: a page that needs nothing else, Markdown, JSON and figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..card import Card
from ..data.dataset import Dataset, Pictures, Split, evenly
from ..encode import data_uri, image_uri, to_image
from ..engines.protocol import Epoch
from ..errors import LapelError, MissingExtra, RunError
from ..evaluation import Report, answers_of, fitting
from ..files import file_errors, write_atomic
from ..recipes.load import to_toml
from ..runs import Run
from ..splits import split_of_model, split_of_run
from ..tagger import Tag, Tagger
from ..wording import percent
from . import figures
from .style import plain, png, svg

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

_TABLE_CLASSES = 25  # a matrix of more classes is shown as a figure, which stays small
_FIGURES = ("accuracy", "loss", "confusion", "confusion-shares", "predictions", "mistakes")
_THUMB = 128  # pixels; larger pictures are shrunk for the page
_ELSEWHERE = "Choose another folder with --report, or leave the report out with --no-report."


@dataclass(frozen=True)
class _Card:
    """One picture with its answer, as the page shows it."""

    source: str
    actual: str
    tag: Tag

    @property
    def right(self) -> bool:
        """Whether the label is what it is."""
        return self.tag.label == self.actual

    @property
    def mark(self) -> str:
        """A sign for it; what is not accepted is neither right nor wrong."""
        return "–" if not self.tag.accepted else "✓" if self.right else "✗"


@dataclass(frozen=True)
class Samples:
    """Pictures (n, height, width, channels), what each is, and what was answered."""

    pictures: Pictures
    actual: Sequence[str]
    tags: Sequence[Tag]


@dataclass(frozen=True)
class Findings:
    """What was judged, as the page tells of it; `mistakes` are the worst ones, worst first."""

    name: str
    about: str
    samples: Samples
    mistakes: Samples
    history: list[Epoch]
    facts: list[tuple[str, str]]
    recipe: str | None
    surroundings: list[tuple[str, str]]


@dataclass(frozen=True)
class _Cell:
    """One cell of a confusion matrix: what it says, and how deep its colour is (0 to 1)."""

    count: int
    share: str
    depth: float


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
        findings, place = _of_model(judged, report, dataset), Path(folder)
    else:
        findings = _of_run(judged, report, dataset)
        place = Path(folder) if folder is not None else judged.report_folder
    return write_page(findings, report, place, drawn_garments=dataset.name == "synthetic")


def write_page(findings: Findings, report: Report, place: Path, *, drawn_garments: bool = False) -> Path:
    """Write the report of what was found into a folder, and give the path of the page. Raises as above."""
    environment = _templates()
    drawn = _figures(findings, report)
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
        "curves": {name: svg(drawn[name], name) for name in ("accuracy", "loss") if name in drawn},
        "matrix": _cells(report) if len(report.class_names) <= _TABLE_CLASSES else None,
        "matrix_figure": data_uri(pngs["confusion-shares"], "png"),
        "samples": _cards(findings.samples),
        "mistakes": _cards(findings.mistakes),
        "drawn_garments": drawn_garments,
    }
    for name in ("report.html", "report.md"):
        text = environment.get_template(f"{name}.j2").render(content)
        # A folder's name may hold bytes that are no text; the page shows a question mark there.
        target = "index.html" if name == "report.html" else name
        write_atomic(place / target, text.encode("utf-8", "replace"), elsewhere=_ELSEWHERE)
    write_atomic(place / "report.json", report.to_json(), elsewhere=_ELSEWHERE)
    return place / "index.html"


def _of_run(run: Run, report: Report, dataset: Dataset) -> Findings:
    kept = run.predictions(report.split)
    if kept is None:
        raise RunError(
            f"{run.name} holds no predictions for its {report.split} pictures.",
            f"Run `lapel evaluate {run.name}` first.",
        )
    held = split_of_run(run, dataset, report.split)

    def answer(places: NDArray[np.intp]) -> list[Tag]:
        return figures.plain_tags(kept[0][places], dataset.class_names)

    samples, mistakes = _samples(held, kept[0], dataset.class_names, answer)
    seconds, environment, history = sum(run.timings), run.environment, run.history
    looks = {0: "never", 1: "once"}.get(report.test_looks or 0, f"{report.test_looks} times")
    facts = [
        ("Epochs", str(len(history))),
        ("Training", f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.1f} s"),
        ("Parameters", f"{environment['parameters']:,}"),
        ("Test set looked at", looks),
    ]
    return Findings(
        run.name,
        f"recipe {run.recipe.name} on {report.dataset}",
        samples,
        mistakes,
        history,
        facts,
        to_toml(run.recipe),
        _flat(environment),
    )


def _of_model(tagger: Tagger, report: Report, dataset: Dataset) -> Findings:
    held = split_of_model(tagger, dataset, report.split)

    def answer(places: NDArray[np.intp]) -> list[Tag]:
        return tagger.tag_pictures(["" for _ in places], list(fitting(tagger, held.pictures[places])))

    probabilities = answers_of(tagger, held, dataset)
    samples, mistakes = _samples(held, probabilities, dataset.class_names, answer)
    card = tagger.card
    return Findings(
        card.name,
        f"model on {report.dataset}",
        samples,
        mistakes,
        [],
        [],
        None,
        origin(card),
    )


def origin(card: Card) -> list[tuple[str, str]]:
    """How a model was made, as the page shows it."""
    return _flat({**card.made, "picture": card.picture.to_dict()})


def _samples(
    held: Split,
    probabilities: metrics.Probabilities,
    class_names: Sequence[str],
    answer: Callable[[NDArray[np.intp]], Sequence[Tag]],
) -> tuple[Samples, Samples]:
    """The pictures that the page shows: at even distances, and the worst mistakes."""
    even = evenly(len(held), figures.SHOWN)
    worst = metrics.worst_mistakes(probabilities, held.labels, figures.SHOWN)
    first, second = (
        Samples(held.pictures[places], [class_names[label] for label in held.labels[places]], answer(places))
        for places in (even, worst)
    )
    return first, second


def _figures(findings: Findings, report: Report) -> dict[str, Figure]:
    drawn = {
        "confusion": figures.confusion(report),
        "confusion-shares": figures.confusion(report, normalised=True),
        "predictions": _tags(findings.samples),
    }
    if findings.history:
        drawn = {
            "accuracy": figures.accuracy_curves(findings.history),
            "loss": figures.loss_curves(findings.history),
            **drawn,
        }
    if len(findings.mistakes.tags):
        drawn["mistakes"] = _tags(findings.mistakes)
    return drawn


def _tags(some: Samples) -> Figure:
    return figures.tags(some.pictures, some.actual, some.tags)


def _cards(some: Samples) -> list[_Card]:
    return [
        _Card(_thumbnail(picture), actual, tag)
        for picture, actual, tag in zip(some.pictures, some.actual, some.tags, strict=True)
    ]


def _cells(report: Report) -> list[list[_Cell]]:
    rows = []
    for actual, row in enumerate(report.confusion):
        total = sum(row) or 1
        cells = []
        for predicted, count in enumerate(row):
            share = count / total
            # A root lets the few mistakes be seen beside the many right answers.
            depth = share if actual == predicted else share**0.5
            cells.append(_Cell(count, f"{100 * share:.{1 if share < 0.01 else 0}f}", round(depth, 3)))
        rows.append(cells)
    return rows


def _thumbnail(picture: NDArray[np.uint8]) -> str:
    image = to_image(picture)
    large = max(image.size) > _THUMB
    image.thumbnail((_THUMB, _THUMB))
    return image_uri(image, "jpeg" if large else "png")


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


def _markdown(text: object) -> str:
    """Any text as plain words inside a Markdown table: no markup, no HTML, one line."""
    return re.sub(r"([\\`*_\[\]<>|~&])", r"\\\1", plain(str(text), 200))


def _share(value: float | None) -> str:
    """A share in a table whose head says that it is in per cent."""
    return "–" if value is None else f"{100 * value:.1f}"


def _templates() -> Environment:
    try:
        from jinja2 import DictLoader, Environment, StrictUndefined
    except ModuleNotFoundError as error:
        raise MissingExtra("Jinja2", "train") from error

    folder = resources.files(__package__) / "templates"
    sources = {name: (folder / name).read_text("utf-8") for name in ("report.html.j2", "report.md.j2")}
    environment = Environment(
        loader=DictLoader(sources),
        autoescape=lambda name: name is None or not name.endswith(".md.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = _markdown
    environment.filters["percent"] = percent
    environment.filters["share"] = _share
    return environment
