"""The PyTorch engine against plain PyTorch, hand-worked values and its own promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from garments import blobs, small_recipe
from torch import nn

from lapel.data.dataset import Dataset
from lapel.engines.load import load_engine
from lapel.engines.protocol import Epoch
from lapel.engines.torch.device import choose_device, choose_precision
from lapel.engines.torch.fitting import Fitting
from lapel.engines.torch.muon import Muon
from lapel.engines.weights import draw, to_pytorch
from lapel.errors import LapelError
from lapel.recipes.load import load_recipe, parse
from lapel.recipes.plan import plan
from lapel.recipes.schema import Recipe

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


def test_training_leaves_the_callers_randomness_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    epochs(fit(small_recipe(), blobs()), 1)
    assert torch.equal(torch.rand(3), expected)


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


@pytest.mark.parametrize("shape", [(24, 40), (40, 24)])
def test_muon_without_bf16_steps_as_pytorchs_does(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lapel.engines.torch.muon.fast_bf16", lambda _: False)
    random = torch.Generator().manual_seed(0)
    first = torch.randn(shape, generator=random)
    weights = [nn.Parameter(first.clone()) for _ in range(2)]
    settings = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}
    ours, theirs = Muon([weights[0]], **settings), torch.optim.Muon([weights[1]], **settings)
    for _ in range(5):
        gradient = torch.randn(shape, generator=random)
        for weight, optimizer in zip(weights, (ours, theirs), strict=True):
            weight.grad = gradient.clone()
            optimizer.step()
    moved = (weights[1] - first).abs().max()
    assert (weights[0] - weights[1]).abs().max() < 0.02 * moved  # theirs rounds to three digits
    assert ours.state_dict()["state"][0].keys() == theirs.state_dict()["state"][0].keys()
