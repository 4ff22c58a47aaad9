"""Known pictures against strangers, and against pictures that came worse: on networks trained in a moment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as reference
from click.testing import CliRunner
from garments import blobs, small_recipe
from PIL import Image
from scipy.spatial.distance import cdist

from lapel import robustness
from lapel.cli import lapel
from lapel.corruptions import CORRUPTIONS, corrupt
from lapel.data import Dataset, Split, load_data, save_data
from lapel.data.idx import write_idx
from lapel.density import fit_density
from lapel.errors import DataError, LapelError
from lapel.evaluation import evaluate
from lapel.exporting import export
from lapel.picture import PictureSpec
from lapel.recipes.schema import Recipe
from lapel.robustness import judge_robustness
from lapel.runs import Run
from lapel.stranger_pictures import MAKERS, made_strangers, named_strangers
from lapel.strangers import CONFIDENCE, ENERGY, ENTROPY, MAHALANOBIS, judge_strangers, told_apart
from lapel.trainer import train

SCORES = [CONFIDENCE, ENTROPY, ENERGY, MAHALANOBIS]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return blobs(240)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    """A run and its model, on a dataset that can be loaded again; tests copy it."""
    folder = tmp_path_factory.mktemp("kept")
    save_data(dataset, folder / "blobs.npz", "npz")
    run = train(_recipe(), load_data(folder / "blobs.npz"), path=folder / "small", device="cpu")
    export(run)
    return folder


def _recipe() -> Recipe:
    return small_recipe(epochs=4, learning_rate=0.01, augmentation={})


@pytest.fixture(autouse=True)
def _without_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the digits of whoever runs it."""
    monkeypatch.delenv("LAPEL_DATA", raising=False)


@pytest.fixture
def run(kept: Path, tmp_path: Path) -> Run:
    shutil.copytree(kept / "small", tmp_path / "small")
    return Run(tmp_path / "small")


class TestApart:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("steps", [3, 10_000], ids=["with ties", "without"])
    def test_agrees_with_scikit_learn(self, seed: int, steps: int) -> None:
        random = np.random.default_rng(seed)
        inside = np.floor(random.normal(1, 1, 90) * steps) / steps
        outside = np.floor(random.normal(0, 1, 60) * steps) / steps
        truth, scores = np.repeat([1, 0], [90, 60]), np.concatenate([inside, outside])
        found = told_apart("any", inside, outside)
        assert found.auroc == pytest.approx(reference.roc_auc_score(truth, scores))
        assert found.aupr == pytest.approx(reference.average_precision_score(truth, scores))
        false, true, _ = reference.roc_curve(truth, scores, drop_intermediate=False)
        assert found.fpr == pytest.approx(false[np.argmax(true >= 0.95)])

    def test_both_kinds_are_needed(self) -> None:
        with pytest.raises(LapelError, match="both kinds"):
            told_apart("any", np.zeros(0), np.ones(3))


class TestDensity:
    def test_distances_are_those_of_scipy(self) -> None:
        random = np.random.default_rng(0)
        labels = np.arange(300) % 3
        features = random.normal(size=(300, 4)) @ random.normal(size=(4, 4)) + labels[:, None]
        means = np.stack([features[labels == label].mean(0) for label in range(3)])
        shared = np.cov((features - means[labels]).T, bias=True)
        shared += 1e-3 * np.trace(shared) / 4 * np.eye(4)
        expected = cdist(features, means, "mahalanobis", VI=np.linalg.inv(shared)).min(axis=1) ** 2
        np.testing.assert_allclose(fit_density(features, labels).distances(features), expected, rtol=1e-6)

    def test_features_that_never_vary_are_no_trouble(self) -> None:
        density = fit_density(np.ones((6, 3)), np.arange(6) % 2)
        np.testing.assert_allclose(density.distances(np.ones((2, 3))), 0, atol=1e-9)

    def test_nothing_has_no_density(self) -> None:
        with pytest.raises(LapelError, match="at least one"):
            fit_density(np.zeros((0, 3)), np.zeros(0, int))


