"""Runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_runs import made_answers, made_dataset, made_run
from PIL import Image
from scipy.stats import binomtest

from lapel.cli import lapel
from lapel.comparison import compare
from lapel.data import Dataset
from lapel.errors import RunError
from lapel.runs import Run
from lapel.splits import split_of_run


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return made_dataset()


def answered(run: Run, dataset: Dataset, split: str, skill: float, seed: int) -> None:
    labels = split_of_run(run, dataset, split).labels
    probabilities = made_answers(labels, 4, skill, seed)
    run.record_look(split, float(np.mean(probabilities.argmax(axis=1) == labels)), len(labels))
    run.save_predictions(split, probabilities.astype(np.float32), labels)


def test_rows_hold_what_the_runs_hold(tmp_path: Path, dataset: Dataset) -> None:
    first = made_run(tmp_path / "first", dataset)
    second = made_run(tmp_path / "second", dataset, keep="last")
    answered(second, dataset, "test", 0.7, 1)
    one, other = compare([first, second]).rows
    assert (one.run, one.recipe, one.engine, one.dataset) == ("first", "dense", "torch", "rows")
    assert (one.parameters, one.epochs, one.seconds) == (101770, 3, 4.5)
    # The best of three epochs is the second; the other run keeps its last.
    assert one.validation_accuracy == pytest.approx(0.9)
    assert other.validation_accuracy == pytest.approx(0.8)
    assert one.test_accuracy is None
    assert other.test_accuracy == second.looks[0]["accuracy"]
    assert (one.p, other.p) == (None, None)


def test_the_test_is_exact_and_prefers_the_test_pictures(tmp_path: Path, dataset: Dataset) -> None:
    runs = [made_run(tmp_path / name, dataset) for name in ("first", "second")]
    for split in ("validation", "test"):
        for seed, run in enumerate(runs):
            answered(run, dataset, split, 0.9 - 0.3 * seed, seed)
    row = compare(runs).rows[1]
    assert row.p_split == "test"
    kept = [run.predictions("test") for run in runs]
    right = [one[0].argmax(axis=1) == one[1] for one in kept if one is not None]
    only = [int(np.sum(right[0] & ~right[1])), int(np.sum(right[1] & ~right[0]))]
    assert row.p == pytest.approx(binomtest(only[0], sum(only)).pvalue)


def test_validation_pictures_are_compared_where_they_are_the_same(tmp_path: Path, dataset: Dataset) -> None:
    runs = [made_run(tmp_path / str(seed), dataset, seed=seed) for seed in (0, 1)]
    twin = made_run(tmp_path / "twin", dataset, seed=0)
    for run in (*runs, twin):
        answered(run, dataset, "validation", 0.8, 3)
    comparison = compare([runs[0], runs[1], twin])
    assert repr(comparison) == "Comparison(0, 1, twin)"
    rows = comparison.rows
    assert (rows[1].p, rows[1].p_split) == (None, None)
    assert (rows[2].p, rows[2].p_split) == (1.0, "validation")


def test_other_data_are_never_tested_against_each_other(tmp_path: Path, dataset: Dataset) -> None:
    changed = made_dataset(seed=7)
    first, second = made_run(tmp_path / "first", dataset), made_run(tmp_path / "second", changed)
    answered(first, dataset, "test", 0.8, 0)
    answered(second, changed, "test", 0.8, 0)
    rows = compare([first, second]).rows
    assert rows[0].fingerprint != rows[1].fingerprint
    assert rows[1].p is None


def test_a_run_that_has_not_learned_yet_can_be_listed(tmp_path: Path, dataset: Dataset) -> None:
    first, empty = made_run(tmp_path / "first", dataset), made_run(tmp_path / "empty", dataset, epochs=0)
    row = compare([first, empty]).rows[1]
    assert (row.validation_accuracy, row.epochs, row.seconds) == (None, 0, 0)


def test_one_run_is_not_a_comparison(tmp_path: Path, dataset: Dataset) -> None:
    run = made_run(tmp_path / "run", dataset)
    for runs in ([], [run], [run, run]):
        with pytest.raises(RunError, match="at least two different runs") as caught:
            compare(runs)
        assert "lapel runs" in caught.value.hint


def test_the_verb(tmp_path: Path, dataset: Dataset) -> None:
    paths = [str(made_run(tmp_path / name, dataset).path) for name in ("first", "second")]
    figure = tmp_path / "curves.png"
    result = CliRunner().invoke(lapel, ["compare", *paths, "--out", str(figure)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "first" in result.stdout
    assert "90.00%" in result.stdout
    assert "lapel evaluate RUN" in result.stderr
    assert np.asarray(Image.open(figure)).std() > 1


def test_the_verb_gives_json_to_a_program(tmp_path: Path, dataset: Dataset) -> None:
    paths = [str(made_run(tmp_path / name, dataset).path) for name in ("first", "second")]
    result = CliRunner().invoke(lapel, ["compare", *paths, "--json"], catch_exceptions=False)
    found = json.loads(result.stdout)
    assert [row["run"] for row in found["rows"]] == ["first", "second"]
    assert len(found["curves"][0][1]) == 3


def test_the_verb_says_when_the_data_differ(tmp_path: Path, dataset: Dataset) -> None:
    paths = [
        str(made_run(tmp_path / "first", dataset).path),
        str(made_run(tmp_path / "second", made_dataset(seed=7)).path),
    ]
    result = CliRunner().invoke(lapel, ["compare", *paths], catch_exceptions=False)
    assert "trained on different data" in result.stderr
