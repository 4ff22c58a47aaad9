from __future__ import annotations

import errno
import importlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from sklearn.metrics import log_loss

from lapel.data.dataset import Dataset, Split
from lapel.data.registry import FASHION_CLASSES
from lapel.engines.load import load_engine
from lapel.engines.weights import draw, packed
from lapel.environment import environment
from lapel.errors import LapelError, ModelError, RunError
from lapel.exporting import card_of, export
from lapel.exporting.parity import Bounds
from lapel.picture import PictureSpec
from lapel.recipes.load import parse
from lapel.recipes.plan import plan
from lapel.runs import Run, new_run
from lapel.scaling import fit_scaling
from lapel.tagger import load_tagger

# `lapel.export` by itself is the function.
MODULE: Any = importlib.import_module("lapel.exporting.from_run")

RECIPE = parse(
    {
        "name": "small",
        "layers": [
            {"kind": "conv", "filters": 4, "activation": "gelu"},
            {"kind": "residual", "layers": [{"kind": "conv", "filters": 4}, {"kind": "batch-norm"}]},
            {"kind": "pool"},
            {"kind": "flatten"},
            {"kind": "dense"},
        ],
    },
    "test",
)


def dataset(
    height: int = 12, width: int = 12, channels: int = 1, names: tuple[str, ...] = ("a", "b", "c")
) -> Dataset:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (3000, height, width, channels), dtype=np.uint8)
    return Dataset("blobs", Split(pictures, np.arange(3000) % len(names)), None, names)


def run_of(data: Dataset, folder: Path, origin: str | None = None) -> Run:
    """A run with first weights, as if it had been trained."""
    around = environment(
        RECIPE,
        replace(data, origin=origin),
        data.split(0.1, 5)[1],
        engine={"name": "torch", "version": "2"},
        device="cpu",
        precision="fp32",
        threads=1,
        seed=5,
    )
    run = new_run(RECIPE, around, folder)
    run.weights_path.write_bytes(packed(draw(plan(RECIPE, data.shape, 3), seed=1)))
    return run


def warmed(probabilities: Any, temperature: float) -> Any:
    powers = probabilities.astype(np.float64) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def refusal(run: Run, path: Path | None = None, **more: Any) -> LapelError:
    with pytest.raises(LapelError) as caught:
        export(run, path, **more)
    return caught.value


def test_the_model_answers_as_the_run_does(tmp_path: Path) -> None:
    data = dataset()
    run = run_of(data, tmp_path / "run")
    made = export(run, dataset=data)
    assert made.path == run.model_path
    assert made.bytes == run.model_path.stat().st_size
    assert (made.agreement, made.pictures, made.real) == (1.0, 300, True)
    assert made.largest_difference < 1e-5

    engine = load_engine("torch")
    network = engine.build(run.recipe, data.shape, 3, run.weights())
    pictures = data.train.pictures[:50]
    tagger = load_tagger(made.path)
    assert made.card == tagger.card
    expected = warmed(engine.probabilities(network, pictures), tagger.card.temperature)
    assert np.abs(tagger.probabilities(pictures) - expected).max() < 1e-5


