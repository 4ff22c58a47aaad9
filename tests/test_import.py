"""Weights that go out to PyTorch and come in from it, and files that are not what they say."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from garments import blobs, small_recipe
from torch import nn

from lapel.bring import import_weights
from lapel.data.dataset import Dataset
from lapel.engines.weights import save_weights
from lapel.errors import LapelError, ModelError
from lapel.evaluate import evaluate
from lapel.export import export
from lapel.recipes import load_recipe, parse
from lapel.train import train


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
    run = import_weights("tutorial.pth", small_recipe(), dataset)
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
    again = import_weights("weights.pth", small_recipe(), dataset)
    assert all(np.array_equal(again.weights()[name], value) for name, value in run.weights().items())


def test_a_checkpoint_that_holds_a_state_dict_is_read() -> None:
    network = plain_network()
    optimizer = torch.optim.Adam(network.parameters())
    torch.save(
        {"epoch": 3, "state_dict": network.state_dict(), "optimizer": optimizer.state_dict()}, "last.pt"
    )
    run = import_weights("last.pt", small_recipe(), blobs())
    np.testing.assert_array_equal(run.weights()["0.weight"], network[0].weight.detach().numpy())


def test_safetensors_come_in_too() -> None:
    run = train(small_recipe(), blobs())
    save_weights(run.weights(), Path("mine.safetensors"))
    again = import_weights("mine.safetensors", small_recipe(), blobs())
    assert again.weights_path.read_bytes()[-64:] == run.weights_path.read_bytes()[-64:]


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("protocol", ["zip", "legacy"])
def test_a_pth_that_holds_code_is_refused_by_name_and_not_run(protocol: str) -> None:
    torch.save({"weights": Bomb()}, "bomb.pth", _use_new_zipfile_serialization=protocol == "zip")
    with pytest.raises(ModelError, match=r"bomb.pth: holds code \((posix|nt|os)\.mkdir\)") as caught:
        import_weights("bomb.pth", small_recipe(), blobs())
    assert "torch.save(model.state_dict()" in caught.value.hint
    assert not Path("exploded").exists()


def test_a_bare_pickle_is_refused_and_not_run() -> None:
    Path("bomb.pt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelError, match=r"bomb.pt: (holds code|not a whole)"):
        import_weights("bomb.pt", small_recipe(), blobs())
    assert not Path("exploded").exists()


def test_a_whole_pickled_model_is_refused_by_name() -> None:
    torch.save(plain_network(), "model.pt")
    with pytest.raises(
        ModelError, match=r"model.pt: holds code \(torch\.nn\.modules\.container\.Sequential\)"
    ):
        import_weights("model.pt", small_recipe(), blobs())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused() -> None:
    torch.jit.save(torch.jit.trace(plain_network().eval(), torch.zeros(1, 1, 8, 8)), "script.pt")
    with pytest.raises(ModelError, match=r"script.pt: (holds code|not a whole)"):
        import_weights("script.pt", small_recipe(), blobs())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"weights", b"\x00" * 1000])
def test_what_is_no_pytorch_file_is_refused(content: bytes) -> None:
    Path("w.pth").write_bytes(content)
    with pytest.raises(ModelError, match=r"w\.pth: "):
        import_weights("w.pth", small_recipe(), blobs())


def test_a_truncated_file_is_refused() -> None:
    buffer = io.BytesIO()
    torch.save(plain_network().state_dict(), buffer)
    whole = buffer.getvalue()
    for length in range(10, len(whole), len(whole) // 20):
        Path("w.pth").write_bytes(whole[:length])
        with pytest.raises(ModelError):
            import_weights("w.pth", small_recipe(), blobs())


def test_weights_of_another_network_and_another_ending_are_refused() -> None:
    torch.save(plain_network().state_dict(), "w.pth")
    with pytest.raises(ModelError, match="holds 8 weights, but the recipe's network has 4") as caught:
        import_weights("w.pth", load_recipe("dense"), blobs())
    assert "0.weight (8, 1, 3, 3)" in caught.value.hint
    Path("w.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"expected a PyTorch state dict .* not \.bin"):
        import_weights("w.bin", small_recipe(), blobs())
    with pytest.raises(LapelError, match="No such file"):
        import_weights("none.pth", small_recipe(), blobs())


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
