from __future__ import annotations

import importlib
import json
import os
import re
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from garments import small_recipe
from halves import CARD, DOUBTING, bright, write_model
from PIL import Image

from lapel.commands.exporting import export as export_command
from lapel.commands.tag import tag as tag_command
from lapel.errors import LapelError, ModelError, PictureError, RunError
from lapel.exporting import Exported
from lapel.recipes.load import to_toml
from lapel.runs import Run
from lapel.tag import Catalogue, tag_catalogue
from lapel.tagger import Tag, Untagged, load_tagger

# `lapel.export` by itself is the function.
MODULE: Any = importlib.import_module("lapel.exporting")


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
    assert head.split() == ["file", "label", "score", "alternatives"]
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


def test_a_tag_that_is_not_accepted_shows_its_reason(tmp_path: Path) -> None:
    model = write_model(tmp_path / "doubting.onnx", DOUBTING)
    for side in ("left", "nothing", "both"):
        Image.fromarray(bright(side)).save(tmp_path / f"{side}.png")
    photos = [tmp_path / f"{side}.png" for side in ("left", "nothing", "both")]
    sure, refused, unsure = run(*photos, "--model", model).stdout.splitlines()[1:]
    # What people read is the score, which the refusal has its share of, too.
    assert re.search(r"left +99\.6%  right 0\.2%", sure)
    # Of a refused tag, the figure is what is left of the label beside the refusal.
    tags = [load_tagger(model).tag(photo) for photo in photos]
    for tag, line, reason in zip(tags[1:], (refused, unsure), ("no garment found", "unsure"), strict=True):
        assert tag.score < tag.confidence == pytest.approx(0.5)
        left = f"{tag.score:.1%}"
        assert re.search(rf"I don't know: {reason} \(closest: left {left}\) +right {left}$", line)
    shown = run(*photos, "--model", model, "--show").stdout
    assert shown.count("█") == 24
    for photo, tag in zip(photos[1:], tags[1:], strict=True):
        assert f"{photo}\n\n{tag}\n" in shown
        assert str(tag).startswith(f"I don't know: {tag.reason} (closest: left ")
    assert str(tags[0]) == "left 99.6%"


def test_what_is_refused_is_refused_in_the_figure_and_the_gallery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path / "doubting.onnx", DOUBTING)
    photo, page = tmp_path / "nothing.png", tmp_path / "page.html"
    Image.fromarray(bright("nothing")).save(photo)
    words = str(load_tagger(model).tag(photo))
    drawn: list[tuple[Any, ...]] = []
    draw = importlib.import_module("lapel.report.figures").tag_figure

    def remember(*parts: Any) -> Any:
        drawn.append(parts)
        return draw(*parts)

    monkeypatch.setattr("lapel.report.figures.tag_figure", remember)
    assert run(photo, "--model", model, "--figure", tmp_path / "figure.png").exit_code == 0
    ((_, shares, refusal),) = drawn
    assert refusal == words
    assert f"{shares[0][1]:.1%})" in words
    titles = [text.get_text() for text in draw(*drawn[0]).texts]
    assert words in titles
    assert run(photo, "--model", model, "--gallery", page).exit_code == 0
    text = page.read_text()
    assert f'<p class="doubt">{escape(words)}</p>' in text
    assert "50.0%" not in text


def test_doubt_is_never_rounded_to_certainty() -> None:
    tag = Tag("a.jpg", "T-shirt/top", 0.9996, (("Bag", 0.0004),), 0.9996, "unsure")
    assert str(tag) == "I don't know: unsure (closest: T-shirt/top >99.9%)"
    assert str(replace(tag, reason="")) == "T-shirt/top >99.9%"
    assert str(replace(tag, confidence=1.0, score=1.0, reason="")) == "T-shirt/top 100.0%"


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_a_finished_file_says_that_it_was_complete(catalogue: Path, model: Path, name: str) -> None:
    out = catalogue.parent / name
    first = run(catalogue, "--model", model, "--out", out)
    assert re.match(r"4 photos in \d+:\d\d\.\n", first.stderr)
    before = out.read_bytes()
    again = run(catalogue, "--model", model, "--out", out)
    assert again.stderr.startswith("Complete already: 4 rows, and no photo that they lack.\n")
    assert out.read_bytes() == before
    Image.fromarray(bright("left")).save(catalogue / "new" / "z.png")
    more = run(catalogue, "--model", model, "--out", out)
    assert re.match(r"1 more photo in \d+:\d\d; 4 rows were there already\.\n", more.stderr)


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
        (["a.png", "--json", "--csv"], "--json and --csv cannot be combined; choose one."),
        (["a.png", "--json", "--show"], "--json and --show cannot be combined"),
        (["a.png", "--csv", "--out", "b.csv"], "--csv and --out cannot be combined"),
        (["a.png", "--figure", "b.png", "--gallery", "c.html"], "--figure and --gallery cannot be combined"),
        (["a.png", "--null"], "--null goes with -"),
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
    monkeypatch.setattr("lapel.model_file._models_folder", lambda: tmp_path / "shipped")
    for model, kind, words in (
        ("none.onnx", ModelError, "none.onnx: no such model file."),
        ("none-1", ModelError, 'There is no model and no run "none-1".\nTrain one'),
        (None, ModelError, 'There is no model and no run "photo".\nTrain one'),
        (tmp_path, RunError, "a folder, but not a run"),
    ):
        error = run("a.png", *(["--model", model] if model else [])).exception
        assert isinstance(error, LapelError)
        assert type(error) is kind
        assert words in str(error)


