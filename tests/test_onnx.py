"""The ONNX graph against networks written here in plain torch.nn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from lapel.card import KEY, Card
from lapel.engines.onnx import to_onnx
from lapel.engines.weights import draw
from lapel.errors import ModelError, RecipeError
from lapel.picture import PictureSpec
from lapel.recipes.load import parse
from lapel.recipes.plan import plan
from lapel.recipes.schema import Recipe

FLAT = {"kind": "flatten"}
OUT = {"kind": "dense"}


def recipe_of(*layers: dict[str, Any]) -> Recipe:
    return parse({"name": "test", "layers": list(layers)}, "test")


def card_of(size: int = 12, channels: int = 1, classes: int = 5, temperature: float = 1.0) -> Card:
    names = tuple(f"class {number}" for number in range(classes))
    return Card("test", names, PictureSpec(size=size, channels=channels), temperature=temperature)


def weights_of(recipe: Recipe, card: Card) -> dict[str, NDArray[Any]]:
    """Weights with nothing left at 0 or 1, so that a forgotten one shows."""
    random = np.random.default_rng(1)
    drawn = draw(plan(recipe, card.picture.shape, len(card.class_names)), seed=0)
    return {
        name: array + random.uniform(0.1, 0.5, array.shape).astype(np.float32) if array.ndim == 1 else array
        for name, array in drawn.items()
    }


def outputs(model: Any, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pictures": pictures}), strict=True))


def run(model: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    (answer,) = outputs(model, pictures).values()
    return answer


class Pixelwise(nn.Module):
    """Flatten: row by row, pixel by pixel, channel by channel."""

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return torch.stack([picture.permute(1, 2, 0).reshape(-1) for picture in value])


class Residual(nn.Module):
    def __init__(self, layers: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.layers, self.shortcut = layers, shortcut

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = self.layers(value) + self.shortcut(value)
        return total


def conv(filters: int, **more: Any) -> dict[str, Any]:
    return {"kind": "conv", "filters": filters, **more}


# name: the recipe's layers, and the same network in torch.nn for pictures of 12×12×1 and 5 classes
NETWORKS: dict[str, tuple[list[dict[str, Any]], Callable[[], nn.Module]]] = {
    "dense": (
        [FLAT, {"kind": "dense", "units": 7, "activation": "relu"}, {"kind": "dropout", "rate": 0.5}, OUT],
        lambda: nn.Sequential(Pixelwise(), nn.Linear(144, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 5)),
    ),
    "no bias": (
        [conv(3, bias=False), FLAT, {"kind": "dense", "bias": False}],
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1, bias=False), Pixelwise(), nn.Linear(432, 5, bias=False)
        ),
    ),
    "same padding, even kernel": (
        [conv(3, kernel=4), FLAT, OUT],
        lambda: nn.Sequential(nn.Conv2d(1, 3, 4, padding=2), Pixelwise(), nn.Linear(3 * 13 * 13, 5)),
    ),
    "valid padding, stride": (
        [conv(3, kernel=5, stride=2, padding="valid"), FLAT, OUT],
        lambda: nn.Sequential(nn.Conv2d(1, 3, 5, stride=2), Pixelwise(), nn.Linear(48, 5)),
    ),
    "pools with a rest": (
        [conv(3), {"kind": "pool", "size": 5}, FLAT, OUT],
        lambda: nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.MaxPool2d(5), Pixelwise(), nn.Linear(12, 5)),
    ),
    "average pools with a rest": (
        [conv(3), {"kind": "pool", "size": 5, "by": "average"}, FLAT, OUT],
        lambda: nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.AvgPool2d(5), Pixelwise(), nn.Linear(12, 5)),
    ),
    "global average": (
        [conv(6), {"kind": "global-pool"}, OUT],
        lambda: nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.AdaptiveAvgPool2d(1), Pixelwise(), nn.Linear(6, 5)
        ),
    ),
    "global maximum": (
        [conv(6), {"kind": "global-pool", "by": "max"}, OUT],
        lambda: nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.AdaptiveMaxPool2d(1), Pixelwise(), nn.Linear(6, 5)
        ),
    ),
    "batch norm of channels and of a row": (
        [conv(4), {"kind": "batch-norm", "epsilon": 0.01}, FLAT, {"kind": "batch-norm"}, OUT],
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4, eps=0.01),
            Pixelwise(),
            nn.BatchNorm1d(576),
            nn.Linear(576, 5),
        ),
    ),
    "activations": (
        [
            conv(4, activation="gelu"),
            {"kind": "activation", "by": "silu"},
            {"kind": "activation", "by": "tanh"},
            {"kind": "activation", "by": "linear"},
            FLAT,
            {"kind": "dense", "units": 9, "activation": "gelu"},
            {"kind": "activation"},
            OUT,
        ],
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.GELU(),
            nn.SiLU(),
            nn.Tanh(),
            Pixelwise(),
            nn.Linear(576, 9),
            nn.GELU(),
            nn.ReLU(),
            nn.Linear(9, 5),
        ),
    ),
    "residuals, one in another": (
        [
            conv(4),
            {
                "kind": "residual",
                "layers": [
                    conv(6, stride=2, activation="relu"),
                    {"kind": "residual", "layers": [conv(6), {"kind": "batch-norm"}]},
                ],
                "shortcut": [conv(6, kernel=1, stride=2)],
            },
            FLAT,
            OUT,
        ],
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            Residual(
                nn.Sequential(
                    nn.Conv2d(4, 6, 3, stride=2, padding=1),
                    nn.ReLU(),
                    Residual(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)), nn.Identity()),
                ),
                nn.Sequential(nn.Conv2d(4, 6, 1, stride=2)),
            ),
            Pixelwise(),
            nn.Linear(216, 5),
        ),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_layer_answers_as_torch_does(name: str) -> None:
    layers, build = NETWORKS[name]
    recipe, card = recipe_of(*layers), card_of()
    weights = weights_of(recipe, card)
    network = build().eval()
    state = {
        key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    # Both list their weights in the order of the layers, so they pair without names.
    assert [tuple(value.shape) for value in state.values()] == [array.shape for array in weights.values()]
    network.load_state_dict(
        {key: torch.from_numpy(array) for key, array in zip(state, weights.values(), strict=True)},
        strict=False,
    )
    pictures = np.random.default_rng(2).integers(0, 256, (17, 12, 12, 1), dtype=np.uint8)
    with torch.no_grad():
        scaled = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        expected = network(scaled).softmax(1).numpy()
    assert np.abs(run(to_onnx(recipe, weights, card), pictures) - expected).max() < 1e-5


@pytest.mark.parametrize(("size", "channels", "classes"), [(8, 1, 1), (13, 3, 2), (28, 1, 10), (33, 3, 40)])
@pytest.mark.parametrize("count", [1, 3])
def test_any_shape_and_number_of_pictures(size: int, channels: int, classes: int, count: int) -> None:
    recipe, card = recipe_of(conv(4), {"kind": "pool"}, FLAT, OUT), card_of(size, channels, classes)
    pictures = np.random.default_rng(0).integers(0, 256, (count, *card.picture.shape), dtype=np.uint8)
    answer = run(to_onnx(recipe, weights_of(recipe, card), card), pictures)
    assert answer.shape == (count, classes)
    assert np.allclose(answer.sum(axis=1), 1, atol=1e-6)


def test_pixels_are_flattened_one_after_the_other() -> None:
    recipe, card = recipe_of(FLAT, OUT), card_of(size=4, channels=3, classes=48)
    weights = {"1.weight": np.eye(48, dtype=np.float32), "1.bias": np.zeros(48, np.float32)}
    picture = np.zeros((1, 4, 4, 3), np.uint8)
    picture[0, 1, 2, 1] = 255  # the seventh pixel, green
    assert run(to_onnx(recipe, weights, card), picture).argmax() == 6 * 3 + 1


def test_the_temperature_softens_the_answer() -> None:
    recipe = recipe_of(FLAT, OUT)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 1), dtype=np.uint8)
    weights = weights_of(recipe, card_of())
    sharp, soft = (run(to_onnx(recipe, weights, card_of(temperature=t)), pictures) for t in (1.0, 3.0))
    expected = sharp ** (1 / 3)
    assert np.allclose(soft, expected / expected.sum(axis=1, keepdims=True), atol=1e-6)


REJECTS = ("not one of the classes", "no garment found")


@pytest.mark.parametrize("mirror", [False, True])
def test_what_the_network_rejects_is_an_output_of_its_own(mirror: bool) -> None:
    recipe, card = (
        recipe_of(conv(4), FLAT, OUT),
        replace(card_of(classes=3), rejects=REJECTS, temperature=2.5),
    )
    everything = card_of(classes=5, temperature=2.5)
    weights = weights_of(recipe, everything)
    pictures = np.random.default_rng(0).integers(0, 256, (6, 12, 12, 1), dtype=np.uint8)
    given = outputs(to_onnx(recipe, weights, card, mirror=mirror), pictures)
    assert list(given) == ["probabilities", "rejected"]
    views = [run(to_onnx(recipe, weights, everything), view) for view in (pictures, pictures[:, :, ::-1])]
    views = views if mirror else views[:1]
    probabilities = np.mean([view[:, :3] / view[:, :3].sum(axis=1, keepdims=True) for view in views], axis=0)
    np.testing.assert_allclose(given["probabilities"], probabilities, atol=1e-6)
    np.testing.assert_allclose(given["rejected"], np.mean([view[:, 3:] for view in views], axis=0), atol=1e-6)


@pytest.mark.parametrize("count", [1, 5])
def test_mirror_images_are_asked_about_too(count: int) -> None:
    recipe, card = recipe_of(conv(4, activation="relu"), FLAT, OUT), card_of(size=9, channels=3)
    weights = weights_of(recipe, card)
    pictures = np.random.default_rng(0).integers(0, 256, (count, 9, 9, 3), dtype=np.uint8)
    plain = to_onnx(recipe, weights, card)
    both = run(to_onnx(recipe, weights, card, mirror=True), pictures)
    expected = (run(plain, pictures) + run(plain, pictures[:, :, ::-1])) / 2
    np.testing.assert_allclose(both, expected, atol=1e-6)
    assert np.abs(both - run(plain, pictures)).max() > 1e-3


def test_a_compact_model_is_a_quarter_of_the_size_and_keeps_eight_bits_of_each_kernel() -> None:
    recipe = recipe_of(conv(32, activation="relu"), conv(32), FLAT, {"kind": "dense", "units": 40}, OUT)
    card = card_of()
    weights = weights_of(recipe, card)
    weights["0.weight"][3] = 0  # a filter that has no largest weight
    whole, compact = (to_onnx(recipe, weights, card, compact=compact) for compact in (False, True))
    assert 0.2 < compact.ByteSize() / whole.ByteSize() < 0.3
    rounded = {}
    for name, weight in weights.items():
        filters = weight.reshape(len(weight), -1)
        scale = np.abs(filters).max(axis=1, keepdims=True) / 127 + 1e-30
        rounded[name] = (np.round(filters / scale) * scale).reshape(weight.shape)
    rounded = {name: rounded[name] if weights[name].ndim > 1 else weights[name] for name in weights}
    pictures = np.random.default_rng(0).integers(0, 256, (6, 12, 12, 1), dtype=np.uint8)
    answers = run(compact, pictures)
    np.testing.assert_allclose(answers, run(to_onnx(recipe, rounded, card), pictures), atol=1e-5)
    assert 1e-5 < np.abs(answers - run(whole, pictures)).max() < 0.05


@pytest.mark.parametrize("how", [{}, {"mirror": True, "compact": True}])
def test_the_same_arguments_give_the_same_bytes(how: dict[str, bool]) -> None:
    recipe, card = recipe_of(conv(4, activation="gelu"), FLAT, OUT), card_of()
    weights = weights_of(recipe, card)
    backwards = dict(reversed(weights.items()))
    first, second = (
        to_onnx(recipe, given, card, **how).SerializeToString(deterministic=True)
        for given in (weights, backwards)
    )
    assert first == second


def test_the_card_lies_in_the_metadata() -> None:
    recipe, card = recipe_of(FLAT, OUT), card_of()
    model = to_onnx(recipe, weights_of(recipe, card), card)
    assert {entry.key: entry.value for entry in model.metadata_props} == {KEY: card.to_json()}
    assert model.opset_import[0].version == 17


def test_weights_and_recipes_that_do_not_fit_are_refused() -> None:
    recipe, card = recipe_of(FLAT, OUT), card_of()
    weights = weights_of(recipe, card)
    with pytest.raises(ModelError, match=r'the weight "1\.weight" has shape \(5, 7\)'):
        to_onnx(recipe, weights | {"1.weight": np.zeros((5, 7), np.float32)}, card)
    with pytest.raises(RecipeError, match="5 classes need 5 numbers"):
        to_onnx(recipe_of(FLAT, {"kind": "dense", "units": 4}), weights, card)
