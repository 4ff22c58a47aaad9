"""The command line as a user meets it: what it prints where, and how it ends."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from garments import blobs, small_recipe

from lapel.data import save_data
from lapel.recipes.load import to_toml

Lapel = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A recipe and a dataset as files, in the folder that `lapel` runs in."""
    (tmp_path / "small.toml").write_text(to_toml(small_recipe()))
    save_data(blobs(), tmp_path / "blobs.npz", "npz")
    return tmp_path


def test_the_whole_way(lapel: Lapel, files: Path) -> None:
    trained = lapel(
        "train", "small.toml", "--data", "blobs.npz", "--set", "training.epochs=2", "--tensorboard"
    )
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout == "runs/small-1\n"
    assert re.search(
        r"small: \d,?\d+ parameters, blobs, 360 pictures to learn and 40 to validate", trained.stderr
    )
    line = r"epoch 2/2   loss \d\.\d{4}   accuracy +\d+\.\d\d%   validation .*pictures/s   0:00 left"
    assert re.search(line, trained.stderr)
    assert "Kept the weights of epoch" in trained.stderr
    assert list((files / "runs/small-1/tensorboard").iterdir())

    listed = json.loads(lapel("runs", "--json").stdout)
    assert [(row["run"], row["state"], row["test_accuracy"]) for row in listed] == [("small-1", "done", None)]

    judged = lapel("evaluate", "small-1", "--test", "--json")
    assert judged.returncode == 0, judged.stderr
    report = json.loads(judged.stdout)
    assert report["split"] == "test"
    assert report["pictures"] == 100
    assert (files / "runs/small-1/report/index.html").stat().st_size > 10_000
    table = lapel("runs").stdout
    assert f"{report['accuracy']:.2%}" in table

    exported = lapel("export", "small-1")
    assert exported.stdout == "runs/small-1/model.onnx\n"
    assert "answers as the run does" in exported.stderr
    assert lapel("export", "small-1", "--out", "weights.pth").returncode == 0
    imported = lapel("import", "weights.pth", "--recipe", "small.toml", "--data", "blobs.npz")
    assert imported.stdout == "runs/small-2\n"

    compared = lapel("compare", "small-1", "small-2", "--out", "curves.png")
    assert compared.returncode == 0, compared.stderr
    assert (files / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_quiet_says_nothing_but_the_run(lapel: Lapel, files: Path) -> None:
    result = lapel("train", "small.toml", "--data", "blobs.npz", "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "runs/small-1\n", "")


@pytest.mark.parametrize("engine", ["torch", "keras"])
def test_ctrl_c_stops_cleanly_and_resume_goes_on(files: Path, engine: str) -> None:
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    command = [sys.executable, "-m", "lapel", "train"]
    more = ["small.toml", "--data", "blobs.npz", "--set", "training.epochs=2000", "--run", "mine"]
    more += ["--engine", engine]
    # Tests that run in the background may have been told to ignore Ctrl-C, and their children would too.
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([*command, *more], cwd=files, stderr=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGINT, heeded)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch"):
                break
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "lapel train --resume mine" in said
    again = subprocess.run(
        [*command, "--resume", "mine", "--set", "training.epochs=1"],
        cwd=files,
        capture_output=True,
        text=True,
    )
    assert again.returncode == 2
    assert "--set cannot be changed in a run that goes on" in again.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train", "cmn"], 1, 'lapel: There is no recipe "cmn".\n  Did you mean "cnn"?'),
        (["train", "cnn", "--data", "nowhere.csv"], 1, "lapel: nowhere.csv: no such file or folder."),
        (["train", "cnn", "--set", "training.epoch=1"], 1, 'Did you mean "epochs"?'),
        (["train", "cnn", "--engine", "torsh", "--data", "synthetic"], 1, 'Did you mean "torch"?'),
        (["train"], 2, "Give a recipe to train, or --resume RUN to go on with."),
        (["evaluate", "none"], 1, 'lapel: There is no run "none".'),
        (["tag", "photo.jpg", "--model", "none"], 1, 'lapel: There is no model and no run "none".'),
        (["trian"], 2, "No such command"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line_with_a_hint(
    lapel: Lapel, words: list[str], code: int, message: str
) -> None:
    result = lapel(*words)
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_reader_who_leaves_early_is_no_error(files: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m lapel recipes cnn-deep | head -1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert result.stderr == ""


def test_recipes_are_listed_and_printed(lapel: Lapel) -> None:
    listed = lapel("recipes")
    assert "101,770" in listed.stdout
    printed = lapel("recipes", "dense")
    assert printed.stdout.startswith('name = "dense"')
    changed = json.loads(lapel("recipes", "dense", "--set", "training.epochs=9", "--json").stdout)
    assert changed["training"]["epochs"] == 9


def test_demo_without_data_and_network_uses_drawn_garments_and_says_so(lapel: Lapel, tmp_path: Path) -> None:
    began = time.perf_counter()
    result = lapel("demo", LAPEL_DATA="", HOME=str(tmp_path), https_proxy="http://127.0.0.1:9")
    assert result.returncode == 0, result.stderr
    assert time.perf_counter() - began < 60
    assert "drawn garments, not Fashion-MNIST" in result.stderr
    assert result.stdout.rstrip().splitlines()[-2].startswith("These are drawn garments, not Fashion-MNIST")
    page = (tmp_path / "runs/cnn-fast-1/report/index.html").read_text()
    assert "drawn garments" in page
    accuracy = float(re.search(r"([\d.]+)% of 1,000 test pictures", result.stdout)[1])
    assert accuracy > 90
    assert len(list((tmp_path / "runs/cnn-fast-1/pictures").glob("*.png"))) == 3
