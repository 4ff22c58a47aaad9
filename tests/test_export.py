from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lapel.data.catalog import FASHION_CLASSES
from lapel.data.dataset import Dataset, Split
from lapel.engines import load_engine
from lapel.engines.weights import draw, packed
from lapel.environment import environment
from lapel.errors import LapelError, ModelError, RunError
from lapel.export import card_of, export
from lapel.picture import PictureSpec
from lapel.recipes import parse
from lapel.recipes.plan import plan
from lapel.runs import Run, new_run
from lapel.tagger import load_tagger

# `lapel.export` by itself is the function.
MODULE: Any = importlib.import_module("lapel.export")

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
    answers = load_tagger(made.path).probabilities(pictures)
    assert np.abs(answers - engine.probabilities(network, pictures)).max() < 1e-5


def test_the_card_is_filled_from_the_run(tmp_path: Path) -> None:
    data = dataset()
    run = run_of(data, tmp_path / "run")
    run.record_look("validation", 0.5, 300)
    run.record_look("validation", 0.75, 300)
    export(run, dataset=data)
    card = load_tagger(run.model_path).card
    assert card == card_of(run)
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
        def write(*given: Any) -> Any:
            model, answers = whole(*given)
            return model, change(answers)

        return write

    monkeypatch.setattr(MODULE, "_as_onnx", answering(lambda answers: answers + np.float32(2e-4)))
    error = refusal(run, dataset=data)
    assert isinstance(error, ModelError)
    assert "differ by up to 0.0002 (at most 0.0001 is rounding)" in error.message
    assert "labels agree on 100.0% of 300 pictures. Nothing was written." in error.message
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
