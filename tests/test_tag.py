from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from halves import bright, write_model
from PIL import Image

from lapel.commands.export import export as export_command
from lapel.commands.tag import tag as tag_command
from lapel.errors import LapelError, ModelError, PictureError, RunError
from lapel.runs import Run
from lapel.tag import Catalogue, tag_catalogue
from lapel.tagger import Tag, Untagged, load_tagger

# `lapel.export` by itself is the function.
MODULE: Any = importlib.import_module("lapel.export")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.onnx")


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """A folder of photos, and of what else lies in folders of photos."""
    folder = tmp_path / "my photos"
    for name, side in {
        "b.png": "left",
        "a.PNG": "right",
        "new/c.png": "left",
        ".hidden/d.png": "left",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(bright(side)).save(path)
    (folder / "notes.txt").write_text("what to sell")
    (folder / ".b.png").write_bytes(b"")
    (folder / "new" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "empty").mkdir()
    (folder / "again").symlink_to(folder)
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(tag_command, list(map(str, arguments)), catch_exceptions=True)


# The catalogue


def test_folders_give_their_photos_by_name(catalogue: Path) -> None:
    assert [str(Path(photo.name).relative_to(catalogue)) for photo in Catalogue([str(catalogue)])] == [
        "a.PNG",
        "b.png",
        "new/broken.jpg",
        "new/c.png",
    ]


def test_every_input_gives_one_row_in_order(catalogue: Path, model: Path) -> None:
    given = [
        catalogue / "b.png",
        catalogue / "none.png",
        catalogue / "empty",
        catalogue,
        catalogue / "notes.txt",
    ]
    rows = [row for _, row in tag_catalogue(load_tagger(model), Catalogue(list(map(str, given))))]
    assert [Path(row.source).name for row in rows] == [
        "b.png",
        "none.png",
        "empty",
        "a.PNG",
        "b.png",
        "broken.jpg",
        "c.png",
        "notes.txt",
    ]
    labels = [row.label if isinstance(row, Tag) else "-" for row in rows]
    assert labels == ["left", "-", "-", "right", "left", "-", "left", "-"]
    reasons = [row.error.message for row in rows if isinstance(row, Untagged)]
    assert reasons[0].endswith("none.png: no such file.")
    assert reasons[1].endswith("empty: a folder without pictures in it.")
    assert "broken.jpg: the picture is damaged or cut off" in reasons[2]
    assert "it looks like text" in reasons[3]


def test_a_folder_that_may_not_be_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    (photo,) = Catalogue([str(tmp_path)])
    assert isinstance(photo.source, PictureError)
    assert photo.source.message.endswith("a folder that cannot be looked into (permission denied).")


# The command


def test_the_table(catalogue: Path, model: Path) -> None:
    result = run(catalogue / "a.PNG", catalogue / "b.png", "--model", model)
    assert result.exit_code == 0
    head, first, second = result.stdout.splitlines()
    assert head.split() == ["file", "label", "confidence", "alternatives"]
    assert first.split() == [
        *str(catalogue / "a.PNG").split(),
        "right",
        "99.6%",
        "nothing",
        "0.3%,",
        "left",
        "0.2%",
    ]
    assert "left" in second
    assert result.stderr == ""


def test_a_photo_that_fails_is_a_row_and_the_end_is_1(catalogue: Path, model: Path) -> None:
    result = run(catalogue, catalogue / "none.png", "--model", model)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == 6
    assert "not read" in lines[3]
    assert "no such file." in lines[5]
    assert result.stderr == "2 could not be read.\n"
    narrow = run(catalogue / "none.png", "--model", model, "--top", 1)
    assert "no such file." in narrow.stdout
    assert "alternatives" not in narrow.stdout


def test_json_lines(catalogue: Path, model: Path) -> None:
    result = run(catalogue, "--model", model, "--json", "--top", 2)
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row.get("label") for row in rows] == ["right", "left", None, "left"]
    assert rows[0]["source"] == str(catalogue / "a.PNG")
    assert [entry["label"] for entry in rows[0]["alternatives"]] == ["nothing"]
    assert "damaged" in rows[2]["error"]


