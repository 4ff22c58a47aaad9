from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from halves import CARD, DOUBTING, bright, write_model
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from lapel.card import KEY
from lapel.decode import Limits
from lapel.engines.onnx import to_onnx
from lapel.engines.weights import draw
from lapel.errors import ModelError, PictureError
from lapel.model_file import model_path, shipped_models
from lapel.recipes.load import parse
from lapel.recipes.plan import plan
from lapel.tagger import Tag, Tagger, Untagged, load_tagger


@pytest.fixture
def tagger(tmp_path: Path) -> Tagger:
    return load_tagger(write_model(tmp_path / "model.onnx"))


def refusal(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load_tagger(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert "\n" not in caught.value.message
    return caught.value


# Tags


def test_a_tag_ranks_every_label(tagger: Tagger) -> None:
    tag = tagger.tag(bright("right"))
    logits = np.array([0, 32 * 0.2, 0.5])  # 32 bright pixels of weight 0.2, and the bias
    expected = np.exp(logits) / np.exp(logits).sum()
    assert (tag.label, tag.source) == ("right", "array")
    assert tag.confidence == pytest.approx(expected[1], abs=1e-6)
    assert [label for label, _ in tag.alternatives] == ["nothing", "left"]
    assert [share for _, share in tag.alternatives] == pytest.approx([expected[2], expected[0]], abs=1e-6)
    assert tag.ranking[0] == ("right", tag.confidence)


def test_what_leaves_doubt_is_looked_at_again_mirrored(tmp_path: Path) -> None:
    """Mirrored, the left half is the right one, so that a picture looked at twice is both."""
    once = load_tagger(write_model(tmp_path / "once.onnx", DOUBTING))
    twice = load_tagger(write_model(tmp_path / "twice.onnx", replace(DOUBTING, second_look=0.5)))
    faint = bright("left") // 12  # about 1.7 times as much for left as for right
    pictures = np.stack([bright("left"), faint, bright("right")])[..., None]
    (shares, rejected), (again, rejected_again) = (one.answers(pictures) for one in (once, twice))
    assert 0.5 < shares[1, 1] / shares[1, 0] < 0.9
    assert again[[0, 2]].tolist() == shares[[0, 2]].tolist()
    assert again[1] == pytest.approx([0.5, 0.5])
    mirrored = once.answers(pictures[1:2, :, ::-1])
    assert rejected_again[1] == pytest.approx((rejected[1] + mirrored[1][0]) / 2)
    assert twice.answers(pictures[1:2])[0].tolist() == again[1:2].tolist()
    never = load_tagger(write_model(tmp_path / "never.onnx", replace(DOUBTING, second_look=1.0)))
    assert never.answers(pictures)[0].tolist() == shares.tolist()


def test_every_source_gives_the_same_tag(tagger: Tagger, tmp_path: Path) -> None:
    image = Image.fromarray(bright("left"))
    path = tmp_path / "a.png"
    image.save(path)
    tags = [tagger.tag(source) for source in (path, str(path), path.read_bytes(), image, bright("left"))]
    assert {(tag.label, tag.confidence) for tag in tags} == {("left", tags[0].confidence)}
    assert [tag.source for tag in tags] == [str(path), str(path), "bytes", "image", "array"]


def test_a_tag_as_plain_data(tagger: Tagger) -> None:
    tag = tagger.tag(bright("left"))
    data = json.loads(json.dumps(tag.to_dict(top=2)))
    assert data == {
        "source": "array",
        "label": "left",
        "confidence": tag.confidence,
        "score": tag.confidence,
        "accepted": True,
        "reason": None,
        "alternatives": [{"label": "nothing", "confidence": tag.alternatives[0][1]}],
        "colours": [],
    }
    assert len(tag.to_dict()["alternatives"]) == 2
    assert tag.to_dict(top=1)["alternatives"] == []


@pytest.fixture
def doubting(tmp_path: Path) -> Tagger:
    """Two classes, a reason of its own, and a score from which tags are accepted."""
    return load_tagger(write_model(tmp_path / "doubting.onnx", DOUBTING))


@pytest.mark.parametrize(
    ("side", "logits", "reason"),
    [
        ("left", [6.4, 0, 0.5], ""),
        ("nothing", [0, 0, 0.5], "no garment found"),
        ("both", [6.4, 6.4, 0.5], "unsure"),
    ],
)
def test_a_tag_is_not_accepted_where_the_network_refuses_or_wavers(
    doubting: Tagger, side: str, logits: list[float], reason: str
) -> None:
    tag = doubting.tag(bright(side))
    shares = np.exp(logits) / np.exp(logits).sum()
    assert tag.confidence == pytest.approx(shares[0] / shares[:2].sum(), abs=1e-6)
    assert tag.score == pytest.approx(shares[0], abs=1e-6)
    assert (tag.accepted, tag.reason) == (not reason, reason)
    assert tag.to_dict()["reason"] == (reason or None)
    assert tag.to_dict()["accepted"] is tag.accepted
    probabilities, rejected = doubting.answers(bright(side).reshape(1, 8, 8, 1))
    assert probabilities.shape == (1, 2)
    assert rejected == pytest.approx(np.array([[shares[2]]]), abs=1e-6)
    assert (doubting.probabilities(bright(side).reshape(1, 8, 8, 1)) == probabilities).all()


def test_a_score_at_the_threshold_is_accepted(tmp_path: Path, tagger: Tagger) -> None:
    score = tagger.tag(bright("left")).score
    for accept, accepted in ((score, True), (np.nextafter(score, 1), False)):
        path = write_model(tmp_path / "exact.onnx", replace(CARD, accept=float(accept)))
        tag = load_tagger(path).tag(bright("left"))
        assert (tag.accepted, tag.reason) == (accepted, "" if accepted else "unsure")


def test_without_rejects_there_are_no_shares_of_them(tagger: Tagger) -> None:
    probabilities, rejected = tagger.answers(np.zeros((5, 8, 8, 1), np.uint8))
    assert (probabilities.shape, rejected.shape) == ((5, 3), (5, 0))


def test_a_picture_that_cannot_be_read(tagger: Tagger) -> None:
    with pytest.raises(PictureError, match=r"none\.png: no such file"):
        tagger.tag("none.png")


def test_many_come_in_their_order_and_failures_between_them(tagger: Tagger) -> None:
    sides = np.random.default_rng(0).choice(["left", "right", "nothing", "none.png"], 150)
    answers = list(tagger.tag_many("none.png" if side == "none.png" else bright(side) for side in sides))
    assert [answer.label if isinstance(answer, Tag) else answer.source for answer in answers] == list(sides)
    failed = next(answer for answer in answers if isinstance(answer, Untagged))
    assert failed.to_dict() == {"source": "none.png", "error": "none.png: no such file."}
    assert list(tagger.tag_many([])) == []


def test_many_are_taken_a_batch_at_a_time(tagger: Tagger) -> None:
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        while True:
            taken += 1
            yield bright("left")

    answers = tagger.tag_many(endless())
    assert [next(answers) for _ in range(3)]
    assert taken <= 64


def test_one_at_a_time_and_together_answer_alike(tagger: Tagger) -> None:
    pictures = list(np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8))
    for single, together in zip(map(tagger.tag, pictures), tagger.tag_many(pictures), strict=True):
        assert isinstance(together, Tag)
        assert together.label == single.label
        assert together.confidence == pytest.approx(single.confidence, abs=1e-6)


def test_the_picture_as_the_model_sees_it(tagger: Tagger) -> None:
    assert (tagger.picture(bright("left"))[:, :, 0] == bright("left")).all()
    assert tagger.picture(Image.new("RGB", (300, 200))).shape == (8, 8, 1)


def test_pictures_of_another_shape(tagger: Tagger) -> None:
    with pytest.raises(ModelError, match=r"shape \(n, 8, 8, 1\); got uint8 of shape \(1, 9, 8, 1\)"):
        tagger.probabilities(np.zeros((1, 9, 8, 1), np.uint8))
    with pytest.raises(ModelError, match="got uint16"):
        tagger.probabilities(np.zeros((1, 8, 8, 1), np.uint16))


def test_models_that_come_with_lapel_go_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "shipped"
    monkeypatch.setattr("lapel.model_file._models_folder", lambda: folder)
    monkeypatch.chdir(tmp_path)
    assert shipped_models() == ()
    with pytest.raises(ModelError, match=r'There is no model "photo"\.\nModels are made by'):
        load_tagger()
    folder.mkdir()
    write_model(folder / "photo.onnx", replace(CARD, name="default"))
    write_model(folder / "halves.onnx")
    (folder / "README.md").touch()
    assert shipped_models() == ("halves", "photo")
    assert load_tagger().card.name == "default"
    assert load_tagger("halves").card.name == "halves"
    assert model_path("halves") == folder / "halves.onnx"
    with pytest.raises(ModelError, match=r'There is no model "haves"\.\nDid you mean "halves"\?'):
        load_tagger("haves")
    with pytest.raises(ModelError, match=r"^haves\.onnx: no such model file"):
        load_tagger("haves.onnx")
    with pytest.raises(ModelError, match=r"^halves: no such model file"):
        load_tagger(Path("halves"))
    (folder / "photo.onnx").rename(tmp_path / "mine")
    assert load_tagger("mine").card.name == "default"


def test_the_limits_reach_the_photos(tmp_path: Path) -> None:
    tagger = load_tagger(write_model(tmp_path / "model.onnx"), Limits(max_pixels=100))
    with pytest.raises(PictureError, match="20×20 pixels; at most 100"):
        tagger.tag(np.zeros((20, 20), np.uint8))


def test_a_tagger_says_what_it_is(tagger: Tagger) -> None:
    assert repr(tagger) == "Tagger('halves', 3 classes)"
    assert tagger.card == CARD


def test_tagging_loads_no_engine() -> None:
    heavy = "torch", "matplotlib", "pydantic", "onnx", "onnxruntime", "rich", "click"
    code = f"import sys, lapel.tagger, lapel.tag; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Files that are no model of Lapel


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "no such model file" in refusal(tmp_path / "none.onnx").message
    assert "a folder, not a model file" in refusal(tmp_path).message
    empty = tmp_path / "empty.onnx"
    empty.touch()
    assert "empty; it holds no model" in refusal(empty).message


@pytest.mark.parametrize(
    "content", [b"not a model", b"\x08\x08", b"PK\x03\x04", b"\x80\x04\x95pickle", bytes(500)]
)
def test_what_is_no_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    error = refusal(path)
    assert "not a usable ONNX model" in error.message or "without a card" in error.message
    assert "lapel export RUN" in error.hint


def test_a_model_that_is_cut_off_or_changed_never_ends_otherwise(tmp_path: Path) -> None:
    whole = write_model(tmp_path / "whole.onnx").read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "model.onnx"
    for _ in range(150):
        data = np.frombuffer(whole, np.uint8).copy()
        data[random.integers(0, len(data), 3)] = random.integers(0, 256, 3)
        end = random.integers(1, len(data) + 1) if random.random() < 0.3 else len(data)
        path.write_bytes(data[:end].tobytes())
        try:
            load_tagger(path).tag(bright("left"))
        except ModelError as error:
            assert error.message


def test_a_foreign_model_without_a_card(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    error = refusal(path)
    assert "an ONNX model without a card" in error.message
    assert "lapel export RUN" in error.hint


def test_a_card_that_is_no_card(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.onnx")
    model = onnx.load(path)
    helper.set_model_props(model, {KEY: "[]"})
    onnx.save(model, path)
    assert "should be a JSON object" in refusal(path).message


def test_a_card_of_another_graph(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.onnx")
    model = onnx.load(path)
    helper.set_model_props(model, {KEY: replace(CARD, class_names=("a", "b")).to_json()})
    onnx.save(model, path)
    assert "gives probabilities of 2 classes; in fact" in refusal(path).message
    helper.set_model_props(model, {KEY: replace(CARD, picture=replace(CARD.picture, size=28)).to_json()})
    onnx.save(model, path)
    assert "takes uint8 pictures of shape [28, 28, 1]; in fact" in refusal(path).message


def test_a_card_with_rejects_that_the_graph_does_not_give(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.onnx")
    model = onnx.load(path)
    helper.set_model_props(model, {KEY: replace(CARD, rejects=("none of them", "dark")).to_json()})
    onnx.save(model, path)
    assert "gives probabilities of 3 classes and shares of 2 rejects; in fact" in refusal(path).message
    model = onnx.load(write_model(path, DOUBTING))
    helper.set_model_props(model, {KEY: replace(DOUBTING, rejects=()).to_json()})
    onnx.save(model, path)
    assert "gives probabilities of 2 classes; in fact" in refusal(path).message


@pytest.mark.parametrize("computes", [False, True])
def test_kernels_kept_as_int8_are_unfolded_at_load_unless_the_network_computes_in_int8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computes: bool
) -> None:
    recipe = parse({"name": "flat", "layers": [{"kind": "flatten"}, {"kind": "dense"}]}, "flat")
    weights = draw(plan(recipe, CARD.picture.shape, 3), seed=0)
    path = tmp_path / "compact.onnx"
    model = to_onnx(recipe, weights, CARD, compact=True)
    assert "DequantizeLinear" in [node.op_type for node in model.graph.node]
    if computes:
        last = model.graph.node.pop()
        scale = numpy_helper.from_array(np.array(1 / 255, np.float32), "step")
        model.graph.initializer.append(scale)
        model.graph.node.append(helper.make_node("QuantizeLinear", [last.input[0], "step"], ["steps"]))
        model.graph.node.append(helper.make_node("DequantizeLinear", ["steps", "step"], ["probabilities"]))
    path.write_bytes(model.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    monkeypatch.setattr(onnxruntime, "SessionOptions", lambda: options)
    load_tagger(path)
    loaded = [node.op_type for node in onnx.load(tmp_path / "loaded.onnx").graph.node]
    assert ("DequantizeLinear" in loaded) == computes


def test_weights_in_another_file_are_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model given by a stranger must not read files that lie about."""
    monkeypatch.chdir(tmp_path)
    np.zeros(64 * 3, np.float32).tofile(tmp_path / "secret.bin")
    path = write_model(tmp_path / "model.onnx")
    model = onnx.load(path)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "1.weight")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "secret.bin"), ("offset", "0"), ("length", "768")):
        weight.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    assert "it keeps weights in another file" in refusal(path).message


def test_a_model_that_answers_no_numbers(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.onnx")
    model = onnx.load(path)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "1.bias")
    bias.CopyFrom(numpy_helper.from_array(np.full(3, np.nan, np.float32), "1.bias"))
    onnx.save(model, path)
    with pytest.raises(ModelError, match="something other than probabilities"):
        load_tagger(path).tag(bright("left"))


def test_a_model_in_memory_is_not_touched_by_a_broken_photo(tagger: Tagger) -> None:
    buffer = io.BytesIO()
    Image.fromarray(bright("right")).save(buffer, "PNG")
    with pytest.raises(PictureError):
        tagger.tag(buffer.getvalue()[:40])
    assert tagger.tag(buffer.getvalue()).label == "right"
