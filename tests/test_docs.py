"""What README, the site and CONTRIBUTING show: their commands run, their tables and quotations are true."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from garments import blobs, small_recipe
from PIL import Image
from service import running

from lapel import load_data, save_data
from lapel.cli import lapel as command_line
from lapel.data.load import READERS
from lapel.recipes.load import to_toml

Lapel = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
TOYS = sorted((ROOT / "tests" / "extending").glob("toy_*.py"))
WITH_COMMANDS = [ROOT / "README.md", *sorted(DOCS.glob("tutorials/*.md")), *sorted(DOCS.glob("how-to/*.md"))]


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def generate() -> ModuleType:
    return load(DOCS / "generate.py")


def commands(page: Path) -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    lines = [line.partition("#")[0].split() for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words and words[0] == "lapel"]


def from_elsewhere(model: Path) -> str:
    """The same network as a file that nobody would take for one of Lapel's."""
    import onnx

    network = onnx.load(model)
    del network.metadata_props[:]
    onnx.save(network, model.with_name("elsewhere.onnx"))
    return str(model.with_name("elsewhere.onnx"))


def on_small_data(words: list[str], folder: Path) -> list[str]:
    """The command with small data and a small recipe in place of Fashion-MNIST and the named ones."""
    if words[0] == "train":
        recipe, number = words[1], 1
        while (folder / "runs" / f"{recipe}-{number}").exists():
            number += 1
        return [
            "train", "small.toml", "--data", "blobs.npz", "--run", f"runs/{recipe}-{number}",
            *[word for word in words[2:] if word not in ("--data", "photos/")],
        ]  # fmt: skip
    if words[0] == "sweep":
        return ["sweep", "small.toml", "--data", "blobs.npz", "--out", f"runs/{words[1]}-sweep", *words[2:]]
    if words[:2] in (["data", "show"], ["data", "check"]):
        return [*words[:2], "blobs.npz"]
    if words[0] == "audit":
        return ["audit", "blobs.npz", *words[2:]]
    if words[0] == "import" and "--recipe" in words:
        return ["import", words[1], "--recipe", "small.toml", "--data", "blobs.npz"]
    if words[0] == "import":
        return ["import", from_elsewhere(folder / "first" / "model.onnx"), "--data", "blobs.npz"]
    return words


def by_length(page: Path) -> object:
    """Pages that train several times, or make an index, are left to `make test-all`."""
    trainings = sum(words[0] in ("train", "import", "sweep") for words in commands(page))
    indexes = any(words[0] == "index" for words in commands(page))
    long = trainings > 1 or indexes
    return pytest.param(page, id=page.stem, marks=[pytest.mark.long] if long else [])


@pytest.mark.parametrize("page", [by_length(page) for page in WITH_COMMANDS])
def test_the_commands_of_a_page_run_in_their_order(page: Path, lapel: Lapel, tmp_path: Path) -> None:
    shown = commands(page)
    (tmp_path / "small.toml").write_text(to_toml(small_recipe()))
    save_data(blobs(), tmp_path / "blobs.npz", "npz")
    for folder in ("photos", "examples/photos"):
        shutil.copytree(ROOT / "examples" / "photos", tmp_path / folder)
    Image.new("L", (40, 40), 200).save(tmp_path / "photo.jpg")
    if any(words[0] == "import" for words in shown):
        assert lapel("train", "small.toml", "--data", "blobs.npz", "--run", "first").returncode == 0
        assert lapel("export", "first").returncode == 0
        assert lapel("export", "first", "--out", "weights.pth").returncode == 0
    for words in shown:
        if words[0] == "serve":
            with contextlib.chdir(tmp_path), running(*words[1:]) as service:
                assert service.ask("GET", "/health/ready").status == 200
            continue
        result = lapel(*on_small_data(words, tmp_path))
        assert result.returncode == 0, f"lapel {' '.join(words)}\n{result.stderr}"


def test_the_tutorials_and_the_readme_show_commands() -> None:
    for page in WITH_COMMANDS[:4]:
        assert len(commands(page)) >= 5, page


def test_the_table_of_recipes_is_that_of_the_recipes() -> None:
    code = "import recipes; print(recipes.table(), end='')"
    path = os.pathsep.join([str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")])
    table = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert table in (DOCS / "reference" / "recipes.md").read_text()


@pytest.mark.parametrize("toy", TOYS, ids=lambda toy: toy.stem)
def test_contributing_quotes_the_toys_word_for_word(toy: Path) -> None:
    quoted = f"<!-- {toy.name} -->\n```python\n{toy.read_text()}```\n<!-- /{toy.name} -->"
    assert quoted in (ROOT / "CONTRIBUTING.md").read_text(), "run: make contributing"


def test_the_toy_reader_reads_a_form_that_lapel_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_data(blobs(), tmp_path / "tables", "csv")
    (table,) = (tmp_path / "tables").glob("*train*.csv")
    known = load_data(table)
    other = tmp_path / "garments.ssv"
    other.write_text(table.read_text().replace(",", ";"))
    for ending, reader in list(READERS.items()):
        monkeypatch.setitem(READERS, ending, reader)
    monkeypatch.setitem(READERS, ".ssv", READERS[".csv"])  # taken out again when the test ends
    runpy.run_path(str(ROOT / "tests" / "extending" / "toy_reader.py"))
    read = load_data(other)
    assert (read.train.pictures == known.train.pictures).all()
    assert (read.train.labels == known.train.labels).all()


def test_the_reference_shows_every_verb_and_every_key_of_a_recipe(generate: ModuleType) -> None:
    pages = generate.pages()
    for name, _ in generate.verbs(command_line, "lapel"):
        assert f"## {name}\n" in pages["reference/command-line.md"]
    for key in ("learning_rate", "layers", "flip", "units"):
        assert f"| `{key}` |" in pages["reference/recipe-schema.md"]
    assert "| `accept` |" in pages["reference/formats.md"]


def test_every_page_is_in_the_navigation(generate: ModuleType) -> None:
    shown = set(re.findall(r'"([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text()))
    assert shown == set(generate.pages())


def test_links_of_pages_lead_somewhere(generate: ModuleType) -> None:
    """Those to files; the strict build of the site refuses dead anchors, too."""
    made = {
        "reference/command-line.md",
        "reference/python.md",
        "reference/recipe-schema.md",
        "reference/formats.md",
    }
    for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text()):
            if ":" not in target:
                path = (page.parent / target).resolve()
                assert path.exists() or str(path.relative_to(DOCS)) in made, f"{page.name}: {target}"


def test_the_site_asks_no_other_host() -> None:
    theme = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["theme"]
    assert theme["font"] is False


def test_the_photos_are_small_credited_and_tell_nothing_of_their_makers() -> None:
    photos = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    assert 0 < len(photos) <= 12
    assert "CC0" in (photos[0].parent / "CREDITS.md").read_text()
    for path in photos:
        with Image.open(path) as photo:
            assert max(photo.size) <= 480
            assert not photo.getexif()
        assert path.stat().st_size < 40_000


def test_citation_and_forms_are_well_formed() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    import lapel

    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == lapel.__version__
    for path in [*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"]:
        assert json.dumps(yaml.safe_load(path.read_text())), path
