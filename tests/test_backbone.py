"""Networks of timm as a layer: what they are, what they begin with, and that they go out as others do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from garments import blobs
from timm_here import import_timm

from lapel import load_recipe
from lapel.data.dataset import Dataset
from lapel.engines.load import load_engine
from lapel.engines.weights import draw
from lapel.errors import LapelError, MissingExtra, ModelError, RecipeError
from lapel.exporting import export
from lapel.heat import heat_map
from lapel.layers.backbone import Backbone
from lapel.layers.layer import KerasSettings
from lapel.recipes.load import parse
from lapel.recipes.plan import Step, multiplications, parameters, plan
from lapel.recipes.schema import Recipe
from lapel.runs import Run, open_run
from lapel.start import load_start
from lapel.tagger import load_tagger
from lapel.trainer import resume, train
from lapel.training.watch import Epoch, Watch

timm = import_timm()

SMALL = "timm:test_efficientnet"
SHAPE = (16, 16, 1)


def recipe_of(name: str = SMALL, weights: str = "none", **training: Any) -> Recipe:
    layers = [{"kind": "backbone", "name": name, "weights": weights}, {"kind": "dense"}]
    return parse({"name": "small", "layers": layers, "training": {"batch": 16, **training}}, "test")


def own(name: str = SMALL, channels: int = 1, **settings: Any) -> torch.nn.Module:
    """timm's own network."""
    made: torch.nn.Module = timm.create_model(
        name.removeprefix("timm:"), num_classes=0, in_chans=channels, **settings
    )
    return made.eval()


def begun(
    weights: str = "none", seed: int = 0, name: str = SMALL, shape: tuple[int, int, int] = SHAPE
) -> Any:
    return draw(plan(recipe_of(name, weights), shape, 4), seed)


class StopAfterFirst(Watch):
    def epoch(self, epoch: Epoch, seconds: float, best: bool) -> None:
        raise KeyboardInterrupt


TRAINED = recipe_of(epochs=2, average=0.9, rates={"0": 0.1})


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return blobs(48, size=16)


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(TRAINED, dataset, path=tmp_path_factory.mktemp("whole") / "run")


class TestARun:
    def test_keeps_weights_by_timms_own_names_and_answers_as_timms_network_does(
        self, run: Run, dataset: Dataset
    ) -> None:
        network, weights = own(), run.weights()
        state = {word: torch.from_numpy(weights[f"0.{word}"]) for word, _ in network.named_parameters()}
        state |= {
            word: torch.from_numpy(weights[f"0.{word}"])
            for word, value in network.named_buffers()
            if value.is_floating_point()
        }
        missing, unknown = network.load_state_dict(state, strict=False)
        assert not unknown
        assert all(word.endswith("num_batches_tracked") for word in missing)
        assert len(state) + 2 == len(weights)
        pictures = dataset.train.pictures
        with torch.no_grad():
            row = network(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255)
            head = row @ torch.from_numpy(weights["1.weight"]).T + torch.from_numpy(weights["1.bias"])
        engine = load_engine("torch")
        answers = engine.probabilities(engine.build(run.recipe, SHAPE, 4, weights), pictures)
        assert np.abs(head.softmax(1).numpy() - answers).max() < 1e-5

    def test_that_was_stopped_goes_on_to_the_same_bits(
        self, run: Run, dataset: Dataset, tmp_path: Path
    ) -> None:
        with pytest.raises(KeyboardInterrupt):
            train(TRAINED, dataset, path=tmp_path / "run", watches=[StopAfterFirst()])
        again = resume(open_run(tmp_path / "run"), dataset)
        assert again.history == run.history
        assert all((again.weights()[name] == weight).all() for name, weight in run.weights().items())

    @pytest.mark.parametrize("how", [{}, {"compact": True}, {"mirror": True}], ids=str)
    def test_goes_out_as_a_model_of_any_number_of_pictures_that_can_be_explained(
        self, run: Run, dataset: Dataset, tmp_path: Path, how: dict[str, bool]
    ) -> None:
        made = export(run, tmp_path / "m.onnx", dataset=dataset, **how)
        assert made.real
        assert made.largest_difference < (0.05 if how else 1e-5)
        held = onnx.load(made.path)
        onnx.checker.check_model(held, full_check=True)
        assert [entry.version for entry in held.opset_import] == [17]
        assert str(Path.home()).encode() not in made.path.read_bytes()
        assert b"site-packages" not in made.path.read_bytes()
        tagger = load_tagger(made.path)
        pictures = dataset.train.pictures[:5]
        alone = np.concatenate([tagger.probabilities(one[None]) for one in pictures])
        assert np.abs(tagger.probabilities(pictures) - alone).max() < 1e-5
        assert heat_map(tagger.probabilities, pictures[0], 0).heat.shape == (16, 16)
        start = load_start(made.path)
        assert {name: weight.shape for name, weight in run.weights().items()} == {
            name: start.weights[name].shape for name in run.weights()
        }
        if not how.get("compact"):
            assert all((start.weights[name] == weight).all() for name, weight in run.weights().items())

    def test_goes_out_as_weights_for_pytorch_and_not_as_a_keras_file(
        self, run: Run, dataset: Dataset, tmp_path: Path
    ) -> None:
        export(run, tmp_path / "w.pth", dataset=dataset)
        held = torch.load(tmp_path / "w.pth", weights_only=True)
        _, unknown = own().load_state_dict(
            {name.removeprefix("0."): held[name] for name in held if name.startswith("0.")}, strict=False
        )
        assert not unknown


