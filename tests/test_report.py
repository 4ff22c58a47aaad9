"""Figures and the page: whole, alone, safe with hostile names, and the same for a reader of any file."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from made_runs import NAMES, made_answers, made_dataset, made_run
from matplotlib.figure import Figure
from PIL import Image

from lapel.class_order import order_by_similarity
from lapel.data import Dataset
from lapel.engines.protocol import Epoch
from lapel.errors import LapelError, MissingExtra, RunError
from lapel.files import write_atomic
from lapel.judgement import Report, judge
from lapel.report import figures, learning_figures, style
from lapel.report.page import write_report
from lapel.runs import Run
from lapel.splits import split_of_run

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a|b `c` *d* [e](http://example.com/)",
    "$\\frac{1}{$ {{ 7 * 7 }} {% raw %}",
    "name\nin\ttwo\x00 lines",
    "靴 👢",
    "x" * 300,
)


def judged(run: Run, dataset: Dataset, split: str = "test", skill: float = 0.8) -> Report:
    """Give a run answers and the report of them, as `evaluate` would."""
    labels = split_of_run(run, dataset, split).labels
    probabilities = made_answers(labels, len(dataset.class_names), skill)
    run.save_predictions(split, probabilities.astype(np.float32), labels)
    return judge(
        probabilities,
        labels,
        dataset.class_names,
        split=split,
        dataset=dataset.name,
        run=run.name,
        test_looks=3,
    )


class Page(HTMLParser):
    """What a page asks for, says, and is built of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.asked += [
            value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "action"}
        ]
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag == "img":
            self.images.append(values)

    def handle_data(self, data: str) -> None:
        self.words += data + " "


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """The folder of a report on an ordinary run, and what it reports."""
    dataset = made_dataset(size=28)
    run = made_run(tmp_path_factory.mktemp("runs") / "cnn-1", dataset)
    report = judged(run, dataset)
    return write_report(run, report, dataset).parent, report


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report whose class names, source and recipe would do harm if they could."""
    made = made_dataset(HOSTILE)
    dataset = Dataset("<b>rows</b>", made.train, made.test, HOSTILE, source="</main><script>x</script>")
    run = made_run(tmp_path_factory.mktemp("runs") / "run", dataset, about="</pre><script>y</script>")
    return write_report(run, judged(run, dataset), dataset).parent


def test_the_page_says_what_was_found(written: tuple[Path, Report]) -> None:
    folder, report = written
    words = " ".join(Page((folder / "index.html").read_text()).words.split())
    for expected in (
        f"{100 * report.accuracy:.1f} %",
        "of 80 test pictures answered right",
        f"95 % interval {100 * report.interval[0]:.1f} to {100 * report.interval[1]:.1f} %",
        "Test set looked at 3 times",
        "Where it fails",
        "by similarity",
        "Is confidence true?",
        "Sets that hold the right class as often as promised",
        "Sample predictions",
        "Worst mistakes",
        'optimizer = "adam"',
        "engine version 2.13.0",
        f"Most often, {report.confusions[0].actual} is taken for {report.confusions[0].predicted}",
    ):
        assert expected in words, expected
    assert "drawn garments" not in words


def test_the_page_needs_nothing_else(written: tuple[Path, Report]) -> None:
    folder, _ = written
    text = (folder / "index.html").read_text()
    page = Page(text)
    assert all(asked.startswith(("data:image/", "#")) for asked in page.asked)
    assert not {"link", "iframe", "object", "base"} & set(page.tags)
    # It runs its own script and no other.
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert page.tags.count("script") == 1
    assert "@import" not in text
    assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)\)", text))
    assert "default-src 'none'" in text
    assert (folder / "index.html").stat().st_size < 1_500_000


def test_every_picture_of_the_page_is_whole_and_named(written: tuple[Path, Report]) -> None:
    folder, _ = written
    page = Page((folder / "index.html").read_text())
    assert len(page.images) > figures.SHOWN
    for image in page.images:
        assert image["alt"]
        assert (image["src"] or "").startswith("data:image/png;base64,")
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("svg") == 8


def test_counts_of_the_page_are_those_of_the_report(written: tuple[Path, Report]) -> None:
    folder, report = written
    text = (folder / "index.html").read_text()
    for name, order in (("similar", order_by_similarity(np.array(report.confusion))), ("given", range(4))):
        start = text.find(f'class="scroll order-{name}"')
        if start < 0:
            assert list(order) == [0, 1, 2, 3]
            continue
        body = text[text.index("<tbody>", start) : text.index("</tbody>", start)]
        cells = [
            re.search(r'class="count">(\d+)<', cell) for cell in re.findall(r"<td.*?</td>", body, re.DOTALL)
        ]
        counts = [int(found[1]) if found else 0 for found in cells]
        assert counts == [report.confusion[row][column] for row in order for column in order]


def test_json_and_markdown_say_the_same(written: tuple[Path, Report]) -> None:
    folder, report = written
    assert Report.from_json((folder / "report.json").read_text()) == report
    assert json.loads((folder / "report.json").read_text())["accuracy"] == report.accuracy
    text = (folder / "report.md").read_text()
    assert f"{100 * report.accuracy:.2f} % on 80 test pictures" in text
    assert "| Test set looked at | 3 times |" in text
    for name in re.findall(r"\]\((.*?)\)", text):
        assert (folder / name).is_file()


def test_every_figure_is_a_png_with_something_on_it(written: tuple[Path, Report]) -> None:
    folder, _ = written
    names = sorted(path.name for path in folder.glob("*.png"))
    assert names == [
        "accuracy.png",
        "classes.png",
        "confusion-shares.png",
        "confusion.png",
        "coverage.png",
        "loss.png",
        "mistakes.png",
        "precision-recall.png",
        "predictions.png",
        "reliability-calibrated.png",
        "reliability.png",
        "roc.png",
    ]
    for name in names:
        assert np.asarray(Image.open(folder / name).convert("L")).std() > 5


def test_hostile_names_are_words_and_nothing_more(hostile: Path) -> None:
    text = (hostile / "index.html").read_text()
    page = Page(text)
    assert page.tags.count("script") == 1
    assert all((image["src"] or "").startswith("data:image/") for image in page.images)
    assert not any("onerror" in name for image in page.images for name in image)
    assert "<script>alert(1)</script>" in page.words
    assert "{{ 7 * 7 }}" in page.words
    assert "<b>rows</b>" in page.words


def test_hostile_names_keep_the_markdown_tables_whole(hostile: Path) -> None:
    text = (hostile / "report.md").read_text()
    assert not re.search(r"^<script", text, re.MULTILINE)
    rows = [line for line in text.splitlines() if line.startswith("| ") and "a\\|b" in line]
    assert rows
    table = text[text.index("## Class by class") : text.index("![Share")].strip().splitlines()[2:]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {6}
    assert all("<" not in line.replace("\\<", "") for line in table)


def test_drawn_garments_are_said_to_be_drawn(tmp_path: Path) -> None:
    dataset = made_dataset(("left", "right"), name="synthetic")
    run = made_run(tmp_path / "run", dataset)
    page = write_report(run, judged(run, dataset), dataset)
    for path in (page, page.with_name("report.md")):
        assert "drawn garments, not of Fashion-MNIST" in path.read_text()


def test_a_folder_that_cannot_be_written_names_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = made_dataset()
    run = made_run(tmp_path / "run", dataset)
    report = judged(run, dataset)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(LapelError, match=r"\.png: a read-only file system\.") as caught:
        write_report(run, report, dataset)
    assert "--report" in caught.value.hint


def test_a_run_without_a_mistake_or_a_history(tmp_path: Path) -> None:
    dataset = made_dataset()
    run = made_run(tmp_path / "run", dataset, epochs=0)
    left = run.report_folder / "mistakes.png"
    write_atomic(left, b"of an earlier report")
    page = write_report(run, judged(run, dataset, skill=1.0), dataset)
    words = Page(page.read_text()).words
    assert "every picture was answered right" in words
    assert "Worst mistakes" not in words
    assert "Learning" not in words
    assert not left.exists()


@pytest.mark.long
def test_a_matrix_of_many_classes_is_a_figure(tmp_path: Path) -> None:
    dataset = made_dataset(tuple(f"kind {n}" for n in range(26)))
    run = made_run(tmp_path / "run", dataset)
    text = write_report(run, judged(run, dataset), dataset).read_text()
    assert '<table class="matrix">' not in text
    assert 'alt="Confusion matrix of 26 classes"' in text


def test_large_colour_pictures_are_shrunk_for_the_page(tmp_path: Path) -> None:
    dataset = made_dataset(("left", "right"), size=200, channels=3)
    run = made_run(tmp_path / "run", dataset)
    page = write_report(run, judged(run, dataset), dataset)
    assert "data:image/jpeg" in page.read_text()
    assert page.stat().st_size < 1_000_000


def test_a_run_that_was_not_judged_has_no_report(tmp_path: Path) -> None:
    dataset = made_dataset()
    run = made_run(tmp_path / "cnn-1", dataset)
    report = judged(run, dataset, "validation")
    with pytest.raises(RunError, match="cnn-1 holds no predictions for its test pictures") as caught:
        write_report(run, judge_again(report), dataset)
    assert "lapel evaluate cnn-1" in caught.value.hint


def judge_again(report: Report) -> Report:
    return Report.from_json(report.to_json().replace('"validation"', '"test"'))


HISTORY = [Epoch(n, 1 / n, 0.5 + 0.1 * n, 1.2 / n, 0.55 + 0.1 * n, 0.001) for n in range(1, 4)]


def drawn(names: tuple[str, ...]) -> dict[str, Callable[[], Figure]]:
    dataset = made_dataset(names)
    pictures, labels = dataset.train.pictures[:30], dataset.train.labels[:30]
    probabilities = made_answers(labels, len(names), 0.5)
    report = judge(probabilities, labels, names, split="test", dataset="rows")
    return {
        "accuracy": lambda: learning_figures.accuracy_curves(HISTORY),
        "loss": lambda: learning_figures.loss_curves(HISTORY),
        "one epoch": lambda: learning_figures.loss_curves(HISTORY[:1]),
        "no epoch": lambda: learning_figures.loss_curves([]),
        "compare": lambda: learning_figures.compare_curves([(name, HISTORY) for name in names]),
        "counts": lambda: figures.confusion(report),
        "shares": lambda: figures.confusion(report, normalised=True),
        "predictions": lambda: figures.predictions(pictures, labels, probabilities, names),
        "mistakes": lambda: figures.worst_mistakes(pictures, labels, probabilities, names),
        "samples": lambda: figures.sample_grid(pictures, labels, names),
        "means": lambda: figures.mean_pictures(dataset),
        "tag": lambda: figures.tag_figure(pictures[0], [(name, 0.1) for name in names]),
    }


@pytest.mark.parametrize("names", [NAMES, HOSTILE], ids=["plain", "hostile"])
@pytest.mark.parametrize("which", list(drawn(NAMES)))
def test_a_figure_can_be_drawn(which: str, names: tuple[str, ...]) -> None:
    content = style.png(drawn(names)[which]())
    assert content.startswith(b"\x89PNG")
    assert np.asarray(Image.open(io.BytesIO(content)).convert("L")).std() > 1


def test_drawing_changes_no_setting_and_opens_no_window() -> None:
    before = dict(matplotlib.rcParams)
    style.png(learning_figures.accuracy_curves(HISTORY))
    assert dict(matplotlib.rcParams) == before
    code = (
        "import sys; from lapel.report import learning_figures, page; "
        "light = 'matplotlib' not in sys.modules; "
        "from lapel.report.style import png; png(learning_figures.loss_curves([])); "
        "sys.exit(0 if light and 'matplotlib.pyplot' not in sys.modules else 1)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert style.png(learning_figures.accuracy_curves(HISTORY)) == style.png(
        learning_figures.accuracy_curves(HISTORY)
    )
    assert style.svg(learning_figures.loss_curves(HISTORY), "a") == style.svg(
        learning_figures.loss_curves(HISTORY), "a"
    )


def test_an_svg_takes_the_colours_of_its_page_and_keeps_its_marks_apart() -> None:
    text = style.svg(learning_figures.accuracy_curves(HISTORY), "curves")
    assert text.startswith("<svg")
    assert "var(--right)" in text
    assert not re.findall(r"#[0-9a-f]{6}\b", text)
    assert all(name.startswith("curves-") for name in re.findall(r'\bid="([^"]*)"', text))
    assert "<metadata" not in text


def test_right_and_wrong_differ_for_the_colour_blind() -> None:
    # Blue and orange part along the axis that red-green blindness keeps: blue against yellow.
    right, wrong = (np.array(matplotlib.colors.to_rgb(hue)) for hue in (style.RIGHT, style.WRONG))
    assert right[2] - right[:2].mean() > 0.3
    assert wrong[:2].mean() - wrong[2] > 0.3


@pytest.mark.parametrize(("module", "title"), [("matplotlib", "matplotlib"), ("jinja2", "Jinja2")])
def test_what_is_not_installed_is_named(
    module: str, title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = made_dataset()
    run = made_run(tmp_path / "run", dataset)
    report = judged(run, dataset)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=f"{title} is not installed") as caught:
        write_report(run, report, dataset)
    assert "lapel[train]" in caught.value.hint
    assert not run.report_folder.exists()
