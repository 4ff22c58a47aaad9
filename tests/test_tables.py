"""Tables as they are read: at 80 columns, at 40, and by a program."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import made_answers, made_dataset, made_run
from PIL import Image
from terminals import typed

from lapel.recipes.load import named_recipes
from lapel.splits import split_of_run

Lapel = Callable[..., subprocess.CompletedProcess[str]]
NAMES = ("cnn-fast-1", "a-name-of-a-run-that-somebody-made-up-12")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that were judged, and two photos."""
    folder, dataset = tmp_path_factory.mktemp("folder"), made_dataset()
    for seed, name in enumerate(NAMES):
        run = made_run(folder / "runs" / name, dataset)
        labels = split_of_run(run, dataset, "test").labels
        run.record_look("test", 0.5, len(labels))
        run.save_predictions("test", made_answers(labels, 4, 0.9 - 0.4 * seed, seed), labels)
    for name in ("photo.png", "another photo.png"):
        Image.new("L", (40, 40), 200).save(folder / name)
    return folder


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["runs"], NAMES),
        (["recipes"], named_recipes()),
        (["compare", *NAMES], NAMES),
        (
            ["tag", "photo.png", "another photo.png", "gone.png"],
            ["photo.png", "another photo.png", "gone.png"],
        ),
        (["data", "list"], ["fashion-mnist", "mnist", "synthetic"]),
    ],
    ids=["runs", "recipes", "compare", "tag", "data list"],
)
def test_lines_fit_and_names_stay_whole(
    folder: Path, columns: int, words: list[str], whole: tuple[str, ...]
) -> None:
    lines = typed(columns, folder, *words).splitlines()
    # A name that is longer than the terminal is not cut either; it has a line of its own.
    assert [line for line in lines if len(line) > columns and line not in whole] == []
    assert [name for name in whole if not any(line.startswith(name) for line in lines)] == []
    assert not any("…" in line for line in lines)


def test_the_least_important_columns_go_first(folder: Path) -> None:
    wide, narrow = (typed(columns, folder, "runs").splitlines() for columns in (160, 80))
    titles = "run recipe engine data epochs validation test parameters time state"
    assert wide[0].split() == titles.split()
    # The long name leaves room for these, each title in one line above its column.
    assert narrow[0].split() == ["run", "data", "validation", "test", "state"]
    assert len(narrow) == len(wide) == 3
    assert {line.split()[-1] for line in narrow[1:]} == {"stopped"}


def test_where_not_even_the_lasting_columns_fit_a_row_is_a_block(folder: Path) -> None:
    first, second = typed(40, folder, "runs").rstrip().split("\n\n")
    assert first.splitlines()[0] == NAMES[0]
    assert second.splitlines()[0] == NAMES[1]
    assert [line.split()[:2] for line in first.splitlines()[1:]] == [
        ["recipe", "dense"],
        ["engine", "torch"],
        ["data", "rows"],
        ["epochs", "3/5"],
        ["validation", "90.00%"],
        ["test", "50.00%"],
        ["parameters", "101,770"],
        ["time", "4"],
        ["state", "stopped"],
    ]


def test_what_is_left_out_is_said(lapel: Lapel, folder: Path) -> None:
    """On stderr, and only where something is; a program gets every column in one line a row."""
    piped = lapel("recipes", COLUMNS="40")
    assert len(piped.stdout.splitlines()) == 1 + len(named_recipes())
    assert "PyTorch" in piped.stdout
    assert all(line == line.rstrip() for line in piped.stdout.splitlines())
    assert "Left out" not in piped.stderr


def test_running_and_stopped_runs_are_told_apart_by_the_lock(lapel: Lapel, tmp_path: Path) -> None:
    dataset = made_dataset()
    run = made_run(tmp_path / "runs" / "one", dataset)
    made_run(tmp_path / "runs" / "two", dataset)
    with run.locked():
        states = {row["run"]: row["state"] for row in json.loads(lapel("runs", "--json").stdout)}
    assert states == {"one": "running", "two": "stopped"}
    assert json.loads(lapel("runs", "--json").stdout)[0]["state"] == "stopped"
