"""Runs side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from garments import blobs, small_recipe
from made_runs import made_answers, made_dataset, made_run
from PIL import Image
from scipy.stats import binomtest, norm

from lapel.cli import lapel
from lapel.comparison import compare
from lapel.data import Dataset, save_data
from lapel.errors import RunError
from lapel.evaluation import evaluate
from lapel.runs import Run
from lapel.splits import split_of_run
from lapel.trainer import train


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
    assert row.split == "test"
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
    assert (rows[1].p, rows[1].split) == (None, None)
    assert "different pictures (seed 0, share 0.1, and seed 1, share 0.1)" in rows[1].problem
    assert "lapel evaluate RUN --test" in rows[1].problem
    assert (rows[2].p, rows[2].split, rows[2].difference) == (1.0, "validation", 0.0)


def test_difference_and_interval_are_those_of_the_pictures_one_by_one(
    tmp_path: Path, dataset: Dataset
) -> None:
    runs = [made_run(tmp_path / name, dataset) for name in ("first", "second")]
    for seed, run in enumerate(runs):
        answered(run, dataset, "test", 0.6 + 0.3 * seed, seed)
    row = compare(runs).rows[1]
    right = [one[0].argmax(axis=1) == one[1] for run in runs if (one := run.predictions("test"))]
    gains = right[1].astype(int) - right[0]
    assert row.pictures == len(gains)
    assert row.difference == pytest.approx(gains.mean())
    # Wald's interval of the mean of all the gains, with one picture more that only either of them had right.
    more = np.append(gains, [1, -1])
    half = norm.ppf(0.975) * more.std() / np.sqrt(len(more))
    assert row.interval == pytest.approx((more.mean() - half, more.mean() + half))


def test_what_is_missing_is_judged_on_validation_pictures_alone(tmp_path: Path) -> None:
    data = str(save_data(blobs(), tmp_path / "blobs.npz", "npz"))
    runs = [train(small_recipe(epochs=1), data, seed=3, path=tmp_path / name) for name in ("one", "other")]
    evaluate(runs[0], split="test")
    row = compare(runs).rows[1]
    assert (row.split, row.pictures, row.difference, row.p, row.problem) == ("validation", 40, 0.0, 1.0, "")
    assert [look["split"] for look in runs[1].looks] == ["validation"]
    compare(runs)
    assert len(runs[1].looks) == 1  # what was judged is not judged again


def test_other_data_are_refused_with_both_fingerprints(tmp_path: Path, dataset: Dataset) -> None:
    changed = made_dataset(seed=7)
    first, second = made_run(tmp_path / "first", dataset), made_run(tmp_path / "second", changed)
    with pytest.raises(RunError, match="do not compare") as caught:
        compare([first, second])
    for one in (dataset, changed):
        assert one.fingerprint[:12] in caught.value.message
    assert caught.value.hint == "Compare runs of the same data."


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
    runs = [made_run(tmp_path / name, dataset) for name in ("first", "second", "third")]
    for seed, run in enumerate(runs[:2]):
        answered(run, dataset, "test", 0.9 - 0.5 * seed, seed)
    figure = tmp_path / "curves.png"
    words = ["compare", *(str(run.path) for run in runs), "--out", str(figure)]
    result = CliRunner().invoke(lapel, words, catch_exceptions=False)
    assert result.exit_code == 0
    row = compare(runs[:2]).rows[1]
    assert row.difference is not None
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("second")]
    assert "90.00%" in line
    assert f"{row.difference * 100:+.2f}" in line
    assert re.search(r"-\d+\.\d\d to -\d+\.\d\d +\S+$", line)
    said = " ".join(result.stderr.split())
    assert f"fingerprint {dataset.fingerprint[:12]}" in said
    assert "Points of second are against first, on the same 80 test pictures" in said
    assert "third has no p. third was trained on a Dataset object" in said or "third has no p. first" in said
    assert np.asarray(Image.open(figure)).std() > 1


def test_the_verb_gives_json_to_a_program(tmp_path: Path, dataset: Dataset) -> None:
    paths = [str(made_run(tmp_path / name, dataset).path) for name in ("first", "second")]
    result = CliRunner().invoke(lapel, ["compare", *paths, "--json"], catch_exceptions=False)
    found = json.loads(result.stdout)
    assert [row["run"] for row in found["rows"]] == ["first", "second"]
    assert len(found["curves"][0][1]) == 3
