"""Own classes on top of a model: the head, the cut, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import lapel
from lapel.calibrate import temperature_of
from lapel.card import KEY, Card
from lapel.data.synthetic.draw import draw
from lapel.engines.onnx import to_onnx
from lapel.errors import LapelError, MissingExtra, ModelError
from lapel.heat import heat_map
from lapel.picture import PictureSpec
from lapel.recipes.load import parse
from lapel.teaching.head import fit_head, learn

SIDE, WIDTH, BASE_CLASSES = 8, 12, 4


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A small model with drawn weights: 8×8 grey, one hidden layer."""
    return written(tmp_path / "base.onnx")


@cache
def hidden() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    return {
        "1.weight": random.normal(0, 0.3, (WIDTH, SIDE * SIDE)).astype(np.float32),
        "1.bias": random.normal(0, 0.3, WIDTH).astype(np.float32),
        "2.weight": random.normal(0, 1, (BASE_CLASSES, WIDTH)).astype(np.float32),
        "2.bias": np.zeros(BASE_CLASSES, np.float32),
    }


def written(path: Path, *, mirror: bool = False, **more: Any) -> Path:
    layers = [
        {"kind": "flatten"},
        {"kind": "dense", "units": WIDTH, "activation": "relu"},
        {"kind": "dense"},
    ]
    rejects = more.pop("rejects", ())
    names = tuple(f"old {n}" for n in range(BASE_CLASSES - len(rejects)))
    card = Card("base", names, PictureSpec(SIDE), rejects=rejects, **more)
    onnx.save(to_onnx(parse({"name": "base", "layers": layers}, "base"), hidden(), card, mirror=mirror), path)
    return path