def test_the_keras_engine_refuses_it_in_one_line() -> None:
    step = Step("0", Backbone(name=SMALL), (1, 16, 16), (8,), {})
    with pytest.raises(
        RecipeError, match='The layer "backbone" cannot be built for the engine keras'
    ) as caught:
        step.layer.build_keras(step, None, KerasSettings("float32"))
    assert caught.value.hint == "Train with --engine torch."


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("timm:test_efficientnet", (20, 20, 3)),
        ("timm:test_resnet", (33, 33, 1)),
        ("timm:test_vit", (32, 32, 3)),  # whose size is built in
    ],
)
def test_shapes_parameters_and_work_are_known_before_anything_is_built(
    name: str, shape: tuple[int, int, int]
) -> None:
    sized = {"img_size": shape[:2]} if "vit" in name else {}
    network = own(name, shape[2], **sized)
    steps = plan(recipe_of(name), shape, 4)
    with torch.no_grad():
        given = network(torch.zeros(1, shape[2], *shape[:2]))
    assert steps[0].gives == tuple(given.shape[1:])
    assert parameters(steps) == sum(one.numel() for one in network.parameters()) + given.shape[1] * 4 + 4
    assert multiplications(steps) > sum(one.numel() for one in network.parameters() if one.ndim == 4)


def test_a_network_with_attention_goes_out_too() -> None:
    from lapel.card import Card
    from lapel.engines.onnx import to_onnx
    from lapel.picture import PictureSpec
    from lapel.runtime import onnx_runtime

    name, shape = "timm:test_vit", (32, 32, 3)
    weights, recipe = begun(name=name, shape=shape), recipe_of(name)
    pictures = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    engine = load_engine("torch")
    expected = engine.probabilities(engine.build(recipe, shape, 4, weights), pictures)
    model = to_onnx(recipe, weights, Card("vit", tuple("abcd"), PictureSpec(32, 3)))
    session = onnx_runtime().InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.abs(session.run(None, {"pictures": pictures})[0] - expected).max() < 1e-5


