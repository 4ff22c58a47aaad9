"""Studies of several seeds: trained as one, gone on with as one, judged as one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from garments import blobs, small_recipe
from scipy import stats

from lapel.cli import lapel as verbs
from lapel.commands.options import SEEDS
from lapel.data import Dataset, save_data
from lapel.errors import LapelError, RunError
from lapel.evaluation import evaluate
from lapel.exporting import card_of
from lapel.recipes.load import to_toml
from lapel.runs import Run
from lapel.splits import learned_by, split_of_run
from lapel.study import Study, begin_study, judge_study, open_study, train_study
from lapel.trainer import train
from lapel.training.watch import Watch


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_data(hard(), tmp_path_factory.mktemp("data") / "blobs.npz", "npz")


def hard() -> Dataset:
    """Blobs of which a share has another label, so that seeds come to different accuracies."""
    dataset = blobs(360)
    for split in (dataset.train, dataset.test):
        assert split is not None
        split.labels[::5] = (split.labels[::5] + 1) % 4
    return dataset


@pytest.fixture(scope="module")
def study(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    found = begin_study(
        small_recipe(epochs=2),
        str(data),
        seeds=[4, 7, 11],
        path=tmp_path_factory.mktemp("studies") / "three",
        threads=1,
    )
    train_study(found)
    return found


class StopIn(Watch):
    """Stops the training of one seed in its first epoch, as Ctrl-C would."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def begin(self, beginning: object) -> None:
        self.here = beginning.environment["seed"] == self.seed  # type: ignore[attr-defined]

    def batch(self, done: int, count: int, loss: float) -> None:
        if self.here:
            raise KeyboardInterrupt


def weights(study: Study) -> dict[str, bytes]:
    return {run.name: run.weights_path.read_bytes() for run in study.runs}


def test_seeds_share_the_pictures_that_the_first_holds_out(study: Study, data: Path) -> None:
    assert (study.kind, [run.name for run in study.runs]) == ("seeds", ["seed-4", "seed-7", "seed-11"])
    assert repr(study).endswith("3 of 3 seeds)")
    assert [run.environment["seed"] for run in study.runs] == [4, 7, 11]
    assert [run.split_seed for run in study.runs] == [4, 4, 4]
    dataset = study.dataset()
    held = [split_of_run(run, dataset, "validation") for run in study.runs]
    expected = dataset.split(0.1, 4)[1]
    assert all(np.array_equal(one.pictures, expected.pictures) for one in held)
    assert len(set(weights(study).values())) == 3
    # A model of a member is judged on what the member held out.
    assert card_of(study.runs[1]).made["split_seed"] == 4
    # None of them has learned from what all of them hold out.
    learned = [learned_by(run, dataset).pictures for run in study.runs]
    assert all(np.array_equal(one, dataset.split(0.1, 4)[0].pictures) for one in learned)


def test_the_first_member_is_the_run_of_its_seed_alone(study: Study, data: Path, tmp_path: Path) -> None:
    alone = train(small_recipe(epochs=2), str(data), seed=4, threads=1, path=tmp_path / "alone")
    assert alone.weights_path.read_bytes() == weights(study)["seed-4"]


def test_a_study_that_was_stopped_goes_on_to_the_same_bits(study: Study, data: Path, tmp_path: Path) -> None:
    stopped = begin_study(
        small_recipe(epochs=2), str(data), seeds=[4, 7, 11], path=tmp_path / "stopped", threads=1
    )
    with pytest.raises(KeyboardInterrupt):
        train_study(stopped, watches=[StopIn(7)])
    assert [bool(run.done) for run in stopped.runs] == [True, False]
    with pytest.raises(RunError, match="1 of 3 seeds are trained") as caught:
        judge_study(stopped)
    assert caught.value.hint == f"Go on with: lapel train --resume {stopped.path}"
    told: list[tuple[str, int, int]] = []
    train_study(stopped, tell=lambda member, *numbers: told.append((member.name, *numbers)))
    assert told == [("seed-7", 2, 3), ("seed-11", 3, 3)]
    assert weights(stopped) == weights(study)
    assert stopped.runs[1].split_seed == 4


def test_its_figures_are_those_of_scipy(study: Study) -> None:
    report = judge_study(study)
    shares = [one.accuracy for one in report.members]
    assert shares == [evaluate(run).accuracy for run in study.runs]
    assert len(set(shares)) > 1
    assert report.mean == pytest.approx(np.mean(shares))
    assert report.spread == pytest.approx(np.std(shares, ddof=1))
    assert report.interval == pytest.approx(
        stats.t.interval(0.95, 2, loc=np.mean(shares), scale=stats.sem(shares))
    )
    losses = [one.loss for one in report.members]
    assert report.figures["loss"].spread == pytest.approx(np.std(losses, ddof=1))
    assert report.pooled is None
    assert "on these same pictures" in report.interval_of
    assert "3 seeds" in repr(report)


