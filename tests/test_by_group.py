"""Figures for each group: of runs, of studies, of photos; one way for all."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as reference
from click.testing import CliRunner
from garments import small_recipe
from made_runs import made_answers
from PIL import Image

from lapel.by_group import Judged, figures, grouped
from lapel.cli import lapel
from lapel.data import Dataset, load_data
from lapel.errors import DataError
from lapel.evaluation import evaluate, with_groups
from lapel.judgement import Report
from lapel.picture import PictureSpec
from lapel.recipes.load import to_toml
from lapel.runs import open_run
from lapel.splits import places_of_run
from lapel.study import begin_study, judge_study, train_study
from lapel.trainer import train

SHOPS = ("bazaar", "market", "mall")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of two classes, by twelve photographers and of three shops, with a table of test photos."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for part, count in (("train", 96), ("test", 30)):
        with (folder / f"{part}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["file", "label", "photographer", "shop"])
            for number in range(count):
                label = number % 2
                # Every fifth is as bright as the other class.
                bright = label if number % 5 else 1 - label
                pixels = random.integers(0, 100, (12, 12, 3)) + 120 * bright
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{part}-{number:03}.png")
                who = f"{part}{number // 8}"
                rows.writerow([f"{part}-{number:03}.png", "ab"[label], who, SHOPS[number % 3]])
    return folder / "train.csv"


@pytest.fixture(scope="module")
def dataset(table: Path) -> Dataset:
    return load_data(table, picture=PictureSpec(12, 1), group="photographer")


def test_every_figure_of_a_group_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 4, 90)
    probabilities = made_answers(labels, 4, 0.7, 2).astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    names = np.array(["north", "south", ""])[random.integers(0, 3, 90)]
    found = grouped("place", list(names), Judged(labels, probabilities))
    assert [one.name for one in found.figures] == ["", "north", "south"]
    for one in found.figures:
        which = names == one.name
        truth, given = labels[which], probabilities[which]
        said = given.argmax(axis=1)
        assert one.pictures == which.sum()
        assert one.accuracy == pytest.approx(reference.accuracy_score(truth, said))
        assert one.balanced_accuracy == pytest.approx(reference.balanced_accuracy_score(truth, said))
        assert one.f1 == pytest.approx(reference.f1_score(truth, said, average="macro"))
        assert one.loss == pytest.approx(reference.log_loss(truth, given, labels=range(4)))
        assert (one.accepted, one.auroc, one.others) == (None, None, 0)
    least = min(found.figures, key=lambda one: one.accuracy or 0)
    assert found.worst == least.name
    assert found.of_worst == least


def test_a_group_of_nothing_but_other_things_has_no_figures() -> None:
    one = figures("others", Judged(np.array([-1, -1]), np.full((2, 3), 1 / 3), np.array([True, False])))
    assert (one.pictures, one.accuracy, one.loss, one.f1) == (0, None, None, None)
    assert (one.others, one.others_accepted) == (2, 0.5)


def test_a_handful_is_never_the_worst() -> None:
    labels = np.zeros(23, np.int64)
    probabilities = np.tile([0.9, 0.1], (23, 1))
    probabilities[:3] = [0.1, 0.9]
    found = grouped("shop", ["few"] * 3 + ["many"] * 20, Judged(labels, probabilities))
    assert [one.accuracy for one in found.figures] == [0, 1]
    assert found.worst == "many"
    assert grouped("shop", ["few"] * 23, Judged(labels[:23], probabilities)).worst == "few"
    assert grouped("shop", ["few"] * 3, Judged(labels[:3], probabilities[:3])).of_worst is None


def test_a_run_has_figures_by_its_own_groups_and_by_others(dataset: Dataset, tmp_path: Path) -> None:
    run = train(small_recipe(epochs=2, batch=8, validation=0.4), dataset, seed=1, path=tmp_path / "run")
    report = evaluate(run, dataset=dataset)
    kept = run.predictions("validation")
    assert kept is not None
    places = places_of_run(run, dataset, "validation")
    for by in ("photographer", "shop"):
        found = with_groups(report, run, by, dataset).groups
        assert found is not None and found.by == by
        assert sum(one.pictures for one in found.figures) == len(places)
        for one in found.figures:
            of_group = np.array(
                [(f"train{at // 8}" if by == "photographer" else SHOPS[at % 3]) == one.name for at in places]
            )
            right = kept[0].argmax(axis=1) == kept[1]
            assert (one.pictures, one.accuracy) == (of_group.sum(), pytest.approx(right[of_group].mean()))
    # Groups of photographers stay on one side, so that no other has any of these.
    assert {one.pictures for one in with_groups(report, run, "photographer", dataset).groups.figures} == {8}  # type: ignore[union-attr]
    again = with_groups(report, run, "shop", dataset)
    assert Report.from_json(again.to_json()) == again
    with pytest.raises(DataError, match="no column 'colour'"):
        with_groups(report, run, "colour", dataset)


def test_test_pictures_have_groups_too(dataset: Dataset, tmp_path: Path) -> None:
    assert dataset.test_groups is not None and dataset.test is not None and dataset.test.files is not None
    assert dataset.test.files[:2] == ("test-000.png", "test-001.png")
    assert set(dataset.test_groups) == {"test0", "test1", "test2", "test3"}
    run = train(small_recipe(epochs=1, batch=8), dataset, path=tmp_path / "run")
    report = with_groups(evaluate(run, split="test", dataset=dataset), run, "shop", dataset)
    assert report.groups is not None
    assert [(one.name, one.pictures) for one in report.groups.figures] == [
        ("bazaar", 10),
        ("mall", 10),
        ("market", 10),
    ]


def test_a_study_has_them_of_its_pool_or_over_its_seeds(dataset: Dataset, tmp_path: Path) -> None:
    recipe = small_recipe(epochs=1, batch=8, validation=0.4)
    folds = begin_study(recipe, dataset, folds=3, path=tmp_path / "folds")
    train_study(folds, dataset)
    found = judge_study(folds, dataset, by="shop")
    assert found.groups is None and found.pooled is not None and found.pooled.groups is not None
    assert [one.pictures for one in found.pooled.groups.figures] == [32, 32, 32]
    right = sum(one.pictures * (one.accuracy or 0) for one in found.pooled.groups.figures)
    assert right / 96 == pytest.approx(found.pooled.accuracy)
    seeds = begin_study(recipe, dataset, seeds=[0, 1], path=tmp_path / "seeds")
    train_study(seeds, dataset)
    over = judge_study(seeds, dataset, by="shop").groups
    assert over is not None and [one.name for one in over.groups] == sorted(SHOPS)
    held = places_of_run(seeds.runs[0], dataset, "validation")
    for one in over.groups:
        of_shop = np.array([SHOPS[at % 3] == one.name for at in held])
        shares = [
            (kept[0].argmax(axis=1) == kept[1])[of_shop].mean()
            for run in seeds.runs
            if (kept := run.predictions("validation"))
        ]
        assert one.pictures == of_shop.sum()
        assert (one.accuracy, one.least) == (pytest.approx(np.mean(shares)), pytest.approx(min(shares)))
        assert one.spread == pytest.approx(np.std(shares, ddof=1))


def test_the_verb(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(to_toml(small_recipe(epochs=1, batch=8, validation=0.4)))
    words = ["train", "mine.toml", "--data", str(table), "--group", "photographer", "--size", "12"]
    for more in ([], ["--folds", "2"], ["--seeds", "2"]):
        done = CliRunner().invoke(lapel, [*words, "--quiet", *more], catch_exceptions=False)
        assert done.exit_code == 0
    words = ["evaluate", "small-1", "--by", "shop", "--no-report"]
    shown = CliRunner().invoke(lapel, words, catch_exceptions=False).stdout
    assert "95 % interval" in shown and "calibration error" in shown
    assert all(shop in shown for shop in SHOPS)
    found = json.loads(CliRunner().invoke(lapel, [*words, "--json"], catch_exceptions=False).stdout)
    assert [one["name"] for one in found["groups"]["figures"]] == sorted(SHOPS)
    pooled = CliRunner().invoke(lapel, ["evaluate", "small-2", "--by", "shop"], catch_exceptions=False).stdout
    assert "Worst, of those with 20 pictures or more: " in pooled
    over = CliRunner().invoke(lapel, ["evaluate", "small-3", "--by", "shop"], catch_exceptions=False).stdout
    assert "sd over seeds" in over
    assert open_run("small-1").environment["dataset"]["group"] == "photographer"
