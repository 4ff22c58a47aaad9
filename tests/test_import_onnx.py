"""ONNX files from elsewhere become models that answer as they do; what they must not hold is refused."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from elsewhere import SCALED, Floats, dataset, held, learned, readout, softmax
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

from lapel.data import save_data
from lapel.data.dataset import Dataset, Split
from lapel.errors import LapelError, ModelError
from lapel.evaluation import evaluate
from lapel.importing import Imported, import_model
from lapel.picture import PictureSpec
from lapel.tagger import load_tagger


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def linear(
    shape: list[str | int],
    scaling: str = "0-1",
    ending: str = "Softmax",
    number: int = TensorProto.FLOAT,
    name: str = "linear.onnx",
    domain: str = "",
    classes: int = 10,
) -> str:
    """A network of one dense layer, written by hand; `shape` is its input's, the batch first."""
    weight, bias = readout(SCALED[scaling](learned().pictures))
    nodes = [
        helper.make_node("Cast", ["x"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["floats"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["scores"]),
        helper.make_node(
            ending, ["scores"], ["y"], domain=domain, **({"axis": 1} if "oft" in ending else {})
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", number, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], classes])],
        [
            numpy_helper.from_array(weight[:, :classes], "weight"),
            numpy_helper.from_array(bias[:classes], "bias"),
        ],
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), name)
    return name


def expected(scaling: str = "0-1") -> Floats:
    """What that network answers, in numpy alone."""
    weight, bias = readout(SCALED[scaling](learned().pictures))
    return softmax(SCALED[scaling](held().pictures).reshape(len(held()), -1) @ weight + bias)


def answers(path: Path | str) -> Floats:
    return load_tagger(path).probabilities(held().pictures)


def brought(file: str, **settings: Any) -> Imported:
    return import_model(file, dataset=dataset(), **{"path": "model.onnx", **settings})


@pytest.mark.parametrize("scaling", list(SCALED))
@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        (["n", 28, 28], "hw"),
        (["n", 28, 28, 1], "hwc"),
        (["n", 1, 28, 28], "chw"),
        (["n", 784], "flat"),
    ],
)
def test_layout_and_scaling_are_found(shape: list[str | int], layout: str, scaling: str) -> None:
    made = brought(linear(shape, scaling))
    assert (made.chosen.layout, made.chosen.scaling.name) == (layout, scaling)
    assert (made.path, made.run, made.pictures) == (Path("model.onnx"), None, len(held()))
    assert [candidate.scaling.name for candidate in made.candidates] == [
        "0-1",
        "0-255",
        "0.5/0.5",
        "0.286/0.353",
        "0.1307/0.3081",
    ]
    np.testing.assert_allclose(answers(made.path), expected(scaling), atol=1e-4)
    right = float((expected(scaling).argmax(1) == held().labels).mean())
    assert made.chosen.accuracy == right
    report = evaluate(made.path, dataset=dataset())
    assert (report.accuracy, report.pictures, report.test_looks) == (right, len(held()), None)


def test_a_shape_that_says_nothing_is_found_out_by_trying() -> None:
    made = brought(linear(["n", "a", "b", "c"]))
    assert {candidate.layout for candidate in made.candidates} == {"hwc", "chw"}
    made = brought(linear(["n", None, None]), overwrite=True)
    assert (made.chosen.layout, made.chosen.scaling.name) == ("hw", "0-1")


@pytest.mark.parametrize("ending", ["Identity", "LogSoftmax", "Softmax"])
def test_scores_and_their_logarithms_become_probabilities(ending: str) -> None:
    brought(linear(["n", 784], ending=ending))
    np.testing.assert_allclose(answers("model.onnx"), expected(), atol=1e-5)


