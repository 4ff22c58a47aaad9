"""Layers: each against plain PyTorch on every engine and in ONNX, and layers of one's own."""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import onnxruntime
import pytest
import torch
from extending.toy_layer import ScaleShift
from garments import blobs
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from lapel.card import Card
from lapel.engines.load import load_engine
from lapel.engines.onnx import to_onnx
from lapel.engines.weights import draw, shapes, to_pytorch
from lapel.errors import MissingExtra, ModelError, RecipeError
from lapel.exporting import export
from lapel.layers import registry
from lapel.layers.activation import is_rising, torch_activation
from lapel.layers.layer import Activation, KerasSettings, Layer, Shape, Step
from lapel.picture import PictureSpec
from lapel.recipes.load import load_recipe, parse, to_toml
from lapel.recipes.plan import multiplications, parameters, plan
from lapel.recipes.schema import Recipe
from lapel.trainer import train

Layers = list[dict[str, Any]]
OUT: Layers = [{"kind": "global-pool"}, {"kind": "dense"}]


def recipe_of(*layers: dict[str, Any]) -> Recipe:
    return parse({"name": "trial", "layers": list(layers), "training": {"epochs": 1, "batch": 36}}, "trial")


def conv(filters: int, **more: Any) -> dict[str, Any]:
    return {"kind": "conv", "filters": filters, **more}


