"""Runs side by side."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from garments import blobs, small_recipe
from made_runs import made_answers, made_dataset, made_run
from PIL import Image
from scipy.stats import binomtest, norm
from scipy.stats import permutation_test as permutation_of_scipy
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_statsmodels
from statsmodels.stats.multitest import multipletests

from lapel.cli import lapel
from lapel.comparison import compare
from lapel.data import Dataset, save_data
from lapel.differences import differences
from lapel.errors import RunError
from lapel.evaluation import evaluate
from lapel.recipes.load import load_recipe, to_toml
from lapel.runs import Run
from lapel.significance import bootstrap_interval
from lapel.splits import split_of_run
from lapel.study import Study
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


def made_study(path: Path, dataset: Dataset, skills: list[float], *, folds: bool = False) -> Study:
    """A study whose members have answered with these skills; nobody has trained anything."""
    path.mkdir()
    (path / "recipe.toml").write_text(to_toml(load_recipe("dense")))
    count = len(skills)
    facts = {"folds": count, "seed": 0} if folds else {"seeds": list(range(count)), "seed": 0}
    (path / "study.json").write_text(json.dumps({**facts, "how": {}, "dataset": {"origin": None}}))
    study = Study(path)
    for number, (member, skill) in enumerate(zip(study.members, skills, strict=True)):
        run = made_run(path / member.name, dataset, seed=member.seed)
        environment = {**run.environment, "split_seed": 0, "fold": member.fold}
        (run.path / "environment.json").write_text(json.dumps(environment))
        run.finish({"epochs": 3, "validation_accuracy": 0.8 + number / 100, "kept_epoch": 2})
        for split in ("validation", "test"):
            answered(run, dataset, split, skill, round(1000 * skill) + number)
    return study


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> list[Study]:
    folder = tmp_path_factory.mktemp("studies")
    return [
        made_study(folder / "low", dataset, [0.60, 0.62, 0.66, 0.58]),
        made_study(folder / "high", dataset, [0.74, 0.78, 0.70]),
        made_study(folder / "same", dataset, [0.61, 0.64]),
    ]


def right(study: Study, split: str) -> np.ndarray:
    kept = [one for run in study.runs if (one := run.predictions(split))]
    return np.stack([one[0].argmax(axis=1) == one[1] for one in kept])


def test_studies_are_held_against_each_other_over_pictures_and_over_seeds(
    studies: list[Study], dataset: Dataset
) -> None:
    first, second = studies[:2]
    one, other = compare([first, second]).rows
    assert (one.kind, one.members, other.members, other.split) == ("seeds", 4, 3, "test")
    assert one.validation_accuracy == pytest.approx(0.815)
    assert one.validation_spread == pytest.approx(np.std([0.80, 0.81, 0.82, 0.83], ddof=1))
    low, high = right(first, "test"), right(second, "test")
    assert (one.test_accuracy, one.test_looks) == (pytest.approx(low.mean()), 4)
    assert other.difference == pytest.approx(high.mean() - low.mean())
    assert (other.interval, other.interval_by) == (bootstrap_interval(low, high), "bootstrap")
    expected = permutation_of_scipy(
        (low.mean(axis=1), high.mean(axis=1)),
        lambda x, y, axis: y.mean(axis) - x.mean(axis),
        n_resamples=np.inf,
    )
    # SciPy doubles the smaller tail, which is another thing where the sides are of two sizes.
    far = np.abs(expected.null_distribution) >= abs(expected.statistic) - 1e-9
    assert other.p_seeds == pytest.approx(far.mean())
    assert (other.permutations, other.permutations_exact) == (35, True)
    pairs = [(a & ~b, b & ~a) for a in low for b in high]
    assert other.only_first == pytest.approx(np.mean([mine.sum() for mine, _ in pairs]))
    assert other.only_second == pytest.approx(np.mean([theirs.sum() for _, theirs in pairs]))
    # Of many gains with random signs, so many are as far from 0.
    gains = high.mean(axis=0) - low.mean(axis=0)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (20_000, len(gains)))
    share = np.mean(np.abs(signs @ gains) >= abs(gains.sum()) - 1e-9)
    assert other.p == pytest.approx(share, abs=0.01)


def test_of_several_each_p_is_adjusted_as_statsmodels_does(studies: list[Study]) -> None:
    _, *rows = compare(studies).rows
    for name in ("p", "p_seeds"):
        raw = [getattr(row, name) for row in rows]
        adjusted = [getattr(row, f"{name}_holm") for row in rows]
        assert adjusted == pytest.approx(list(multipletests(raw, method="holm")[1]))
    assert compare(studies).to_json() == compare(studies).to_json()


def test_the_validation_pictures_of_studies_of_one_first_seed_are_the_same(
    studies: list[Study], dataset: Dataset, tmp_path: Path
) -> None:
    row = compare(studies[:2], split="validation").rows[1]
    assert (row.split, row.pictures, row.problem) == ("validation", 16, "")
    alone = made_run(tmp_path / "alone", dataset, seed=0)
    answered(alone, dataset, "validation", 0.7, 1)
    row = compare([alone, studies[0]]).rows[1]
    assert (row.split, row.p_seeds, row.interval_by) == ("validation", None, "bootstrap")
    other = made_run(tmp_path / "other", dataset, seed=1)
    row = compare([other, studies[0]]).rows[1]
    assert "(seed 1, share 0.1, and seed 0, share 0.1)" in row.problem
    with pytest.raises(RunError, match="not both been judged on the test pictures"):
        differences(alone, studies[0], dataset, split="test")


def test_folds_are_paired_and_pooled(dataset: Dataset, tmp_path: Path) -> None:
    skills = [0.6, 0.7, 0.5, 0.65]
    first = made_study(tmp_path / "one", dataset, skills, folds=True)
    second = made_study(tmp_path / "other", dataset, [skill + 0.2 for skill in skills], folds=True)
    row = compare([first, second], split="validation").rows[1]
    assert (row.kind, row.pictures, row.interval_by) == ("folds", 160, "bonett-price")
    pooled = [
        np.concatenate([one[0].argmax(1) == one[1] for one in kept(study)]) for study in (first, second)
    ]
    table = [[0, int(np.sum(pooled[0] & ~pooled[1]))], [int(np.sum(pooled[1] & ~pooled[0])), 0]]
    assert row.p == pytest.approx(mcnemar_of_statsmodels(table, exact=True).pvalue)
    shares = [[np.mean(one[0].argmax(1) == one[1]) for one in kept(study)] for study in (first, second)]
    expected = permutation_of_scipy(
        shares,
        lambda x, y, axis: (y - x).mean(axis),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert (row.p_seeds, row.permutations) == (pytest.approx(expected.pvalue), 16)


def kept(study: Study) -> list[tuple[np.ndarray, np.ndarray]]:
    return [one for run in study.runs if (one := run.predictions("validation"))]


def test_each_class_has_its_winner(tmp_path: Path, dataset: Dataset) -> None:
    runs = [made_run(tmp_path / name, dataset) for name in ("first", "second")]
    for seed, run in enumerate(runs):
        answered(run, dataset, "test", 0.5 + 0.3 * seed, seed)
    row = compare(runs).rows[1]
    kept = [one for run in runs if (one := run.predictions("test"))]
    labels = kept[0][1]
    one, other = (answer[0].argmax(axis=1) == labels for answer in kept)
    chances = []
    for label, found in enumerate(row.classes):
        of_class = labels == label
        only = int(np.sum(one & ~other & of_class)), int(np.sum(other & ~one & of_class))
        assert (found.name, found.pictures) == (dataset.class_names[label], 20)
        assert (found.only_first, found.only_second) == only
        table = [[0, only[0]], [only[1], 0]]
        chances.append(min(1.0, mcnemar_of_statsmodels(table, exact=True).pvalue) if sum(only) else 1.0)
    assert [found.p for found in row.classes] == pytest.approx(chances)
    assert [found.p_holm for found in row.classes] == pytest.approx(
        list(multipletests(chances, method="holm")[1])
    )
    assert sum(found.only_first for found in row.classes) == row.only_first


def test_the_pictures_on_which_two_differ(tmp_path: Path, dataset: Dataset) -> None:
    named = Dataset(
        dataset.name,
        replace(dataset.train, files=tuple(f"{place}.png" for place in range(len(dataset.train)))),
        dataset.test,
        dataset.class_names,
        groups=tuple(f"group {place // 8}" for place in range(len(dataset.train))),
    )
    runs = [made_run(tmp_path / name, dataset) for name in ("first", "second")]
    for seed, run in enumerate(runs):
        answered(run, named, "validation", 0.5 + 0.3 * seed, seed)
    found = differences(*runs, named)
    held = np.flatnonzero(named.held(0.1, 0))
    one, other = (answer for run in runs if (answer := run.predictions("validation")))
    said, answer = one[0].argmax(axis=1), other[0].argmax(axis=1)
    assert [each.index for each in found] == held[said != answer].tolist()
    assert len(found) == compare(runs).rows[1].answered_differently
    for each in found:
        (at,) = np.flatnonzero(held == each.index)
        assert each.label == named.class_names[named.train.labels[each.index]]
        assert (each.first, each.second) == (named.class_names[said[at]], named.class_names[answer[at]])
        assert each.first_confidence == pytest.approx(float(one[0][at].max()), abs=1e-6)
        assert (each.first_right, each.second_right) == (each.first == each.label, each.second == each.label)
        assert (each.file, each.group) == (f"{each.index}.png", f"group {each.index // 8}")


def test_the_verb_compares_studies_lists_pictures_and_warns_of_test_figures(tmp_path: Path) -> None:
    data = str(save_data(blobs(), tmp_path / "blobs.npz", "npz"))
    runs = [
        train(small_recipe(epochs=1), data, seed=3, path=tmp_path / "one"),
        train(small_recipe(epochs=1, learning_rate=1e-4), data, seed=3, path=tmp_path / "other"),
    ]
    listed = tmp_path / "differences.csv"
    words = ["compare", *(str(run.path) for run in runs), "--differences", str(listed)]
    result = CliRunner().invoke(lapel, words, catch_exceptions=False)
    assert "test pictures of" not in result.stderr
    rows = list(csv.DictReader(listed.read_text().splitlines()))
    row = compare(runs).rows[1]
    assert len(rows) == row.answered_differently != 0
    assert (rows[0]["first_run"], rows[0]["second_run"], rows[0]["split"]) == ("one", "other", "validation")
    assert f"Of 40 pictures, other answers {len(rows)} otherwise than one" in result.stdout
    assert "go by the adjusted one (Holm)" in " ".join(result.stderr.split())
    for run in runs:
        evaluate(run, split="test")
    result = CliRunner().invoke(lapel, words, catch_exceptions=False)
    assert (
        "2 here have looked at the test pictures of blobs. Choose among them by validation" in result.stderr
    )
    assert {one["split"] for one in csv.DictReader(listed.read_text().splitlines())} == {"test"}
    result = CliRunner().invoke(lapel, [*words, "--validation"], catch_exceptions=False)
    assert "on the same 40 validation pictures" in " ".join(result.stderr.split())
    assert len(runs[0].looks) == 2  # nobody looked at the test pictures for this


def test_the_verb_shows_both_kinds_of_chance(studies: list[Study]) -> None:
    words = ["compare", *(str(study.path) for study in studies)]
    result = CliRunner().invoke(lapel, words, catch_exceptions=False)
    assert re.search(r"p \(Holm\) +p seeds \(Holm\)", result.stdout)
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("high (3 seeds)")]
    row = compare(studies).rows[1]
    assert row.p_seeds_holm is not None
    assert line.endswith(f"{row.p_seeds_holm:.2g}")
    assert "permutation test, 35 arrangements, all" in " ".join(result.stderr.split())
