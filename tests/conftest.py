"""What tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import run_forked

# Tests run side by side: each process keeps to one core, and gives the same bits whatever the machine.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the caches and runs of whoever runs it."""
    monkeypatch.setenv("LAPEL_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("LAPEL_RUNS", raising=False)


@pytest.fixture(params=["torch", "keras"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of each engine that is installed."""
    from lapel.engines.load import load_engine
    from lapel.errors import MissingExtra

    try:
        load_engine(request.param)
    except MissingExtra as error:
        pytest.skip(str(error))
    return str(request.param)


@pytest.fixture
def fashion_mnist() -> Path:
    """The folder of the real Fashion-MNIST files."""
    place = os.environ.get("LAPEL_DATA")
    if not place:
        pytest.skip("LAPEL_DATA is not set, so the real Fashion-MNIST is not at hand")
    folder = Path(place) / "fashion-mnist"
    if not folder.is_dir():
        pytest.skip(f"LAPEL_DATA is {place}, but holds no fashion-mnist/")
    return folder


Lapel = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def lapel(tmp_path: Path) -> Lapel:
    """Run the command line in a process of its own, in a folder of its own: lapel("train", "cnn", …).

    The process is forked from one that has imported PyTorch and Keras already: `new_python` starts anew.
    """

    def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return run_forked(list(map(str, words)), tmp_path, {"COLUMNS": "120", **environment})

    return run


@pytest.fixture
def new_python(tmp_path: Path) -> Lapel:
    """The same as a user does it, in a Python that has imported nothing yet."""

    def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lapel", *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONWARNINGS": "error", "COLUMNS": "120", **environment},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run
