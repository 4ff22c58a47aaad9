"""What a figure was chosen by is said wherever the figure stands."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_runs import made_answers, made_dataset, made_run
from statsmodels.stats.proportion import proportion_confint

from lapel.choice import KeptEpoch, caution_of_folds, kept_by_folds
from lapel.commands.reports import print_report
from lapel.data import Dataset
from lapel.evaluation import report_of_run
from lapel.judgement import Report
from lapel.report.page import write_report
from lapel.runs import Run
from lapel.splits import split_of_run

# Of three epochs the second is the best on validation: 90 %, the last one 80 %.
CHOSEN = "chosen on these pictures: epoch 2 of 3; last epoch 80.0 %"


def judged(run: Run, dataset: Dataset, split: str = "validation", skill: float = 0.9) -> Report:
    labels = split_of_run(run, dataset, split).labels
    probabilities = made_answers(labels, len(dataset.class_names), skill)
    run.save_predictions(split, probabilities, labels)
    run.record_look(split, 0.5, len(labels))
    return report_of_run(run, split, probabilities, labels)


def page_of(run: Run, report: Report, dataset: Dataset) -> tuple[str, str]:
    """The words beside the big number, and the Markdown."""
    page = write_report(run, report, dataset)
    text = page.read_text()
    head = re.sub(r"<[^>]*>", " ", text[text.index("<h1>") : text.index("</header>")])
    return html.unescape(" ".join(head.split())), page.with_name("report.md").read_text()


@pytest.fixture
def few() -> Dataset:
    """Sixteen validation pictures, and no test pictures."""
    return replace(made_dataset(), test=None)


def test_a_figure_that_chose_its_epoch_is_called_so(
    tmp_path: Path, few: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made_run(tmp_path / "run", few)
    report = judged(run, few)
    assert (report.choice, report.pictures) == (CHOSEN, 16)
    assert report.epoch == KeptEpoch(2, 3, True, pytest.approx(0.8), report.epoch.last_interval)  # type: ignore[union-attr]
    low, high = proportion_confint(13, 16, method="wilson")  # 80 % of 16 pictures, to whole ones
    assert report.epoch is not None and report.epoch.last_interval == pytest.approx((low, high))
    head, markdown = page_of(run, report, few)
    assert head.index("answered right") < head.index(CHOSEN) < head.index("95 % interval")
    assert CHOSEN[1:] in markdown
    assert json.loads((run.report_folder / "report.json").read_text())["epoch"]["last_accuracy"] == 0.8
    print_report(report)
    assert CHOSEN in capsys.readouterr().out


def test_without_test_pictures_the_last_epoch_is_what_may_be_concluded(
    tmp_path: Path, few: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made_run(tmp_path / "run", few)
    report = judged(run, few)
    assert report.epoch is not None
    low, high = report.epoch.last_interval
    print_report(report)
    head, markdown = page_of(run, report, few)
    for text in (head, markdown.replace("\\", ""), capsys.readouterr().out, report.caution):
        assert "These 16 pictures chose the epoch that they judge, so the figure flatters" in text
        assert f"nobody chose: 80.0 %, 95 % interval {100 * low:.1f} to {100 * high:.1f} %" in text
        assert "lapel train … --folds 5 --set training.keep=last" in text
    assert Report.from_json(report.to_json()).caution == report.caution


def test_test_pictures_that_nobody_looked_at_are_suggested(tmp_path: Path) -> None:
    dataset = made_dataset()
    run = made_run(tmp_path / "run", dataset)
    assert "`lapel evaluate run --test`" in judged(run, dataset).caution
    assert "folds" not in judged(run, dataset).caution


def test_the_test_pictures_are_the_headline_where_they_were_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = made_dataset()
    run = made_run(tmp_path / "run", dataset)
    on_test = judged(run, dataset, "test", skill=0.5)
    report = judged(run, dataset)
    assert report.headline[0] == "test" and report.headline[1].accuracy == on_test.accuracy
    assert report.test is not None and report.test.interval == on_test.interval
    assert (report.caution, report.accuracy > on_test.accuracy) == ("", True)
    head, markdown = page_of(run, report, dataset)
    assert f"{100 * on_test.accuracy:.1f} % of 80 test pictures answered right." in head
    assert "All else on this page is of 16 validation pictures" in head and CHOSEN in head
    assert markdown.startswith(f"# run: {100 * on_test.accuracy:.2f} % on 80 test pictures")
    assert f"<title>run · {100 * on_test.accuracy:.1f} %" in (run.report_folder / "index.html").read_text()
    print_report(report)
    assert f"on the test pictures  {on_test.accuracy:.2%}" in capsys.readouterr().out


def test_a_test_set_that_was_looked_at_twice_is_worn(tmp_path: Path) -> None:
    dataset = made_dataset()
    run = made_run(tmp_path / "run", dataset)
    first, second = judged(run, dataset, "test"), judged(run, dataset, "test")
    assert first.choice == "epoch 2 of 3, chosen on the validation pictures"
    assert first.caution == ""
    assert "looked at 2 times" in second.caution


def test_where_nothing_was_chosen_nothing_is_said(tmp_path: Path, few: Dataset) -> None:
    last = made_run(tmp_path / "last", few, keep="last")
    assert judged(last, few).choice == "epoch 3 of 3, which no picture chose"
    assert judged(last, few).caution == ""
    alone = made_run(tmp_path / "alone", few, epochs=1)
    assert judged(alone, few).choice == "epoch 1 of 1, which no picture chose"
    elsewhere = made_run(tmp_path / "elsewhere", few, epochs=0)
    assert (judged(elsewhere, few).choice, judged(elsewhere, few).epoch) == ("", None)


def test_the_kept_epoch_is_marked_on_the_curves(tmp_path: Path, few: Dataset) -> None:
    for keep, kept in (("best", 2), ("last", 3)):
        run = made_run(tmp_path / keep, few, keep=keep)
        text = write_report(run, judged(run, few), few).read_text()
        assert len(re.findall(f">kept: epoch {kept}\\b", text)) == 2  # on both curves
        assert f"kept: epoch {kept}" in text[text.index("<h2>Learning</h2>") :]


def test_folds_that_chose_their_epochs_say_so_together() -> None:
    folds = [(KeptEpoch(2, 5, True, 0.75, (0, 1)), 4), (KeptEpoch(4, 4, True, 0.5, (0, 1)), 6)]
    kept = kept_by_folds(folds)
    assert kept is not None
    assert (kept.number, kept.epochs, kept.last_accuracy) == (None, 5, 0.6)  # three of four and three of six
    assert kept.last_interval == pytest.approx(proportion_confint(6, 10, method="wilson"))
    assert kept.describe("validation").startswith("chosen on these pictures: in each fold its best epoch")
    assert "60.0 % right" in caution_of_folds(kept)
    still = kept_by_folds([(replace(one, chosen=False), pictures) for one, pictures in folds])
    assert still is not None and caution_of_folds(still) == ""
    assert kept_by_folds([(None, 3), folds[0]]) is None


def test_reports_of_earlier_versions_are_read(tmp_path: Path, few: Dataset) -> None:
    report = judged(made_run(tmp_path / "run", few), few)
    known = json.loads(report.to_json())
    for name in ("epoch", "test", "caution"):
        del known[name]
    old = Report.from_json(json.dumps(known))
    assert (old.choice, old.caution, old.headline[0]) == ("", "", "validation")
    assert np.isclose(old.accuracy, report.accuracy)