def test_names_that_are_no_text_or_markup(tmp_path: Path, model: Path) -> None:
    names = ["[red]a.png", "b\x1b[2J.png", os.fsdecode(b"c\xff.png")]
    for name in names:
        Image.fromarray(bright("left")).save(tmp_path / name)
    files = [tmp_path / name for name in names]
    result = run(*files, "--model", model)
    assert result.exit_code == 0
    assert "[red]a.png" in result.stdout
    assert r"b\x1b[2J.png" in result.stdout
    assert r"c\udcff.png" in result.stdout
    rows = [json.loads(line) for line in run(*files, "--model", model, "--json").stdout.splitlines()]
    assert [row["source"] for row in rows] == list(map(str, files))


def test_bars_where_pictures_cannot_be_drawn(catalogue: Path, model: Path) -> None:
    result = run(catalogue / "a.PNG", catalogue / "none.png", "--model", model, "--show")
    assert result.exit_code == 1
    assert "right     99.6%  ████████████████████████" in result.stdout
    assert "none.png: no such file." in result.stdout
    assert "--figure FILE.png" in result.stderr


def test_pictures_beside_the_bars(catalogue: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lapel.terminal.can_draw", lambda *_: True)
    result = CliRunner().invoke(
        tag_command, [str(catalogue / "a.PNG"), "--model", str(model), "--show"], color=True
    )
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert sum("▀" in line for line in lines) == 4
    assert "99.6%" in lines[2]


def test_the_figure(catalogue: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "figure.png"
    result = run(catalogue / "a.PNG", "--model", model, "--figure", out)
    assert result.exit_code == 0
    assert result.stdout == f"{out}\n"
    with Image.open(out) as figure:
        assert min(figure.size) > 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing argument"),
        (["a.png", "--json", "--show"], "Choose one of --json, --csv"),
        (["a.png", "--csv", "--out", "b.csv"], "Choose one of --json, --csv"),
        (["a.png", "--out", "b.png"], "--out ends in .csv, .jsonl or .parquet"),
        (["a.png", "b.png", "--figure", "c.png"], "--figure goes with one photo"),
        (["a.png", "--overwrite"], "--overwrite goes with --out"),
        (["a.png", "--dry-run"], "--link and --dry-run go with --sort-into"),
        ([".", "--sort-into", "sorted"], "--sort-into must not be in ."),
        (["a.png", "--top", "0"], "--top"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


# Which model


def test_models_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPEL_RUNS", str(tmp_path / "runs"))
    for model, kind, words in (
        ("none.onnx", ModelError, "none.onnx: no such model file."),
        ("none-1", RunError, 'There is no run "none-1".'),
        (None, ModelError, "There is no finished run to tag with."),
    ):
        error = run("a.png", *(["--model", model] if model else [])).exception
        assert isinstance(error, LapelError)
        assert type(error) is kind
        assert words in str(error)


def test_the_newest_finished_run_is_used_and_exported_when_its_weights_are_newer(
    tmp_path: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPEL_RUNS", str(tmp_path / "runs"))
    for number, name in enumerate(["old", "newest", "unfinished"]):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        for file in ("recipe.toml", "weights.safetensors"):
            (folder / file).touch()
        (folder / "environment.json").write_text('{"engine": {"name": "torch"}}')
        os.utime(folder / "recipe.toml", (number, number))
        if name != "unfinished":
            (folder / "done.json").write_text("{}")
    exported: list[str] = []

    def pretend(run: Run) -> None:
        exported.append(run.name)
        write_model(run.model_path)

    monkeypatch.setattr(MODULE, "export", pretend)
    result = run(catalogue / "b.png")
    assert result.exit_code == 0
    assert result.stderr == "Making the model of newest first.\n"
    assert run(catalogue / "b.png", "--model", "newest").stderr == ""
    os.utime(tmp_path / "runs" / "newest" / "model.onnx", (1, 1))
    assert run(catalogue / "b.png", "--model", tmp_path / "runs" / "newest").exit_code == 0
    assert run(catalogue / "b.png", "--model", "unfinished").exit_code == 0
    assert exported == ["newest", "newest", "unfinished"]


def test_export_says_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lapel.export import Exported

    for file in ("recipe.toml", "environment.json"):
        (tmp_path / file).touch()
    made = Exported(tmp_path / "model.onnx", 1_234_567, 3e-7, 1.0, 512, True)
    monkeypatch.setattr(MODULE, "export", lambda *_, **__: made)
    result = CliRunner().invoke(export_command, [str(tmp_path)])
    assert result.stdout == f"{made.path}\n"
    assert "1.23 MB; answers as the run does on 512 held-out pictures" in result.stderr
