"""What holds the house up: who may import whom, what stays light, what is public, what is documented."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lapel
from lapel.cli import lapel as command

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "lapel"

README = ROOT / "README.md"
# Serving meets training only at the model file.
WITHOUT_TRAINING = ("tagger.py", "heat.py", "teaching/", "tag/", "serve/")
TRAINING = ("data/", "recipes/", "layers/", "engines/", "training/", "runs.py", "trainer.py", "evaluation.py")


def tree() -> list[str]:
    """The files of README's tree, from the ground up; a folder that is shown without its files ends in /."""
    shown = re.search(r"```\nsrc/lapel/\n(.*?)```", README.read_text(), re.DOTALL)
    assert shown, "README shows no tree of src/lapel"
    names, folders = [], [""]
    for line in shown[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        for name in re.match(r"[\w/.]+( [\w.]+\.py)*", line.strip())[0].split():
            folders[depth:] = [folders[depth - 1] + name]
            names.append(folders[depth])
    # A folder whose files are shown has no place of its own.
    return [name for name in names if not name.endswith("/") or not _shows_files_of(name, names)]


def _shows_files_of(folder: str, names: list[str]) -> bool:
    return any(name != folder and name.startswith(folder) for name in names)


FILES = sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))


def is_package(file: str) -> bool:
    return file.endswith("/__init__.py")


def imports(file: str) -> set[str]:
    """The files that a file imports, wherever in it the import stands; of a package, what it re-exports."""
    package = file.split("/")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse((SOURCE / file).read_text())):
        if isinstance(node, ast.Import):
            assert not any(name.name.split(".")[0] == "lapel" for name in node.names), (
                f"{file}: files import each other by relative names"
            )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").split(".")[0] != "lapel", (
                f"{file}: files import each other by relative names"
            )
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
            for name in node.names:
                found |= home([*base, name.name]) or home(base)
    return found - {file}


def home(parts: list[str]) -> set[str]:
    """The file of a module; of a package, the files of its room that it re-exports; none for a mere name."""
    path = "/".join(parts)
    if f"{path}.py" in FILES:
        return {f"{path}.py"}
    package = f"{path}/__init__.py"
    return imports(package) if path and package in FILES else set()


def place(file: str, order: list[str]) -> int | None:
    """Where a file stands in the tree: on its own line, or on that of a folder shown without its files."""
    for number, name in enumerate(order):
        if file == name or (name.endswith("/") and file.startswith(name)):
            return number
    return None


def test_the_readme_tree_is_the_tree() -> None:
    order = tree()
    wrong = [f"missing: {file}" for file in FILES if not is_package(file) and place(file, order) is None]
    wrong += [f"shown, but not there: {name}" for name in order if not (SOURCE / name).exists()]
    wrong += [f"shown twice: {name}" for name in sorted({name for name in order if order.count(name) > 1})]
    assert not wrong, "README's tree of src/lapel:\n  " + "\n  ".join(wrong)


def test_a_file_imports_only_from_files_above_it() -> None:
    """So there is no circle, either. A folder that is shown whole is one place."""
    order, wrong = tree(), []
    for file in FILES:
        own = place(file, order)
        if is_package(file) or own is None:
            continue
        for other in sorted(imports(file)):
            above = place(other, order)
            points_up = above is None or above > own or (above == own and order[own] == file)
            if points_up:
                wrong.append(f"{other} must stand above {file}")
    assert not wrong, "The order of README's tree of src/lapel:\n  " + "\n  ".join(wrong)


def test_a_package_names_only_its_own_room() -> None:
    for file in filter(is_package, FILES):
        room = file.removesuffix("__init__.py")
        outside = [other for other in imports(file) if not other.startswith(room)]
        assert not outside, f"{file} imports {', '.join(outside)}"
        statements = ast.parse((SOURCE / file).read_text()).body
        logic = [type(one).__name__ for one in statements if not isinstance(one, ast.ImportFrom)]
        assert set(logic) <= {"Expr", "Assign"}, f"{file} holds logic: move it into a file with a name"


def needs(file: str) -> set[str]:
    """All that a file imports, and what that imports in turn."""
    found, waiting = set(), [file]
    while waiting:
        new = imports(waiting.pop()) - found
        found |= new
        waiting += new
    return found