def test_a_sigmoid_in_the_end_is_divided_by_its_sum() -> None:
    made = brought(linear(["n", 784], ending="Sigmoid"), scaling="0-1")
    weight, bias = readout(SCALED["0-1"](learned().pictures))
    shares = 1 / (1 + np.exp(-(SCALED["0-1"](held().pictures).reshape(len(held()), -1) @ weight + bias)))
    assert made.chosen.ending == "shares"
    np.testing.assert_allclose(answers("model.onnx"), shares / shares.sum(1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("number", [TensorProto.UINT8, TensorProto.INT64])
def test_a_network_of_whole_numbers_takes_pixels_as_they_are(number: int) -> None:
    made = brought(linear(["n", 28, 28], "0-255", number=number))
    assert [candidate.scaling.name for candidate in made.candidates] == ["0-255"]
    np.testing.assert_allclose(answers("model.onnx"), expected("0-255"), atol=1e-5)
    with pytest.raises(ModelError, match="takes whole numbers"):
        brought("linear.onnx", scaling="0-1", overwrite=True)


def test_other_kinds_of_floats_are_taken() -> None:
    brought(linear(["n", 28, 28], number=TensorProto.DOUBLE))
    np.testing.assert_allclose(answers("model.onnx"), expected(), atol=1e-5)


def test_flags_are_heeded_and_a_wrong_scaling_is_the_users_own() -> None:
    made = brought(linear(["n", 28, 28, "c"]), layout="hwc", scaling="0.9/0.1")
    assert [(one.layout, one.scaling.name) for one in made.candidates] == [("hwc", "0.9/0.1")]
    with pytest.raises(ModelError, match="inputs of shape \\(28, 28, any\\)"):
        brought("linear.onnx", layout="chw", overwrite=True)


def test_classes_in_another_order_are_matched_by_name() -> None:
    names = dataset().class_names
    turned = tuple(sorted(names))
    linear(["n", 784])
    model = onnx.load("linear.onnx")
    order = [names.index(name) for name in turned]
    for weight in model.graph.initializer:
        weight.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(weight)[..., order].copy(), weight.name)
        )
    onnx.save(model, "sorted.onnx")
    with pytest.raises(ModelError, match="as if its classes were in another order") as caught:
        brought("sorted.onnx")
    assert caught.value.hint.endswith(f'--classes "{",".join(turned)}"')
    made = brought("sorted.onnx", class_names=turned)
    assert load_tagger(made.path).card.class_names == turned
    np.testing.assert_allclose(answers(made.path), expected()[:, order], atol=1e-5)
    assert evaluate(made.path, dataset=dataset()).accuracy == made.chosen.accuracy


def test_the_card_says_where_the_model_comes_from() -> None:
    made = brought(linear(["n", 784]))
    card = load_tagger(made.path).card
    assert card.name == "linear"
    assert (card.made["imported"], card.made["format"]) == ("linear.onnx", "ONNX")
    assert (card.made["layout"], card.made["scaling"]) == ("flat", "0-1")
    (measured,) = card.measured
    assert (measured["split"], measured["pictures"]) == ("validation", len(held()))
    assert measured["interval"][0] < measured["accuracy"] < measured["interval"][1]
    # Drawn in Fashion-MNIST's classes, so photographs are prepared as for Fashion-MNIST.
    assert card.picture.preparation == "garment"