class TestFirstWeights:
    def test_follow_from_the_seed_and_leave_pytorchs_own_chance_alone(self) -> None:
        torch.manual_seed(5)
        before = torch.random.get_rng_state()
        first, again, other = begun(seed=1), begun(seed=1), begun(seed=2)
        assert (torch.random.get_rng_state() == before).all()
        assert all((again[name] == weight).all() for name, weight in first.items())
        kernels = [name for name, weight in first.items() if weight.ndim == 4]
        assert kernels
        assert not any((other[name] == first[name]).all() for name in kernels)

    @pytest.mark.parametrize("ending", [".pth", ".safetensors"])
    def test_come_from_a_file(self, tmp_path: Path, ending: str) -> None:
        from safetensors.torch import save_file

        state = {**own().state_dict(), "classifier.weight": torch.zeros(1000, 256)}
        path = tmp_path / f"held{ending}"
        torch.save(state, path) if ending == ".pth" else save_file(state, path)
        weights = begun(str(path))
        assert all(
            (weights[f"0.{word}"] == value.numpy()).all()
            for word, value in own().state_dict().items()
            if f"0.{word}" in weights and word not in state
        )
        assert (weights["0.conv_stem.weight"] == state["conv_stem.weight"].numpy()).all()

    def test_of_another_network_are_refused_with_the_first_that_is_missing(self, tmp_path: Path) -> None:
        torch.save(own("test_resnet").state_dict(), tmp_path / "other.pth")
        with pytest.raises(
            ModelError, match=r'holds no weight "conv_stem\.weight", so it is not timm:test_eff'
        ):
            begun(str(tmp_path / "other.pth"))

    def test_of_another_shape_are_refused_with_both_shapes(self, tmp_path: Path) -> None:
        torch.save(own(channels=3).state_dict(), tmp_path / "colour.pth")
        shown = (
            r'"conv_stem.weight" has shape \(\d+, 3, 3, 3\); timm:test_efficientnet asks for \(\d+, 1, 3, 3\)'
        )
        with pytest.raises(ModelError, match=shown):
            begun(str(tmp_path / "colour.pth"))

    def test_in_a_file_that_would_run_code_are_not_read(self, tmp_path: Path) -> None:
        torch.save({**own().state_dict(), "more": pytest.MonkeyPatch}, tmp_path / "code.pth")
        with pytest.raises(ModelError, match="holds no weights that can be read"):
            begun(str(tmp_path / "code.pth"))

    @pytest.mark.parametrize("name", ["missing.pth", "missing.safetensors"])
    def test_in_a_file_that_is_not_there_are_missed_in_one_line(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(LapelError, match=f"{name}: No such file"):
            begun(str(tmp_path / name))

    def test_that_are_pretrained_come_from_timms_hub(self, monkeypatch: pytest.MonkeyPatch) -> None:
        state = timm.create_model("test_efficientnet", num_classes=1000, in_chans=3).state_dict()
        monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: dict(state))
        weights = begun("pretrained", shape=(16, 16, 3))
        assert (weights["0.conv_stem.weight"] == state["conv_stem.weight"].numpy()).all()
        assert (weights["0.bn1.running_var"] == state["bn1.running_var"].numpy()).all()

    def test_that_cannot_be_fetched_are_missed_in_one_line_with_what_to_do(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise OSError("no route to the hub\nand more")

        monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", fail)
        with pytest.raises(
            ModelError, match=r"pretrained weights cannot be had \(no route to the hub\)"
        ) as caught:
            begun("pretrained", shape=(16, 16, 3))
        assert 'weights = "none"' in caught.value.hint


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("timm:test_efficientnot", '"timm:test_efficientnet"'),
        ("timm:test_efficientnet.r161_in1k", '"timm:test_efficientnet.r160_in1k"'),
        ("timm:qqqqqqqq", "timm.list_models()"),
    ],
)
def test_a_network_that_timm_does_not_have_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(
        RecipeError, match=f'layer 0 \\(backbone\\) names "{name}", which timm does not'
    ) as caught:
        plan(recipe_of(name), SHAPE, 4)
    assert nearest in caught.value.hint
    with pytest.raises(RecipeError, match=f'The recipe names "{name}"'):
        load_recipe(name)


def test_pictures_that_a_network_cannot_take_are_refused_with_those_it_was_made_for() -> None:
    with pytest.raises(RecipeError, match=r"layer 0 \(backbone\) cannot take 3 channels of 30×30") as caught:
        plan(recipe_of("timm:test_vit"), (30, 30, 3), 4)
    assert "3 channels of 160×160" in caught.value.hint


def test_a_recipe_by_timms_name_scales_pictures_as_timm_does() -> None:
    recipe = load_recipe("timm:test_efficientnet", ["training.epochs=1"])
    assert recipe.training.epochs == 1
    levels = np.array([0.0, 100.0, 255.0])
    zero, span = np.array(recipe.normalise.zero), np.array(recipe.normalise.span)
    settings = timm.get_pretrained_cfg("test_efficientnet")
    assert np.allclose((levels - zero) / span, (levels / 255 - settings.mean) / settings.std, atol=1e-4)
    assert plan(recipe, (32, 32, 3), 7)[-1].gives == (7,)


class TestWithoutTimm:
    @pytest.fixture(autouse=True)
    def _anew(self) -> Iterator[None]:
        from lapel.layers.timm_networks import load_timm, outline

        for cached in (load_timm, outline):
            cached.cache_clear()
        yield
        for cached in (load_timm, outline):
            cached.cache_clear()

    def test_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "timm", None)
        with pytest.raises(MissingExtra, match="timm is not installed") as caught:
            plan(recipe_of(), SHAPE, 4)
        assert "lapel[timm]" in caught.value.hint

    def test_one_that_does_not_load_is_said_with_what_to_do(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "timm.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "timm")
        with pytest.raises(
            ModelError, match=r"timm cannot be loaded \(RuntimeError: operator torchvision::nms"
        ) as caught:
            plan(recipe_of(), SHAPE, 4)
        assert "torchvision" in caught.value.hint