class TensorFlowSame(nn.Conv2d):
    """A convolution that pads as TensorFlow documents its SAME."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pads: list[int] = []
        for side, kernel, stride in zip((x.shape[3], x.shape[2]), self.kernel_size, self.stride, strict=True):
            rest = side % stride or stride
            whole = max(kernel - rest, 0)
            pads += [whole // 2, math.ceil(whole / 2)]
        return super().forward(functional.pad(x, pads))


class Excite(nn.Module):
    def __init__(self, channels: int, squeezed: int, active: nn.Module) -> None:
        super().__init__()
        self.reduce, self.active = nn.Conv2d(channels, squeezed, 1), active
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = self.expand(self.active(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class Around(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(x) + x
        return result


class Threefold(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x, x], 1)


def mobile(takes: int, gives: int, expand: int, *inner: nn.Module, depthwise: nn.Module) -> list[nn.Module]:
    wide = takes * expand
    widen = [nn.Conv2d(takes, wide, 1, bias=False), nn.BatchNorm2d(wide, 1e-3), nn.ReLU6()]
    return [
        *(widen if expand > 1 else []),
        depthwise, nn.BatchNorm2d(wide, 1e-3), nn.ReLU6(), *inner,
        nn.Conv2d(wide, gives, 1, bias=False), nn.BatchNorm2d(gives, 1e-3),
    ]  # fmt: skip


def block(filters: int, **more: Any) -> dict[str, Any]:
    return {"kind": "mobile-block", "filters": filters, "epsilon": 1e-3, **more}


# The recipe's layers for pictures of 13×13×3, and the same up to the global pool in torch.nn.
NETWORKS: dict[str, tuple[Layers, Callable[[], list[nn.Module]]]] = {
    "groups": (
        [conv(6), conv(8, groups=2, activation="relu"), conv(4, groups=4, bias=False, stride=2)],
        lambda: [
            nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1, groups=2), nn.ReLU(),
            nn.Conv2d(8, 4, 3, 2, padding=1, groups=4, bias=False),
        ],
    ),
    "depthwise": (
        [conv(3, groups="depthwise"), conv(9, kernel=5, stride=2, groups="depthwise", activation="tanh")],
        lambda: [
            nn.Conv2d(3, 3, 3, padding=1, groups=3), nn.Conv2d(3, 9, 5, 2, padding=2, groups=3), nn.Tanh(),
        ],
    ),
    "activations": (
        [conv(6, activation="relu6"), {"kind": "activation", "by": "hard-swish"},
         conv(6, activation="sigmoid"), {"kind": "pool"}, {"kind": "activation", "by": "relu6"}],
        lambda: [
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU6(), nn.Hardswish(),
            nn.Conv2d(6, 6, 3, padding=1), nn.Sigmoid(), nn.MaxPool2d(2), nn.ReLU6(),
        ],
    ),
    "padding as in TensorFlow": (
        [conv(4, stride=2, padding="tensorflow-same"),
         conv(5, kernel=5, stride=2, padding="tensorflow-same"),
         conv(5, kernel=4, stride=3, padding="tensorflow-same"),
         conv(5, kernel=2, padding="tensorflow-same", groups=5),
         conv(3, kernel=1, stride=2, padding="tensorflow-same")],
        lambda: [
            TensorFlowSame(3, 4, 3, 2), TensorFlowSame(4, 5, 5, 2), TensorFlowSame(5, 5, 4, 3),
            TensorFlowSame(5, 5, 2, groups=5), TensorFlowSame(5, 3, 1, 2),
        ],
    ),
    "depthwise, padded as in TensorFlow": (
        [conv(4, stride=1), conv(4, stride=2, kernel=3, padding="tensorflow-same", groups="depthwise"),
         conv(8, stride=2, kernel=4, padding="tensorflow-same", groups="depthwise")],
        lambda: [
            nn.Conv2d(3, 4, 3, padding=1), TensorFlowSame(4, 4, 3, 2, groups=4),
            TensorFlowSame(4, 8, 4, 2, groups=4),
        ],
    ),
    "enlarge": (
        [{"kind": "enlarge", "size": 9}, {"kind": "enlarge", "size": 29}, conv(4)],
        lambda: [nn.Upsample(29, mode="bilinear"), nn.Conv2d(3, 4, 3, padding=1)],
    ),
    "enlarge a grey picture": (
        [conv(1), {"kind": "enlarge", "size": 16}, conv(4)],
        lambda: [
            nn.Conv2d(3, 1, 3, padding=1), nn.Upsample(16, mode="bilinear"), Threefold(),
            nn.Conv2d(3, 4, 3, padding=1),
        ],
    ),
    "squeeze and excite": (
        [conv(6), {"kind": "squeeze-excite", "channels": 2},
         {"kind": "squeeze-excite", "channels": 3, "activation": "silu"}],
        lambda: [nn.Conv2d(3, 6, 3, padding=1), Excite(6, 2, nn.ReLU()), Excite(6, 3, nn.SiLU())],
    ),
    "mobile blocks": (
        [block(4, expand=1), block(4, expand=3), block(6, stride=2, kernel=5, padding="tensorflow-same"),
         block(6, expand=2, squeeze=0.5)],
        lambda: [
            *mobile(3, 4, 1, depthwise=nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False)),
            Around(*mobile(4, 4, 3, depthwise=nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False))),
            *mobile(4, 6, 6, depthwise=TensorFlowSame(24, 24, 5, 2, groups=24, bias=False)),
            Around(*mobile(6, 6, 2, Excite(12, 3, nn.ReLU6()),
                           depthwise=nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False))),
        ],
    ),
}  # fmt: skip


def weights_of(steps: tuple[Step, ...]) -> dict[str, NDArray[Any]]:
    """Weights with nothing left at 0 or 1, so that a forgotten one shows."""
    random = np.random.default_rng(1)
    return {
        name: array + random.uniform(0.1, 0.5, array.shape).astype(np.float32) if array.ndim == 1 else array
        for name, array in draw(steps, 0).items()
    }


def answers(where: str, recipe: Recipe, weights: Any, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities of 4 classes from an engine, or from the ONNX graph."""
    shape = pictures.shape[1:]
    if where != "onnx":
        try:
            engine = load_engine(where)
        except MissingExtra as error:
            pytest.skip(str(error))
        network = engine.build(recipe, shape, 4, weights)
        kept = engine.weights(network)
        assert all(np.array_equal(kept[name], weights[name]) for name in weights)
        assert set(kept) == set(weights)
        return engine.probabilities(network, pictures)
    names = tuple(f"class {number}" for number in range(4))
    card = Card("trial", names, PictureSpec(size=shape[0], channels=shape[2]))
    content = to_onnx(recipe, weights, card).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"pictures": pictures})
    return np.asarray(answer)