def test_each_member_looks_at_the_test_pictures_once(study: Study) -> None:
    for _ in range(2):
        report = judge_study(study, split="test")
        assert (report.split, report.test_looks) == ("test", 3)
        assert [one.pictures for one in report.members] == [90, 90, 90]
    assert report.to_json() == judge_study(study, split="test").to_json()


def test_what_was_answered_needs_no_data_and_no_weights(study: Study, tmp_path: Path) -> None:
    judge_study(study)
    copy = Study(Path(shutil.copytree(study.path, tmp_path / "copy")))
    for run in copy.runs:
        run.weights_path.unlink()
        facts = json.loads((run.path / "environment.json").read_text())
        facts["dataset"]["origin"] = "gone.npz"
        (run.path / "environment.json").write_text(json.dumps(facts))
    assert judge_study(copy).members == judge_study(study).members


def test_a_study_of_folds_that_an_earlier_version_began_is_read(tmp_path: Path, data: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "recipe.toml").write_text(to_toml(small_recipe(epochs=1)))
    how = {"engine": "torch", "backend": None, "device": "auto", "precision": "auto", "threads": 1}
    facts = {"folds": 2, "seed": 3, "how": {**how, "start": None}, "dataset": origin(data)}
    (folder / "study.json").write_text(json.dumps(facts))
    old = open_study(folder)
    assert (old.kind, [member.name for member in old.members]) == ("folds", ["fold-1", "fold-2"])
    train_study(old)
    assert [run.fold for run in old.runs] == [(1, 2), (2, 2)]
    found = judge_study(old)
    assert found.pooled is not None and found.pooled.pictures == 360
    assert judge_study(old, split="test").pooled is None


def origin(data: Path) -> dict[str, object]:
    return {"origin": str(data), "picture": None, "group": None}


def test_a_run_of_an_earlier_version_was_split_by_its_seed(study: Study, tmp_path: Path) -> None:
    old = Run(Path(shutil.copytree(study.runs[0].path, tmp_path / "old")))
    facts = json.loads((old.path / "environment.json").read_text())
    del facts["split_seed"]
    (old.path / "environment.json").write_text(json.dumps(facts))
    assert old.split_seed == 4


def test_what_makes_no_study_is_refused(tmp_path: Path) -> None:
    for seeds, words in (([3], "two different seeds or more; 3 came"), ([1, 2, 1], "1, 2, 1 came")):
        with pytest.raises(LapelError, match=words):
            begin_study(small_recipe(), blobs(), seeds=seeds, path=tmp_path / "none")
    for how in ({}, {"seeds": [1, 2], "folds": 2}):
        with pytest.raises(LapelError, match="of seeds or of folds"):
            begin_study(small_recipe(), blobs(), path=tmp_path / "none", **how)
    assert not (tmp_path / "none").exists()


def test_seeds_as_they_are_typed() -> None:
    assert SEEDS("5") == 5
    assert SEEDS("3,7, 11") == (3, 7, 11)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--seeds", "some"], "neither a number of seeds (5) nor a list"),
        (["--seeds", "1"], "seeds make no study"),
        (["--seeds", "-2,3"], "seeds lie between"),
        (["--seeds", "3", "--folds", "2"], "--folds and --seeds cannot be combined"),
        (["--seeds", "3,4", "--seed", "1"], "--seed goes with a number of --seeds"),
    ],
)
def test_wrong_usage(words: list[str], says: str) -> None:
    result = CliRunner().invoke(verbs, ["train", "dense", *words])
    assert (result.exit_code, says in result.stderr) == (2, True)


def test_the_verbs(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(to_toml(small_recipe(epochs=1)))
    words = ["train", "mine.toml", "--data", str(data), "--seeds", "2", "--seed", "5", "--threads", "1"]
    done = CliRunner().invoke(verbs, words, catch_exceptions=False)
    assert done.stdout == "runs/small-1\n"
    assert "seed-5, 1 of 2\n" in done.stderr and "seed-6, 2 of 2\n" in done.stderr
    shown = CliRunner().invoke(verbs, ["evaluate", "small-1"], catch_exceptions=False).stdout
    assert "small-1: 2 seeds, 36 validation pictures of blobs" in shown
    assert "on average over 2 seeds, standard deviation" in shown
    assert "95 % interval (t) of the mean over all seeds that might be taken, on these same pictures" in shown
    assert "All seeds hold out the same pictures" in shown
    tested = CliRunner().invoke(verbs, ["evaluate", "small-1", "--test"], catch_exceptions=False).stdout
    assert "Test set looked at: 2 times by 2 runs." in tested
    (row,) = json.loads(CliRunner().invoke(verbs, ["runs", "--json"]).stdout)
    assert (row["run"], row["kind"], row["members"], row["test_looks"]) == ("small-1", "seeds", 2, 2)
    found = json.loads(CliRunner().invoke(verbs, ["evaluate", "small-1", "--test", "--json"]).stdout)
    assert row["test_accuracy"] == pytest.approx(found["mean"])
    assert "small-1 (2 seeds)" in CliRunner().invoke(verbs, ["runs"]).stdout