def test_a_place_that_cannot_be_written_names_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset()
    run = run_of(data, tmp_path / "run")
    refuse = Mock(side_effect=PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    monkeypatch.setattr("lapel.files.tempfile.mkstemp", refuse)
    with pytest.raises(LapelError, match=r"model\.onnx: permission denied\.") as caught:
        export(run, dataset=data)
    assert "--out" in caught.value.hint


def test_the_card_is_filled_from_the_run(tmp_path: Path) -> None:
    data = dataset()
    run = run_of(data, tmp_path / "run")
    run.record_look("validation", 0.5, 300)
    run.record_look("validation", 0.75, 300)
    export(run, dataset=data)
    card = load_tagger(run.model_path).card
    assert replace(card, temperature=1.0, accept=0.0, usual={}, calibration={}) == card_of(run)
    assert (card.calibration["method"], card.calibration["fitted"]) == ("temperature", 300)
    assert (card.name, card.class_names) == ("small", ("a", "b", "c"))
    assert card.picture == PictureSpec(size=12)
    (measured,) = card.measured
    assert (measured["dataset"], measured["split"], measured["accuracy"]) == ("blobs", "validation", 0.75)
    assert measured["interval"] == pytest.approx([0.698, 0.796], abs=1e-3)  # Wilson's, of 225 in 300
    assert card.made["fingerprint"] == data.fingerprint
    assert (card.made["recipe"], card.made["engine"], card.made["seed"]) == ("small", "torch 2", 5)
    assert card.made["date"] == run.environment["started"]


@pytest.mark.parametrize(
    ("names", "channels", "preparation"),
    [(FASHION_CLASSES, 1, "garment"), (FASHION_CLASSES, 3, "plain"), (("a", "b", "c"), 1, "plain")],
)
def test_models_of_garments_prepare_photographs(
    tmp_path: Path, names: tuple[str, ...], channels: int, preparation: str
) -> None:
    run = run_of(dataset(channels=channels, names=names), tmp_path / "run")
    assert card_of(run).picture.preparation == preparation


def test_a_model_prepares_photographs_as_its_training_folder_was_prepared(tmp_path: Path) -> None:
    spec = PictureSpec(12, 1, "plain")
    data = replace(dataset(names=FASHION_CLASSES), picture=spec)
    assert card_of(run_of(data, tmp_path / "run")).picture == spec


def test_without_its_data_a_run_is_compared_on_drawn_pictures(tmp_path: Path) -> None:
    run = run_of(dataset(), tmp_path / "run", origin=str(tmp_path / "gone"))
    made = export(run)
    assert (made.agreement, made.real) == (1.0, False)
    assert made.pictures >= 256
    assert made.card == load_tagger(made.path).card == card_of(run)
    assert (made.card.temperature, made.card.accept, made.card.usual) == (1.0, 0.0, {})


def knowing(folder: Path) -> tuple[Run, Dataset, Any]:
    """A run that is right about most pictures, less so the less sure it is, and asks about them."""
    engine, data = load_engine("torch"), dataset()
    steps = plan(RECIPE, data.shape, 3)
    weights = draw(steps, seed=1)
    # Sharp, and with no class that is always the answer.
    weights["4.weight"] = weights["4.weight"] * 30
    network = engine.build(RECIPE, data.shape, 3, weights)
    scores = np.log(engine.probabilities(network, data.train.pictures))
    weights["4.bias"] = -scores.mean(axis=0)
    network = engine.build(RECIPE, data.shape, 3, weights)
    shares = warmed(engine.probabilities(network, data.train.pictures), 1.7)
    draws = np.random.default_rng(0).random((len(shares), 1))
    labels = (shares.cumsum(axis=1) > draws).argmax(axis=1)
    data = Dataset("blobs", Split(data.train.pictures, labels), None, data.class_names)
    run = run_of(data, folder)
    run.weights_path.write_bytes(packed(weights))
    return run, data, lambda pictures: engine.probabilities(network, pictures)


@pytest.mark.parametrize("mirror", [False, True])
def test_what_is_wrong_by_class_is_mended_inside_the_model(tmp_path: Path, mirror: bool) -> None:
    run, data, ask = knowing(tmp_path / "first")
    logarithms = np.log(ask(data.train.pictures))
    truth = np.exp(logarithms * [0.2, 0.6, 1.2] + [-1.5, 0, 1.5])
    shares = truth / truth.sum(axis=1, keepdims=True)
    labels = (shares.cumsum(axis=1) > np.random.default_rng(0).random((3000, 1))).argmax(axis=1)
    data = Dataset("blobs", Split(data.train.pictures, labels), None, data.class_names)
    weights = run.weights_path.read_bytes()
    run = run_of(data, tmp_path / "run")
    run.weights_path.write_bytes(weights)
    run.record_look("test", 0.5, 9)
    made = export(run, dataset=data, mirror=mirror)
    assert made.largest_difference < 1e-4 and made.agreement == 1
    card = load_tagger(made.path).card
    assert card.calibration["method"] != "temperature" and card.temperature == 1
    held = data.split(0.1, 5)[1]
    answers = load_tagger(made.path).probabilities(held.pictures)
    views = [held.pictures, held.pictures[:, :, ::-1].copy()][: 2 if mirror else 1]
    scaling = fit_scaling(np.log(np.stack([ask(view) for view in views])), held.labels)
    assert scaling.to_dict() == card.calibration
    np.testing.assert_allclose(
        answers, scaling.apply(np.log(np.stack([ask(view) for view in views]))), atol=1e-5
    )
    # The labels follow from the pictures as they are, so that mirror images tell less of them.
    assert mirror or log_loss(held.labels, answers) < log_loss(held.labels, ask(held.pictures)) - 0.02
    # Its labels may be others than the run's, so that it says what it reached itself.
    [measured] = card.measured
    assert (measured["split"], measured["pictures"]) == ("validation", 300)
    assert measured["accuracy"] == pytest.approx(np.mean(answers.argmax(axis=1) == held.labels))


@pytest.mark.parametrize(
    ("mirror", "goal"),
    [
        (True, 0.8),
        *(pytest.param(*case, marks=pytest.mark.long) for case in ((True, 0.6), (False, 0.6), (False, 0.8))),
    ],
)
def test_a_model_is_as_sure_as_it_is_right_and_accepts_what_reaches_the_goal(
    tmp_path: Path, mirror: bool, goal: float
) -> None:
    run, data, ask = knowing(tmp_path / "run")
    made = export(run, dataset=data, mirror=mirror, goal=goal)
    assert made.largest_difference < 1e-4
    tagger = load_tagger(made.path)
    held = data.split(0.1, 5)[1]

    def answers(temperature: float) -> Any:
        views = [held.pictures, held.pictures[:, :, ::-1].copy()][: 2 if mirror else 1]
        return np.mean([warmed(ask(view), temperature) for view in views], axis=0)

    tried = np.geomspace(0.05, 20, 500)
    losses = [log_loss(held.labels, answers(one)) for one in tried]
    assert tagger.card.temperature == pytest.approx(tried[np.argmin(losses)], rel=0.01)
    assert mirror or tagger.card.temperature == pytest.approx(1.7, rel=0.3)

    shares = answers(tagger.card.temperature)
    scores, right = shares.max(axis=1), shares.argmax(axis=1) == held.labels
    least = min(one for one in scores if right[scores >= one].mean() >= goal)
    usual = max(one for one in scores if (scores >= one).mean() >= 0.99)
    assert tagger.card.accept == pytest.approx(max(least, usual), abs=1e-6)
    accepted = np.array([tag.accepted for tag in tagger.tag_pictures([""] * len(held), list(held.pictures))])
    assert right[accepted].mean() > goal - 0.02
    assert accepted.mean() == pytest.approx((scores >= tagger.card.accept).mean(), abs=0.01)
    expected = {name: (shares.argmax(axis=1) == place).mean() for place, name in enumerate("abc")}
    assert tagger.card.usual["labels"] == pytest.approx(expected, abs=0.005)
    assert tagger.card.usual["accepted"] == pytest.approx(accepted.mean(), abs=0.005)


def test_where_all_is_right_the_hundredth_that_is_least_sure_is_not_accepted(tmp_path: Path) -> None:
    run, data, _ = knowing(tmp_path / "run")
    made = export(run, dataset=data, goal=0.0)
    held = data.split(0.1, 5)[1]
    tags = load_tagger(made.path).tag_pictures([""] * len(held), list(held.pictures))
    assert sum(not tag.accepted for tag in tags) == pytest.approx(len(held) * 0.01, abs=1)


@pytest.mark.parametrize("how", ["compact", "mirror"])
def test_figures_of_the_run_are_not_those_of_a_model_that_answers_otherwise(tmp_path: Path, how: str) -> None:
    run, data, _ = knowing(tmp_path / "run")
    run.record_look("validation", 0.5, 300)
    assert load_tagger(export(run, dataset=data).path).card.measured
    assert not load_tagger(export(run, dataset=data, **{how: True}).path).card.measured


def test_a_compact_model_has_bounds_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, data, _ = knowing(tmp_path / "run")
    whole = export(run, dataset=data)
    compact = export(run, tmp_path / "compact.onnx", dataset=data, compact=True)
    assert whole.largest_difference < 1e-4 < compact.largest_difference < 0.05
    assert whole.card == compact.card  # neither has been measured
    assert b"DequantizeLinear" in compact.path.read_bytes()
    monkeypatch.setattr(MODULE, "COMPACT", Bounds(1e-6, 0.99, "kernels of 8 bits"))
    error = refusal(run, tmp_path / "other.onnx", dataset=data, compact=True)
    assert "(at most 1e-06 is kernels of 8 bits)" in error.message
    assert "(at least 99% are asked for). Nothing was written." in error.message
    assert error.hint == "Export it without --compact."
    assert not (tmp_path / "other.onnx").exists()


@pytest.mark.parametrize("name", ["weights.pth", "weights.pt", "model.keras"])
@pytest.mark.parametrize("how", [{"compact": True}, {"mirror": True}, {"goal": 0.5}])
def test_only_models_are_compact_or_mirrored_or_have_a_goal(
    tmp_path: Path, name: str, how: dict[str, Any]
) -> None:
    error = refusal(run_of(dataset(), tmp_path / "run"), tmp_path / name, **how)
    assert f"{name}: only a model in ONNX is made compact" in error.message
    assert "ends in .onnx" in error.hint


def test_the_same_run_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    data = dataset()
    run = run_of(data, tmp_path / "run")
    shutil.copytree(run.path, tmp_path / "copy")
    first, second = (export(one, dataset=data).path.read_bytes() for one in (run, Run(tmp_path / "copy")))
    assert first == second


def test_a_model_that_differs_is_refused_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = dataset()
    run = run_of(data, tmp_path / "run")
    whole = MODULE._as_onnx

    def answering(change: Callable[[Any], Any]) -> Callable[..., Any]:
        def write(*given: Any, **how: Any) -> Any:
            model, answers = whole(*given, **how)
            return model, change(answers)

        return write

    monkeypatch.setattr(MODULE, "_as_onnx", answering(lambda answers: answers + np.float32(2e-4)))
    error = refusal(run, dataset=data)
    assert isinstance(error, ModelError)
    assert "differ by up to 0.0002 (at most 0.0001 is rounding)" in error.message
    assert "labels agree on 100.0% of 300 pictures (at least 100% are asked for)." in error.message
    assert "Nothing was written." in error.message
    assert not run.model_path.exists()

    monkeypatch.setattr(MODULE, "_as_onnx", answering(lambda answers: answers[:, ::-1]))
    assert "Nothing was written" in refusal(run, dataset=data).message
    monkeypatch.setattr(MODULE, "_as_onnx", answering(lambda answers: answers * np.float32("nan")))
    assert "differ by up to nan" in refusal(run, dataset=data).message
    assert not run.model_path.exists()


def test_only_the_runs_own_model_is_replaced_unasked(tmp_path: Path) -> None:
    data = dataset()
    run = run_of(data, tmp_path / "run")
    other = tmp_path / "other.onnx"
    other.write_text("precious")
    error = refusal(run, other, dataset=data)
    assert error.message == f"{other} exists already."
    assert "--overwrite" in error.hint
    assert other.read_text() == "precious"
    assert export(run, other, overwrite=True, dataset=data).path == other
    assert export(run, dataset=data).path == export(run, dataset=data).path


def test_a_folder_is_no_place_for_a_model(tmp_path: Path) -> None:
    error = refusal(run_of(dataset(), tmp_path / "run"), tmp_path)
    assert "a folder; a model is a file" in error.message
    assert str(tmp_path / "model.onnx") in error.hint


def test_pictures_that_are_not_square(tmp_path: Path) -> None:
    error = refusal(run_of(dataset(height=12, width=16), tmp_path / "run"))
    assert error.message == "A model takes square pictures; those of blobs are 16×12."


def test_a_run_without_weights_and_another_dataset(tmp_path: Path) -> None:
    run = run_of(dataset(), tmp_path / "run")
    other = dataset()
    other.train.pictures[0] = 0
    assert (
        "fingerprint" in refusal(run, dataset=Dataset("other", other.train, None, other.class_names)).message
    )
    run.weights_path.unlink()
    error = refusal(run)
    assert isinstance(error, RunError)
    assert "no weights" in error.message
