"""What both engines promise alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from garments import blobs, small_recipe
from numpy.typing import NDArray

from lapel.data.dataset import Dataset
from lapel.engines.load import load_engine
from lapel.engines.protocol import Engine, Epoch, Fitting
from lapel.engines.weights import draw, fitted, from_pytorch, shapes, to_pytorch
from lapel.errors import LapelError, MissingExtra, ModelError, RecipeError
from lapel.recipes.load import load_recipe, named_recipes, parse
from lapel.recipes.plan import parameters, plan
from lapel.recipes.schema import Augmentation, Recipe, Training
from lapel.training.schedule import learning_rates

Pictures = NDArray[np.float32]
CHANGES = {"flip": True, "shift": 1, "erase": 0.2}


@pytest.fixture(params=["torch", "keras"])
def engine(request: pytest.FixtureRequest) -> Engine:
    try:
        return load_engine(request.param)
    except MissingExtra as error:
        pytest.skip(str(error))


def fit(
    engine: Engine, recipe: Recipe, dataset: Dataset, *, seed: int = 0, precision: str = "fp32"
) -> Fitting:
    steps = plan(recipe, dataset.shape, len(dataset.class_names))
    network = engine.build(recipe, dataset.shape, len(dataset.class_names), draw(steps, seed))
    learned, held = dataset.split(0.1, seed)
    return engine.fit(network, learned, held, recipe, seed=seed, device="cpu", precision=precision)


def epochs(fitting: Fitting, count: int) -> list[Epoch]:
    return [fitting.epoch() for _ in range(count)]


@pytest.mark.parametrize("name", [name for name in named_recipes() if not load_recipe(name).start])
def test_every_recipe_has_the_planned_parameters(engine: Engine, name: str) -> None:
    recipe = load_recipe(name)
    steps = plan(recipe)
    weights = engine.weights(engine.build(recipe, (28, 28, 1), 10, draw(steps, 0)))
    assert {name: value.shape for name, value in weights.items()} == shapes(steps)
    learned = sum(value.size for name, value in weights.items() if "running" not in name)
    assert learned == parameters(steps)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "muon"])
def test_every_optimizer_learns(engine: Engine, optimizer: str) -> None:
    rate = {"sgd": 0.1}.get(optimizer, 0.01)
    recipe = small_recipe(
        epochs=5, optimizer=optimizer, learning_rate=rate, weight_decay=0.001, augmentation={}
    )
    assert epochs(fit(engine, recipe, blobs()), 5)[-1].validation_accuracy > 0.9


@pytest.mark.parametrize(
    "extra", [{"average": 0.9}, {"label_smoothing": 0.1}, {"clip": 1.0}, {"class_weights": "balanced"}]
)
def test_every_way_of_training_learns(engine: Engine, extra: dict[str, object]) -> None:
    recipe = small_recipe(epochs=5, **extra, augmentation={})
    assert epochs(fit(engine, recipe, blobs()), 5)[-1].validation_accuracy > 0.9


def test_bf16_learns_as_fp32_does(engine: Engine) -> None:
    recipe = small_recipe(epochs=5, augmentation={})
    accuracies = [
        epochs(fit(engine, recipe, blobs(), precision=precision), 5)[-1].validation_accuracy
        for precision in ("fp32", "bf16")
    ]
    assert min(accuracies) > 0.9


def test_the_same_seed_gives_the_same_training_and_another_seed_another(engine: Engine) -> None:
    recipe = small_recipe(batch=32)  # so that the last batch is a smaller one
    first, again, other = (epochs(fit(engine, recipe, blobs(), seed=seed), 2) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "optimizer", ["adam", "muon", *(pytest.param(one, marks=pytest.mark.long) for one in ("adamw", "sgd"))]
)
def test_a_restored_state_goes_on_to_the_same_bits(engine: Engine, optimizer: str) -> None:
    recipe = small_recipe(optimizer=optimizer, average=0.9, epochs=4, augmentation=CHANGES)
    whole = fit(engine, recipe, blobs())
    expected = epochs(whole, 2)
    state = whole.state()
    expected += epochs(whole, 2)
    second = fit(engine, recipe, blobs())
    second.restore(state)
    assert epochs(second, 2) == expected[2:]
    for name, value in whole.weights().items():
        assert value.tobytes() == second.weights()[name].tobytes(), name


def test_every_picture_is_learned_once_an_epoch_the_last_few_too(engine: Engine) -> None:
    seen = []
    fitting = fit(engine, small_recipe(batch=64), blobs(405))
    fitting.epoch(lambda done, count, _: seen.append((done, count)))
    assert seen[-1] == (365, 365)


def test_a_last_batch_of_one_picture_is_no_trouble_for_batch_norm(engine: Engine) -> None:
    recipe = parse(
        {
            "name": "flat",
            "layers": [{"kind": "flatten"}, {"kind": "batch-norm"}, {"kind": "dense"}],
            "training": {"batch": 359},
        },
        "flat",
    )
    assert np.isfinite(fit(engine, recipe, blobs()).epoch().loss)
    with pytest.raises(RecipeError, match="batch norm cannot learn from batches of one picture"):
        fit(engine, recipe.model_copy(update={"training": Training(batch=1)}), blobs())


def test_a_loss_that_is_no_number_stops_and_says_when_and_what_to_try(engine: Engine) -> None:
    recipe = small_recipe(epochs=20, optimizer="sgd", learning_rate=100.0, momentum=0.99)
    said = r"no longer a number, in epoch \d+ after \d+ of 360 pictures"
    with pytest.raises(LapelError, match=said) as caught:
        epochs(fit(engine, recipe, blobs()), 20)
    assert "--set training.learning_rate=" in caught.value.hint


def test_wrong_number_of_class_weights(engine: Engine) -> None:
    with pytest.raises(LapelError, match="2 class weights are given for 4 classes"):
        fit(engine, small_recipe(class_weights=(1.0, 2.0)), blobs())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_class_weights_and_smoothing_make_the_loss_what_it_should_be(
    engine: Engine, smoothing: float
) -> None:
    given = np.array([3.0, 1.0, 1.0, 0.5])
    recipe = small_recipe(class_weights=tuple(given), label_smoothing=smoothing, batch=1000, augmentation={})
    recipe = recipe.model_copy(update={"layers": (recipe.layers[3], recipe.layers[5])})  # flatten, dense
    dataset = blobs()
    learned, _ = dataset.split(0.1, 0)
    weights = draw(plan(recipe, dataset.shape, 4), 0)
    answers = learned.pictures.reshape(len(learned), -1) / 255 @ weights["1.weight"].T
    surprise = np.log(np.exp(answers).sum(1, keepdims=True)) - answers
    truth = np.eye(4)[learned.labels] * (1 - smoothing) + smoothing / 4
    expected = (truth * given * surprise).sum() / given[learned.labels].sum()
    assert fit(engine, recipe, dataset).epoch().loss == pytest.approx(expected, rel=1e-4)


def test_there_are_devices_that_are_not_there(engine: Engine) -> None:
    with pytest.raises(LapelError, match='no device "toaster"'):
        choose(engine)("toaster")
    with pytest.raises(LapelError, match='"cuda:99" is not available here'):
        choose(engine)("cuda:99")
    assert choose(engine)("cpu")


def choose(engine: Engine) -> Callable[[str], object]:
    if "Torch" in repr(engine):
        from lapel.engines.torch.device import choose_device as in_torch

        return in_torch
    from lapel.engines.keras.device import choose_device as in_keras

    return in_keras


class TestLearningRates:
    def rates(self, **training: object) -> list[float]:
        settings = Training.model_validate({"learning_rate": 2.0, **training})
        return list(learning_rates(settings, 100))

    def test_constant(self) -> None:
        assert set(self.rates()) == {2.0}

    def test_one_cycle_rises_then_falls_to_nothing(self) -> None:
        rates = self.rates(schedule="one-cycle", warmup=0.25)
        assert max(rates) == pytest.approx(2.0, rel=0.02)
        assert 23 <= int(np.argmax(rates)) <= 26
        assert rates[0] < 0.1
        assert rates[-1] < 0.01

    def test_cosine_is_half_way_down_in_the_middle(self) -> None:
        assert self.rates(schedule="cosine")[50] == pytest.approx(1 - math.sin(0.01 * math.pi / 2), abs=0.02)

    def test_linear_falls_by_the_same_amount(self) -> None:
        steps = np.diff(self.rates(schedule="linear"))
        np.testing.assert_allclose(steps, -0.02)


@pytest.fixture
def change(engine: Engine) -> Callable[..., Pictures]:
    """Augment pictures (n, height, width, channels) with an engine: change(pictures, seed, flip=True …)."""

    def in_torch(pictures: Pictures, seed: int = 0, **how: Any) -> Pictures:
        import torch

        from lapel.engines.torch.augment import augment

        given = torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2)
        random = torch.Generator().manual_seed(seed)
        changed = augment(given, Augmentation.model_validate(how), random)
        return np.asarray(changed.permute(0, 2, 3, 1).numpy())

    def in_keras(pictures: Pictures, seed: int = 0, **how: Any) -> Pictures:
        import keras

        from lapel.engines.keras.augment import augment

        given, random = keras.ops.convert_to_tensor(pictures), keras.random.SeedGenerator(seed)
        return np.asarray(augment(given, Augmentation.model_validate(how), random))

    return in_torch if "Torch" in repr(engine) else in_keras


class TestAugment:
    pictures = np.random.default_rng(1).random((64, 12, 12, 2), dtype=np.float32)

    def test_nothing_asked_nothing_changed(self, change: Callable[..., Pictures]) -> None:
        np.testing.assert_array_equal(change(self.pictures), self.pictures)

    def test_the_same_seed_changes_alike(self, change: Callable[..., Pictures]) -> None:
        how = {"flip": True, "shift": 2, "erase": 0.5, "rotate": 10, "brightness": 0.2, "contrast": 0.2}
        np.testing.assert_array_equal(change(self.pictures, 3, **how), change(self.pictures, 3, **how))
        assert not np.array_equal(change(self.pictures, 3, **how), change(self.pictures, 4, **how))

    def test_flip_mirrors_some_and_leaves_the_others(self, change: Callable[..., Pictures]) -> None:
        pairs = list(zip(change(self.pictures, flip=True), self.pictures, strict=True))
        mirrored = [np.array_equal(after, before[:, ::-1]) for after, before in pairs]
        assert all(was != np.array_equal(*pair) for was, pair in zip(mirrored, pairs, strict=True))
        assert 16 < sum(mirrored) < 48

    def test_shift_moves_by_whole_pixels_and_fills_with_black(self, change: Callable[..., Pictures]) -> None:
        moves = set()
        for after, before in zip(change(self.pictures, shift=2), self.pictures, strict=True):
            padded = np.pad(before, ((2, 2), (2, 2), (0, 0)))
            found = [
                (down, right)
                for down in range(5)
                for right in range(5)
                if np.array_equal(after, padded[down : down + 12, right : right + 12])
            ]
            assert len(found) == 1
            moves.add(found[0])
        assert len(moves) > 12

    def test_turning_by_nothing_is_no_change(self, change: Callable[..., Pictures]) -> None:
        np.testing.assert_allclose(change(self.pictures, rotate=1e-9), self.pictures, atol=1e-5)

    def test_turning_keeps_the_middle_and_moves_the_rim(self, change: Callable[..., Pictures]) -> None:
        dots = np.zeros((32, 13, 13, 1), np.float32)
        dots[:, 6, 6] = dots[:, 6, 12] = 1
        turned = change(dots, rotate=45)
        assert turned[:, 6, 6].min() > 0.9
        away = np.abs(turned[:, :, 10:, 0].sum(2).argmax(1) - 6)  # where on the right the dot is now
        assert away.max() <= 5
        assert len(set(away)) > 3

    def test_turning_and_mirroring_at_once_mirrors_half(self, change: Callable[..., Pictures]) -> None:
        left = np.zeros((64, 12, 12, 1), np.float32)
        left[:, :, :5] = 1
        changed = change(left, rotate=5, flip=True)
        mirrored = changed[:, :, 7:].mean((1, 2, 3)) > 0.8
        kept = changed[:, :, :5].mean((1, 2, 3)) > 0.8
        assert (mirrored ^ kept).all()
        assert 16 < mirrored.sum() < 48

    def test_scaling_grows_some_and_shrinks_others(self, change: Callable[..., Pictures]) -> None:
        square = np.zeros((64, 20, 20, 1), np.float32)
        square[:, 5:15, 5:15] = 1
        areas = change(square, scale=0.2).sum((1, 2, 3))
        assert 100 * 0.8**2 - 2 <= areas.min() < 85
        assert 120 < areas.max() <= 100 * 1.25**2 + 5

    def test_erase_replaces_one_rectangle(self, change: Callable[..., Pictures]) -> None:
        for after, before in zip(change(self.pictures, erase=1.0), self.pictures, strict=True):
            rows, columns = np.nonzero(after[..., 0] != before[..., 0])
            area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
            assert len(rows) == area
            assert 1 <= area <= 0.5 * 144

    def test_erase_leaves_the_share_that_it_should(self, change: Callable[..., Pictures]) -> None:
        changed = change(np.zeros((400, 8, 8, 1), np.float32), erase=0.25)
        assert 70 < (changed.max((1, 2, 3)) > 0).sum() < 130  # 100, and three and a half standard deviations

    def test_brightness_and_contrast_stay_in_range(self, change: Callable[..., Pictures]) -> None:
        changed = change(self.pictures, brightness=0.4, contrast=0.4)
        assert changed.min() >= 0
        assert changed.max() <= 1
        assert (changed.mean((1, 2, 3)) - self.pictures.mean((1, 2, 3))).std() > 0.05

    def test_quarter_turns_some_by_one_two_or_three(self, change: Callable[..., Pictures]) -> None:
        pairs = zip(change(self.pictures, quarter=0.75), self.pictures, strict=True)
        turns = [[k for k in range(4) if np.array_equal(a, np.rot90(b, k))] for a, b in pairs]
        assert all(len(found) == 1 for found in turns)
        counts = np.bincount(np.ravel(turns), minlength=4)
        assert (counts > 5).all()
        assert counts.sum() == 64
        wide = change(self.pictures[:, :8], quarter=1.0)
        np.testing.assert_array_equal(wide, self.pictures[:, :8][:, ::-1, ::-1])

    def test_shear_moves_rows_and_leaves_the_middle_one(self, change: Callable[..., Pictures]) -> None:
        line = np.zeros((64, 21, 21, 1), np.float32)
        line[:, :, 10] = 1
        leant = change(line, shear=0.5)[..., 0]
        np.testing.assert_allclose(leant[:, 10], line[:, 10, :, 0], atol=1e-4)
        places = (leant * np.arange(21)).sum(2) / leant.sum(2)
        lean = (places[:, 18] - places[:, 2]) / 16
        np.testing.assert_allclose(places[:, 14] - 10, 4 * lean, atol=0.02)  # a straight line
        assert np.abs(lean).max() <= 0.5
        assert lean.min() < -0.3 < 0.3 < lean.max()

    def test_invert_makes_some_dark_for_bright(self, change: Callable[..., Pictures]) -> None:
        changed = change(self.pictures, invert=0.5)
        inverted = np.array([np.allclose(a, 1 - b) for a, b in zip(changed, self.pictures, strict=True)])
        np.testing.assert_array_equal(changed[~inverted], self.pictures[~inverted])
        assert 16 < inverted.sum() < 48

    def test_blur_spreads_light_and_keeps_it(self, change: Callable[..., Pictures]) -> None:
        dots = np.zeros((64, 21, 21, 2), np.float32)
        dots[:, 10, 10] = (1.0, 0.5)
        soft = change(dots, blur=2.0)
        np.testing.assert_allclose(soft.sum((1, 2)), np.tile((1.0, 0.5), (64, 1)), rtol=1e-3)
        np.testing.assert_allclose(soft[..., 1], soft[..., 0] / 2, atol=1e-6)
        away = np.arange(21) - 10
        down = (soft[..., 0].sum(2) * away**2).sum(1)
        right = (soft[..., 0].sum(1) * away**2).sum(1)
        assert (down + right).max() <= 2 * 2.35**2  # the bell's own variance, both ways
        assert (down + right).std() > 0.5
        assert (right / down).max() > 2 > 0.5 > (right / down).min()  # along a line, whichever way

    def test_noise_differs_in_strength(self, change: Callable[..., Pictures]) -> None:
        grey = np.full((64, 16, 16, 1), 0.5, np.float32)
        spread = change(grey, noise=0.1).std((1, 2, 3))
        assert spread.max() <= 0.12
        assert spread.mean() == pytest.approx(0.05, abs=0.01)

    def test_specks_are_black_or_white(self, change: Callable[..., Pictures]) -> None:
        changed = change(np.full((64, 16, 16, 1), 0.5, np.float32), specks=0.4)
        assert np.isin(changed, (0, 0.5, 1)).all()
        share = (changed != 0.5).mean((1, 2, 3))
        assert share.max() <= 0.5
        assert share.mean() == pytest.approx(0.2, abs=0.05)
        assert changed.mean() == pytest.approx(0.5, abs=0.01)

    def test_only_the_share_that_is_asked_for_is_changed(self, change: Callable[..., Pictures]) -> None:
        changed = change(self.pictures, invert=1.0, changed=0.25)
        assert 5 < (changed != self.pictures).any((1, 2, 3)).sum() < 29

    def test_alone_each_picture_is_changed_in_one_way(self, change: Callable[..., Pictures]) -> None:
        """Three ways in turn, and the pictures stay in their order, also where they do not come out even."""
        given = (
            np.full((32, 8, 8, 1), 0.5, np.float32)
            + np.arange(32, dtype=np.float32)[:, None, None, None] / 99
        )
        changed = change(given, alone=True, invert=1.0, quarter=1.0, specks=0.9)
        for place, (after, before) in enumerate(zip(changed, given, strict=True)):
            if place % 3 == 0:  # turned: of one level all over
                np.testing.assert_array_equal(after, before)
            elif place % 3 == 1:
                np.testing.assert_allclose(after, 1 - before, atol=1e-6)
            else:
                assert np.isin(after, (0.0, 1.0, before[0, 0, 0])).all()
        assert not np.array_equal(changed[2], given[2])
        np.testing.assert_array_equal(change(self.pictures, alone=True), self.pictures)

    def test_alone_mirrors_besides(self, change: Callable[..., Pictures]) -> None:
        changed = change(self.pictures, alone=True, flip=True, quarter=1.0)
        odd = [
            any(np.array_equal(after, np.rot90(before[:, ::-1], k)) for k in (1, 2, 3))
            for after, before in zip(changed, self.pictures, strict=True)
        ]
        assert 16 < sum(odd) < 48


class TestWeights:
    def test_pytorchs_flatten_and_ours_are_carried_into_each_other(self) -> None:
        recipe = small_recipe()
        steps = plan(recipe, (8, 8, 1), 4)
        weights = draw(steps, 0)
        back = from_pytorch(to_pytorch(weights, steps), steps, "here")
        assert all(np.array_equal(back[name], weights[name]) for name in weights)
        assert not np.array_equal(to_pytorch(weights, steps)["5.weight"], weights["5.weight"])

    def test_weights_of_another_network_are_refused(self) -> None:
        steps = plan(load_recipe("dense"))
        weights = draw(steps, 0)
        with pytest.raises(
            ModelError, match=r'the weight "1.weight" has shape \(64, 784\); .* asks for \(128, 784\)'
        ):
            fitted({**weights, "1.weight": np.zeros((64, 784), np.float32)}, steps, "w.pth")
        with pytest.raises(ModelError, match="holds 1 weights, but the recipe's network has 4"):
            fitted({"fc.weight": np.zeros((10, 784), np.float32)}, steps, "w.pth")

    def test_weights_with_names_of_their_own_are_matched_in_order(self) -> None:
        steps = plan(load_recipe("dense"))
        weights = draw(steps, 0)
        foreign = dict(zip(("fc1.weight", "fc1.bias", "1.weight", "fc2.bias"), weights.values(), strict=True))
        again = fitted(foreign, steps, "w.pth")
        assert all(np.array_equal(again[name], weights[name]) for name in weights)
