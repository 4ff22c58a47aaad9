from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Lapel
from numpy.typing import NDArray
from PIL import Image

import lapel as lapel_package
from lapel.data import Dataset, Split, save_data
from lapel.data.registry import FASHION_CLASSES
from lapel.data.synthetic.draw import draw
from lapel.engines.load import load_engine
from lapel.errors import LapelError, MissingExtra, PictureError, RunError
from lapel.explaining.curves import area, curves, judge_heat, pieces
from lapel.explaining.explain import explain, judge_methods
from lapel.explaining.gradients import GRAD_CAM, INTEGRATED, gradient_values, heat_of
from lapel.explaining.subject import Subject
from lapel.heat import heat_map
from lapel.layers.conv import Conv
from lapel.layers.dense import Dense
from lapel.layers.shape import Flatten
from lapel.recipes.load import load_recipe
from lapel.recipes.schema import Recipe
from lapel.runs import Run
from lapel.trainer import train

SIZE = 16


def drawn(count: int, seed: int = 1) -> Split:
    pictures, labels = draw(count, size=SIZE, channels=1, seed=seed)
    return Split(pictures, labels)


DATASET = Dataset("drawn", drawn(300), None, FASHION_CLASSES)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    recipe = load_recipe("cnn", ["training.epochs=3", "training.steps=60", "training.batch=64"])
    return train(recipe, DATASET, path=tmp_path_factory.mktemp("runs") / "cnn", threads=1)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "garment.png"
    Image.fromarray(drawn(3, 5).pictures[0, ..., 0]).resize((64, 64), Image.Resampling.NEAREST).save(path)
    return path


# Gradients


def toy(layers: tuple[Any, ...], shape: tuple[int, int, int]) -> tuple[Any, dict[str, NDArray[Any]]]:
    from lapel.engines.weights import draw as draw_weights
    from lapel.recipes.plan import plan

    recipe = Recipe(name="toy", layers=layers)
    weights = {
        name: value + np.float32(0.05) for name, value in draw_weights(plan(recipe, shape, 3), 0).items()
    }
    return load_engine("torch").build(recipe, shape, 3, weights), weights


