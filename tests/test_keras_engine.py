"""The Keras engine against plain Keras, against the PyTorch engine, and on every backend."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from garments import blobs, garments, small_recipe
from numpy.typing import NDArray

from lapel.data import load_data
from lapel.data.dataset import Dataset
from lapel.engines.backend import load_keras
from lapel.engines.load import load_engine
from lapel.engines.weights import draw
from lapel.errors import LapelError, MissingExtra, ModelError
from lapel.evaluation import evaluate
from lapel.exporting import export
from lapel.metrics import wilson_interval
from lapel.recipes.load import load_recipe, named_recipes, parse
from lapel.recipes.plan import plan
from lapel.recipes.schema import Recipe
from lapel.runs import Run
from lapel.tagger import load_tagger
from lapel.trainer import train

try:
    keras = load_keras()
except MissingExtra as error:
    pytest.skip(str(error), allow_module_level=True)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def answers(engine: str, recipe: Recipe, weights: Any, dataset: Dataset) -> NDArray[np.float32]:
    built = load_engine(engine)
    network = built.build(recipe, dataset.shape, len(dataset.class_names), weights)
    assert dataset.test is not None
    return built.probabilities(network, dataset.test.pictures)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("dense", "cnn-simple") else [pytest.mark.long])
        for name in named_recipes()
        if not load_recipe(name).start
    ],
)
@pytest.mark.parametrize(("here", "there"), [("torch", "keras"), ("keras", "torch")])
def test_trained_weights_give_the_same_probabilities_on_the_other_engine(
    name: str, here: str, there: str
) -> None:
    dataset = garments(size=20)
    settings = ["training.epochs=1", "training.steps=0", "training.batch=18"]
    run = train(load_recipe(name, settings), dataset, engine=here)
    given = answers(here, run.recipe, run.weights(), dataset)
    assert given.max() - given.min() > 0.1, "the weights have learned nothing that could differ"
    assert np.abs(answers(there, run.recipe, run.weights(), dataset) - given).max() <= 1e-5


def conv(**more: Any) -> dict[str, Any]:
    return {"kind": "conv", "filters": 6, **more}


ODD = {
    "even kernels": [conv(kernel=4), conv(kernel=2, stride=2)],
    "strides": [conv(kernel=3, stride=2), conv(kernel=5, stride=3, padding="valid")],
    "a kernel of one": [conv(kernel=1), conv(kernel=1, stride=2)],
    "pools with a rest": [conv(), {"kind": "pool", "size": 3, "by": "average"}, {"kind": "pool", "size": 2}],
    "activations": [
        conv(activation=one) for one in ("gelu", "silu", "tanh", "relu")
    ] + [{"kind": "activation", "by": "gelu"}, {"kind": "pool"}, {"kind": "activation", "by": "silu"}],
    "pooling after tanh": [
        conv(activation="tanh"), {"kind": "pool"},
        conv(bias=False), {"kind": "activation"}, {"kind": "pool", "by": "average"},
    ],
    "a residual with a shortcut": [
        {
            "kind": "residual",
            "layers": [conv(stride=2, activation="relu"), {"kind": "batch-norm", "epsilon": 0.01}],
            "shortcut": [conv(stride=2, kernel=1, bias=False)],
        },
        {"kind": "residual", "layers": [{"kind": "batch-norm"}, {"kind": "activation"}, conv()]},
    ],
    "global pools": [conv(), {"kind": "global-pool", "by": "max"}],
    "dropout of channels": [conv(), {"kind": "dropout", "rate": 0.4, "whole_channels": True},
                            {"kind": "global-pool"}],
    "rows": [{"kind": "flatten"}, {"kind": "batch-norm", "momentum": 0.3},
             {"kind": "residual", "layers": [{"kind": "dense", "units": 144, "activation": "gelu"}]}],
}  # fmt: skip


@pytest.mark.parametrize("layers", ODD.values(), ids=ODD)
@pytest.mark.parametrize("here", ["torch", "keras"])
def test_every_layer_is_the_same_on_both_engines(layers: list[dict[str, Any]], here: str) -> None:
    out = [{"kind": "flatten"}, {"kind": "dense"}]
    recipe = parse({"name": "odd", "layers": [*layers, *out], "training": {"epochs": 1, "batch": 60}}, "odd")
    dataset = blobs(size=12)
    weights = train(recipe, dataset, engine=here).weights()
    first, second = (answers(engine, recipe, weights, dataset) for engine in ("torch", "keras"))
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_epochs_are_those_of_plain_keras() -> None:
    """Three epochs without anything random but the order, against `fit` as everybody writes it."""
    dataset = blobs(200)
    recipe = parse(
        {
            "name": "plain",
            "layers": [
                {"kind": "flatten"},
                {"kind": "dense", "units": 16, "activation": "tanh"},
                {"kind": "dense"},
            ],
            "training": {"batch": 200, "learning_rate": 0.01, "epochs": 3},
        },
        "plain",
    )
    learned, held = dataset.split(0.1, 0)
    weights = draw(plan(recipe, dataset.shape, 4), 0)
    plain = keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="tanh"),
            keras.layers.Dense(4),
        ]
    )
    plain.set_weights([value.T for value in weights.values()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    plain.compile(keras.optimizers.Adam(0.01, epsilon=1e-8), loss)
    history = plain.fit(learned.pictures / 255, learned.labels, epochs=3, batch_size=200, verbose=0)
    engine = load_engine("keras")
    network = engine.build(recipe, dataset.shape, 4, weights)
    fitting = engine.fit(network, learned, held, recipe, seed=0, device="cpu", precision="fp32")
    epochs = [fitting.epoch() for _ in range(3)]
    assert [epoch.loss for epoch in epochs] == pytest.approx(history.history["loss"], rel=1e-4)
    for mine, theirs in zip(fitting.weights().values(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs.T, atol=1e-5)
    expected = plain.evaluate(held.pictures / 255, held.labels, verbose=0)
    assert epochs[-1].validation_loss == pytest.approx(expected, rel=1e-4)


def means(engine: str, recipe: Recipe, dataset: Dataset) -> float:
    """The mean accuracy on the test pictures over three seeds."""
    assert dataset.test is not None
    right = []
    for seed in range(3):
        run = train(recipe, dataset, engine=engine, seed=seed)
        given = answers(engine, recipe, run.weights(), dataset)
        right.append((given.argmax(1) == dataset.test.labels).mean())
    return float(np.mean(right))


def agree(recipe: Recipe, dataset: Dataset) -> None:
    assert dataset.test is not None
    first, second = (means(engine, recipe, dataset) for engine in ("torch", "keras"))
    count = len(dataset.test)
    low, high = wilson_interval(round(first * count), count)
    assert low <= second <= high, (first, second)


@pytest.mark.long
@pytest.mark.parametrize("name", ["dense", "cnn"])
def test_both_engines_reach_the_same_accuracy_on_drawn_garments(name: str) -> None:
    dataset = garments(1200, 800, size=16)
    agree(load_recipe(name, ["training.epochs=6", "training.batch=30"]), dataset)


@pytest.mark.long
@pytest.mark.parametrize(("name", "count"), [("dense", 20_000), ("cnn", 5_000)])
def test_both_engines_reach_the_same_accuracy_on_fashion_mnist(
    name: str, count: int, fashion_mnist: Path
) -> None:
    """Judged on 6,000 training pictures that neither learns from: the test pictures stay unseen."""
    whole = load_data(fashion_mnist)
    some = whole.train.take(slice(0, count))
    others = whole.train.take(slice(54_000, 60_000))
    dataset = Dataset("some", some, others, whole.class_names)
    agree(load_recipe(name, ["training.epochs=4"]), dataset)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = small_recipe(epochs=5, learning_rate=0.01, augmentation={})
    return train(recipe, blobs(), engine="keras", path=tmp_path_factory.mktemp("r") / "run")


class TestARun:
    def test_says_what_it_was_made_with(self, trained: Run) -> None:
        made = trained.environment["engine"]
        assert made["name"] == "keras"
        assert made["version"] == keras.__version__
        assert made["backend"] == keras.config.backend()
        assert made["backend_version"]

    def test_keeps_a_model_that_plain_keras_opens_in_safe_mode(self, trained: Run) -> None:
        assert trained.weights_path.name == "weights.keras"
        opened = keras.saving.load_model(trained.weights_path, safe_mode=True, compile=False)
        test = blobs().test
        assert test is not None
        expected = answers("keras", trained.recipe, trained.weights(), blobs())
        np.testing.assert_allclose(opened.predict(test.pictures, verbose=0), expected, atol=1e-6)

    def test_is_judged_exported_and_tagged_with_like_any_other(self, trained: Run) -> None:
        assert evaluate(trained, dataset=blobs()).accuracy > 0.9
        made = export(trained, "model.onnx", dataset=blobs())
        assert made.largest_difference < 1e-5
        tagger = load_tagger(made.path)
        test = blobs().test
        assert test is not None
        powers = answers("keras", trained.recipe, trained.weights(), blobs()) ** (1 / tagger.card.temperature)
        expected = powers / powers.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(tagger.probabilities(test.pictures), expected, atol=1e-5)

    def test_goes_out_to_every_form_of_file(self, trained: Run) -> None:
        for name in ("weights.pth", "again.keras"):
            assert export(trained, name, dataset=blobs()).largest_difference < 1e-5
        opened = keras.saving.load_model("again.keras")
        assert opened.input_shape == (None, 8, 8, 1)

    def test_with_weights_that_are_cut_short_or_another_network_is_refused(
        self, trained: Run, tmp_path: Path
    ) -> None:
        content = trained.weights_path.read_bytes()
        engine = load_engine("keras")
        path = tmp_path / "weights.keras"
        for wrong in (content[: len(content) // 2], b"", b"PK\x03\x04 no more"):
            path.write_bytes(wrong)
            with pytest.raises(ModelError, match=r"weights.keras: does not hold the weights"):
                engine.unpack(path, trained.recipe, (8, 8, 1), 4)
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"weights.keras: does not hold the weights"):
            engine.unpack(path, load_recipe("dense"), (8, 8, 1), 4)

    def test_a_torch_run_goes_out_as_a_keras_model(self) -> None:
        run = train(small_recipe(epochs=2), blobs())
        assert export(run, "from-torch.keras", dataset=blobs()).largest_difference < 1e-5


def test_what_the_user_has_set_in_keras_changes_nothing() -> None:
    expected = train(small_recipe(epochs=2), blobs(), engine="keras").history
    before = keras.config.image_data_format(), keras.config.floatx()
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float16")
    try:
        assert train(small_recipe(epochs=2), blobs(), engine="keras").history == expected
    finally:
        keras.config.set_image_data_format(before[0])
        keras.config.set_floatx(before[1])


class TestBackends:
    def test_one_that_is_not_known_is_refused_with_the_nearest(self) -> None:
        with pytest.raises(LapelError, match='no backend "tensorflo"') as caught:
            load_engine("keras", "tensorflo")
        assert caught.value.hint == 'Did you mean "tensorflow"?'

    def test_another_one_in_the_same_process_is_refused(self) -> None:
        other = "jax" if keras.config.backend() == "tensorflow" else "tensorflow"
        with pytest.raises(LapelError, match=f"in this process already; it cannot change to {other}"):
            load_engine("keras", other)

    def test_pytorchs_engine_has_none_to_choose(self) -> None:
        with pytest.raises(LapelError, match="The engine torch has no backend to choose") as caught:
            load_engine("torch", "jax")
        assert "--engine keras" in caught.value.hint

    @pytest.mark.parametrize(
        ("missing", "what", "hint"),
        [
            ("keras", "Keras", "lapel[keras]"),
            ("tensorflow", "TensorFlow", "lapel[keras]"),
            ("jax", "JAX", "lapel[jax]"),
        ],
    )
    def test_one_that_is_not_installed_says_how_to_install_it(
        self, missing: str, what: str, hint: str
    ) -> None:
        backend = "tensorflow" if missing == "keras" else missing
        code = (
            f"import sys; sys.modules[{missing!r}] = None\n"
            "from lapel.engines.load import load_engine\n"
            f"load_engine('keras', {backend!r})"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr
        assert f"{what} is not installed" in said
        assert hint in said

    @pytest.mark.long
    @pytest.mark.parametrize("name", ["jax", "torch"])
    def test_learns_and_goes_on_to_the_same_bits_and_answers_alike(self, name: str, tmp_path: Path) -> None:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed, so Keras cannot compute with it")
        recipe = small_recipe()
        weights = draw(plan(recipe, (8, 8, 1), 4), 0)
        np.savez(tmp_path / "weights.npz", **weights)
        cache = {
            "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        result = subprocess.run(
            [sys.executable, "-W", "error", str(Path(__file__).parent / "keras_backend.py"), name],
            capture_output=True,
            text=True,
            # Of two networks alike, JAX compiles the second no more.
            env={**os.environ, "KERAS_BACKEND": name, **cache},
            cwd=tmp_path,
        )
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        told = json.loads(result.stdout)
        assert told["backend"] == name
        assert told["accuracy"] > 0.9
        assert told["same"]
        expected = answers("torch", recipe, weights, blobs())
        np.testing.assert_allclose(np.array(told["probabilities"]), expected, atol=1e-5)


class TestTheTerminal:
    @pytest.fixture
    def data(self, tmp_path: Path) -> Iterator[Path]:
        from lapel.data import save_data

        save_data(blobs(), tmp_path / "blobs.npz", "npz")
        yield tmp_path / "blobs.npz"

    @pytest.mark.long
    def test_shows_nothing_of_what_tensorflow_says(self, new_python: Callable[..., Any], data: Path) -> None:
        trained = new_python(
            "train", "dense", "--engine", "keras", "--data", data, "--set", "training.epochs=2"
        )
        assert trained.returncode == 0, trained.stderr
        first, *epochs, kept, judge = trained.stderr.splitlines()
        backend = keras.config.backend()
        assert f"keras ({backend}) on cpu" in first
        assert [line.split()[0] for line in epochs] == ["epoch", "epoch"]
        assert kept.startswith("Kept the weights")
        assert judge.startswith("Judge it with")
        assert trained.stdout == "runs/dense-1\n"
        # One Python for both of these: it is when it is imported that TensorFlow speaks.
        verbs = [["evaluate", "dense-1"], ["export", "dense-1"]]
        code = f"from lapel.cli import lapel\nfor verb in {verbs}: lapel.main(verb, standalone_mode=False)"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], cwd=data.parent, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("runs/dense-1/model.onnx\n")
        assert "I0000" not in done.stderr
        assert "WARNING" not in done.stderr

    def test_refuses_a_backend_without_keras_in_one_line(self, lapel: Callable[..., Any], data: Path) -> None:
        said = lapel("train", "dense", "--backend", "jax", "--data", data)
        assert said.returncode == 1
        assert said.stderr.startswith("lapel: The engine torch has no backend to choose")