@pytest.mark.parametrize("where", ["torch", "keras", "onnx"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_layer_answers_as_plain_pytorch_does(name: str, where: str) -> None:
    layers, build = NETWORKS[name]
    recipe = recipe_of(*layers, *OUT)
    steps = plan(recipe, (13, 13, 3), 4)
    weights = weights_of(steps)
    body = build()
    last = nn.Linear(steps[-1].takes[0], 4)
    plain = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last).eval()
    state = [name for name in plain.state_dict() if not name.endswith("num_batches_tracked")]
    values = map(torch.from_numpy, weights.values())
    plain.load_state_dict(dict(zip(state, values, strict=True)), strict=False)
    pictures = np.random.default_rng(2).integers(0, 256, (9, 13, 13, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = plain(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255).softmax(1).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3, "the pictures make no difference"
    np.testing.assert_allclose(answers(where, recipe, weights, pictures), expected, atol=1e-5)


@pytest.mark.parametrize("here", ["torch", pytest.param("keras", marks=pytest.mark.long)])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_layer_learns_on_one_engine_and_answers_alike_on_the_other(
    name: str, here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = recipe_of(conv(3), *NETWORKS[name][0], *OUT)
    dataset = blobs(120, size=13)
    assert dataset.test is not None
    try:
        weights = train(recipe, dataset, engine=here).weights()
    except MissingExtra as error:
        pytest.skip(str(error))
    first = draw(plan(recipe, dataset.shape, 4), 0)
    assert all(np.abs(weights[name] - first[name]).max() > 0 for name in weights if name.endswith("weight"))
    one, other, graph = (
        answers(w, recipe, weights, dataset.test.pictures) for w in ("torch", "keras", "onnx")
    )
    np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(one, graph, atol=1e-5)


def test_padding_as_in_tensorflow_is_that_of_keras_itself() -> None:
    try:
        load_engine("keras")
    except MissingExtra as error:
        pytest.skip(str(error))
    import keras

    layer = conv(4, kernel=5, stride=2, padding="tensorflow-same")
    for size in (12, 13):
        step = plan(recipe_of(layer, *OUT), (size, size, 1))[0]
        module = step.layer.build_torch(step).requires_grad_(False)
        pictures = np.random.default_rng(0).random((2, size, size, 1), dtype=np.float32)
        kernel = module.weight.numpy().transpose(2, 3, 1, 0)
        expected = keras.ops.conv(pictures, kernel, 2, "same", "channels_last") + module.bias.numpy()
        mine = module(torch.from_numpy(pictures).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(mine, np.asarray(expected), atol=1e-5)
        assert step.gives == (4, math.ceil(size / 2), math.ceil(size / 2))


def test_parameters_and_multiplications_of_grouped_and_composite_layers() -> None:
    steps = plan(recipe_of(conv(8, kernel=5, groups="depthwise", bias=False), *OUT), (10, 10, 4), 3)
    assert shapes(steps)["0.weight"] == (8, 1, 5, 5)
    assert parameters(steps) == 8 * 25 + 8 * 3 + 3
    assert multiplications(steps) == 8 * 25 * 100 + 8 * 3
    inside = plan(recipe_of(block(4, expand=2, stride=2, squeeze=0.5), *OUT), (10, 10, 4), 3)[0]
    wide = 4 * 8 + 8 * 9 + (8 * 2 + 2 + 2 * 8 + 8) + 8 * 4
    assert inside.parameters == wide + 2 * (8 + 8 + 4)
    assert inside.multiplications == 4 * 8 * 100 + 8 * 9 * 25 + 2 * 8 * 2 + 8 * 4 * 25


def test_first_weights_of_a_group_are_drawn_for_its_own_inputs_and_outputs() -> None:
    steps = plan(recipe_of(conv(64, groups="depthwise"), conv(512, groups=2), *OUT), (28, 28, 64), 3)
    weights = draw(steps, 0)
    assert np.abs(weights["0.weight"]).max() == pytest.approx(math.sqrt(6 / (2 * 9)), rel=0.01)
    assert np.abs(weights["1.weight"]).max() == pytest.approx(math.sqrt(6 / ((32 + 256) * 9)), rel=0.01)


@pytest.mark.parametrize(
    ("layer", "message", "hint"),
    [
        (conv(8, groups=3), r"layer 0 \(conv\) cannot part 4 channels of 9×9 and 8 filters into 3 groups",
         "divide both"),
        (conv(6, groups="depthwise"), "cannot part 4 channels of 9×9 and 6 filters into 4 groups",
         "divide both"),
        (block(4, kernel=4), r"layer 0 \(mobile-block\) makes larger pictures with an even kernel \(4\)",
         "odd kernel"),
        (block(4, expand=64), "", ""),
    ],
)  # fmt: skip
def test_layers_that_do_not_fit_say_why(layer: dict[str, Any], message: str, hint: str) -> None:
    recipe = recipe_of(layer, *OUT)
    if not message:
        assert plan(recipe, (9, 9, 4))
        with pytest.raises(RecipeError, match=r"expands 200 channels to 12800, but at most 8192") as caught:
            plan(recipe_of(conv(200), layer, *OUT), (9, 9, 4))
        assert "smaller expand" in caught.value.hint
        return
    with pytest.raises(RecipeError, match=message) as caught:
        plan(recipe, (9, 9, 4))
    assert hint in caught.value.hint


@pytest.mark.parametrize("kind", ["conv", "pool", "global-pool", "squeeze-excite", "mobile-block", "enlarge"])
def test_layers_for_pictures_refuse_a_row(kind: str) -> None:
    needed = {"conv": {"filters": 2}, "mobile-block": {"filters": 2}, "squeeze-excite": {"channels": 2}}
    needed["enlarge"] = {"size": 9}
    recipe = recipe_of({"kind": "flatten"}, {"kind": kind, **needed.get(kind, {})})
    with pytest.raises(RecipeError, match=rf"layer 1 \({kind}\) needs a picture, but gets 64 numbers"):
        plan(recipe, (8, 8, 1))


def test_a_value_of_neither_type_is_refused_with_both() -> None:
    expected = (
        "\"layers.0.groups\" is 'depthwse': input should be a valid integer, unable to parse string as an "
        "integer or input should be 'depthwise'"
    )
    with pytest.raises(RecipeError) as caught:
        recipe_of(conv(2, groups="depthwse"))
    assert expected in caught.value.message


def test_every_activation_that_counts_as_rising_rises_and_no_other_does() -> None:
    numbers = torch.linspace(-8, 8, 1000)
    for activation in get_args(Activation):
        function = torch_activation(activation)
        if function is not None:
            assert is_rising(activation) == bool((function(numbers).diff() >= 0).all()), activation


def test_every_kind_of_the_registry_is_the_kind_of_its_class() -> None:
    for kind in registry.kinds():
        layer = registry.find_layer(kind)
        assert layer is not None
        assert layer.model_fields["kind"].default == kind
        assert layer.__doc__


class TestALayerOfOnesOwn:
    layers: ClassVar[Layers] = [conv(4, activation="relu"), {"kind": "scale-shift"}, {"kind": "pool"}]

    @pytest.mark.parametrize("engine", ["torch", "keras"])
    def test_trains_and_goes_out(self, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        path = tmp_path / "own.toml"
        path.write_text(to_toml(recipe_of(*self.layers, *OUT)))
        recipe = load_recipe(path, ["training.epochs=1"])
        assert isinstance(recipe.layers[1], ScaleShift)
        dataset = blobs(120)
        assert dataset.test is not None
        try:
            run = train(recipe, dataset, engine=engine)
        except MissingExtra as error:
            pytest.skip(str(error))
        weights = run.weights()
        assert weights["1.weight"].shape == (4, 1, 1, 1)
        assert weights["1.bias"].any(), "the shift was not learned"
        assert export(run, "own.onnx", dataset=dataset).largest_difference < 1e-5
        one, other = (answers(where, recipe, weights, dataset.test.pictures) for where in ("torch", "keras"))
        np.testing.assert_allclose(one, other, atol=1e-5)

    def test_is_checked_like_any_other(self) -> None:
        with pytest.raises(
            RecipeError, match=r'unknown layer "scale-shft" at "layers\.1\.layers\.0"'
        ) as caught:
            recipe_of(conv(4), {"kind": "residual", "layers": [{"kind": "scale-shft"}]})
        assert caught.value.hint == 'Did you mean "scale-shift"?'
        with pytest.raises(RecipeError, match=r'unknown key "kid" in "layers\.0"') as caught:
            recipe_of({"kind": "scale-shift", "kid": 3})
        assert caught.value.hint == 'Did you mean "kind"?'

    def test_behind_flatten_is_not_carried_to_pytorchs_order(self) -> None:
        class Scale(Layer):
            kind: Literal["scale"] = "scale"

            def weight_shapes(self, takes: Shape, gives: Shape) -> dict[str, Shape]:
                return {"weight": takes}

        recipe = recipe_of({"kind": "flatten"}, {"kind": "dense"})
        recipe = recipe.model_copy(update={"layers": (recipe.layers[0], Scale(), recipe.layers[1])})
        steps = plan(recipe)
        with pytest.raises(ModelError, match=r"Layer 1 \(scale\) comes straight after flatten"):
            to_pytorch(draw(steps, 0), steps)

    def test_without_a_builder_is_refused_where_it_is_needed(self) -> None:
        class Bare(Layer):
            kind: Literal["bare"] = "bare"

        recipe = recipe_of(*OUT)
        recipe = recipe.model_copy(update={"layers": (Bare(), *recipe.layers)})
        weights = draw(plan(recipe, (8, 8, 1), 4), 0)
        pictures = np.zeros((1, 8, 8, 1), np.uint8)
        with pytest.raises(RecipeError, match='layer "bare" cannot be built for the engine torch') as caught:
            answers("torch", recipe, weights, pictures)
        assert caught.value.hint == "Train with --engine keras."
        with pytest.raises(RecipeError, match='layer "bare" cannot be built for ONNX'):
            answers("onnx", recipe, weights, pictures)
        with pytest.raises(RecipeError, match='layer "bare" cannot be built for the engine keras'):
            answers("keras", recipe, weights, pictures)

    def test_keeps_variables_of_its_own_in_keras_under_their_names(self) -> None:
        class Strength(Layer):
            kind: Literal["strength"] = "strength"

            def weight_shapes(self, takes: Shape, gives: Shape) -> dict[str, Shape]:
                return {"strength": (takes[0], 2)}

            def build_keras(self, step: Step, x: Any, settings: KerasSettings) -> Any:
                import keras

                class Times(keras.layers.Layer):  # type: ignore[misc]
                    def build(self, shape: Any) -> None:
                        self.by = self.add_weight(shape=(shape[-1], 2), name="strength")

                    def call(self, x: Any) -> Any:
                        return x * self.by[:, 0] + self.by[:, 1]

                return Times(**settings.named(step))(x)

        recipe = recipe_of(*OUT)
        recipe = recipe.model_copy(update={"layers": (Strength(), *recipe.layers)})
        weights = draw(plan(recipe, (8, 8, 3), 4), 0)
        pictures = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
        strength = weights["0.strength"]
        means = (pictures / 255 * strength[:, 0] + strength[:, 1]).mean((1, 2))
        logits = means @ weights["2.weight"].T
        expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        np.testing.assert_allclose(answers("keras", recipe, weights, pictures), expected, atol=1e-5)


class TestTheRegistry:
    def test_refuses_a_kind_of_the_house_and_a_class_without_one(self) -> None:
        class Mine(Layer):
            kind: Literal["conv"] = "conv"

        class Nameless(Layer):
            pass

        with pytest.raises(RecipeError, match='There is a layer "conv" already') as caught:
            registry.register(Mine)
        assert "Give Mine another kind" in caught.value.hint
        with pytest.raises(RecipeError, match="The layer Nameless does not say its kind"):
            registry.register(Nameless)

    @pytest.fixture
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
        """Install a package that brings this as its layer "brought"."""

        def install(layer: object) -> None:
            module = types.ModuleType("brings_a_layer")
            module.__dict__["Brought"] = layer
            monkeypatch.setitem(sys.modules, "brings_a_layer", module)
            entry = EntryPoint("brought", "brings_a_layer:Brought", "lapel.layers")
            monkeypatch.setattr(registry, "_installed", lambda: {"brought": entry})

        return install

    def test_finds_the_layers_of_installed_packages(self, installed: Callable[[object], None]) -> None:
        class Brought(Layer):
            kind: Literal["brought"] = "brought"

        installed(Brought)
        assert isinstance(recipe_of({"kind": "brought"}).layers[0], Brought)

    def test_says_which_installed_layer_is_none(self, installed: Callable[[object], None]) -> None:
        installed("no class")
        with pytest.raises(RecipeError, match='"brought" of brings_a_layer:Brought is no layer'):
            recipe_of({"kind": "brought"})

    def test_says_which_installed_layer_cannot_be_loaded(
        self, installed: Callable[[object], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        installed(None)
        monkeypatch.delattr("brings_a_layer.Brought")
        with pytest.raises(
            RecipeError, match="brings_a_layer:Brought cannot be loaded: AttributeError"
        ) as caught:
            recipe_of({"kind": "brought"})
        assert "installed whole" in caught.value.hint


def test_what_is_no_layer_is_refused_by_the_plan() -> None:
    recipe = recipe_of(*OUT)
    recipe = recipe.model_copy(update={"layers": (*recipe.layers, object())})
    with pytest.raises(RecipeError, match='recipe "trial": layer 2 is of the type object, which is no layer'):
        plan(recipe)