def test_serving_meets_training_only_at_the_model_file() -> None:
    for file in FILES:
        if file.startswith(WITHOUT_TRAINING):
            met = sorted(other for other in needs(file) if other.startswith(TRAINING))
            assert not met, f"{file} must not need {', '.join(met)}"


def test_a_circle_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself: a toy house in which the lower file imports the upper one, within a function."""
    (tmp_path / "low.py").write_text("def late():\n    from .room import upper\n")
    (tmp_path / "room").mkdir()
    (tmp_path / "room/__init__.py").write_text("from .high import upper\n")
    (tmp_path / "room/high.py").write_text("from ..low import late\nupper = late\n")
    (tmp_path / "README.md").write_text("```\nsrc/lapel/\n  low.py  a\n  room/\n    high.py  b\n```\n")
    here = sys.modules[__name__]
    monkeypatch.setattr(here, "SOURCE", tmp_path)
    monkeypatch.setattr(here, "README", tmp_path / "README.md")
    monkeypatch.setattr(here, "FILES", ["low.py", "room/__init__.py", "room/high.py"])
    test_the_readme_tree_is_the_tree()
    with pytest.raises(AssertionError, match=r"room/high.py must stand above low.py"):
        test_a_file_imports_only_from_files_above_it()


MOST_FOR_HELP = 170  # modules, those that look for verbs of other packages among them
HEAVY = {"torch", "keras", "tensorflow", "matplotlib", "pydantic", "onnx", "pyarrow", "rich", "sklearn"}


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return result.stdout


def test_importing_the_tagger_loads_no_engine_and_no_figures() -> None:
    loaded = run_python("import sys, lapel.tagger, lapel.tag, lapel.heat; print(*sys.modules)").split()
    assert not HEAVY & set(loaded)


def test_importing_the_service_loads_no_engine_and_no_figures() -> None:
    pytest.importorskip("httptools", reason="the extra serve is not installed")
    loaded = run_python("import sys, lapel.serve, lapel.serve.asgi; print(*sys.modules)").split()
    assert not HEAVY & set(loaded)


def test_importing_lapel_loads_next_to_nothing() -> None:
    loaded = run_python("import sys, lapel; print(*sys.modules)").split()
    assert not {"numpy", "torch", "keras", "tensorflow", "jax", "click", "PIL"} & set(loaded)


def test_help_imports_little() -> None:
    """What the first word of help waits for is imports: how many, and none of the heavy ones."""
    code = (
        "import sys\nbefore = set(sys.modules)\nfrom lapel.cli import main\nsys.argv = ['lapel', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nprint('\\n', *set(sys.modules) - before)"
    )
    loaded = run_python(code).splitlines()[-1].split()
    assert not {*HEAVY, "numpy", "PIL", "onnxruntime", "filelock", "platformdirs"} & set(loaded)
    assert len(loaded) < MOST_FOR_HELP, f"{len(loaded)} modules"


def test_the_public_names() -> None:
    assert sorted(lapel.__all__) == [
        "Card",
        "Dataset",
        "Hit",
        "Index",
        "LapelError",
        "PictureSpec",
        "Run",
        "Study",
        "Sweep",
        "Tag",
        "Tagger",
        "Untagged",
        "audit",
        "begin_study",
        "build_index",
        "compare",
        "evaluate",
        "evaluate_photos",
        "explain",
        "export",
        "import_model",
        "judge_study",
        "list_runs",
        "list_studies",
        "load_data",
        "load_recipe",
        "load_tagger",
        "match",
        "match_together",
        "open_index",
        "open_run",
        "open_study",
        "open_sweep",
        "resume",
        "save_data",
        "sweep",
        "teach",
        "train",
        "train_study",
        "write_leaderboard",
        "write_report",
    ]
    for name in lapel.__all__:
        assert getattr(lapel, name).__doc__, f"{name} has no docstring"


def test_the_public_names_are_no_files() -> None:
    files = {file.split("/")[0].removesuffix(".py") for file in FILES}
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


def test_the_version_is_in_the_changelog() -> None:
    assert f"## {lapel.__version__}" in (ROOT / "CHANGELOG.md").read_text()
