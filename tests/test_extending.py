"""What others can add to training: an objective, a watch, a source of batches; each as its example has it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from garments import blobs, small_recipe

from lapel import save_data, train
from lapel.recipes.load import to_toml

sys.path.insert(0, str(Path(__file__).parent / "extending"))

from toy_objective import Focal
from toy_watch import Best

EXAMPLES = Path(__file__).parent / "extending"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("engine", ["torch", "keras"])
def test_the_toy_objective_trains_on_both_engines(engine: str) -> None:
    pytest.importorskip(engine)
    recipe = small_recipe(epochs=5, learning_rate=0.01, augmentation={})
    run = train(recipe, blobs(), engine=engine, objective=Focal())
    assert run.history[-1].validation_accuracy > 0.9
    assert run.environment["objective"] == "Focal(gamma=2.0)"


def test_the_toy_objective_is_focal_loss_on_both_engines() -> None:
    torch, keras = pytest.importorskip("torch"), pytest.importorskip("keras")
    answers, truth = np.array([[2.0, 0.0], [0.5, 1.0]], np.float32), np.array([0, 0])
    share = np.exp(answers[:, 0]) / np.exp(answers).sum(1)
    expected = (-((1 - share) ** 2) * np.log(share)).mean()
    in_torch = Focal().torch(torch.from_numpy(answers), torch.from_numpy(truth))
    in_keras = Focal().keras(keras.ops.convert_to_tensor(answers), keras.ops.convert_to_tensor(truth))
    assert [float(in_torch), float(in_keras)] == pytest.approx([expected, expected], rel=1e-5)


def test_the_toy_watch_looks_on(capsys: pytest.CaptureFixture[str]) -> None:
    run = train(small_recipe(), blobs(), seed=3, watches=[Best()])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "small, seed 3"
    assert lines[-1].startswith(f"epoch {max(run.history, key=lambda e: e.validation_accuracy).number}: ")


@pytest.mark.long
def test_the_command_line_finds_a_watch_that_another_package_offers(
    new_python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    package = tmp_path / "site"
    (package / "toy-1.0.dist-info").mkdir(parents=True)
    (package / "toy-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n"
    )
    offer = "[lapel.watches]\ntoy = toy_watch:Best\n"
    (package / "toy-1.0.dist-info" / "entry_points.txt").write_text(offer)
    (package / "toy_watch.py").write_text((EXAMPLES / "toy_watch.py").read_text())
    (tmp_path / "small.toml").write_text(to_toml(small_recipe(epochs=1)))
    save_data(blobs(), tmp_path / "blobs.npz", "npz")
    path = f"{package}:{Path(sys.modules['lapel'].__file__ or '').parent.parent}"
    words = ["train", "small.toml", "--data", "blobs.npz"]
    done = new_python(*words, "--watch", "toy", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "small, seed 0"
    wrong = new_python(*words, "--watch", "toi", PYTHONPATH=path)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert 'There is no watch "toi".' in wrong.stderr
    assert 'Did you mean "toy"?' in wrong.stderr
