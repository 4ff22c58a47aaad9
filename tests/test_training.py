"""The parts that training is made of: batches, objectives, rates by layer, normalisation, threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from garments import blobs, small_recipe
from numpy.typing import NDArray

from lapel.card import Card
from lapel.engines.load import load_engine
from lapel.engines.onnx import to_onnx
from lapel.engines.protocol import Engine, Fitting
from lapel.engines.weights import draw
from lapel.errors import DataError, LapelError, MissingExtra, RecipeError
from lapel.picture import PictureSpec
from lapel.recipes.load import load_recipe, parse
from lapel.recipes.plan import plan
from lapel.recipes.schema import Normalise, Recipe
from lapel.training.batches import Batch, Source, Stream, read_in_order
from lapel.training.groups import rate_share
from lapel.training.objective import Agreement, CrossEntropy, Objective, Part, Sum
from lapel.training.threads import Threads, fastest
from lapel.training.validation import beats_chance

SHAPE, CLASSES = (8, 8, 1), 4


@pytest.fixture(params=["torch", "keras"])
def engine(request: pytest.FixtureRequest) -> Engine:
    try:
        return load_engine(request.param)
    except MissingExtra as error:
        pytest.skip(str(error))


def begin(
    engine: Engine, recipe: Recipe, source: Source | None = None, objective: Objective | None = None
) -> Fitting:
    network = engine.build(recipe, SHAPE, CLASSES, draw(plan(recipe, SHAPE, CLASSES), 0))
    learned, held = blobs().split(0.1, 0)
    return engine.fit(
        network,
        learned if source is None else source,
        held,
        recipe,
        seed=0,
        device="cpu",
        precision="fp32",
        objective=objective,
    )


def stream(kind: str = "labels", *, floats: bool = False) -> Stream:
    """The blobs as a stream of batches of 40, with labels or with shares of the classes."""
    learned = blobs().split(0.1, 0)[0]

    def read(places: NDArray[np.intp]) -> Batch:
        some = learned.take(places)
        truth = some.labels if kind == "labels" else np.eye(CLASSES, dtype=np.float32)[some.labels]
        return Batch((some.pictures / 255).astype(np.float32) if floats else some.pictures, truth)

    return read_in_order(len(learned), 40, read)


class TestBatches:
    def test_a_stream_is_learned_from(self, engine: Engine) -> None:
        recipe = small_recipe(epochs=6, batch=40, learning_rate=0.01, augmentation={})
        for source in (stream(), stream("shares", floats=True)):
            fitting = begin(engine, recipe, source)
            assert [fitting.epoch() for _ in range(6)][-1].validation_accuracy > 0.9

    def test_progress_counts_to_the_end_of_a_stream(self, engine: Engine) -> None:
        seen: list[tuple[int, int]] = []
        fitting = begin(engine, small_recipe(batch=40), stream())
        fitting.epoch(lambda done, count, _: seen.append((done, count)))
        assert seen == [(done, 360) for done in range(40, 361, 40)]

    def test_a_stream_goes_on_to_the_same_bits(self, engine: Engine) -> None:
        recipe = small_recipe(epochs=3, batch=40, average=0.9)
        whole = begin(engine, recipe, stream())
        whole.epoch()
        state = whole.state()
        expected = whole.epoch()
        again = begin(engine, recipe, stream())
        again.restore(state)
        assert again.epoch() == expected
        for name, value in whole.weights().items():
            assert value.tobytes() == again.weights()[name].tobytes()

    def test_one_batch_an_epoch_is_the_same_from_a_split_and_from_a_stream(self, engine: Engine) -> None:
        recipe = small_recipe(batch=360, augmentation={})
        layers = tuple(layer for layer in recipe.layers if layer.kind not in ("dropout", "batch-norm"))
        recipe = recipe.model_copy(update={"layers": layers})
        learned = blobs().split(0.1, 0)[0]
        one = Stream(lambda _: [Batch(learned.pictures, learned.labels)], 1)
        losses = [begin(engine, recipe, source).epoch().loss for source in (learned, one)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)

    def test_the_seed_draws_the_order(self) -> None:
        def order(seed: int) -> list[int]:
            drawn = stream().epoch(seed)
            return [int(label) for batch in drawn for label in np.asarray(batch.truth)]

        assert order(1) == order(1)
        assert order(1) != order(2)

    def test_what_the_drawing_raises_is_raised_and_no_thread_is_left(self) -> None:
        def draw_badly(seed: int) -> Iterator[Batch]:
            yield from stream().epoch(seed)
            raise RuntimeError("the disk is gone")

        with pytest.raises(RuntimeError, match="the disk is gone"):
            list(Stream(draw_badly, 10).epoch(0))
        assert not prefetching()

    def test_a_stream_that_is_too_short_says_so(self, engine: Engine) -> None:
        short = Stream(lambda seed: list(stream().epoch(seed))[:3], 9)
        with pytest.raises(DataError, match="ended after 3 of 9 batches"):
            begin(engine, small_recipe(batch=40), short).epoch()
        assert not prefetching()

    def test_stopping_early_ends_the_thread_and_closes_what_it_reads(self) -> None:
        closed = threading.Event()

        def endless(seed: int) -> Iterator[Batch]:
            try:
                while True:
                    yield Batch(np.zeros((1, *SHAPE), np.uint8), np.zeros(1, np.int64))
            finally:
                closed.set()

        with closing(Stream(endless, 1000).epoch(0)) as batches:
            next(batches)
            assert prefetching()
        assert closed.is_set()
        assert not prefetching()

    def test_no_more_than_the_queue_holds_is_drawn_ahead(self) -> None:
        drawn: list[int] = []
        waiting = threading.Event()

        def count(seed: int) -> Iterator[Batch]:
            for place in range(100):
                drawn.append(place)
                if place == 3:  # one is taken, two wait, and this one has no room
                    waiting.set()
                yield Batch(np.zeros((1, *SHAPE), np.uint8), np.zeros(1, np.int64))

        with closing(Stream(count, 100, ahead=2).epoch(0)) as batches:
            next(batches)
            assert waiting.wait(10)
            assert len(drawn) == 4


def prefetching() -> bool:
    return any(thread.name == "lapel-batches" for thread in threading.enumerate())


class TestObjectives:
    answers = np.random.default_rng(0).normal(size=(6, CLASSES)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, 0, 1])

    def loss(self, engine: str, objective: Any, truth: NDArray[Any]) -> float:
        if engine == "torch":
            import torch

            return float(objective.torch(torch.from_numpy(self.answers), torch.from_numpy(truth)))
        ops = pytest.importorskip("keras").ops
        given = ops.convert_to_tensor(truth.astype(np.int32 if truth.ndim == 1 else np.float32))
        return float(objective.keras(ops.convert_to_tensor(self.answers), given))

    @property
    def surprise(self) -> NDArray[np.float64]:
        exact = self.answers.astype(np.float64)
        return np.log(np.exp(exact).sum(1, keepdims=True)) - exact

    @pytest.mark.parametrize("engine", ["torch", "keras"])
    def test_cross_entropy_with_shares_of_the_classes(self, engine: str) -> None:
        shares = np.random.default_rng(1).dirichlet(np.ones(CLASSES), 6).astype(np.float32)
        given = np.array([3.0, 1.0, 1.0, 0.5])
        plain, weighed = (shares * self.surprise).sum(1), (shares * given * self.surprise).sum(1)
        assert self.loss(engine, CrossEntropy(), shares) == pytest.approx(plain.mean(), rel=1e-5)
        objective = CrossEntropy(class_weights=(3.0, 1.0, 1.0, 0.5))
        assert self.loss(engine, objective, shares) == pytest.approx(weighed.mean(), rel=1e-5)

    @pytest.mark.parametrize("engine", ["torch", "keras"])
    def test_agreement_is_the_divergence_both_ways(self, engine: str) -> None:
        shares = np.exp(-self.surprise)
        first, second = shares[2:4], shares[4:]
        both = first * np.log(first / second) + second * np.log(second / first)
        assert self.loss(engine, Agreement(2), self.labels) == pytest.approx(both.sum(1).mean(), rel=1e-4)

    @pytest.mark.parametrize("engine", ["torch", "keras"])
    def test_a_sum_weighs_its_parts(self, engine: str) -> None:
        parts = CrossEntropy(), Agreement()
        first, second = (self.loss(engine, part, self.labels) for part in parts)
        total = Sum(Part(parts[0]), Part(parts[1], 0.1))
        assert self.loss(engine, total, self.labels) == pytest.approx(first + 0.1 * second, rel=1e-5)

    def test_heads_see_the_output_that_they_are_for(self) -> None:
        import torch

        outputs = {"answers": torch.from_numpy(self.answers), "side": torch.tensor([[0.0, 1.0]] * 6)}
        truth = {"answers": torch.from_numpy(self.labels), "side": torch.ones(6, dtype=torch.int64)}
        total = Sum(Part(CrossEntropy()), Part(CrossEntropy(), 2.0, "side"))
        expected = self.surprise[np.arange(6), self.labels].mean() + 2 * np.log1p(np.exp(-1))
        assert float(total.torch(outputs, truth)) == pytest.approx(expected, rel=1e-5)

    def test_an_engine_refuses_what_it_cannot_compute(self, engine: Engine) -> None:
        class Elsewhere:
            def __repr__(self) -> str:
                return "Elsewhere()"

        setattr(Elsewhere, "keras" if "Torch" in repr(engine) else "torch", lambda *_: 0)
        with pytest.raises(LapelError, match=r"Elsewhere\(\) has no method") as caught:
            begin(engine, small_recipe(), objective=Elsewhere())
        assert "--engine" in caught.value.hint


class TestRates:
    def test_the_longest_beginning_of_whole_words_decides(self) -> None:
        rates = {"1": 0.0, "1.layers": 0.5}
        assert [rate_share(name, rates) for name in ("1.bias", "1.layers.0.weight", "10.bias")] == [0, 0.5, 1]

    @pytest.mark.parametrize(
        "optimizer",
        ["adam", *(pytest.param(one, marks=pytest.mark.long) for one in ("adamw", "sgd", "muon"))],
    )
    def test_frozen_layers_stay_and_slow_ones_move_less(self, engine: Engine, optimizer: str) -> None:
        recipe = small_recipe(optimizer=optimizer, weight_decay=0.01, rates={"0": 0, "2": 0, "5": 0.1})
        first = draw(plan(recipe, SHAPE, CLASSES), 0)

        def moved(recipe: Recipe) -> dict[str, float]:
            fitting = begin(engine, recipe)
            fitting.epoch()
            return {
                name: float(np.abs(value - first[name]).max()) for name, value in fitting.weights().items()
            }

        slow, usual = moved(recipe), moved(small_recipe(optimizer=optimizer, weight_decay=0.01, rates={}))
        frozen = [name for name in slow if name.startswith(("0.", "2."))]
        assert "2.running_mean" in frozen
        assert all(slow[name] == 0 < usual[name] for name in frozen)
        assert 0 < slow["5.weight"] < 0.5 * usual["5.weight"]

    @pytest.mark.parametrize(
        "optimizer", ["adam", *(pytest.param(one, marks=pytest.mark.long) for one in ("adamw", "sgd"))]
    )
    def test_a_share_of_the_rate_is_the_rate_times_it(self, engine: Engine, optimizer: str) -> None:
        """A tenth for every layer is what a tenth of the learning rate is."""
        # Nothing that a last bit could tip over: no ReLU, no pool, no gradients near 0.
        layers = [{"kind": "flatten"}, {"kind": "dense", "units": 6, "activation": "tanh"}, {"kind": "dense"}]

        def weights(**training: Any) -> dict[str, Any]:
            settings = {"optimizer": optimizer, "batch": 32, **training}
            fitting = begin(engine, parse({"name": "r", "layers": layers, "training": settings}, "r"))
            fitting.epoch()
            return fitting.weights()

        there, here = weights(learning_rate=0.01, rates={"1": 0.1, "2": 0.1}), weights(learning_rate=0.001)
        for name, value in here.items():
            np.testing.assert_allclose(there[name], value, atol=1e-5, err_msg=name)

    @pytest.mark.parametrize("optimizer", ["adam", "muon"])
    def test_goes_on_to_the_same_bits(self, engine: Engine, optimizer: str) -> None:
        recipe = small_recipe(optimizer=optimizer, rates={"0": 0, "2": 0.1}, average=0.9)
        whole = begin(engine, recipe)
        whole.epoch()
        state = whole.state()
        expected = whole.epoch()
        again = begin(engine, recipe)
        again.restore(state)
        assert again.epoch() == expected

    def test_a_rate_for_no_layer_or_none_left_is_refused(self, engine: Engine) -> None:
        with pytest.raises(RecipeError, match='a rate for "9", but no layer') as caught:
            begin(engine, small_recipe(rates={"9": 0.1}))
        assert "0, 2, 5" in caught.value.hint
        with pytest.raises(RecipeError, match="All layers are frozen"):
            begin(engine, small_recipe(rates={"0": 0, "2": 0, "5": 0}))


NORMALISE = {
    "one for all": {"zero": 127, "span": 128},
    "one a channel": {"zero": [120, 110, 100], "span": [60, 58, 57]},
}


class TestNormalise:
    @pytest.mark.parametrize("normalise", NORMALISE.values(), ids=NORMALISE)
    def test_networks_and_models_have_it_inside(self, normalise: dict[str, Any]) -> None:
        """Against plain arithmetic: one dense layer on pictures that numpy normalises."""
        layers = [{"kind": "flatten"}, {"kind": "dense"}]
        recipe = parse({"name": "plain", "layers": layers, "normalise": normalise}, "plain")
        shape = (5, 6, 3)
        pictures = np.random.default_rng(0).integers(0, 256, (7, *shape), dtype=np.uint8)
        weights = draw(plan(recipe, shape, 4), 0)
        numbers = (pictures - np.array(normalise["zero"])) / np.array(normalise["span"])
        answers = numbers.reshape(7, -1) @ weights["1.weight"].T
        expected = np.exp(answers) / np.exp(answers).sum(1, keepdims=True)
        for name in ("torch", "keras"):
            pytest.importorskip(name)
            engine = load_engine(name)
            found = engine.probabilities(engine.build(recipe, shape, 4, weights), pictures)
            np.testing.assert_allclose(found, expected, atol=1e-5)
        import onnxruntime

        card = Card("plain", tuple("abcd"), PictureSpec(size=6, channels=3))
        square = np.zeros((7, 6, 6, 3), np.uint8)
        square[:, :5] = pictures
        whole = draw(plan(recipe, (6, 6, 3), 4), 0)
        model = to_onnx(recipe, whole, card).SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        engine = load_engine("torch")
        asked = engine.probabilities(engine.build(recipe, (6, 6, 3), 4, whole), square)
        np.testing.assert_allclose(session.run(None, {"pictures": square})[0], asked, atol=1e-5)

    def test_what_is_learned_is_what_is_judged(self, engine: Engine) -> None:
        """A network that learned from other numbers than it is asked with would be no better than chance."""
        recipe = small_recipe(epochs=6, learning_rate=0.01, augmentation={"shift": 1})
        recipe = recipe.model_copy(update={"normalise": Normalise(zero=127, span=16)})
        fitting = begin(engine, recipe)
        assert [fitting.epoch() for _ in range(6)][-1].validation_accuracy > 0.9

    def test_as_many_values_as_channels(self, engine: Engine) -> None:
        recipe = load_recipe("dense").model_copy(update={"normalise": Normalise(zero=(1, 2, 3))})
        with pytest.raises(
            RecipeError, match=r'"normalise\.zero" has 3 values; the pictures have 1 channels'
        ):
            engine.build(recipe, (28, 28, 1), 10, draw(plan(recipe), 0))

    def test_a_span_of_nothing_is_refused(self) -> None:
        with pytest.raises(RecipeError, match="a span of 0"):
            load_recipe("dense", ["normalise.span=0"])


class TestThreads:
    def test_more_are_taken_where_a_step_is_much_quicker_so(self) -> None:
        assert fastest({1: 1.0, 4: 0.5}.__getitem__, 4) == (4, 0.5)
        assert fastest({1: 1.0, 4: 0.95}.__getitem__, 4) == (1, 1.0)
        assert fastest({1: 1.0, 4: 30.0}.__getitem__, 4) == (1, 1.0)

    def test_an_epoch_that_is_much_slower_than_its_steps_has_it_looked_at_again(self) -> None:
        answers = iter([(4, 0.01), (1, 0.02), (1, 0.02)])
        threads = Threads(4, lambda: next(answers))
        assert threads.count == 4
        threads.look_again(seconds=1.5, steps=100)
        assert threads.count == 4  # an epoch has more to do than its steps
        threads.look_again(seconds=30, steps=100)
        assert threads.count == 1
        threads.look_again(seconds=30, steps=100)  # it is not the steps that are slow: asked no third time
        assert next(answers) == (1, 0.02)

    def test_what_is_fixed_stays(self) -> None:
        threads = Threads(2, lambda: (2, 0.01))
        threads.fix(1)
        threads.look_again(seconds=1000, steps=1)
        assert threads.count == 1

    def test_the_measuring_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        torch = pytest.importorskip("torch")
        engine, recipe = load_engine("torch"), small_recipe(average=0.9, optimizer="muon")
        expected = [begin(engine, recipe).epoch()]
        monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
        monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
        measured = begin(engine, recipe)
        assert [measured.epoch()] == expected
        assert measured.threads in (1, 2)

    def test_a_state_brings_its_threads(self) -> None:
        pytest.importorskip("torch")
        engine = load_engine("torch")
        fitting = begin(engine, small_recipe())
        fitting.epoch()
        state = {**fitting.state(), "threads": np.asarray(3)}
        again = begin(engine, small_recipe())
        again.restore(state)
        assert again.threads == 3


def test_beating_chance_takes_more_than_luck() -> None:
    labels = np.arange(1000) % 10
    assert not beats_chance(0.1, labels)
    assert not beats_chance(0.115, labels)
    assert beats_chance(0.2, labels)
    uneven = np.where(labels == 0, 1, 0)
    assert not beats_chance(0.9, uneven)
    assert beats_chance(0.95, uneven)
