"""Weights that go out to PyTorch and come in from it, and files that are not what they say."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import elsewhere
import numpy as np
import pytest
import torch
from garments import blobs, small_recipe
from PIL import Image
from torch import nn

from lapel.data.dataset import Dataset
from lapel.engines.weights import packed
from lapel.errors import LapelError, ModelError
from lapel.evaluation import evaluate
from lapel.exporting import export
from lapel.importing import import_model
from lapel.recipes.load import load_recipe, parse
from lapel.tagger import load_tagger
from lapel.trainer import train


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plain_network() -> nn.Sequential:
    """The small recipe's network as anybody would write it in PyTorch."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(8),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(8 * 16, 4),
    )  # fmt: skip


def answers(network: nn.Module, dataset: Dataset) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    network.eval()
    with torch.no_grad():
        pictures = torch.from_numpy(dataset.train.pictures).permute(0, 3, 1, 2) / 255
        return network(pictures).softmax(1).numpy()


def test_a_state_dict_from_a_tutorial_becomes_a_run_that_answers_as_it_did() -> None:
    dataset, network = blobs(), plain_network()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    network[3].running_mean.uniform_(-1, 1)
    torch.save(network.state_dict(), "tutorial.pth")
    run = import_model("tutorial.pth", small_recipe(), dataset, scaling="0-1").run
    assert run is not None
    evaluate(run, dataset=dataset)
    kept = run.predictions("validation")
    assert kept is not None
    _, held = dataset.split(0.1, 0)
    expected = answers(network, Dataset("held", held, None, dataset.class_names))
    np.testing.assert_allclose(kept[0], expected, atol=1e-6)
    assert run.done is not None
    assert run.done["stopped"] == "imported"
    assert run.done["validation_accuracy"] == pytest.approx((expected.argmax(1) == held.labels).mean())


def test_an_exported_state_dict_loads_into_plain_pytorch_and_answers_alike() -> None:
    dataset = blobs()
    run = train(small_recipe(), dataset)
    made = export(run, "weights.pth", dataset=dataset)
    assert made.largest_difference < 1e-6
    network = plain_network()
    ours = torch.load("weights.pth", weights_only=True)
    theirs = [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]
    network.load_state_dict(dict(zip(theirs, ours.values(), strict=True)), strict=False)
    evaluate(run, dataset=dataset)
    kept = run.predictions("validation")
    assert kept is not None
    _, held = dataset.split(0.1, 0)
    np.testing.assert_allclose(
        answers(network, Dataset("held", held, None, dataset.class_names)), kept[0], atol=1e-5
    )


def test_out_and_in_again_gives_the_same_weights() -> None:
    dataset = blobs()
    run = train(small_recipe(), dataset)
    export(run, "weights.pth", dataset=dataset)
    again = import_model("weights.pth", small_recipe(), dataset).run
    assert again is not None
    assert all(np.array_equal(again.weights()[name], value) for name, value in run.weights().items())


def test_a_checkpoint_that_holds_a_state_dict_is_read() -> None:
    network = plain_network()
    optimizer = torch.optim.Adam(network.parameters())
    torch.save(
        {"epoch": 3, "state_dict": network.state_dict(), "optimizer": optimizer.state_dict()}, "last.pt"
    )
    run = import_model("last.pt", small_recipe(), blobs(), scaling="0-1").run
    assert run is not None
    np.testing.assert_array_equal(run.weights()["0.weight"], network[0].weight.detach().numpy())


def test_safetensors_come_in_too() -> None:
    run = train(small_recipe(), blobs())
    Path("mine.safetensors").write_bytes(packed(run.weights()))
    again = import_model("mine.safetensors", small_recipe(), blobs()).run
    assert again is not None
    assert again.weights_path.read_bytes()[-64:] == run.weights_path.read_bytes()[-64:]


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("protocol", ["zip", "legacy"])
def test_a_pth_that_holds_code_is_refused_by_name_and_not_run(protocol: str) -> None:
    torch.save({"weights": Bomb()}, "bomb.pth", _use_new_zipfile_serialization=protocol == "zip")
    with pytest.raises(ModelError, match=r"bomb.pth: holds code \((posix|nt|os)\.mkdir\)") as caught:
        import_model("bomb.pth", small_recipe(), blobs())
    assert "torch.save(model.state_dict()" in caught.value.hint
    assert not Path("exploded").exists()