class Net(nn.Module):
    """As tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.drop = nn.Dropout(0.5)
        self.fc1 = nn.Linear(8 * 14 * 14, 10)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        return x.view(x.size(0), -1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.log_softmax(self.fc1(self.drop(self.features(x))), dim=1)


def taught(scaling: str) -> Net:
    net = Net().eval()
    with torch.no_grad():
        weight, bias = readout(net.features(tensor(learned().pictures, scaling)).numpy())
        net.fc1.weight.copy_(torch.from_numpy(weight.T))
        net.fc1.bias.copy_(torch.from_numpy(bias))
    return net


def tensor(pictures: Any, scaling: str) -> torch.Tensor:
    return torch.from_numpy(SCALED[scaling](pictures).transpose(0, 3, 1, 2).copy())


def told(net: Net, scaling: str) -> Floats:
    with torch.no_grad():
        found: Floats = net(tensor(held().pictures, scaling)).exp().numpy()
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("batch", [1, 4])
def test_a_batch_that_torch_fixed_is_freed(batch: int) -> None:
    net = taught("0.5/0.5")
    torch.onnx.export(net, (torch.zeros(batch, 1, 28, 28),), "net.onnx", dynamo=False)
    given = onnx.load("net.onnx").graph.input[0].type.tensor_type.shape
    assert given.dim[0].dim_value == batch
    made = brought("net.onnx")
    assert (made.chosen.layout, made.chosen.scaling.name) == ("chw", "0.5/0.5")
    np.testing.assert_allclose(answers(made.path), told(net, "0.5/0.5"), atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_weights_that_torch_puts_beside_the_file_are_found(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript", reason="torch.onnx.export needs onnxscript, which is not installed")
    net = taught("0-1")
    Path("trained").mkdir()
    torch.onnx.export(net, (torch.zeros(1, 1, 28, 28),), "trained/net.onnx", dynamo=True, external_data=True)
    assert Path("trained/net.onnx.data").exists()
    made = brought("trained/net.onnx")
    np.testing.assert_allclose(answers(made.path), told(net, "0-1"), atol=1e-4)
    Path("trained/net.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"keeps its weights in net\.onnx\.data, which does not lie beside"):
        brought("trained/net.onnx", overwrite=True)


@pytest.mark.parametrize("place", ["../secret", "/etc/passwd", "a/b", "linked"])
def test_weights_in_any_other_place_are_not_opened(place: str) -> None:
    Path("../secret").write_bytes(b"\0" * 10_000_000)
    Path("linked").symlink_to("../secret")
    linear(["n", 784])
    model = onnx.load("linear.onnx")
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], place)
    model.graph.initializer[0].ClearField("raw_data")
    Path("odd.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="not a plain file beside it; it is not opened"):
        brought("odd.onnx")


def test_a_batch_that_cannot_be_freed_is_refused() -> None:
    linear([2, 28, 28])
    model = onnx.load("linear.onnx")
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((2, 28, 28), np.float32), "pair"))
    model.graph.node[1].input[0] = "both"
    model.graph.node.insert(1, helper.make_node("Add", ["floats", "pair"], ["both"]))
    onnx.save(model, "fixed.onnx")
    with pytest.raises(ModelError, match="answers 2 pictures at a time and no other number") as caught:
        brought("fixed.onnx")
    assert "dynamic_axes" in caught.value.hint
    assert not Path("model.onnx").exists()


@pytest.mark.parametrize("shape", [["n", 32, 32, 3], ["n", 28, 28, 3], ["n", 3, 28, 28], ["n", 100]])
def test_a_wrong_shape_is_refused_with_both(shape: list[str | int]) -> None:
    linear(["n", 784])
    model = onnx.load("linear.onnx")
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, shape))
    sides = [side for side in shape if isinstance(side, int)]
    empty = np.zeros((np.prod(sides, dtype=int), 10), np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(empty, "weight"))
    onnx.save(model, "odd.onnx")
    with pytest.raises(ModelError) as caught:
        brought("odd.onnx")
    said = ", ".join(map(str, shape[1:])) + ("," if len(shape) == 2 else "")
    assert f"odd.onnx: takes inputs of shape ({said})" in caught.value.message
    assert "(28, 28) or (28, 28, 1) or (1, 28, 28) or (784,)" in caught.value.message


def test_ten_classes_that_are_not_ten_are_refused_with_both_numbers() -> None:
    with pytest.raises(ModelError, match="gives 7 numbers for a picture, but there are 10 classes"):
        brought(linear(["n", 784], classes=7))
    with pytest.raises(ModelError, match="3 class names were given; synthetic has 10 classes"):
        brought(linear(["n", 784]), class_names=["a", "b", "c"])
    with pytest.raises(ModelError, match="a printable name of its own"):
        brought(linear(["n", 784]), class_names=["a"] * 10)


def test_guessing_is_refused_unless_the_scaling_is_given() -> None:
    linear(["n", 784])
    model = onnx.load("linear.onnx")
    weights = numpy_helper.to_array(model.graph.initializer[0])
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.zeros_like(weights), "weight"))
    onnx.save(model, "empty.onnx")
    with pytest.raises(ModelError, match=r"none of the 5 candidates gives more than 10\.0%") as caught:
        brought("empty.onnx")
    assert "--scaling" in caught.value.hint
    assert not Path("model.onnx").exists()
    assert brought("empty.onnx", scaling="0-1").chosen.accuracy == pytest.approx(0.1, abs=0.02)


def two_ended(inputs: int, outputs: int) -> None:
    numbers = [helper.make_tensor_value_info(f"x{n}", TensorProto.FLOAT, ["n", 784]) for n in range(inputs)]
    answers = [helper.make_tensor_value_info(f"y{n}", TensorProto.FLOAT, ["n", 784]) for n in range(outputs)]
    nodes = [helper.make_node("Sum", [f"x{n}" for n in range(inputs)], [f"y{n}"]) for n in range(outputs)]
    model = helper.make_model(
        helper.make_graph(nodes, "two", numbers, answers), opset_imports=[helper.make_opsetid("", 17)]
    )
    onnx.save(model, "two.onnx")


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"), [(2, 1, r"2 inputs \(x0, x1\)"), (1, 2, r"2 outputs \(y0, y1\)")]
)
def test_two_inputs_or_outputs_are_refused(inputs: int, outputs: int, words: str) -> None:
    two_ended(inputs, outputs)
    with pytest.raises(ModelError, match=words):
        brought("two.onnx")


def test_operators_of_other_domains_are_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r'the operator "Gelu" of com\.microsoft, which is no standard one'):
        brought(linear(["n", 784], ending="Gelu", domain="com.microsoft"))


def test_a_model_of_ours_needs_no_import() -> None:
    brought(linear(["n", 784]))
    with pytest.raises(ModelError, match="a model of Lapel already") as caught:
        brought("model.onnx", path="again.onnx")
    assert "lapel tag PHOTO --model model.onnx" in caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"\x08", b"weights", b"\x08\x08", bytes(range(64))[::-1], b"<html>"]
)
def test_what_is_no_onnx_file_is_refused(content: bytes) -> None:
    Path("w.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"w\.onnx: "):
        brought("w.onnx")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize(
    "name",
    ["m.pkl", "m.pickle", "m.joblib", "m.sav", "m.onnx", "m.keras", "m.h5", "m.hdf5", "m.bin"],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_a_pickle_is_refused_by_name_whatever_it_is_called(name: str, protocol: int) -> None:
    Path(name).write_bytes(pickle.dumps(Bomb(), protocol))
    with pytest.raises(ModelError, match=f"{name}: a pickle, which can run code as it is opened"):
        brought(name)
    assert not Path("exploded").exists()


@pytest.mark.parametrize("name", ["m.onnx", "m.keras", "m.h5"])
def test_a_file_of_pytorch_under_another_name_is_refused(name: str) -> None:
    torch.save({"weights": Bomb()}, name)
    with pytest.raises(ModelError, match="a file of PyTorch, which can run code"):
        brought(name)
    assert not Path("exploded").exists()


def test_other_endings_and_folders_are_refused_with_what_is_known() -> None:
    Path("m.tflite").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"\.tflite is no form of network") as caught:
        brought("m.tflite")
    assert ".keras, .h5, .onnx, the folder of a SavedModel" in caught.value.hint
    Path("empty").mkdir()
    with pytest.raises(ModelError, match=r"a folder without saved_model\.pb"):
        brought("empty")
    Path("saved_model.pb").write_bytes(b"x")
    with pytest.raises(ModelError, match="one file of a SavedModel"):
        brought("saved_model.pb")
    with pytest.raises(LapelError, match="No such file"):
        brought("none.onnx")


def test_nothing_is_overwritten_unasked_and_names_are_chosen() -> None:
    linear(["n", 784], name="net.onnx")
    assert import_model("net.onnx", dataset=dataset()).path == Path("net-lapel.onnx")
    with pytest.raises(ModelError, match=r"net-lapel\.onnx exists already") as caught:
        import_model("net.onnx", dataset=dataset())
    assert "--overwrite" in caught.value.hint
    import_model("net.onnx", dataset=dataset(), overwrite=True)
    Path("kept").mkdir()
    Path("net.onnx").rename("kept/net.onnx")
    assert import_model("kept/net.onnx", dataset=dataset()).path == Path("net.onnx")
    for wrong in ("net.keras", "kept"):
        with pytest.raises(ModelError, match=r"not a name for a model, which is one \.onnx file"):
            import_model("kept/net.onnx", dataset=dataset(), path=wrong)


@pytest.mark.parametrize("text", ["", "0-2", "1", "0.5", "a/b", "0.5/0", "-1/1", "0.5/0.5/0.5"])
def test_a_scaling_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match=f'There is no scaling "{text}"') as caught:
        brought(linear(["n", 784]), scaling=text)
    assert "0-255, 0-1, and MEAN/STD" in caught.value.hint


Lapel = Callable[..., subprocess.CompletedProcess[str]]


def test_the_verb_prints_the_model_alone_and_tells_of_the_candidates(lapel: Lapel, tmp_path: Path) -> None:
    save_data(dataset(), tmp_path / "garments.npz", "npz")
    linear(["n", 784], "0.5/0.5", name="tutorial.onnx")
    names = tmp_path / "names.txt"
    names.write_text("\n".join(dataset().class_names))
    data = ("--data", "garments.npz", "--classes", names)
    result = lapel("import", "tutorial.onnx", *data, "--out", "model.onnx")
    assert (result.returncode, result.stdout) == (0, "model.onnx\n"), result.stderr
    (taken,) = (line for line in result.stderr.splitlines() if line.endswith("taken"))
    assert taken.split()[:2] == ["(784,)", "0.5/0.5"]
    assert f"On {len(held())} validation pictures of garments" in result.stderr
    assert "lapel tag PHOTO --model model.onnx" in result.stderr
    assert "lapel evaluate model.onnx" in result.stderr

    judged = lapel("evaluate", "model.onnx", "--data", "garments.npz", "--json")
    assert json.loads(judged.stdout)["pictures"] == len(held()), judged.stderr
    again = lapel("import", "tutorial.onnx", *data, "--out", "model.onnx")
    assert (again.returncode, again.stdout) == (1, "")
    assert "model.onnx exists already" in again.stderr
    wrong = lapel("import", "tutorial.onnx", "--run", "runs/x")
    assert wrong.returncode == 2


def test_the_model_is_one_file_of_standard_operators() -> None:
    brought(linear(["n", 784]))
    model = onnx.load("model.onnx")
    assert {node.domain for node in model.graph.node} == {""}
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    pictures = held().pictures[:3]
    (given,) = session.run(None, {"pictures": pictures})
    np.testing.assert_allclose(given, expected()[:3], atol=1e-5)


def test_pictures_of_another_dataset_are_a_wrong_shape() -> None:
    cut = Split(held().pictures[:, :20, :20], held().labels)
    small = Dataset("small", cut, None, dataset().class_names)
    with pytest.raises(ModelError, match=r"takes inputs of shape \(28, 28\); the pictures have \(20, 20\)"):
        import_model(linear(["n", 28, 28]), dataset=small, path="m.onnx")


class TestAFolderOfPhotos:
    """Whose photos become what the network takes."""

    @pytest.fixture
    def folder(self) -> Path:
        """Photos 90 pixels wide: red ones and blue ones, in a class each."""
        random = np.random.default_rng(0)
        for channel, name in enumerate(("blue", "red")):
            (Path("photos") / name).mkdir(parents=True)
            for number in range(24):
                pixels = random.integers(0, 90, (80, 90, 3), dtype=np.uint8)
                pixels[:, :, 2 - 2 * channel] += 150
                Image.fromarray(pixels).save(Path("photos") / name / f"{number}.png")
        return Path("photos")

    def network(self, height: int | str, width: int | str = "", *, channels_last: bool = False) -> Path:
        """The mean of blue and of red, of pictures of that shape; a word for a side means any."""
        sides = [height, width or height]
        shape = ["n", *sides, 3] if channels_last else ["n", 3, *sides]
        axes = [1, 2] if channels_last else [2, 3]
        nodes = [
            helper.make_node("ReduceMean", ["x"], ["means"], axes=axes, keepdims=0),
            helper.make_node("Gather", ["means", "places"], ["both"], axis=1),
            helper.make_node("Softmax", ["both"], ["y"], axis=1),
        ]
        graph = helper.make_graph(
            nodes,
            "colours",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
            [numpy_helper.from_array(np.array([2, 0]), "places")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, "colours.onnx")
        return Path("colours.onnx")

    @pytest.mark.parametrize("channels_last", [False, True])
    @pytest.mark.parametrize("size", [32, 64])
    def test_is_read_in_the_size_and_the_colours_of_the_network(
        self, folder: Path, size: int, channels_last: bool
    ) -> None:
        made = import_model(self.network(size, channels_last=channels_last), dataset=folder, path="made.onnx")
        assert made.chosen.accuracy == 1.0
        assert made.chosen.shape == ((size, size, 3) if channels_last else (3, size, size))
        assert not made.test
        tagger = load_tagger("made.onnx")
        assert tagger.card.picture == PictureSpec(size, 3)
        assert tagger.tag(folder / "red" / "0.png").label == "red"

    def test_needs_a_size_where_the_network_takes_any(self, folder: Path) -> None:
        path = self.network("side")
        with pytest.raises(ModelError, match="takes pictures of any size") as caught:
            import_model(path, dataset=folder, path="made.onnx")
        assert "--size 64" in caught.value.hint
        import_model(path, dataset=folder, path="made.onnx", size=48)
        assert load_tagger("made.onnx").card.picture == PictureSpec(48, 3)

    def test_is_refused_in_another_size_than_the_networks(self, folder: Path) -> None:
        with pytest.raises(ModelError, match="takes pictures of 32×32; the size 64 was asked for") as caught:
            import_model(self.network(32), dataset=folder, size=64)
        assert "Leave --size out" in caught.value.hint

    def test_is_of_no_use_to_a_network_for_pictures_that_are_not_square(self, folder: Path) -> None:
        with pytest.raises(ModelError, match="takes pictures of 64×48, but those of a model are square"):
            import_model(self.network(64, 48), dataset=folder)

    def test_goes_with_the_advice_that_the_command_ends_with(self, folder: Path, lapel: Lapel) -> None:
        self.network(32)
        done = lapel("import", "colours.onnx", "--data", "photos", "--out", "made.onnx")
        assert done.returncode == 0, done.stderr
        (advice,) = [line for line in done.stderr.splitlines() if line.startswith("Judge it with: lapel ")]
        judged = lapel(*advice.removeprefix("Judge it with: lapel ").split())
        assert judged.returncode == 0, judged.stderr
        assert "validation pictures of photos" in judged.stdout

    def test_that_holds_ready_pictures_of_another_size_is_refused_with_both_shapes(self) -> None:
        save_data(dataset(), "ready.npz", "npz")
        with pytest.raises(
            ModelError, match=r"takes inputs of shape \(3, 64, 64\); the pictures have \(28, 28\)"
        ):
            import_model(self.network(64), dataset="ready.npz")
