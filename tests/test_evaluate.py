"""Judging a run: the right pictures, the right figures, every look remembered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
from click.testing import CliRunner
from made_runs import NAMES, made_answers, made_dataset, made_run

from lapel.cli import lapel
from lapel.commands.reports import print_report
from lapel.data import Dataset, Split, save_data
from lapel.errors import LapelError, ModelError, RunError
from lapel.evaluation import evaluate
from lapel.exporting import export
from lapel.judgement import Report, judge
from lapel.recipes.load import load_recipe
from lapel.runs import Run, dataset_of, open_run
from lapel.splits import split_of_run
from lapel.tagger import load_tagger
from lapel.trainer import train


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return made_dataset()


@pytest.fixture
def trained(tmp_path: Path, dataset: Dataset) -> Run:
    """A real run of two epochs on a handful of pictures."""
    recipe = load_recipe("dense", ["training.epochs=2", "training.batch=16", "training.learning_rate=0.01"])
    return train(recipe, dataset, path=tmp_path / "small", device="cpu")


def test_a_report_agrees_with_scikit_learn() -> None:
    labels = np.arange(300) % 4
    probabilities = made_answers(labels, 4)
    report = judge(probabilities, labels, NAMES, split="test", dataset="rows", run="a", test_looks=2)
    predicted = probabilities.argmax(axis=1)
    assert report.accuracy == pytest.approx(reference.accuracy_score(labels, predicted))
    assert report.balanced_accuracy == pytest.approx(reference.balanced_accuracy_score(labels, predicted))
    assert report.f1 == pytest.approx(reference.f1_score(labels, predicted, average="macro"))
    assert report.loss == pytest.approx(reference.log_loss(labels, probabilities), rel=1e-5)
    assert np.array_equal(report.confusion, reference.confusion_matrix(labels, predicted))
    assert [one.name for one in report.per_class] == list(NAMES)
    assert report.interval[0] < report.accuracy < report.interval[1]
    assert (report.pictures, report.test_looks) == (300, 2)


def test_a_report_survives_json() -> None:
    labels = np.arange(40) % 4
    names = ("a", "b|<i>", "c\n", "d\u2028")
    report = judge(made_answers(labels, 4), labels, names, split="validation", dataset="rows")
    assert Report.from_json(report.to_json()) == report


@pytest.mark.parametrize("text", ["", "[]", '{"accuracy": 1}', '{"accuracy": "high"}', "{" * 2000])
def test_what_is_not_a_report_is_refused_in_words(text: str) -> None:
    with pytest.raises(LapelError, match=r"not a report of Lapel: .*") as caught:
        Report.from_json(text)
    assert "lapel evaluate RUN" in caught.value.hint


def test_validation_pictures_are_those_held_out_in_training(trained: Run, dataset: Dataset) -> None:
    report = evaluate(trained, dataset=dataset)
    # The training judged its epochs on the same pictures, and the run keeps the best epoch's weights.
    best = max(epoch.validation_accuracy for epoch in trained.history)
    assert report.accuracy == pytest.approx(best)
    assert (report.split, report.run, report.dataset) == ("validation", "small", "rows")
    assert report.pictures == len(dataset.split(0.1, 0)[1])
    assert report.test_looks == 0


def test_predictions_are_kept_and_every_look_is_counted(trained: Run, dataset: Dataset) -> None:
    assert evaluate(trained, split="test", dataset=dataset).test_looks == 1
    assert evaluate(trained, dataset=dataset).test_looks == 1
    report = evaluate(trained, split="test", dataset=dataset)
    assert report.test_looks == 2
    assert dataset.test is not None
    run = open_run(trained.path)
    # Calibration and sets are fitted on validation pictures, which the run is asked about first.
    assert [look["split"] for look in run.looks] == ["validation", "test", "validation", "test"]
    kept = run.predictions("test")
    assert kept is not None
    assert np.array_equal(kept[1], dataset.test.labels)
    assert report.accuracy == np.mean(kept[0].argmax(axis=1) == dataset.test.labels)


@pytest.mark.parametrize("keep", [0, 3, 500])
def test_kept_predictions_that_are_not_whole_are_named(trained: Run, dataset: Dataset, keep: int) -> None:
    evaluate(trained, dataset=dataset)
    path = trained.path / "predictions.npz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RunError, match=r"predictions\.npz: not whole") as caught:
        trained.predictions("validation")
    assert caught.value.hint == "Delete it and evaluate the run again."
    path.unlink()


def test_other_pictures_than_those_of_the_training_are_refused(trained: Run, dataset: Dataset) -> None:
    other = made_dataset(seed=9)
    with pytest.raises(RunError) as caught:
        evaluate(trained, dataset=other)
    assert dataset.fingerprint[:12] in caught.value.message
    assert other.fingerprint[:12] in caught.value.message
    assert "small was trained on rows" in caught.value.message
    assert trained.looks == []


def test_a_dataset_without_test_pictures(tmp_path: Path, dataset: Dataset) -> None:
    alone = Dataset("rows", dataset.train, None, NAMES)
    with pytest.raises(RunError, match="rows has no test pictures") as caught:
        evaluate(made_run(tmp_path / "run", alone), split="test", dataset=alone)
    assert "leave --test out" in caught.value.hint


def test_a_report_shows_what_matters_of_it() -> None:
    report = judge(np.eye(4, 2), np.array([0, 1, 0, 1]), NAMES[:2], split="test", dataset="rows", run="small")
    low, high = report.interval
    shown = f"Report('small', test of 'rows': accuracy 0.7500 ({low:.4f} to {high:.4f}) of 4 pictures)"
    assert repr(report) == shown


def test_an_unknown_split(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(RunError, match='no split "train"') as caught:
        split_of_run(made_run(tmp_path / "run", dataset), dataset, "train")
    assert caught.value.hint == "Known: validation, test."


def test_a_dataset_that_only_python_had(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(RunError, match="trained on a Dataset object") as caught:
        evaluate(made_run(tmp_path / "run", dataset))
    assert "dataset=" in caught.value.hint


def test_a_run_without_weights(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(RunError, match="no epoch has ended yet"):
        evaluate(made_run(tmp_path / "run", dataset, epochs=0), dataset=dataset)


@pytest.fixture
def filed(tmp_path: Path) -> Path:
    """A run trained on a dataset in a file, so that the command line finds it again."""
    made = made_dataset(size=28)
    save_data(made, tmp_path / "rows.npz", "npz")
    recipe = load_recipe("dense", ["training.epochs=1"])
    return train(recipe, tmp_path / "rows.npz", path=tmp_path / "filed", device="cpu").path


def test_the_verb_prints_figures_and_writes_the_report(filed: Path) -> None:
    result = CliRunner().invoke(lapel, ["evaluate", str(filed), "--test"], catch_exceptions=False)
    assert result.exit_code == 0
    for words in (
        *("80 test pictures", "95 % interval", "balanced accuracy", "test set looked at once", "F1"),
        *("among the first 2", "calibrated on validation", "sets for 99 %"),
    ):
        assert words in " ".join(result.stdout.split())
    page = filed / "report" / "index.html"
    assert f"Report: {page}" in result.stdout
    assert page.is_file()


def test_the_verb_gives_json_and_nothing_else_to_a_program(filed: Path) -> None:
    result = CliRunner().invoke(
        lapel, ["evaluate", str(filed), "--json", "--no-report"], catch_exceptions=False
    )
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["split"] == "validation"
    assert found["pictures"] == 16
    assert not (filed / "report").exists()


def test_a_class_name_is_never_markup_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("[red]a[/red]", "[/]", "c", "d")
    labels = np.arange(80) % 4
    report = judge(made_answers(labels, 4), labels, names, split="test", dataset="[b]rows")
    print_report(report)
    printed = capsys.readouterr().out
    for name in (*names, "[b]rows"):
        assert name in printed


def test_splits_judged_are_splits_of_the_dataset(tmp_path: Path, dataset: Dataset) -> None:
    run = made_run(tmp_path / "run", dataset, seed=5)
    validation = split_of_run(run, dataset, "validation")
    expected: Split = dataset.split(0.1, 5)[1]
    assert np.array_equal(validation.pictures, expected.pictures)
    assert split_of_run(run, dataset, "test") is dataset.test


def test_a_model_is_judged_as_the_run_that_it_was_made_of(filed: Path) -> None:
    run = open_run(filed)
    by_run = evaluate(run)
    dataset = dataset_of(run)
    model = export(run, dataset=dataset).path
    for judged in (model, str(model), load_tagger(model)):
        report = evaluate(judged, dataset=dataset)
        assert (report.accuracy, report.pictures, report.split) == (by_run.accuracy, 16, "validation")
        assert report.confusion == by_run.confusion
        assert report.test_looks is None
    assert evaluate(model, split="test", dataset=dataset).pictures == 80
    assert Report.from_json(report.to_json()) == report
    assert len(run.looks) == 1


def test_a_model_of_other_classes_is_refused(filed: Path) -> None:
    run = open_run(filed)
    model = export(run, dataset=dataset_of(run)).path
    with pytest.raises(ModelError, match=r"tells 4 classes apart .*; rows has 5") as caught:
        evaluate(model, dataset=made_dataset(("a", "b", "c", "d", "e"), size=28))
    assert "--data" in caught.value.hint


def test_a_model_for_other_pictures_sees_those_of_the_dataset_as_photos(filed: Path) -> None:
    run = open_run(filed)
    model = export(run, dataset=dataset_of(run)).path
    tagger = load_tagger(model)
    for size, channels in ((8, 1), (40, 3)):
        other = made_dataset(size=size, channels=channels)
        assert other.test is not None
        report = evaluate(model, split="test", dataset=other)
        labels = [tagger.tag(picture).label for picture in other.test.pictures]
        expected = np.mean([NAMES.index(label) for label in labels] == other.test.labels)
        assert (report.accuracy, report.pictures) == (expected, 80)


def test_a_model_that_comes_with_lapel_is_judged_by_its_name(
    filed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(filed)
    dataset = dataset_of(run)
    export(run, tmp_path / "shipped" / "mine.onnx", dataset=dataset)
    monkeypatch.setattr("lapel.model_file._models_folder", lambda: tmp_path / "shipped")
    assert evaluate("mine", dataset=dataset).accuracy == evaluate(run).accuracy
    data = ["--data", str(tmp_path / "rows.npz"), "--json"]
    result = CliRunner().invoke(lapel, ["evaluate", "mine", *data], catch_exceptions=False)
    assert json.loads(result.stdout)["test_looks"] is None
    with pytest.raises(RunError, match='There is no run "mind"'):
        evaluate("mind", dataset=dataset)


def test_a_model_whose_classes_stand_in_another_order_is_judged_by_name(filed: Path) -> None:
    run = open_run(filed)
    dataset = dataset_of(run)
    model = export(run, dataset=dataset).path
    turned = Dataset(
        "turned",
        Split(dataset.train.pictures, 3 - dataset.train.labels),
        None,
        tuple(reversed(dataset.class_names)),
    )
    tagger = load_tagger(model)
    report = evaluate(model, dataset=turned)
    held = turned.split(0.1, 0)[1]
    answers = tagger.probabilities(held.pictures)[:, ::-1].argmax(axis=1)
    assert report.class_names == turned.class_names
    assert report.accuracy == np.mean(answers == held.labels)


def test_the_verb_judges_a_model_and_writes_its_report_where_asked(filed: Path, tmp_path: Path) -> None:
    run = open_run(filed)
    model = str(export(run, dataset=dataset_of(run)).path)
    data = ["--data", str(tmp_path / "rows.npz")]
    result = CliRunner().invoke(lapel, ["evaluate", model, *data], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "16 validation pictures of rows" in result.stdout
    assert "test set" not in result.stdout
    assert not (filed / "report").exists()
    folder = tmp_path / "page"
    more = ["--report", str(folder), "--json", "--test"]
    result = CliRunner().invoke(lapel, ["evaluate", model, *data, *more], catch_exceptions=False)
    assert json.loads(result.stdout)["test_looks"] is None
    page = (folder / "index.html").read_text()
    assert "model on rows" in page
    assert "How it was made" in page
    assert "Recipe</h2>" not in page
    assert "Learning" not in page
    assert "Test set looked at" not in (folder / "report.md").read_text()


def test_flags_that_do_not_go_together(filed: Path) -> None:
    for words in (["--data", "mnist"], ["--report", "x", "--no-report"]):
        result = CliRunner().invoke(lapel, ["evaluate", str(filed), *words])
        assert result.exit_code == 2, result.output