def test_the_model_that_comes_with_lapel_is_used_if_no_other_is_given(
    tmp_path: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lapel.model_file._models_folder", lambda: tmp_path / "shipped")
    (tmp_path / "shipped").mkdir()
    for name in ("photo", "other"):
        write_model(tmp_path / "shipped" / f"{name}.onnx", replace(CARD, name=name))
    named = [
        json.loads(run(catalogue / "b.png", "--json", *more).stdout)["model"]
        for more in ((), ("--model", "other"))
    ]
    assert [name.partition("@")[0] for name in named] == ["photo", "other"]
    error = run("a.png", "--model", "foto").exception
    assert str(error) == 'There is no model and no run "foto".\nDid you mean "photo"?'


def test_a_run_is_exported_when_its_weights_are_newer(
    tmp_path: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPEL_RUNS", str(tmp_path / "runs"))
    for name in ("done", "unfinished"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        for file in ("recipe.toml", "weights.safetensors"):
            (folder / file).touch()
        (folder / "environment.json").write_text('{"engine": {"name": "torch"}}')
    exported: list[str] = []

    def pretend(run: Run) -> Exported:
        exported.append(run.name)
        return Exported(write_model(run.model_path), 1, 0.0, 1.0, 512, run.name == "done", CARD)

    monkeypatch.setattr(MODULE, "export", pretend)
    result = run(catalogue / "b.png", "--model", "done")
    assert result.exit_code == 0
    assert result.stderr.startswith("Making the model of done first.\nCalibrated on")
    assert run(catalogue / "b.png", "--model", "done").stderr == ""
    os.utime(tmp_path / "runs" / "done" / "model.onnx", (1, 1))
    assert run(catalogue / "b.png", "--model", tmp_path / "runs" / "done").exit_code == 0
    assert "Not calibrated" in run(catalogue / "b.png", "--model", "unfinished").stderr
    assert exported == ["done", "done", "unfinished"]
    assert 'Did you mean "unfinished"?' in str(run(catalogue / "b.png", "--model", "unfinishd").exception)


def test_export_says_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "environment.json").touch()
    (tmp_path / "recipe.toml").write_text(to_toml(small_recipe(augmentation={"flip": False})))
    card = replace(CARD, temperature=1.25, accept=0.5)
    made = Exported(tmp_path / "model.onnx", 1_234_567, 3e-7, 1.0, 512, True, card)
    asked: list[dict[str, Any]] = []

    def pretend(*_: object, **how: Any) -> Exported:
        asked.append(how)
        return made

    monkeypatch.setattr(MODULE, "export", pretend)
    result = CliRunner().invoke(export_command, [str(tmp_path)])
    assert result.stdout == f"{made.path}\n"
    assert "1.23 MB; answers as the run does on 512 held-out pictures: same labels, prob" in result.stderr
    assert "temperature 1.25; tags are accepted from a score of 0.500." in result.stderr
    made = replace(made, agreement=0.998, real=False)
    how = ["--compact", "--mirror", "--goal", "0.9", "--overwrite"]
    result = CliRunner().invoke(export_command, [str(tmp_path), *how])
    assert "same labels on 99.8%, probabilities within" in result.stderr
    assert "Not calibrated without the run's own data: every tag is accepted." in result.stderr
    assert "has not learned from mirrored pictures" in result.stderr
    (tmp_path / "recipe.toml").write_text(to_toml(small_recipe(augmentation={"flip": True})))
    assert "mirrored" not in CliRunner().invoke(export_command, [str(tmp_path), "--mirror"]).stderr
    del asked[2:]
    assert asked == [
        {"overwrite": False, "compact": False, "mirror": False, "goal": 0.95},
        {"overwrite": True, "compact": True, "mirror": True, "goal": 0.9},
    ]
    made = replace(made, card=None)
    assert "alibrated" not in CliRunner().invoke(export_command, [str(tmp_path)]).stderr
    assert CliRunner().invoke(export_command, [str(tmp_path), "--goal", "95"]).exit_code == 2
