"""Pretrained networks: they answer as their makers' own code does, and trainings start from them."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from lapel.card import Card
from lapel.engines.load import load_engine
from lapel.engines.onnx import to_onnx
from lapel.engines.weights import shapes
from lapel.errors import MissingExtra, ModelError
from lapel.picture import PictureSpec, read_picture
from lapel.pretrained import networks
from lapel.pretrained.networks import CLASSES, NETWORKS, Pretrained, network_recipe
from lapel.pretrained.weights import package_names, read_pretrained
from lapel.recipes.plan import parameters, plan

PHOTOS = sorted((Path(__file__).parent.parent / "examples" / "photos").glob("*.jpg"))
TOLERANCE = 1e-4


def installed(name: str) -> Path:
    """The file of a network's weights, wherever its package lies."""
    module = pytest.importorskip(NETWORKS[name].package, reason=f"the weights of {name} are not installed")
    return Path(module.__file__).parent / NETWORKS[name].file


def photos(name: str) -> NDArray[np.uint8]:
    spec = PictureSpec(size=NETWORKS[name].size, channels=3)
    return np.stack([read_picture(photo, spec) for photo in PHOTOS])


@cache
def expected(name: str) -> NDArray[np.float32]:
    """The logarithms of the 1,000 probabilities that the makers' own PyTorch code gives for each photo."""
    reference = pytest.importorskip("efficientnet_lite_pytorch", reason="the reference is not installed")
    network = reference.EfficientNet.from_name(name)
    network.load_state_dict(torch.load(installed(name), weights_only=True))
    inputs = torch.from_numpy(photos(name)).permute(0, 3, 1, 2)
    with torch.no_grad():
        return np.asarray(network.eval()((inputs - 127.0) / 128.0).log_softmax(1))


def answers(name: str, where: str) -> NDArray[np.float32]:
    recipe, weights, pictures = network_recipe(name), read_pretrained(name), photos(name)
    if where == "onnx":
        labels = tuple(f"class {number}" for number in range(CLASSES))
        model = to_onnx(recipe, weights, Card(name, labels, PictureSpec(pictures.shape[1], 3)))
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {"pictures": pictures})[0])
    try:
        engine = load_engine(where)
    except MissingExtra as error:
        pytest.skip(str(error))
    return engine.probabilities(engine.build(recipe, pictures.shape[1:], CLASSES, weights), pictures)


def by_length(name: str, where: str) -> Any:
    long = name != "efficientnet-lite0" or where == "keras"
    return pytest.param(name, where, marks=[pytest.mark.long] if long else [])


@pytest.mark.parametrize(
    ("name", "where"), [by_length(name, where) for name in NETWORKS for where in ("torch", "keras", "onnx")]
)
def test_every_answer_about_real_photos_is_that_of_the_makers_own_code(name: str, where: str) -> None:
    installed(name)
    wanted = expected(name)
    given = answers(name, where)
    assert given.shape == (len(PHOTOS), CLASSES)
    assert np.abs(given - np.exp(wanted)).max() < TOLERANCE
    # Of unlikely classes too, whose probabilities are all near 0.
    assert np.abs(np.log(given) - wanted).max() < TOLERANCE


# Of the packages' files, batch norm's running figures left out.
@pytest.mark.parametrize(("version", "count"), [(0, 4_652_008), (1, 5_416_680), (2, 6_092_072)])
def test_the_networks_have_as_many_parameters_as_published(version: int, count: int) -> None:
    name = f"efficientnet-lite{version}"
    size = NETWORKS[name].size
    assert parameters(plan(network_recipe(name), (size, size, 3), CLASSES)) == count


def test_a_network_takes_small_pictures_and_other_classes() -> None:
    steps = plan(network_recipe("efficientnet-lite0"), (33, 33, 3), 4)
    assert steps[0].gives == (1280, 2, 2)
    assert steps[-1].gives == (4,)


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, "efficientnet-lite0", Pretrained(0, "no_such_weights", "x.pth"))
    with pytest.raises(MissingExtra, match="The package no-such-weights is not installed") as caught:
        read_pretrained("efficientnet-lite0")
    assert "lapel[pretrained]" in caught.value.hint


def test_an_unknown_network_is_refused_with_the_nearest() -> None:
    with pytest.raises(ModelError, match='no pretrained network "efficientnet-lite9"') as caught:
        read_pretrained("efficientnet-lite9")
    assert "Did you mean" in caught.value.hint


class TestAFileOfAnotherNetwork:
    @pytest.fixture
    def held(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
        """Weights of the right names and shapes; `keep` writes them where the network's package lies."""
        package = tmp_path / "made_weights"
        package.mkdir()
        (package / "__init__.py").touch()
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        monkeypatch.setitem(networks.NETWORKS, "efficientnet-lite0", Pretrained(0, "made_weights", "a.pth"))
        self.path = package / "a.pth"
        steps = plan(network_recipe("efficientnet-lite0"), (224, 224, 3), CLASSES)
        names = package_names(steps)
        return {names[name]: torch.ones(shape) for name, shape in shapes(steps).items()}

    def test_is_taken_where_all_fits(self, held: dict[str, torch.Tensor]) -> None:
        torch.save(held, self.path)
        assert all((weight == 1).all() for weight in read_pretrained("efficientnet-lite0").values())

    def test_is_refused_with_the_first_weight_of_another_shape(self, held: dict[str, torch.Tensor]) -> None:
        torch.save(held | {"_conv_stem.weight": torch.ones(16, 3, 3, 3)}, self.path)
        shown = r'"_conv_stem.weight" has shape \(16, 3, 3, 3\); .* asks for \(32, 3, 3, 3\)'
        with pytest.raises(ModelError, match=shown):
            read_pretrained("efficientnet-lite0")

    def test_is_refused_with_the_first_weight_that_is_missing(self, held: dict[str, torch.Tensor]) -> None:
        del held["_blocks.3._bn1.running_var"]
        torch.save(held, self.path)
        with pytest.raises(ModelError, match=r'holds no weight "_blocks.3._bn1.running_var"') as caught:
            read_pretrained("efficientnet-lite0")
        assert "made-weights" in caught.value.hint

    def test_is_never_run(self, held: dict[str, torch.Tensor]) -> None:
        torch.save({**held, "more": pytest.MonkeyPatch}, self.path)
        with pytest.raises(ModelError, match="holds code"):
            read_pretrained("efficientnet-lite0")

    def test_is_missed_in_one_line(self, held: dict[str, torch.Tensor]) -> None:
        with pytest.raises(Exception, match=r"a.pth") as caught:
            read_pretrained("efficientnet-lite0")
        assert type(caught.value).__module__ == "lapel.errors"