def photos(count: int, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Grey pictures: of `left` the left half is bright below, of `right` all of it above, `none` is noise."""
    random = np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {"left": [], "right": [], "none": []}
    for name, own in found.items():
        for _ in range(count):
            picture = random.integers(0, 90, (SIDE, SIDE), dtype=np.uint8)
            if name == "left":
                picture[4:, :4] += 120
            elif name == "right":
                picture[:4] += 120
            own.append(picture)
    return found


def features(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """What the hidden layer gives, by hand."""
    rows = np.stack(pictures).reshape(len(pictures), -1).astype(np.float64) / 255
    weights = hidden()
    return np.maximum(rows @ weights["1.weight"].T + weights["1.bias"], 0)


def test_the_model_answers_as_scikit_learn_does_on_its_features(base: Path, tmp_path: Path) -> None:
    given, fresh = photos(6), photos(20, seed=1)
    taught = lapel.teach(given, base)
    tagger = lapel.load_tagger(taught.save(tmp_path / "own.onnx"))
    assert tagger.card == taught.card
    assert tagger.card.class_names == ("left", "right", "none")

    flat = [picture for own in given.values() for picture in own]
    labels = np.repeat(np.arange(3), 6)
    rows = features([*flat, *(picture[:, ::-1] for picture in flat)])
    scaler = StandardScaler().fit(rows)
    model = LogisticRegression(C=1 / (taught.card.made["penalty"] * len(rows)), tol=1e-8, max_iter=5000)
    model.fit(scaler.transform(rows), np.tile(labels, 2))
    asked = [picture for own in fresh.values() for picture in own]
    logits = model.decision_function(scaler.transform(features(asked))) / taught.card.temperature
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answers = tagger.probabilities(np.stack(asked)[..., None])
    assert np.abs(answers - expected).max() < 2e-3
    assert (answers.argmax(axis=1) == np.repeat(np.arange(3), 20)).mean() > 0.9


@pytest.mark.parametrize("penalty", [1.0, 0.01])
def test_a_head_weighs_every_class_the_same_as_scikit_learn_does(penalty: float) -> None:
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(3), [40, 9, 3])
    rows = random.normal(size=(52, 7)) + 1.5 * np.eye(7)[labels]
    head = fit_head(rows, labels, penalty)
    model = LogisticRegression(C=1 / (penalty * 52), class_weight="balanced", tol=1e-9, max_iter=5000)
    expected = model.fit(rows, labels).predict_proba(rows)
    powers = np.exp(head.logits(rows))
    assert np.abs(powers / powers.sum(axis=1, keepdims=True) - expected).max() < 2e-3


def test_photos_are_asked_about_while_they_are_left_out() -> None:
    """Labels that nothing in the features tells of are guessed, however well the head fits them."""
    random = np.random.default_rng(0)
    rows = np.tile(random.normal(size=(1, 60, 80)), (2, 1, 1))
    labels = np.repeat(np.arange(2), 30)
    learned = learn(rows, labels)
    assert (learned.head.logits(rows[0]).argmax(axis=1) == labels).mean() > 0.95
    assert 0.2 < (learned.held_out[0].argmax(axis=1) == labels).mean() < 0.75
    assert learned.folds == 5


def test_neighbours_lie_in_one_fold() -> None:
    """Each photo is there twice, as in a burst: that must not make noise look like knowledge."""
    random = np.random.default_rng(1)
    rows = np.repeat(random.normal(size=(1, 30, 60)), 2, axis=1)
    labels = np.repeat(np.arange(2), 30)
    learned = learn(np.tile(rows, (2, 1, 1)), labels)
    assert (learned.held_out[0].argmax(axis=1) == labels).mean() < 0.75


def test_a_feature_that_never_changes_does_no_harm() -> None:
    random = np.random.default_rng(2)
    rows = np.tile(random.normal(size=(1, 20, 4)), (2, 1, 1))
    labels = np.repeat(np.arange(2), 10)
    rows[..., 0] += 4 * labels
    rows[..., 3] = 7.0
    head = learn(rows, labels).head
    assert np.isfinite(head.weights).all()
    assert (head.weights[:, 3] == 0).all()


def test_a_few_right_answers_are_no_reason_to_be_certain() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 2.0]])
    labels = np.array([0, 1, 0, 1])
    assert temperature_of(logits, labels) == pytest.approx(0.05, rel=1e-3)
    # By hand: where one in six is taken to be the other, the share of the right one is five in six.
    assert temperature_of(logits, labels, doubt=1 / 6) == pytest.approx(2 / np.log(5), rel=1e-4)


@pytest.mark.parametrize("settings", [{"mirror": True}, {"rejects": ("nothing",)}, {"second_look": 0.3}])
def test_any_model_can_be_taught_and_taught_again(tmp_path: Path, settings: dict[str, Any]) -> None:
    base = written(tmp_path / "base.onnx", **settings)
    first = lapel.teach(photos(5), base).save(tmp_path / "first.onnx")
    given = {"up": photos(5)["right"], "down": photos(5)["left"]}
    second = lapel.teach(given, first)
    tagger = lapel.load_tagger(second.save(tmp_path / "second.onnx"))
    onnx.checker.check_model(onnx.load(tmp_path / "second.onnx"), full_check=True)
    assert [tagger.tag(one).label for one in photos(3, seed=4)["right"]] == ["up"] * 3
    assert tagger.card.rejects == ()
    assert tagger.card.made["taught from"] == "own classes"
    both = np.stack([photos(1)["left"][0], photos(1)["left"][0][:, ::-1]])[..., None]
    if settings.get("mirror"):
        plain, mirrored = tagger.probabilities(both)
        assert plain == pytest.approx(mirrored, abs=1e-6)
    names = [one.name for one in onnx.load(tmp_path / "second.onnx").graph.initializer]
    assert "2.weight" not in names  # of the old head nothing is left


@cache
def garments() -> dict[str, tuple[np.ndarray, ...]]:
    """Drawn photos by class: eight each of trousers, bags and ankle boots."""
    pictures, labels = draw(160, size=96, channels=3, style="photo", seed=2)
    chosen = {"trousers, long": 1, "👜": 8, "boots": 9}
    return {name: tuple(pictures[labels == label][:8]) for name, label in chosen.items()}


@pytest.mark.parametrize("model", ["photo", "fashion-mnist"])
def test_the_models_that_come_with_lapel_learn_from_five_photos(
    model: str, tmp_path: Path, lapel: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    from lapel import load_tagger, teach

    seen: list[tuple[int, int]] = []
    given = {name: own[:5] for name, own in garments().items()}
    taught = teach(given, model, name="mine", on_progress=lambda *at: seen.append(at))
    assert seen[0] == (0, 15)
    assert seen[-1] == (15, 15)
    assert taught.photos == dict.fromkeys(garments(), 5)
    assert taught.accuracy == taught.card.measured[0]["accuracy"] > 0.7
    tagger = load_tagger(taught.save(tmp_path / "own.onnx"))
    answers = {name: [tagger.tag(one).label for one in own[5:]] for name, own in garments().items()}
    right = sum(labels.count(name) for name, labels in answers.items())
    assert right >= 8, answers
    picture = tagger.picture(garments()["boots"][7])
    assert heat_map(tagger.probabilities, picture, label=2).heat.shape == picture.shape[:2]
    Image.fromarray(garments()["boots"][7]).save(tmp_path / "boot.png")
    done = lapel("tag", "boot.png", "--model", "own.onnx")
    assert done.returncode == 0, done.stderr
    assert tagger.tag(tmp_path / "boot.png").label in done.stdout


def test_photos_that_cannot_be_read_are_left_out_and_said(base: Path) -> None:
    given = {**photos(3), "left": [b"this is no photo", *photos(3)["left"]]}
    taught = lapel.teach(given, base)
    assert taught.photos == {"left": 3, "right": 3, "none": 3}
    [one] = taught.skipped
    assert (one.label, one.place) == ("left", 0)
    assert "not a picture" in one.error.message


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"a": []}, "needs 2 classes at least; 1 came"),
        ({"Shirt": [], "shirt": []}, "look alike: “Shirt” and “shirt”"),
        ({"a": [], "": []}, "needs a name of 1 to 200"),
        ({"a": [], " b": []}, "without spaces around it; ' b' came"),
        ({"a": [], "b\n": []}, "printable"),
        ({"a": photos(2)["left"], "b": photos(1)["left"]}, "“b” has 1 photo; at least 2 are needed"),
        (
            {"a": photos(2)["left"], "b": [b"text", b"words"]},
            "“b” has 0 photos, and 2 that cannot be read (not a picture",
        ),
    ],
)
def test_classes_that_cannot_be_taught_are_refused(base: Path, given: dict[str, Any], says: str) -> None:
    with pytest.raises(LapelError) as refused:
        lapel.teach(given, base)
    assert says in refused.value.message


def pooled(path: Path, *middle: onnx.NodeProto) -> Path:
    """A model that ends in a pool: there is nothing to put in the place of a last dense layer."""
    helper = onnx.helper
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pictures"], ["floats"], to=onnx.TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
            *middle,
            helper.make_node("Softmax", ["scores" if middle else "means"], ["probabilities"], axis=1),
        ],
        "pool",
        [helper.make_tensor_value_info("pictures", onnx.TensorProto.UINT8, ["n", 8, 8, 3])],
        [helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["n", 3])],
        initializer=[
            onnx.numpy_helper.from_array(np.ones((3, 5), np.float32), "kernel"),
            onnx.numpy_helper.from_array(np.arange(3), "places"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    card = Card("pool", ("a", "b", "c"), PictureSpec(8, 3))
    helper.set_model_props(model, {KEY: card.to_json()})
    onnx.save(model, path)
    return path


def test_a_network_without_a_dense_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not end in a dense layer"):
        lapel.teach(photos(2), pooled(tmp_path / "pool.onnx"))


def test_a_dense_layer_that_does_not_decide_is_not_taken_for_the_last(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    dense = node("MatMul", ["means", "kernel"], ["five"])
    chosen = node("Gather", ["five", "places"], ["scores"], axis=1)
    with pytest.raises(ModelError, match="gives 5 numbers for 1 views of a picture; expected 3"):
        lapel.teach(photos(2), pooled(tmp_path / "gate.onnx", dense, chosen))


def test_without_onnx_it_says_what_to_install(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra) as missing:
        lapel.teach(photos(2), base)
    assert "lapel[teach]" in missing.value.hint
