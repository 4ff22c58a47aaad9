"""The PyTorch engine against plain PyTorch, hand-worked values and its own promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from garments import blobs, small_recipe
from torch import nn

from lapel.data.dataset import Dataset
from lapel.engines import Epoch, load_engine
from lapel.engines.torch.augment import augment
from lapel.engines.torch.device import choose_device, choose_precision
from lapel.engines.torch.fitting import Fitting
from lapel.engines.torch.optimize import learning_rate
from lapel.engines.weights import draw, fitted, from_pytorch, shapes, to_pytorch
from lapel.errors import LapelError, ModelError, RecipeError
from lapel.recipes import load_recipe, named_recipes, parse
from lapel.recipes.plan import parameters, plan
from lapel.recipes.schema import Augmentation, Recipe, Training

engine = load_engine("torch")


def fit(recipe: Recipe, dataset: Dataset, *, seed: int = 0, precision: str = "fp32") -> Fitting:
    steps = plan(recipe, dataset.shape, len(dataset.class_names))
    network = engine.build(recipe, dataset.shape, len(dataset.class_names), draw(steps, seed))
    learned, held = dataset.split(0.1, seed)
    fitting = engine.fit(network, learned, held, recipe, seed=seed, device="cpu", precision=precision)
    assert isinstance(fitting, Fitting)
    return fitting


def epochs(fitting: Fitting, count: int) -> list[Epoch]:
    return [fitting.epoch() for _ in range(count)]


@pytest.mark.parametrize("name", named_recipes())
def test_every_recipe_has_the_planned_parameters(name: str) -> None:
    recipe = load_recipe(name)
    steps = plan(recipe)
    network = engine.build(recipe, (28, 28, 1), 10, draw(steps, 0))
    assert sum(p.numel() for p in network.parameters()) == parameters(steps)
    assert {name: value.shape for name, value in engine.weights(network).items()} == shapes(steps)


def test_probabilities_are_those_of_the_same_network_in_plain_pytorch() -> None:
    recipe = load_recipe("cnn")
    weights = draw(plan(recipe), 3)
    plain = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    wanted = plan(recipe)
    plain.load_state_dict(
        dict(
            zip(plain.state_dict(), map(torch.from_numpy, to_pytorch(weights, wanted).values()), strict=True)
        )
    )
    pictures = np.random.default_rng(0).integers(0, 256, (50, 28, 28, 1), dtype=np.uint8)
    with torch.no_grad():
        expected = plain(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255).softmax(1).numpy()
    answers = engine.probabilities(engine.build(recipe, (28, 28, 1), 10, weights), pictures)
    np.testing.assert_allclose(answers, expected, atol=1e-6)


def test_an_epoch_is_the_epoch_of_a_plain_training_loop() -> None:
    """One epoch without anything random but the order, against the loop that everybody writes."""
    dataset = blobs(200)
    recipe = parse(
        {
            "name": "plain",
            "layers": [
                {"kind": "flatten"},
                {"kind": "dense", "units": 16, "activation": "tanh"},
                {"kind": "dense"},
            ],
            "training": {"batch": 200, "learning_rate": 0.01},
        },
        "plain",
    )
    learned, _ = dataset.split(0.1, 0)
    weights = draw(plan(recipe, dataset.shape, 4), 0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 4))
    plain.load_state_dict(dict(zip(plain.state_dict(), map(torch.from_numpy, weights.values()), strict=True)))
    optimizer = torch.optim.Adam(plain.parameters(), lr=0.01)
    pictures, labels = torch.from_numpy(learned.pictures) / 255, torch.from_numpy(learned.labels)
    losses = []
    for _ in range(3):  # one batch an epoch, so that the order does not matter
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(plain(pictures), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    fitting = fit(recipe, dataset)
    ours = epochs(fitting, 3)
    assert [epoch.loss for epoch in ours] == pytest.approx(losses, rel=1e-4)
    for mine, theirs in zip(fitting.weights().values(), plain.state_dict().values(), strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "muon"])
def test_every_optimizer_learns(optimizer: str) -> None:
    rate = {"sgd": 0.1}.get(optimizer, 0.01)
    recipe = small_recipe(optimizer=optimizer, learning_rate=rate, weight_decay=0.001, augmentation={})
    assert epochs(fit(recipe, blobs()), 5)[-1].validation_accuracy > 0.9


@pytest.mark.parametrize(
    "extra", [{"average": 0.9}, {"label_smoothing": 0.1}, {"clip": 1.0}, {"class_weights": "balanced"}]
)
def test_every_way_of_training_learns(extra: dict[str, object]) -> None:
    assert epochs(fit(small_recipe(**extra, augmentation={}), blobs()), 5)[-1].validation_accuracy > 0.9


def test_bf16_learns_as_fp32_does() -> None:
    accuracies = [
        epochs(fit(small_recipe(augmentation={}), blobs(), precision=precision), 5)[-1].validation_accuracy
        for precision in ("fp32", "bf16")
    ]
    assert min(accuracies) > 0.9


def test_the_same_seed_gives_the_same_training_and_another_seed_another() -> None:
    first, again, other = (epochs(fit(small_recipe(), blobs(), seed=seed), 2) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "muon"])
def test_a_restored_state_goes_on_to_the_same_bits(optimizer: str) -> None:
    recipe = small_recipe(optimizer=optimizer, average=0.9, epochs=4)
    whole = fit(recipe, blobs())
    expected = epochs(whole, 4)
    first = fit(recipe, blobs())
    epochs(first, 2)
    second = fit(recipe, blobs())
    second.restore(first.state())
    assert epochs(second, 2) == expected[2:]
    for name, value in whole.weights().items():
        assert value.tobytes() == second.weights()[name].tobytes(), name


def test_training_leaves_the_callers_randomness_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    epochs(fit(small_recipe(), blobs()), 1)
    assert torch.equal(torch.rand(3), expected)


def test_every_picture_is_learned_once_an_epoch_the_last_few_too() -> None:
    seen = []
    fitting = fit(small_recipe(batch=64), blobs(405))
    fitting.epoch(lambda done, count, _: seen.append((done, count)))
    assert seen[-1] == (365, 365)


def test_a_last_batch_of_one_picture_is_no_trouble_for_batch_norm() -> None:
    recipe = parse(
        {
            "name": "flat",
            "layers": [{"kind": "flatten"}, {"kind": "batch-norm"}, {"kind": "dense"}],
            "training": {"batch": 359},
        },
        "flat",
    )
    assert np.isfinite(fit(recipe, blobs()).epoch().loss)
    with pytest.raises(RecipeError, match="batch norm cannot learn from batches of one picture"):
        fit(recipe.model_copy(update={"training": Training(batch=1)}), blobs())


def test_a_loss_that_is_no_number_stops_and_says_when_and_what_to_try() -> None:
    with pytest.raises(
        LapelError, match=r"no longer a number, in epoch \d+ after \d+ of 360 pictures"
    ) as caught:
        epochs(fit(small_recipe(optimizer="sgd", learning_rate=100.0, momentum=0.99), blobs()), 20)
    assert "--set training.learning_rate=" in caught.value.hint


def test_wrong_number_of_class_weights() -> None:
    with pytest.raises(LapelError, match="2 class weights are given for 4 classes"):
        fit(small_recipe(class_weights=(1.0, 2.0)), blobs())


def test_class_weights_weigh_the_loss() -> None:
    recipe = small_recipe(class_weights=(3.0, 1.0, 1.0, 0.5), batch=1000, augmentation={})
    recipe = recipe.model_copy(update={"layers": (recipe.layers[3], recipe.layers[5])})  # flatten, dense
    dataset = blobs()
    learned, _ = dataset.split(0.1, 0)
    weights = draw(plan(recipe, dataset.shape, 4), 0)
    answers = learned.pictures.reshape(len(learned), -1) / 255 @ weights["1.weight"].T
    surprise = np.log(np.exp(answers).sum(1)) - answers[np.arange(len(learned)), learned.labels]
    expected = np.average(surprise, weights=np.array([3.0, 1.0, 1.0, 0.5])[learned.labels])
    assert fit(recipe, dataset).epoch().loss == pytest.approx(expected, rel=1e-4)


class TestDropout:
    def dropout(self, rate: float) -> nn.Module:
        layers = [{"kind": "flatten"}, {"kind": "dropout", "rate": rate}, {"kind": "dense"}]
        recipe = parse({"name": "dropping", "layers": layers}, "dropping")
        return engine.build(recipe, (28, 28, 1), 10, draw(plan(recipe), 0)).get_submodule("1")

    def test_keeps_the_share_and_the_mean_it_should(self) -> None:
        numbers = torch.ones(333, 1001)  # 333,333 numbers: the standard error of a share is 0.08 points
        dropped = self.dropout(0.3).train()(numbers)
        assert float((dropped > 0).float().mean()) == pytest.approx(0.7, abs=0.005)
        assert float(dropped.mean()) == pytest.approx(1, abs=0.007)
        assert float(dropped.max()) == pytest.approx(1 / 0.7, rel=1e-4)

    def test_drops_nothing_at_a_rate_of_nothing_or_when_judging(self) -> None:
        numbers = torch.ones(7, 5)
        assert torch.equal(self.dropout(0.0).train()(numbers), numbers)
        assert torch.equal(self.dropout(0.5).eval()(numbers), numbers)


class TestLearningRate:
    def rates(self, **training: object) -> list[float]:
        settings = Training.model_validate({"learning_rate": 2.0, **training})
        return [learning_rate(settings, step, 100) for step in range(100)]

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


class TestAugment:
    pictures = torch.rand((64, 1, 12, 12), generator=torch.Generator().manual_seed(1))

    def changed(self, seed: int = 0, **how: object) -> torch.Tensor:
        random = torch.Generator().manual_seed(seed)
        return augment(self.pictures.clone(), Augmentation.model_validate(how), random)

    def test_nothing_asked_nothing_changed(self) -> None:
        assert torch.equal(self.changed(), self.pictures)

    def test_the_same_seed_changes_alike(self) -> None:
        how = {"flip": True, "shift": 2, "erase": 0.5, "rotate": 10, "brightness": 0.2, "contrast": 0.2}
        assert torch.equal(self.changed(3, **how), self.changed(3, **how))
        assert not torch.equal(self.changed(3, **how), self.changed(4, **how))

    def test_flip_mirrors_some_and_leaves_the_others(self) -> None:
        changed = self.changed(flip=True)
        mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(changed, self.pictures, strict=True)]
        same = [torch.equal(a, b) for a, b in zip(changed, self.pictures, strict=True)]
        assert all(a != b for a, b in zip(mirrored, same, strict=True))
        assert 16 < sum(mirrored) < 48

    def test_shift_moves_by_whole_pixels_and_fills_with_black(self) -> None:
        moves = set()
        for after, before in zip(self.changed(shift=2), self.pictures, strict=True):
            padded = nn.functional.pad(before, (2, 2, 2, 2))
            found = [
                (down, right)
                for down in range(5)
                for right in range(5)
                if torch.equal(after, padded[:, down : down + 12, right : right + 12])
            ]
            assert len(found) == 1
            moves.add(found[0])
        assert len(moves) > 12

    def test_rotate_by_nothing_is_no_change(self) -> None:
        torch.testing.assert_close(self.changed(rotate=1e-9), self.pictures, atol=1e-5, rtol=0)

    def test_rotate_keeps_the_middle_and_moves_the_rim(self) -> None:
        dot = torch.zeros(1, 1, 13, 13)
        dot[0, 0, 6, 6] = 1
        turned = augment(dot, Augmentation(rotate=45), torch.Generator().manual_seed(0))
        assert float(turned[0, 0, 6, 6]) > 0.9

    def test_erase_replaces_one_rectangle(self) -> None:
        for after, before in zip(self.changed(erase=1.0), self.pictures, strict=True):
            rows, columns = torch.nonzero(after[0] != before[0], as_tuple=True)
            area = (int(rows.max() - rows.min()) + 1) * (int(columns.max() - columns.min()) + 1)
            assert len(rows) == area
            assert 1 <= area <= 0.5 * 144

    def test_brightness_and_contrast_stay_in_range(self) -> None:
        changed = self.changed(brightness=0.4, contrast=0.4)
        assert float(changed.min()) >= 0
        assert float(changed.max()) <= 1
        means = changed.mean((1, 2, 3)) - self.pictures.mean((1, 2, 3))
        assert float(means.std()) > 0.05


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


class TestDevice:
    def test_what_is_not_there_is_refused(self) -> None:
        with pytest.raises(LapelError, match='no device "gpu"'):
            choose_device("gpu")
        if not torch.cuda.is_available():
            with pytest.raises(LapelError, match='"cuda" is not available here'):
                choose_device("cuda")

    def test_precision_is_taken_as_asked_and_small_steps_stay_in_fp32(self) -> None:
        cpu = torch.device("cpu")
        assert choose_precision("bf16", cpu, 1) == "bf16"
        assert choose_precision("fp32", cpu, 10**12) == "fp32"
        assert choose_precision("auto", cpu, 1) == "fp32"
