"""Verbs that other packages bring, as they are installed: a folder with metadata on the path."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

TOYS = Path(__file__).resolve().parent / "extending"
Lapel = Callable[..., subprocess.CompletedProcess[str]]

ENTRIES = """[lapel.commands]
twins = toy_verb:twins
gone = no_such_module:verb
noisy = noisy_verb:verb
words = toy_verb:__doc__
tag = toy_verb:twins
"""


@pytest.fixture
def installed(tmp_path: Path) -> str:
    """PYTHONPATH of a Python in which the toy verb is installed, and verbs that are broken."""
    metadata = tmp_path / "site" / "lapel_toys-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lapel-toys\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRIES)
    (tmp_path / "site" / "noisy_verb.py").write_text("print('imported')\nraise ValueError('two\\nlines')\n")
    return os.pathsep.join([str(tmp_path / "site"), str(TOYS), os.environ.get("PYTHONPATH", "")])


def test_the_toy_verb_is_a_verb(new_python: Lapel, tmp_path: Path, installed: str) -> None:
    Image.new("L", (40, 40), 200).save(tmp_path / "one.png")
    result = new_python("twins", "one.png", "one.png", PYTHONPATH=installed)
    assert (result.returncode, result.stdout) == (0, "the same label\n"), result.stderr
    # What it raises is said as for any verb.
    missing = new_python("twins", "one.png", "none.png", PYTHONPATH=installed)
    assert (missing.returncode, missing.stderr) == (1, "lapel: none.png: no such file.\n")
    assert 'Did you mean "twins"?' in new_python("twin", PYTHONPATH=installed).stderr


def test_help_lists_other_verbs_and_imports_none_of_them(new_python: Lapel, installed: str) -> None:
    result = new_python("--help", PYTHONPATH=installed)
    assert (result.returncode, result.stderr) == (0, "")
    assert "imported" not in result.stdout
    own, _, others = result.stdout.partition("Commands of other packages:")
    assert [line.split()[0] for line in others.splitlines() if "From lapel-toys." in line] == [
        *("gone", "noisy", "twins", "words")
    ]
    assert "  tag " in own  # no package takes the place of a verb of Lapel's


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("gone", "cannot be loaded (ModuleNotFoundError: No module named 'no_such_module')."),
        ("noisy", "cannot be loaded (ValueError: two)."),
        ("words", "is no click command but str."),
    ],
)
def test_a_broken_verb_is_one_clear_line(new_python: Lapel, installed: str, verb: str, words: str) -> None:
    result = new_python(verb, PYTHONPATH=installed)
    assert result.returncode == 1
    message, hint = result.stderr.splitlines()
    assert message == f'lapel: the verb "{verb}" of lapel-toys {words}'
    assert hint.startswith("  ")


def test_verbs_of_lapel_look_for_no_others() -> None:
    code = (
        "import sys, lapel.cli; from importlib import metadata\n"
        "def refuse(**_): raise AssertionError\n"
        "lapel.cli.entry_points = refuse\n"
        "lapel.cli.lapel.main(['recipes', '--help'], standalone_mode=False)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
