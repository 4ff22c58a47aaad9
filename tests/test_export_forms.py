"""A model in other forms: each is asked by what runs that form, and answers as the model in ONNX does."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from garments import garments
from PIL import Image

from lapel import export, load_tagger
from lapel.card import KEY, Card
from lapel.cli import lapel
from lapel.data.dataset import Dataset, Pictures
from lapel.engines.onnx import to_onnx
from lapel.engines.weights import draw
from lapel.errors import LapelError, MissingExtra
from lapel.exporting import forms
from lapel.exporting.c.form import open_c
from lapel.exporting.form import Form, Source
from lapel.exporting.forms import form_called
from lapel.exporting.onnx_session import open_onnx
from lapel.exporting.speed import FormSpeed, Speed
from lapel.picture import PictureSpec
from lapel.recipes.load import parse
from lapel.recipes.plan import plan
from lapel.recipes.schema import Normalise, Recipe
from lapel.runs import Run
from lapel.trainer import train

CC = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler cc")

# What a small network may be made of, each kind at least once.
EVERY_LAYER: list[dict[str, Any]] = [
    {"kind": "conv", "filters": 8, "stride": 2, "activation": "relu6"},
    {"kind": "batch-norm"},
    {"kind": "conv", "filters": 8, "groups": "depthwise", "padding": "tensorflow-same", "stride": 2},
    {"kind": "batch-norm"},
    {"kind": "conv", "filters": 16, "groups": 2, "activation": "gelu"},
    {"kind": "residual", "layers": [{"kind": "conv", "filters": 16, "activation": "silu"}]},
    {"kind": "pool", "by": "average"},
    {"kind": "squeeze-excite", "channels": 4},
    {"kind": "flatten"},
    {"kind": "dropout", "rate": 0.1},
    {"kind": "dense", "units": 16, "activation": "tanh"},
    {"kind": "batch-norm"},
    {"kind": "dense"},
]
# More numbers than a C program keeps as floats.
LARGE: list[dict[str, Any]] = [
    {"kind": "conv", "filters": 8, "stride": 2, "activation": "relu"},
    {"kind": "pool"},
    {"kind": "flatten"},
    {"kind": "dense", "units": 200, "activation": "relu"},
    {"kind": "dense"},
]


def recipe(name: str, layers: list[dict[str, Any]]) -> Recipe:
    training = {"epochs": 4, "batch": 50, "learning_rate": 0.01}
    return parse({"name": name, "layers": layers, "training": training}, "test")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return garments(2000, 1000)


@pytest.fixture(scope="module")
def small(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(recipe("every-layer", EVERY_LAYER), data, path=tmp_path_factory.mktemp("small") / "run")


@pytest.fixture(scope="module")
def large(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(recipe("large", LARGE), data, path=tmp_path_factory.mktemp("large") / "run")


@pytest.fixture(scope="module")
def model(small: Run, data: Dataset) -> Path:
    return export(small, dataset=data).path


def pictures(data: Dataset) -> Pictures:
    """1,000 that nothing has been learned from."""
    assert data.test is not None
    return data.test.pictures


def answers(model: Path, data: Dataset) -> Any:
    return load_tagger(model).probabilities(pictures(data))


def refusal(*words: Any, **how: Any) -> LapelError:
    with pytest.raises(LapelError) as caught:
        export(*words, **how)
    return caught.value


def program(folder: Path, pictures: Pictures) -> Any:
    """What a program of its own, compiled with the two files, prints for pictures."""
    (header,) = folder.glob("*.h")
    name = header.stem
    main = f"""#include <stdio.h>
    #include "{name}.h"
    int main(void)
    {{
        static uint8_t picture[{name.upper()}_HEIGHT * {name.upper()}_WIDTH * {name.upper()}_CHANNELS];
        static float probabilities[{name.upper()}_CLASSES];
        int c;
        while (fread(picture, 1, sizeof picture, stdin) == sizeof picture) {{
            {name}_ask(picture, probabilities);
            for (c = 0; c < {name.upper()}_CLASSES; c++)
                printf("%.9g ", probabilities[c]);
        }}
        printf("%s", {name}_class_names[0]);
        return 0;
    }}"""
    (folder / "main.c").write_text(main)
    built = folder / "ask"
    command = ["cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O2", "-o", str(built)]
    files = [str(file) for file in sorted(folder.glob("*.c"))]
    subprocess.run([*command, *files, "-lm"], check=True, timeout=60)
    result = subprocess.run([built], input=pictures.tobytes(), capture_output=True, check=True, timeout=60)
    *numbers, first = result.stdout.decode().split(" ", len(pictures) * 10)
    assert first == "T-shirt/top"
    return np.array(numbers, np.float64).reshape(len(pictures), 10)


@CC
def test_a_program_in_c_answers_as_the_model_does(
    small: Run, model: Path, data: Dataset, tmp_path: Path
) -> None:
    made = export(small, tmp_path / "program", to="c", dataset=data)
    assert sorted(path.name for path in made.path.iterdir()) == ["every_layer.c", "every_layer.h"]
    assert (made.agreement, made.pictures, made.real) == (1.0, 200, True)
    assert made.bytes == sum(path.stat().st_size for path in made.path.iterdir())
    given, expected = program(made.path, pictures(data)), answers(model, data)
    assert (given.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert np.abs(given - expected).max() < 1e-4
    header = (made.path / "every_layer.h").read_text()
    said = re.search(rf"/\* {re.escape(KEY)}: (.*) \*/", header)
    assert said and json.loads(said[1]) == json.loads(load_tagger(model).card.to_json())
    assert "as floats" in header


@CC
def test_a_large_program_keeps_kernels_as_int8(large: Run, data: Dataset, tmp_path: Path) -> None:
    made = export(large, tmp_path / "program", to="c", dataset=data)
    given = program(made.path, pictures(data))
    expected = answers(export(large, dataset=data).path, data)
    assert np.mean(given.argmax(axis=1) == expected.argmax(axis=1)) >= 0.99
    assert "as int8" in (made.path / "large.h").read_text()


@CC
def test_a_program_in_c_of_a_network_that_can_refuse(data: Dataset, tmp_path: Path) -> None:
    """A model that knows of what is none of its classes, in colour, and one that was kept in int8."""
    layers = [
        {"kind": "conv", "filters": 4, "activation": "relu"},
        {"kind": "global-pool"},
        {"kind": "dense"},
    ]
    small = recipe("2-words", layers)
    normalise = Normalise(zero=(100.0, 120.0, 90.0), span=(50.0, 60.0, 70.0))
    small = small.model_copy(update={"normalise": normalise})
    card = Card("2 words */", ("a", "b", 'c?"\n'.strip()), PictureSpec(12, 3), rejects=("none",), accept=0.25)
    weights = draw(plan(small, (12, 12, 3), 4), seed=3)
    (tmp_path / "model.onnx").write_bytes(to_onnx(small, weights, card, compact=True).SerializeToString())
    made = export(tmp_path / "model.onnx", tmp_path / "program", to="c")
    (file,) = made.path.glob("*.c")
    assert file.name == "model_2_words___.c"
    noise = np.random.default_rng(0).integers(0, 256, (50, 12, 12, 3), dtype=np.uint8)
    ask = open_c(made.path)
    expected, _ = load_tagger(tmp_path / "model.onnx").answers(noise)
    assert np.abs(ask(noise) - expected).max() < 1e-5
    assert "float *probabilities, float *rejected);" in (made.path / "model_2_words___.h").read_text()


def test_int8_computes_in_whole_numbers_and_is_smaller(large: Run, data: Dataset, tmp_path: Path) -> None:
    whole = export(large, dataset=data)
    made = export(large, tmp_path / "small.onnx", to="onnx-int8", dataset=data)
    assert b"QuantizeLinear" in made.path.read_bytes()
    assert made.bytes < whole.bytes / 3
    assert 1e-4 < made.largest_difference < 0.5
    assert load_tagger(made.path).card == load_tagger(whole.path).card
    given, expected = answers(made.path, data).argmax(axis=1), answers(whole.path, data).argmax(axis=1)
    assert np.mean(given == expected) >= 0.98
    assert "computes in int8 already" in refusal(made.path, tmp_path / "again.onnx", to="onnx-int8").message


def test_openvino_answers_as_the_model_does(small: Run, model: Path, data: Dataset, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="the extra openvino is not installed")
    made = export(small, tmp_path / "open", to="openvino", dataset=data)
    assert sorted(path.name for path in made.path.iterdir()) == ["model.bin", "model.xml"]
    network = openvino.Core().read_model(made.path / "model.xml")
    assert json.loads(network.get_rt_info(KEY.split(".")).astype(str)) == json.loads(
        load_tagger(model).card.to_json()
    )
    given = openvino.compile_model(network, "CPU")(pictures(data))["probabilities"]
    assert np.abs(given - answers(model, data)).max() < 1e-4


@pytest.mark.parametrize("form", ["litert", "litert-int8"])
def test_litert_answers_as_the_model_does(form: str, model: Path, data: Dataset, tmp_path: Path) -> None:
    """By the plain interpreter, as a program without Lapel would ask it."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="the extra litert is not installed")
    pytest.importorskip("tensorflow", reason="the extra litert is not installed")
    made = export(model, tmp_path / "lite", to=form, dataset=data)
    assert sorted(path.name for path in made.path.iterdir()) == ["card.json", "model.tflite"]
    assert Card.from_json((made.path / "card.json").read_text()) == load_tagger(model).card
    interpreter = litert.Interpreter(str(made.path / "model.tflite"))
    interpreter.allocate_tensors()
    [takes] = interpreter.get_input_details()
    assert (takes["dtype"], takes["shape"].tolist()) == (np.uint8, [1, 28, 28, 1])
    found = []
    for one in pictures(data)[:300]:
        interpreter.set_tensor(takes["index"], one[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    expected = answers(model, data)[:300]
    if form == "litert":
        assert np.abs(np.stack(found) - expected).max() < 1e-4
    else:
        inside = {str(one["dtype"]) for one in interpreter.get_tensor_details()}
        assert any("int8" in name for name in inside)
        assert (np.argmax(found, 1) == expected.argmax(1)).mean() >= 0.97


def test_a_model_is_a_source_as_a_run_is(model: Path, data: Dataset, tmp_path: Path) -> None:
    made = export(model, tmp_path / "small.onnx", to="onnx-int8", dataset=data)
    assert (made.real, made.pictures) == (True, 200)
    assert "in ONNX already" in refusal(model).message
    assert "--goal are for a run" in refusal(model, to="c", goal=0.5).message


def test_forms_are_told_apart_by_name(small: Run, tmp_path: Path) -> None:
    error = refusal(small, to="onnx8")
    assert 'no form "onnx8"' in error.message
    assert error.hint == 'Did you mean "onnx"?'
    assert "--to onnx-int8 computes" in refusal(small, to="onnx-int8", compact=True).hint


def test_a_form_whose_extra_is_missing_says_how_to_install_it(
    small: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lapel.exporting.form.find_spec", lambda name: None)
    error = refusal(small, tmp_path / "open", to="openvino")
    assert isinstance(error, MissingExtra)
    assert error.hint == "Install it with: pip install 'lapel[openvino]'"
    assert not list(tmp_path.iterdir())


def write_copy(source: Source, target: Path) -> None:
    target.mkdir()
    (target / "model.onnx").write_bytes(source.data)


def test_what_exists_is_replaced_where_that_is_allowed_and_it_is_no_folder_of_somebody(
    model: Path, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Form("copy", "", "-copy", write_copy, lambda path: open_onnx(path / "model.onnx"), folder=True)
    monkeypatch.setattr(forms, "FORMS", (folder, form_called("onnx-int8")))
    target = tmp_path / "copy"
    export(model, target, to="copy", dataset=data)
    (target / "model.onnx").write_text("old")
    assert "--overwrite" in refusal(model, target, to="copy", dataset=data).hint
    (target / "letters.txt").write_text("precious")
    assert "holds letters.txt" in refusal(model, target, to="copy", dataset=data, overwrite=True).message
    assert (target / "model.onnx").read_text() == "old"
    (target / "letters.txt").unlink()
    assert export(model, target, to="copy", dataset=data, overwrite=True).path == target
    assert (target / "model.onnx").read_bytes() == model.read_bytes()
    file = tmp_path / "file"
    file.write_text("precious")
    assert "this form is a folder" in refusal(model, file, to="copy", overwrite=True).message
    assert "a model is a file" in refusal(model, target, to="onnx-int8", overwrite=True).message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "file"]


def test_a_form_that_answers_otherwise_is_refused_and_the_worst_picture_kept(
    model: Path, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validation = data.split(0.1, 0)[1].pictures
    whole = form_called("onnx-int8")

    def wrong(path: Path) -> Any:
        ask = whole.open(path)

        def turned(some: Pictures) -> Any:
            given = ask(some)
            return np.where((some == validation[7]).all(axis=(1, 2, 3))[:, None], 1 - given, given)

        return turned

    # `lapel.exporting.export` by its name is the function.
    module = importlib.import_module("lapel.exporting.export")
    monkeypatch.setattr(module, "form_called", lambda name: replace(whole, open=wrong))
    error = refusal(model, tmp_path / "small.onnx", to="onnx-int8", dataset=data)
    assert "as onnx-int8 it answers otherwise than the model: probabilities differ by up to" in error.message
    assert error.message.endswith(f"is {tmp_path / 'small.onnx.worst.png'}.")
    with Image.open(tmp_path / "small.onnx.worst.png") as kept:
        assert (np.asarray(kept) == validation[7][:, :, 0]).all()
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx.worst.png"]


def test_an_operation_that_c_lacks_is_named_with_what_to_change(
    small: Run, data: Dataset, tmp_path: Path
) -> None:
    error = refusal(small, tmp_path / "program", to="c", dataset=data, mirror=True)
    assert "Neither the form c nor litert has an operation Slice of pictures" in error.message
    assert error.hint == "Where that comes from --mirror, export the run without it."
    assert not list(tmp_path.iterdir())


def test_without_a_compiler_no_program_is_written(
    model: Path, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refusal(model, tmp_path / "program", to="c", dataset=data)
    assert "needs a C compiler" in error.message
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_what_was_there(
    model: Path, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small.onnx").write_text("old")
    full = Mock(side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    monkeypatch.setattr("lapel.place.os.fsync", full)
    error = refusal(model, tmp_path / "small.onnx", to="onnx-int8", dataset=data, overwrite=True)
    assert "no space left" in error.message
    assert (tmp_path / "small.onnx").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]


def test_without_its_data_a_model_is_held_against_drawn_garments(model: Path, tmp_path: Path) -> None:
    network = onnx.load(model)
    card = load_tagger(model).card
    card = replace(card, made={**card.made, "dataset": "photos of somebody"})
    onnx.helper.set_model_props(network, {KEY: card.to_json()})
    onnx.save(network, tmp_path / "own.onnx")
    out = tmp_path / "small.onnx"
    words = ["export", str(tmp_path / "own.onnx"), "--to", "onnx-int8", "--out", str(out)]
    result = CliRunner().invoke(lapel, words)
    assert result.stdout == f"{out}\n"
    assert "Asking onnx-int8 (512) …" in result.stderr
    assert "as the ONNX model does on 512 drawn garments (its own data were not found)" in result.stderr


def test_bench_measures_each_form_and_says_what_one_lacks(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    int8 = form_called("onnx-int8")
    elsewhere = replace(int8, name="elsewhere", modules=("no_such_module",), extra="elsewhere")
    monkeypatch.setattr("lapel.exporting.speed.FORMS", (int8, elsewhere))
    result = CliRunner().invoke(lapel, ["bench", str(model), "--json"])
    assert result.exit_code == 0, result.output
    first, second, third = map(json.loads, result.stdout.splitlines())
    assert [one["form"] for one in (first, second, third)] == ["onnx", "onnx-int8", "elsewhere"]
    assert first["bytes"] == model.stat().st_size > second["bytes"] > 0
    for one in (first, second):
        assert [speed["batch"] for speed in one["speeds"]] == [1, 64, 1024]
        for speed in one["speeds"]:
            assert speed["times"] >= 3
            assert 0 < speed["p50_ms"] <= speed["p99_ms"]
            assert speed["pictures_per_second"] > 0
    assert "pip install 'lapel[elsewhere]'" in third["lacks"]
    assert third["speeds"] == []


def test_bench_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = tuple(Speed(batch, 10_713.19, 12_563.75, 143_999.4, 9) for batch in (1, 64, 1024))
    found = [
        FormSpeed("torch-export", 15_000_000, 0.991, 920_000_000, speeds),
        FormSpeed("c", lacks="No cc."),
    ]
    monkeypatch.setattr("lapel.exporting.speed.measure_forms", lambda model, progress: iter(found))
    monkeypatch.setattr("lapel.commands.tables._PIPE", 80)
    result = CliRunner().invoke(lapel, ["bench", "fashion-mnist"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert re.split(" {2,}", lines[0]) == [
        "form",
        "MB",
        "batch",
        "p50 ms",
        "p99 ms",
        "pictures/s",
        "memory MB",
    ]
    assert len(lines) == 4
    assert result.stderr.endswith("c: No cc.\n")