class TestStrangerPictures:
    known = blobs(40).train.pictures

    def test_each_kind_is_what_it_says(self) -> None:
        kinds = {kind.name: kind.pictures for kind in made_strangers(self.known, 0)}
        assert list(kinds) == list(MAKERS)
        assert all((one.shape, one.dtype) == (self.known.shape, np.uint8) for one in kinds.values())
        np.testing.assert_array_equal(kinds["inverted"], 255 - self.known)
        assert np.ptp(kinds["grey levels"], axis=(1, 2, 3)).max() == 0
        assert kinds["uniform noise"].mean() == pytest.approx(127.5, abs=5)
        assert kinds["Gaussian noise"].std() == pytest.approx(62, abs=4)
        for mixed, given in zip(kinds["scrambled"], self.known, strict=True):
            assert sorted(_parts(mixed)) == sorted(_parts(given))
            assert not np.array_equal(mixed, given)

    def test_the_same_seed_makes_the_same(self) -> None:
        for one, other in zip(made_strangers(self.known, 3), made_strangers(self.known, 3), strict=True):
            np.testing.assert_array_equal(one.pictures, other.pictures)

    def test_photos_become_what_the_model_sees(self, tmp_path: Path) -> None:
        for number in range(5):
            Image.new("RGB", (30, 20), (number * 40,) * 3).save(tmp_path / f"{number}.png")
        (tmp_path / "broken.jpg").write_bytes(b"no photo")
        found = named_strangers(str(tmp_path), PictureSpec(8, 1), 100, 0)
        assert found.pictures.shape == (5, 8, 8, 1)
        assert len(found.unread) == 1
        assert "broken.jpg" in found.unread[0]
        assert len(named_strangers(str(tmp_path), PictureSpec(8, 1), 2, 0).pictures) <= 2

    def test_what_is_not_there_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no photo that can be read"):
            named_strangers(str(tmp_path / "nothing"), PictureSpec(8, 1), 10, 0)


def _parts(picture: np.ndarray) -> list[bytes]:
    return [picture[r : r + 2, c : c + 2].tobytes() for r in range(0, 8, 2) for c in range(0, 8, 2)]


