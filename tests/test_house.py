"""What holds the house up: who may import whom, what stays light, what is public, what is documented."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lapel
from lapel.cli import lapel as command

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "lapel"

# Bottom up. A file imports only from rows above it in this list, and from its own room.
ROWS = [
    {"errors", "_version"},
    {"files", "first_frame", "runtime"},
    {"decode", "metrics", "terminal"},
    {"picture", "calibrate"},
    {"card", "explain"},
    {"tagger"},
    {"data"},
    {"recipes"},
    {"engines"},
    {"importers"},
    {"tensorboard", "environment"},
    {"runs"},
    {"trainer", "importing"},
    {"evaluation"},
    {"comparison", "report"},
    {"exporting"},
    {"tag", "serve"},
    {"demo"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
ROW = {room: number for number, rooms in enumerate(ROWS) for room in rooms}
# Serving meets training only at the model file.
WITHOUT_ENGINE = {
    "tagger": {"errors", "_version", "runtime", "files", "first_frame", "decode", "picture", "card"},
    "serve": {
        "errors",
        "_version",
        "runtime",
        "files",
        "first_frame",
        "decode",
        "picture",
        "card",
        "explain",
        "tagger",
    },
    "tag": {"errors", "_version", "runtime", "files", "first_frame", "decode", "picture", "card", "tagger"},
}


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The rooms that a file imports from, wherever in it the import stands."""
    package = ["lapel", *path.relative_to(SOURCE).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = [*base, *(node.module.split(".") if node.module else [])]
            if len(module) > 1:
                found.add(module[1])
            else:
                found |= {name.name for name in node.names if (SOURCE / name.name).exists()}
                found |= {name.name for name in node.names if (SOURCE / f"{name.name}.py").exists()}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lapel"):
            raise AssertionError(f"{path}: rooms import each other by relative names")
    return found


FILES = [path for path in sorted(SOURCE.rglob("*.py")) if path.parent != SOURCE or path.stem != "__init__"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_from_rows_above_it(path: Path) -> None:
    own = room(path)
    assert own in ROW, f"{own} has no row yet: give it one"
    for other in imports(path) - {own}:
        assert ROW[other] < ROW[own], f"{own} (row {ROW[own]}) imports {other} (row {ROW[other]})"
        if own in WITHOUT_ENGINE:
            assert other in WITHOUT_ENGINE[own], f"{own} must not need {other}"


def imported_files(path: Path) -> set[Path]:
    """The files of lapel that a file imports, wherever in it the import stands: under TYPE_CHECKING, too."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for name in node.names:
                places = (base / f"{name.name}.py", base.with_suffix(".py"), base / "__init__.py")
                found |= set([place for place in places if place.is_file()][:1])
    return found


def test_no_imports_of_the_service_go_round() -> None:
    inside = [path for path in FILES if room(path) == "serve"]
    waiting = {path: imported_files(path) & set(inside) for path in inside}
    while free := [path for path, needs in waiting.items() if not needs & set(waiting)]:
        for path in free:
            del waiting[path]
    assert not waiting, sorted(str(path.relative_to(SOURCE)) for path in waiting)


HEAVY = {"torch", "keras", "tensorflow", "matplotlib", "pydantic", "onnx", "pyarrow", "rich", "sklearn"}


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return result.stdout


def test_importing_the_tagger_loads_no_engine_and_no_figures() -> None:
    loaded = run_python("import sys, lapel.tagger, lapel.tag, lapel.explain; print(*sys.modules)").split()
    assert not HEAVY & set(loaded)


def test_importing_the_service_loads_no_engine_and_no_figures() -> None:
    pytest.importorskip("httptools", reason="the extra serve is not installed")
    loaded = run_python("import sys, lapel.serve, lapel.serve.asgi; print(*sys.modules)").split()
    assert not HEAVY & set(loaded)


def test_importing_lapel_loads_next_to_nothing() -> None:
    loaded = run_python("import sys, lapel; print(*sys.modules)").split()
    assert not {"numpy", "torch", "keras", "tensorflow", "jax", "click", "PIL"} & set(loaded)


def test_help_is_quick() -> None:
    def seconds() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "lapel", "--help"], capture_output=True, check=True)
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.3


def test_the_public_names() -> None:
    assert sorted(lapel.__all__) == [
        "Dataset",
        "LapelError",
        "Run",
        "Tagger",
        "compare",
        "evaluate",
        "export",
        "import_model",
        "list_runs",
        "load_data",
        "load_recipe",
        "load_tagger",
        "open_run",
        "resume",
        "save_data",
        "train",
        "write_report",
    ]
    for name in lapel.__all__:
        assert getattr(lapel, name).__doc__, f"{name} has no docstring"


def test_the_public_names_are_no_files() -> None:
    files = {path.name.removesuffix(".py") for path in SOURCE.iterdir()}
    assert not files & set(lapel.__all__)


def every_command() -> list[tuple[str, object]]:
    import click

    context = click.Context(command)
    found: list[tuple[str, object]] = []
    for name in command.list_commands(context):
        verb = command.get_command(context, name)
        found.append((name, verb))
        if isinstance(verb, click.Group):
            found += [
                (f"{name} {word}", verb.get_command(context, word)) for word in verb.list_commands(context)
            ]
    return found


@pytest.mark.parametrize(("name", "verb"), every_command())
def test_every_verb_and_option_has_help(name: str, verb: object) -> None:
    import click

    assert isinstance(verb, click.Command)
    assert verb.help, f"{name} says nothing of itself"
    for parameter in verb.params:
        if isinstance(parameter, click.Option):
            chosen = isinstance(parameter.type, click.Choice)
            assert parameter.help or chosen, f"{name} {parameter.opts[0]} says nothing of itself"


def test_the_readme_tree_is_the_tree() -> None:
    readme = (ROOT / "README.md").read_text()
    tree = re.search(r"```\nsrc/lapel/\n(.*?)```", readme, re.DOTALL)
    assert tree, "README shows no tree of src/lapel"
    told, folders = set(), [""]
    for line in tree[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        for name in re.match(r"[\w/.]+( [\w.]+\.py)*", line.strip())[0].split():
            folders[depth:] = [folders[depth - 1] + name]
            told.add(folders[depth])
    there = {str(path.relative_to(SOURCE)) for path in FILES} | {"__init__.py"}
    told_whole = {
        name
        for name in told
        if name.endswith("/") and not any(o.startswith(name) and o != name for o in told)
    }
    for path in there:
        if not path.endswith("/__init__.py") and not path.startswith(tuple(told_whole)):
            assert path in told, f"README's tree does not show {path}"
    for name in told:
        assert (SOURCE / name).exists(), f"README's tree shows {name}, which is not there"


def test_the_version_is_in_the_changelog() -> None:
    assert f"## {lapel.__version__}" in (ROOT / "CHANGELOG.md").read_text()