def test_integrated_gradients_are_those_worked_out_in_numpy() -> None:
    """A hidden layer and a softmax, whose gradient is written down here, and a sum of 20,000 steps."""
    pytest.importorskip("captum", reason="the extra explain is not installed")
    network, weights = toy((Flatten(), Dense(units=5, activation="relu"), Dense()), (5, 4, 1))
    picture = np.random.default_rng(1).integers(0, 256, (5, 4, 1), np.uint8)
    first, second = weights["1.weight"].astype(float), weights["2.weight"].astype(float)
    bias, last = weights["1.bias"].astype(float), weights["2.bias"].astype(float)
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    ground = np.full(20, np.sort(border.ravel())[len(border) // 2] / 255)
    goal = picture.ravel() / 255

    def answer(x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        hidden = x @ first.T + bias
        logits = np.maximum(hidden, 0) @ second.T + last
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        slope = shares[:, 2:] * (np.eye(3)[2] - shares)  # of the third share, by each logit
        return shares[:, 2], ((slope @ second) * (hidden > 0)) @ first

    steps = (np.arange(20_000)[:, None] + 0.5) / 20_000
    wanted = (goal - ground) * answer(ground + steps * (goal - ground))[1].mean(axis=0)
    found = gradient_values(network, picture, 2, INTEGRATED)
    assert found == pytest.approx(wanted.reshape(5, 4), abs=2e-4)
    ends, _ = answer(np.stack([ground, goal]))
    assert found.sum() == pytest.approx(ends[1] - ends[0], abs=1e-4)
    assert abs(ends[1] - ends[0]) > 0.02


def test_grad_cam_is_that_worked_out_by_hand() -> None:
    pytest.importorskip("captum", reason="the extra explain is not installed")
    import torch

    network, weights = toy((Conv(filters=4, kernel=3, activation="relu"), Flatten(), Dense()), (6, 6, 1))
    picture = np.random.default_rng(2).integers(0, 256, (6, 6, 1), np.uint8)
    numbers = torch.from_numpy(picture.transpose(2, 0, 1)[None] / np.float32(255))
    kernel, bias = (torch.from_numpy(weights[f"0.{word}"]) for word in ("weight", "bias"))
    maps = torch.nn.functional.conv2d(numbers, kernel, bias, padding="same").requires_grad_()
    _, flatten, dense = network.children()
    logit = dense(flatten(maps.relu()))[0, 1]
    [slope] = torch.autograd.grad(logit, maps)
    wanted = (slope.mean((2, 3), keepdim=True) * maps).sum(1)[0].detach().numpy()
    assert gradient_values(network, picture, 1, GRAD_CAM) == pytest.approx(wanted, abs=1e-4)
    assert np.abs(wanted).max() > 0.01


def test_a_network_without_layers_for_pictures_has_no_grad_cam() -> None:
    pytest.importorskip("captum", reason="the extra explain is not installed")
    network, _ = toy((Flatten(), Dense()), (4, 4, 1))
    with pytest.raises(RunError, match="Grad-CAM looks at the last layer that learns and gives a picture"):
        gradient_values(network, np.zeros((4, 4, 1), np.uint8), 0, GRAD_CAM)


def test_without_captum_it_says_what_to_install(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingExtra, match="captum") as caught:
        explain(run, photo, method=INTEGRATED)
    assert "lapel[explain]" in caught.value.hint
    explain(run, photo)


def test_what_speaks_against_a_label_is_cold() -> None:
    assert heat_of(np.array([[-2.0, 0.5, 2.0]], np.float32)).tolist() == [[0, 0.25, 1]]
    assert not heat_of(np.array([[-2.0, -1]], np.float32)).any()


# Curves


def bright(pictures: NDArray[np.uint8]) -> NDArray[Any]:
    """The share of the second class is the mean brightness of the upper half."""
    share = pictures[:, : pictures.shape[1] // 2].mean((1, 2, 3)) / 255
    return np.stack([1 - share, share], axis=1)


def test_curves_are_those_worked_out_by_hand() -> None:
    picture = np.zeros((14, 14, 1), np.uint8)
    picture[1:13, 1:13] = 255
    heat = np.zeros((14, 14), np.float32)
    heat[6:8, 6:8] = 1
    place, order = pieces(heat)
    assert (place.max(), order[0], len(order)) == (48, 24, 49)  # the middle one first
    deletion, insertion = curves(bright, picture, 1, place, order)
    whole = 72 / 98
    assert deletion[0] == insertion[-1] == pytest.approx(whole)
    assert deletion[-1] == insertion[0] == 0
    assert deletion[1] == pytest.approx(whole - 2 / 98)  # half of that piece is in the upper half
    assert insertion[1] == pytest.approx(2 / 98)
    assert deletion + insertion == pytest.approx(np.full(50, whole))
    assert area(np.array([1.0, 0.5, 0.0])) == 0.5


def test_the_interval_is_that_of_statsmodels() -> None:
    statistics = pytest.importorskip("statsmodels.stats.weightstats", reason="statsmodels is not installed")
    pictures = [drawn(8, 3).pictures[place] for place in range(8)]

    def top(picture: NDArray[np.uint8], label: int) -> NDArray[np.float32]:
        return np.repeat(np.arange(SIZE, 0, -1, dtype=np.float32)[:, None], SIZE, axis=1)

    [found] = judge_heat(bright, {"top": top}, pictures, seed=3)
    random, differences = np.random.default_rng(3), []
    for picture in pictures:
        label = int(bright(picture[None])[0].argmax())
        place, order = pieces(top(picture, label))
        orders = [random.permutation(49) for _ in range(3)]
        chance = np.mean([area(curves(bright, picture, label, place, one)[0]) for one in orders])
        differences.append(chance - area(curves(bright, picture, label, place, order)[0]))
    low, high = statistics.DescrStatsW(differences).zconfint_mean()
    assert (found.deletion.low, found.deletion.high) == pytest.approx((low, high))
    assert found.deletion.better == pytest.approx(np.mean(differences))
    assert found.deletion.random - found.deletion.heat == pytest.approx(found.deletion.better)
    with pytest.raises(LapelError, match="needs two pictures"):
        judge_heat(bright, {"top": top}, pictures[:1])


def test_heat_is_better_than_chance(run: Run) -> None:
    """Grad-CAM is judged, too, but of a network of a few steps, and its maps of 8×8, nothing is promised."""
    pytest.importorskip("captum", reason="the extra explain is not installed")
    found = judge_methods(run, count=16, dataset=DATASET)
    assert [one.method for one in found] == ["occlusion", GRAD_CAM, INTEGRATED]
    assert {one.pictures for one in found} == {16}
    assert len({one.insertion.random for one in found}) == 1
    for one in (found[0], found[2]):
        assert one.deletion.low > 0
        assert one.insertion.low > 0


# Explaining


def test_occlusion_is_that_of_the_service(run: Run, photo: Path) -> None:
    found, subject = explain(run, photo), Subject(run)
    label = FASHION_CLASSES.index(found.label)
    assert (found.heat == heat_map(subject.ask, found.picture, label).heat).all()
    assert found.share == pytest.approx(subject.ask(found.picture[None])[0].max())
    assert (found.picture == subject.picture(photo)).all()
    assert 0 < found.fall <= found.share


def test_another_label_can_be_asked_about(run: Run, photo: Path) -> None:
    assert explain(run, photo, label="Bag").label == "Bag"
    with pytest.raises(LapelError, match='knows no "Bga"') as caught:
        explain(run, photo, label="Bga")
    assert 'Did you mean "Bag"?' in caught.value.hint


def test_the_nearest_are_pictures_it_has_learned_from(run: Run, tmp_path: Path) -> None:
    held = DATASET.held(0.1, 0)
    place = int(np.flatnonzero(~held)[4])
    subject = Subject(run)
    picture = DATASET.train.pictures[place]
    (first, label, cosine), second = subject.nearest(picture, 2, DATASET)
    assert (first == picture).all()
    assert label == FASHION_CLASSES[DATASET.train.labels[place]]
    assert cosine == pytest.approx(1, abs=1e-5)
    assert second[2] < cosine
    other = int(np.flatnonzero(held)[0])  # one that was held out is not among them
    assert not (
        subject.nearest(DATASET.train.pictures[other], 1, DATASET)[0][0] == DATASET.train.pictures[other]
    ).all()


def test_a_model_has_neither_gradients_nor_training_pictures(photo: Path) -> None:
    assert explain("fashion-mnist", photo).label in FASHION_CLASSES
    with pytest.raises(RunError, match="grad-cam asks for gradients, which only runs"):
        explain("fashion-mnist", photo, method=GRAD_CAM)
    with pytest.raises(RunError, match="a model does not hold what it has learned from"):
        explain("fashion-mnist", photo, nearest=3)
    with pytest.raises(LapelError, match='no method "magic"'):
        explain("fashion-mnist", photo, method="magic")
    assert Subject("fashion-mnist").methods == ("occlusion",)


def test_a_photo_that_cannot_be_read_is_said(run: Run, tmp_path: Path) -> None:
    with pytest.raises(PictureError):
        explain(run, tmp_path / "none.jpg")


def test_the_figure_shows_the_picture_its_heat_and_the_nearest(run: Run, photo: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    [axes] = explain(run, photo, nearest=3, dataset=DATASET).figure().axes
    assert len(axes.images) == 2 + 3 + 1  # and the heat
    words = [text.get_text() for text in axes.texts]
    assert "occlusion" in words
    assert sum(word.startswith("learned") for word in words) == 3


def test_it_is_public(run: Run, photo: Path) -> None:
    assert lapel_package.explain(run, photo).source == str(photo)


# The command line


def test_the_verb(lapel: Lapel, run: Run, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "garment.png").write_bytes(photo.read_bytes())
    words = ["explain", run.path, "garment.png", "broken.jpg", "other/garment.png"]
    result = lapel(*words, "--out", "why", "--array", "why.npz", "--json")
    assert result.returncode == 1
    first, broken, second = json.loads(result.stdout)
    assert "broken.jpg" in broken["error"]
    assert (first["figure"], second["figure"]) == ("why/garment.png", "why/garment-2.png")
    assert (tmp_path / first["figure"]).read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "why.npz") as arrays:
        assert arrays["values"].shape == (2, SIZE, SIZE)
        assert arrays["label"].tolist() == [first["label"], second["label"]]
    again = lapel(*words, "--out", "why")
    assert again.returncode == 1
    assert "why/garment.png: already there." in again.stderr
    table = lapel("explain", run.path, "garment.png", "--out", "why.svg", "--array", "one.npy")
    assert table.returncode == 0, table.stderr
    assert first["label"] in table.stdout
    assert (tmp_path / "why.svg").read_text().startswith("<?xml")
    assert np.load(tmp_path / "one.npy").shape == (SIZE, SIZE)


def test_the_verb_judges(lapel: Lapel, run: Run, tmp_path: Path) -> None:
    save_data(DATASET, tmp_path / "drawn.npz", "npz")
    made = lapel("train", "dense", "--data", "drawn.npz", "--set", "training.epochs=1", "--run", "dense")
    assert made.returncode == 0, made.stderr
    result = lapel("explain", "dense", "--judge", "--method", "occlusion", "--count", "5")
    assert result.returncode == 0, result.stderr
    assert "dense: 5 validation pictures" in result.stdout
    assert result.stdout.count("occlusion") == 2
    [judged] = json.loads(
        lapel("explain", "dense", "--judge", "--method", "occlusion", "--count", "5", "--json").stdout
    )
    assert judged["pictures"] == 5
    near = lapel("explain", "dense", tmp_path / "none.png", "--nearest", "2")
    assert near.returncode == 1
    assert "none.png" in near.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["photo"],
        ["photo", "a.jpg", "--judge"],
        ["photo", "a.jpg", "b.jpg", "--out", "a.png"],
        ["photo", "a.jpg", "--array", "a.txt"],
    ],
)
def test_wrong_usage_is_said(lapel: Lapel, words: list[str]) -> None:
    assert lapel("explain", *words).returncode == 2