class TestJudgeStrangers:
    def test_a_run_and_its_model_are_judged_alike(self, run: Run, kept: Path, dataset: Dataset) -> None:
        ours, model = judge_strangers(run), judge_strangers(run.model_path, dataset=dataset)
        assert [one.score for one in ours.kinds[0].figures] == SCORES
        assert ours.unavailable == model.unavailable == ()
        for one, other in zip(ours.kinds, model.kinds, strict=True):
            # The temperature changes the softmax; what lies before it is the same.
            for place in (2, 3):
                assert one.figures[place].auroc == pytest.approx(other.figures[place].auroc, abs=1e-3)
            assert one.accepted is None
            assert other.accepted is not None
        assert all(kind.made for kind in ours.kinds)
        assert dict(ours.left_out).keys() == {"mnist"}

    def test_the_chosen_score_is_the_best_on_those_that_we_made(self, run: Run, tmp_path: Path) -> None:
        judged = tmp_path / "photos"
        judged.mkdir()
        Image.new("L", (8, 8), 255).save(judged / "white.png")
        found = judge_strangers(run, [str(judged)])
        means = [
            np.mean([kind.figures[place].auroc for kind in found.kinds if kind.made]) for place in range(4)
        ]
        assert found.chosen == SCORES[int(np.argmax(means))]
        assert [kind.made for kind in found.kinds] == [True] * len(MAKERS) + [False]

    def test_figures_are_those_of_scikit_learn(self, run: Run, dataset: Dataset) -> None:
        found = judge_strangers(run)
        held = dataset.split(run.recipe.training.validation, run.environment["seed"])[1]
        engine = run.engine()
        network = engine.build(run.recipe, dataset.shape, 4, run.weights())
        inside = engine.probabilities(network, held.pictures).max(1)
        strange = made_strangers(held.pictures, 0)[0]
        outside = engine.probabilities(network, strange.pictures).max(1)
        truth = np.repeat([1, 0], [len(inside), len(outside)])
        expected = reference.roc_auc_score(truth, np.concatenate([inside, outside]))
        assert found.kinds[0].figures[0].auroc == pytest.approx(expected, abs=2e-3)

    def test_digits_are_found_where_only_training_ones_lie(
        self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        digits = Split(
            np.zeros((30, 8, 8, 1), np.uint8) + np.arange(30, dtype=np.uint8)[:, None, None, None],
            np.arange(30) % 10,
        )
        write_idx(Dataset("digits", digits, None, tuple("0123456789")), tmp_path / "data" / "mnist")
        monkeypatch.setenv("LAPEL_DATA", str(tmp_path / "data"))
        found = judge_strangers(run)
        assert (found.kinds[-1].name, found.kinds[-1].pictures, found.left_out) == ("mnist", 30, ())

    def test_inverted_garments_are_no_strangers_to_who_learned_them(
        self, tmp_path: Path, dataset: Dataset
    ) -> None:
        recipe = small_recipe(epochs=1, augmentation={"invert": 0.5})
        found = judge_strangers(train(recipe, dataset, path=tmp_path / "run", device="cpu"), dataset=dataset)
        assert "inverted" in dict(found.left_out)
        assert "inverted" not in [kind.name for kind in found.kinds]

    def test_a_network_of_another_make_says_what_is_not_to_be_had(self, run: Run, dataset: Dataset) -> None:
        """A Tagger whose file is not at hand has probabilities alone."""
        from lapel.tagger import load_tagger

        found = judge_strangers(load_tagger(run.model_path), dataset=dataset)
        assert dict(found.unavailable).keys() == {ENERGY, MAHALANOBIS}
        assert [one.score for one in found.kinds[0].figures] == [CONFIDENCE, ENTROPY]

    def test_a_model_that_asks_twice_has_features_of_two_views(self, run: Run, dataset: Dataset) -> None:
        export(run, run.path / "mirror.onnx", mirror=True)
        found = judge_strangers(run.path / "mirror.onnx", dataset=dataset)
        assert [one.score for one in found.kinds[0].figures] == SCORES

    def test_a_look_at_the_test_pictures_is_counted(self, run: Run) -> None:
        assert judge_strangers(run, split="test").test_looks == 1
        assert [look["split"] for look in run.looks] == ["test"]

    def test_the_command_prints_and_json(self, run: Run) -> None:
        shown = CliRunner().invoke(lapel, ["evaluate", str(run.path), "--strangers"])
        assert shown.exit_code == 0, shown.output
        assert "scrambled *" in shown.stdout
        assert "FPR at 95 %" in shown.stdout
        assert "mnist: left out" in shown.stderr
        printed = CliRunner().invoke(lapel, ["evaluate", str(run.path), "--json", "--strangers"])
        assert json.loads(printed.stdout)["chosen"] in SCORES


class TestRobustness:
    def test_accuracy_is_that_of_corrupted_pictures(self, run: Run, dataset: Dataset) -> None:
        found = judge_robustness(run)
        assert found.accuracy == evaluate(run).accuracy
        held = dataset.split(run.recipe.training.validation, run.environment["seed"])[1]
        engine = run.engine()
        network = engine.build(run.recipe, dataset.shape, 4, run.weights())
        answers = engine.probabilities(network, corrupt(held.pictures, "scale", 4, 0)).argmax(1)
        rows = {one.name: one for one in found.corruptions}
        assert rows["scale"].accuracy[3] == np.mean(answers == held.labels)
        assert list(rows) == list(CORRUPTIONS)
        assert len(set(rows["inverse"].accuracy)) == 1
        every = [1 - share for one in found.corruptions for share in one.accuracy]
        assert len(every) == 75
        assert found.mean_error == pytest.approx(np.mean(every))
        assert found.reference is None

    def test_a_reference_is_asked_about_the_same_pictures(self, run: Run, dataset: Dataset) -> None:
        """Against itself, each error is as large as the reference's."""
        found = judge_robustness(run, against=run)
        shares = [one.relative for one in found.corruptions]
        assert {share for share in shares if share is not None} == {1.0}
        assert (found.reference, found.relative) == (run.name, 1.0)

    def test_the_relative_error_by_hand(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = judge_robustness(run)
        half = {one.name: [(1 - share) / 2 for share in one.accuracy] for one in plain.corruptions}
        theirs = {"fingerprint": plain.fingerprint, "errors": {"validation": half}}
        monkeypatch.setattr(robustness, "_dense_errors", lambda: theirs)
        found = judge_robustness(run)
        assert (found.reference, found.relative) == ("dense", pytest.approx(2.0))
        monkeypatch.setattr(robustness, "_dense_errors", lambda: {**theirs, "fingerprint": "another"})
        assert judge_robustness(run).reference is None

    def test_a_reference_that_learned_the_pictures_is_refused(
        self, run: Run, tmp_path: Path, dataset: Dataset
    ) -> None:
        other = train(_recipe(), dataset, path=tmp_path / "other", seed=1, device="cpu")
        with pytest.raises(LapelError, match="has learned from pictures that small held out"):
            judge_robustness(run, against=other)
        assert judge_robustness(run, against=other, split="test").reference == "other"
        assert sum(look["split"] == "test" for look in other.looks) == 1

    def test_a_sample_is_drawn_of_validation_and_none_of_test(self, run: Run) -> None:
        found = judge_robustness(run, most=8)
        assert (found.pictures, found.of) == (8, 24)
        found = judge_robustness(run, most=8, split="test")
        assert (found.pictures, found.of, found.test_looks) == (60, 60, 1)

    def test_a_model_is_judged_as_its_run(self, run: Run, dataset: Dataset) -> None:
        ours, model = judge_robustness(run), judge_robustness(run.model_path, dataset=dataset)
        assert ours.mean_error == pytest.approx(model.mean_error, abs=0.01)
        assert model.test_looks is None

    def test_the_command_prints_and_json(self, run: Run) -> None:
        shown = CliRunner().invoke(
            lapel, ["evaluate", str(run.path), "--robustness", "--against", str(run.path)]
        )
        assert shown.exit_code == 0, shown.output
        assert "impulse noise" in shown.stdout
        assert f"to {run.name}'s" in shown.stdout
        printed = CliRunner().invoke(lapel, ["evaluate", str(run.path), "--robustness", "--json"])
        assert len(json.loads(printed.stdout)["corruptions"]) == 15

    @pytest.mark.parametrize(
        "words",
        [
            ["--against", "x"],
            ["--robustness", "--strangers"],
            ["--robustness", "--by", "shop"],
        ],
    )
    def test_what_does_not_go_together_is_refused(self, words: list[str]) -> None:
        found = CliRunner().invoke(lapel, ["evaluate", "cnn", *words])
        assert found.exit_code == 2

    @pytest.mark.long
    def test_keras_runs_too(self, engine: str, tmp_path: Path, dataset: Dataset) -> None:
        recipe = small_recipe(epochs=2, learning_rate=0.01, augmentation={})
        run = train(recipe, dataset, engine=engine, path=tmp_path / "run", device="cpu")
        assert len(judge_robustness(run, dataset=dataset, most=8).corruptions) == 15
        found = judge_strangers(run, dataset=dataset)
        assert [one.score for one in found.kinds[0].figures] == SCORES


def test_the_measured_errors_of_dense_are_whole() -> None:
    measured = robustness._dense_errors()
    for errors in measured["errors"].values():
        assert list(errors) == list(CORRUPTIONS)
        assert all(len(shares) == 5 and all(0 < share < 1 for share in shares) for shares in errors.values())
