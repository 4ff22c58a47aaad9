"""The report's page and the leaderboard in a browser: cells lead to pictures, and everybody can use them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import CHROMIUM, accessibility_check
from click.testing import CliRunner
from made_runs import NAMES, made_answers, made_dataset, made_run
from PIL import Image

from lapel.cli import lapel
from lapel.comparison import compare
from lapel.data import Dataset, Split
from lapel.errors import RunError
from lapel.evaluation import report_of_run
from lapel.report.leaderboard import write_leaderboard
from lapel.report.page import write_again, write_report
from lapel.runs import Run
from lapel.splits import split_of_run

NASTY = ("<b>coat</b>", "👢 boot", "x" * 200, "a&b\"'", "dress")


def answer(run: Run, dataset: Dataset, split: str = "validation", skill: float = 0.6, seed: int = 0) -> None:
    labels = split_of_run(run, dataset, split).labels
    run.save_predictions(split, made_answers(labels, len(dataset.class_names), skill, seed), labels)


def page_of(run: Run, dataset: Dataset, split: str = "validation") -> Path:
    kept = run.predictions(split)
    assert kept is not None
    return write_report(run, report_of_run(run, split, *kept), dataset)


def with_files(dataset: Dataset, name: str = "photos/{}.jpg") -> Dataset:
    """The same, as if the pictures had been photos."""
    parts = [
        replace(split, files=tuple(name.format(f"{part}{place}") for place in range(len(split))))
        for part, split in (("train", dataset.train), ("test", dataset.test))
        if split is not None
    ]
    return replace(dataset, train=parts[0], test=parts[1])


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dataset, Run]:
    """A page with names that would do harm if they could."""
    dataset = with_files(made_dataset(NASTY, size=28), 'photos/<img src=x onerror=alert(1)> "{}" 👢.jpg')
    run = made_run(tmp_path_factory.mktemp("runs") / "run", dataset, epochs=8)
    answer(run, dataset, "test")
    return page_of(run, dataset, "test"), dataset, run


def test_each_cell_leads_to_its_pictures_which_have_the_names_of_their_files(
    nasty: tuple[Path, Dataset, Run],
) -> None:
    page, dataset, run = nasty
    text = page.read_text()
    kept, labels = run.predictions("test") or (np.empty(0), np.empty(0))
    links = set(re.findall(r'<td[^>]*><a href="#(cell-\d+-\d+)"', text))
    pairs = set(zip(labels.tolist(), kept.argmax(axis=1).tolist(), strict=True))
    assert links == {f"cell-{one}-{other}" for one, other in pairs}
    assert dataset.test is not None and dataset.test.files is not None
    for one, other in sorted(pairs)[:6]:
        start = text.index(f'id="cell-{one}-{other}"')
        cell = text[start : text.index("</section>", start)]
        shown = {int(place) for place in re.findall(r"&#34;test(\d+)&#34; 👢\.jpg</span>", cell)}
        places = np.flatnonzero((labels == one) & (kept.argmax(axis=1) == other))
        assert shown and shown <= set(places.tolist())
        surest = kept[places].max(axis=1)
        # Of mistakes the surest are shown, of right answers the least sure.
        edge = places[surest.argmin() if one == other else surest.argmax()]
        assert edge in shown


def test_hostile_names_of_classes_and_files_are_words(nasty: tuple[Path, Dataset, Run]) -> None:
    text = nasty[0].read_text()
    assert "<b>coat" not in text and "<img src=x" not in text
    assert text.count("<script") == 1


@pytest.mark.parametrize("classes", [2, pytest.param(200, marks=pytest.mark.long)])
def test_any_number_of_classes(tmp_path: Path, classes: int) -> None:
    names = tuple(f"kind {number}" for number in range(classes))
    random = np.random.default_rng(0)
    train = Split(
        random.integers(0, 255, (classes * 4, 8, 8, 1), dtype=np.uint8), np.arange(classes * 4) % classes
    )
    dataset = Dataset("many", train, None, names)
    run = made_run(tmp_path / "run", dataset)
    answer(run, dataset, skill=0.3)
    page = page_of(run, dataset)
    assert page.stat().st_size < 1_500_000
    assert ('class="matrix"' in page.read_text()) is (classes == 2)
    assert 'href="#cell-' in page.read_text()


def test_one_picture_all_wrong_and_classes_absent(tmp_path: Path) -> None:
    names = ("bag", "boot", "coat")
    train = Split(np.full((6, 8, 8, 1), 9, np.uint8), np.array([0, 0, 1, 1, 2, 2]))
    dataset = Dataset("tiny", train, Split(train.pictures[:1], train.labels[:1]), names)
    run = made_run(tmp_path / "run", dataset)
    run.save_predictions("test", np.array([[0.0, 1.0, 0.0]], np.float32), np.array([0]))
    text = page_of(run, dataset, "test").read_text()
    assert "0.0<small>%</small>" in text and "of 1 test picture answered right" in text
    assert "bag is taken for boot" in text
    assert "roc" not in re.findall(r'id="(\w+)-figure_1"', text)  # there is nothing to tell it from


@pytest.mark.long
def test_the_page_of_many_pictures_stays_small(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(3000) % 10
    split = Split(random.integers(0, 255, (3000, 28, 28, 1), dtype=np.uint8), labels)
    dataset = Dataset("noise", split, split, tuple("abcdefghij"))
    run = made_run(tmp_path / "run", dataset)
    answer(run, dataset, "test", skill=0.5)
    assert page_of(run, dataset, "test").stat().st_size < 1_500_000


def three(folder: Path, dataset: Dataset) -> list[Run]:
    runs = [made_run(folder / f"<run> {number}", dataset, epochs=number + 2) for number in range(3)]
    for number, run in enumerate(runs):
        answer(run, dataset, skill=0.4 + 0.2 * number, seed=number)
    return runs


def test_a_leaderboard_says_what_a_comparison_says(tmp_path: Path) -> None:
    dataset = made_dataset()
    runs = three(tmp_path, dataset)
    page_of(runs[1], dataset)
    text = write_leaderboard(runs, tmp_path / "board").read_text()
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    rows = [re.sub(r"<[^>]*>", " ", row) for row in body.split("</tr>")[:-1]]
    assert [re.search(r"run&gt; (\d)", row)[1] for row in rows] == ["2", "1", "0"]  # type: ignore[index]
    for row, run in zip(compare(runs).rows[:0:-1], rows, strict=False):
        assert row.difference is not None and row.interval is not None
        assert f"{100 * row.difference:+.2f}" in run and f"{row.p:.2g}" in run
        assert f"{100 * row.interval[0]:+.2f} to {100 * row.interval[1]:+.2f}" in run
    (link,) = re.findall(r'<a href="([^"#]+)"', body)
    assert link == "../%3Crun%3E%201/report/index.html"
    assert "the best of 3 runs" in text and "judged on the test pictures" not in text
    assert text.count("<svg") == 2 + 3


def test_choosing_by_test_figures_is_warned_about(tmp_path: Path) -> None:
    dataset = made_dataset()
    runs = three(tmp_path, dataset)
    for run in runs[:2]:
        run.record_look("test", 0.75, 80)
    text = write_leaderboard(runs, tmp_path / "board").read_text()
    assert "2 of these runs have been judged on the test pictures." in text
    assert "makes the test pictures validation pictures" in text


def test_the_verb_writes_one_page_or_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = made_dataset()
    monkeypatch.setenv("LAPEL_RUNS", str(tmp_path))
    monkeypatch.setattr("lapel.report.page.dataset_of", lambda *_: dataset)
    names = [str(run.path) for run in three(tmp_path, dataset)]
    result = CliRunner().invoke(lapel, ["report", *names], catch_exceptions=False)
    assert result.stdout.strip() == str(tmp_path / "leaderboard" / "index.html")
    result = CliRunner().invoke(lapel, ["report", names[0]], catch_exceptions=False)
    assert result.stdout.strip() == f"{names[0]}/report/index.html"
    assert "chosen on these pictures" in Path(result.stdout.strip()).read_text()
    with pytest.raises(RunError, match="has not been judged yet"):
        write_again(made_run(tmp_path / "new", dataset))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with api.sync_playwright() as browsers:
        opened = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1440), pytest.param("dark", 390, marks=pytest.mark.long)]
)
@pytest.mark.parametrize("which", ["report", "leaderboard"])
def test_everybody_can_use_it(
    browser: Any, nasty: tuple[Path, Dataset, Run], tmp_path: Path, which: str, scheme: str, width: int
) -> None:
    path = nasty[0]
    if which == "leaderboard":
        path = write_leaderboard(three(tmp_path, made_dataset()), tmp_path / "board")
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    if which == "report":
        page.get_by_role("button", name="Unfold everything").click()
        assert page.locator("details:not([open])").count() == 0
    accessibility_check(page, width)(which)
    assert said == []
    page.close()


@pytest.mark.parametrize("script", [True, False])
def test_a_click_on_a_cell_shows_its_pictures(
    browser: Any, nasty: tuple[Path, Dataset, Run], script: bool
) -> None:
    context = browser.new_context(java_script_enabled=script, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(nasty[0].as_uri())
    assert page.locator(".cell:visible").count() == 1
    link = (
        page.locator(".order-similar .matrix td.wrong a, .order-given .matrix td.wrong a")
        .locator("visible=true")
        .last
    )
    wanted = link.get_attribute("href")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{wanted}:visible")
    assert page.locator(".cell:visible").count() == 1
    context.close()


def test_paper_has_everything(browser: Any, nasty: tuple[Path, Dataset, Run], tmp_path: Path) -> None:
    """Folded parts are there in print, with script or without."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(nasty[0].as_uri())
    assert not page.get_by_text("label smoothing where the recipe").is_visible()
    page.emulate_media(media="print")
    assert page.get_by_text("label smoothing where the recipe").is_visible()
    page.screenshot(path=tmp_path / "paper.png")
    assert np.asarray(Image.open(tmp_path / "paper.png").convert("L")).mean() > 200  # no dark cloth on paper
    context.close()


def test_names_are_those_of_the_dataset_s_files(tmp_path: Path) -> None:
    dataset = with_files(made_dataset(NAMES))
    run = made_run(tmp_path / "run", dataset)
    held = split_of_run(run, dataset, "validation")
    assert held.files is not None and dataset.train.files is not None
    for name, picture in zip(held.files, held.pictures, strict=True):
        place = dataset.train.files.index(name)
        assert (dataset.train.pictures[place] == picture).all()
