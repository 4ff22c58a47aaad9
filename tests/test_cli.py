"""The command line as a user meets it: what it prints where, and how it ends."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from garments import blobs, small_recipe
from PIL import Image

from lapel.cli import lapel as command_line
from lapel.commands.options import invocation
from lapel.data import save_data
from lapel.data.synthetic.draw import synthetic_dataset
from lapel.recipes.load import to_toml

Lapel = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A recipe and a dataset as files, in the folder that `lapel` runs in."""
    (tmp_path / "small.toml").write_text(to_toml(small_recipe()))
    save_data(blobs(), tmp_path / "blobs.npz", "npz")
    return tmp_path


@pytest.mark.long
def test_the_whole_way(new_python: Lapel, lapel: Lapel, files: Path) -> None:
    """Every verb for the first time in a Python that has imported nothing yet."""
    trained = new_python(
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

    listed = json.loads(new_python("runs", "--json").stdout)
    assert [(row["run"], row["state"], row["test_accuracy"]) for row in listed] == [("small-1", "done", None)]

    judged = new_python("evaluate", "small-1", "--test", "--json")
    assert judged.returncode == 0, judged.stderr
    report = json.loads(judged.stdout)
    assert report["split"] == "test"
    assert report["pictures"] == 100
    assert (files / "runs/small-1/report/index.html").stat().st_size > 10_000
    table = lapel("runs").stdout
    assert f"{report['accuracy']:.2%}" in table

    exported = new_python("export", "small-1")
    assert exported.stdout == "runs/small-1/model.onnx\n"
    assert "answers as the run does" in exported.stderr
    assert lapel("export", "small-1", "--out", "weights.pth").returncode == 0
    imported = new_python("import", "weights.pth", "--recipe", "small.toml", "--data", "blobs.npz")
    assert imported.stdout == "runs/small-2\n"

    compared = new_python("compare", "small-1", "small-2", "--out", "curves.png")
    assert compared.returncode == 0, compared.stderr
    assert (files / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_quiet_says_nothing_but_the_run(lapel: Lapel, files: Path) -> None:
    result = lapel("train", "small.toml", "--data", "blobs.npz", "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "runs/small-1\n", "")


@pytest.mark.parametrize("engine", ["torch", pytest.param("keras", marks=pytest.mark.long)])
def test_ctrl_c_stops_cleanly_and_resume_goes_on(lapel: Lapel, files: Path, engine: str) -> None:
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
    again = lapel("train", "--resume", "mine", "--set", "training.epochs=1")
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
    command = f"{shlex.quote(sys.executable)} -m lapel recipes cnn-deep --json | head -1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert result.stderr == ""


@pytest.mark.parametrize(
    "words",
    [["recipes"], ["recipes", "cnn"], ["data", "list", "--json"], ["--help"], ["tag", "photo.png", "--csv"]],
    ids=" ".join,
)
def test_an_output_that_takes_no_more_is_one_clear_line(tmp_path: Path, words: list[str]) -> None:
    Image.new("L", (40, 40), 200).save(tmp_path / "photo.png")
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "lapel", *words],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 1
    expected = "lapel: the output cannot be written: no space left on device."
    said = [
        line for line in result.stderr.splitlines() if not line.startswith(("Measured", "Test", "`lapel"))
    ]
    assert said == [
        expected,
        "  Send it to a place with room that you may write to, and run the same command again.",
    ]


def test_recipes_are_listed_and_printed(lapel: Lapel) -> None:
    listed = lapel("recipes")
    assert "101,770" in listed.stdout
    printed = lapel("recipes", "dense")
    assert printed.stdout.startswith('name = "dense"')
    assert "measured" not in printed.stdout
    assert re.search(r"Measured with torch on fashion-mnist: [\d.]+ ± [\d.]+ %", printed.stderr)
    assert lapel("recipes", "--set", "training.epochs=9").returncode == 2
    changed = json.loads(lapel("recipes", "dense", "--set", "training.epochs=9", "--json").stdout)
    assert changed["training"]["epochs"] == 9


NOWHERE = {"LAPEL_DATA": "", "https_proxy": "http://127.0.0.1:9"}  # neither data nor a network


def check_demo(stdout: str, stderr: str, folder: Path) -> float:
    """The demo said that it used the drawn garments and left what it should; how accurate it came to be."""
    assert "drawn garments, not Fashion-MNIST" in stderr
    assert stdout.rstrip().splitlines()[-2].startswith("These are drawn garments, not Fashion-MNIST")
    page = (folder / "runs/cnn-fast-1/report/index.html").read_text()
    assert "drawn garments" in page
    assert len(list((folder / "runs/cnn-fast-1/pictures").glob("*.png"))) == 3
    commands = [line.strip() for line in stdout.splitlines() if " train cnn" in line or " tag " in line]
    assert commands[1].endswith(" train cnn --data synthetic")
    # What it ends with can be typed: it is run by a shell that knows as little as the demo did.
    typed = subprocess.run(commands[0], shell=True, cwd=folder, capture_output=True, text=True, check=False)
    assert typed.returncode == 0, typed.stderr
    return float(re.search(r"([\d.]+)% of [\d,]+ test pictures", stdout)[1])


@pytest.mark.long
def test_demo_without_data_and_network_uses_drawn_garments_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a quarter of them, so that they are drawn and learned in a moment."""
    importlib.import_module("matplotlib.font_manager")  # which looks through all fonts once for every HOME
    monkeypatch.chdir(tmp_path)
    few = partial(synthetic_dataset, 1500, 100)
    monkeypatch.setattr("lapel.data.synthetic.draw.synthetic_dataset", few)
    result = CliRunner().invoke(command_line, ["demo"], env={**NOWHERE, "HOME": str(tmp_path)})
    assert result.exit_code == 0, result.output
    assert check_demo(result.stdout, result.stderr, tmp_path) > 40


@pytest.mark.long
def test_demo_learns_the_drawn_garments_well(new_python: Lapel, tmp_path: Path) -> None:
    result = new_python("demo", **NOWHERE, HOME=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert check_demo(result.stdout, result.stderr, tmp_path) > 90


@pytest.mark.parametrize("on_path", [True, False])
def test_the_command_that_can_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: bool
) -> None:
    scripts, elsewhere = tmp_path / "my venv" / "bin", tmp_path / "elsewhere"
    for folder in (scripts, elsewhere):
        folder.mkdir(parents=True)
        (folder / "lapel").touch(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(scripts))
    monkeypatch.setenv("PATH", str(scripts if on_path else elsewhere))  # that one is of another installation
    monkeypatch.chdir(tmp_path)
    assert invocation() == ("lapel" if on_path else "'my venv/bin/lapel'")
    monkeypatch.chdir(elsewhere)
    assert invocation() == ("lapel" if on_path else f"'{scripts}/lapel'")
    monkeypatch.chdir(scripts)
    assert invocation() == ("lapel" if on_path else "./lapel")
    (scripts / "lapel").unlink()
    assert invocation() == f"{shlex.quote(sys.executable)} -m lapel"


@pytest.mark.parametrize(
    "verb",
    [
        *("demo", "data", "data list", "data get", "data show", "data check", "recipes", "train", "import"),
        *("runs", "evaluate", "compare", "export", "tag", "serve"),
    ],
)
def test_help_fits_80_columns_and_shows_an_example(verb: str) -> None:
    result = CliRunner().invoke(command_line, [*verb.split(), "--help"], terminal_width=80)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    example = result.stdout.rstrip().splitlines()[-1].strip()
    assert example.startswith(f"Example: lapel {verb.split()[0]} ")