def test_a_bare_pickle_is_refused_and_not_run() -> None:
    Path("bomb.pt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelError, match=r"bomb.pt: (holds code|not a whole)"):
        import_model("bomb.pt", small_recipe(), blobs())
    assert not Path("exploded").exists()


def test_a_whole_pickled_model_is_refused_by_name() -> None:
    torch.save(plain_network(), "model.pt")
    with pytest.raises(
        ModelError, match=r"model.pt: holds code \(torch\.nn\.modules\.container\.Sequential\)"
    ):
        import_model("model.pt", small_recipe(), blobs())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused() -> None:
    torch.jit.save(torch.jit.trace(plain_network().eval(), torch.zeros(1, 1, 8, 8)), "script.pt")
    with pytest.raises(ModelError, match=r"script.pt: (holds code|not a whole)"):
        import_model("script.pt", small_recipe(), blobs())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"weights", b"\x00" * 1000])
def test_what_is_no_pytorch_file_is_refused(content: bytes) -> None:
    Path("w.pth").write_bytes(content)
    with pytest.raises(ModelError, match=r"w\.pth: "):
        import_model("w.pth", small_recipe(), blobs())


def test_a_truncated_file_is_refused() -> None:
    buffer = io.BytesIO()
    torch.save(plain_network().state_dict(), buffer)
    whole = buffer.getvalue()
    for length in range(10, len(whole), len(whole) // 20):
        Path("w.pth").write_bytes(whole[:length])
        with pytest.raises(ModelError):
            import_model("w.pth", small_recipe(), blobs())


def test_weights_of_another_network_and_another_ending_are_refused() -> None:
    torch.save(plain_network().state_dict(), "w.pth")
    with pytest.raises(ModelError, match="holds 8 weights, but the recipe's network has 4") as caught:
        import_model("w.pth", load_recipe("dense"), blobs())
    assert "0.weight (8, 1, 3, 3)" in caught.value.hint
    Path("w.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="a recipe goes with weights alone"):
        import_model("w.bin", small_recipe(), blobs())
    with pytest.raises(LapelError, match="No such file"):
        import_model("none.pth", small_recipe(), blobs())


def test_a_residual_straight_after_flatten_has_no_order_in_pytorch() -> None:
    recipe = parse(
        {
            "name": "odd",
            "layers": [
                {"kind": "conv", "filters": 2},
                {"kind": "flatten"},
                {"kind": "residual", "layers": [{"kind": "dense", "units": 128}]},
                {"kind": "dense"},
            ],
            "training": {"epochs": 1},
        },
        "odd",
    )
    run = train(recipe, blobs())
    with pytest.raises(ModelError, match="comes straight after flatten"):
        export(run, "odd.pth", dataset=blobs())


def tutorial(scaling: str) -> nn.Sequential:
    """The network of recipe `dense`, as training on pictures of this scaling would leave it."""
    torch.manual_seed(2)
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
    with torch.no_grad():
        hidden = network[:3](torch.from_numpy(elsewhere.SCALED[scaling](elsewhere.learned().pictures)))
        weight, bias = elsewhere.readout(hidden.numpy())
        network[4].weight.copy_(torch.from_numpy(weight.T))
        network[4].bias.copy_(torch.from_numpy(bias))
    torch.save(network.state_dict(), "tutorial.pth")
    return network.eval()


def told(network: nn.Module, scaling: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with torch.no_grad():
        pictures = torch.from_numpy(elsewhere.SCALED[scaling](elsewhere.held().pictures))
        return network(pictures).softmax(1).numpy()


def test_weights_of_pictures_from_0_to_1_become_a_run() -> None:
    expected = told(tutorial("0-1"), "0-1")
    made = import_model("tutorial.pth", "dense", elsewhere.dataset())
    assert made.run is not None
    assert made.path == made.run.path
    assert made.chosen.scaling.name == "0-1"
    report = evaluate(made.run, dataset=elsewhere.dataset())
    assert report.accuracy == made.chosen.accuracy
    assert report.accuracy == pytest.approx((expected.argmax(1) == elsewhere.held().labels).mean())


@pytest.mark.parametrize("scaling", ["0-255", "0.5/0.5", "0.286/0.353", "0.1307/0.3081"])
def test_weights_that_want_another_scaling_become_a_model(scaling: str) -> None:
    expected = told(tutorial(scaling), scaling)
    made = import_model("tutorial.pth", "dense", elsewhere.dataset())
    assert (made.run, made.path, made.chosen.scaling.name) == (None, Path("tutorial.onnx"), scaling)
    tagger = load_tagger(made.path)
    np.testing.assert_allclose(tagger.probabilities(elsewhere.held().pictures), expected, atol=1e-4)
    assert (tagger.card.made["format"], tagger.card.made["scaling"]) == ("weights", scaling)
    assert not Path("runs").exists()
    with pytest.raises(ModelError, match=r"want pictures scaled .*, but a run's are 0-1") as caught:
        import_model("tutorial.pth", "dense", elsewhere.dataset(), path="runs/mine")
    assert "--out FILE.onnx" in caught.value.hint


def test_weights_become_a_model_where_one_is_asked_for() -> None:
    expected = told(tutorial("0-1"), "0-1")
    made = import_model("tutorial.pth", "dense", elsewhere.dataset(), path="asked.onnx")
    assert (made.run, made.path) == (None, Path("asked.onnx"))
    answers = load_tagger("asked.onnx").probabilities(elsewhere.held().pictures)
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def test_weights_that_only_guess_are_taken_as_the_recipe_has_them() -> None:
    network = plain_network()
    with torch.no_grad():
        network[6].weight.zero_()
    torch.save(network.state_dict(), "untrained.pth")
    made = import_model("untrained.pth", small_recipe(), blobs())
    assert made.run is not None
    assert made.chosen.scaling.name == "0-1"


def test_weights_need_a_recipe_and_it_says_the_rest() -> None:
    torch.save(plain_network().state_dict(), "w.pth")
    with pytest.raises(ModelError, match="does not say of which network") as caught:
        import_model("w.pth", dataset=blobs())
    assert "--recipe" in caught.value.hint
    with pytest.raises(ModelError, match="the recipe says the layout"):
        import_model("w.pth", small_recipe(), blobs(), layout="chw")


def test_photos_become_what_weights_and_their_size_ask_for() -> None:
    random = np.random.default_rng(0)
    for channel, name in ((2, "blue"), (0, "red")):
        (Path("photos") / name).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(0, 90, (20, 24, 3), dtype=np.uint8)
            pixels[:, :, channel] += 150
            Image.fromarray(pixels).save(Path("photos") / name / f"{number}.png")
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(2 * 16 * 16, 2))
    nn.init.zeros_(network[0].weight)
    with torch.no_grad():
        network[0].weight[0, 2] = network[0].weight[1, 0] = 1.0
        network[2].weight[:] = torch.eye(2).repeat_interleave(256, 1) / 16
    torch.save(network.state_dict(), "colours.pth")
    layers = [{"kind": "conv", "filters": 2, "kernel": 1}, {"kind": "flatten"}, {"kind": "dense"}]
    recipe = parse({"name": "colours", "layers": layers}, "test")
    made = import_model("colours.pth", recipe, "photos", scaling="0-1", size=16)
    assert made.chosen.accuracy == 1.0
    assert made.run is not None
    assert made.run.environment["dataset"]["shape"] == [16, 16, 3]
    with pytest.raises(ModelError, match=r"shape \(2, 512\); the recipe asks for \(2, 1568\)") as caught:
        import_model("colours.pth", recipe, "photos")
    assert "--size" in caught.value.hint
