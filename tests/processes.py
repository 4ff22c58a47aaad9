"""Processes that need not import PyTorch, Keras and matplotlib anew: they are forked from one that has."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import warnings
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest


def forking() -> ForkServerContext:
    """Where processes are forked; the one they come from starts with the first, once a worker of pytest."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["imported"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # or it does not find `imported`
        forkserver.ensure_running()
    return context


def run_forked(
    words: list[str], folder: Path, environment: dict[str, str], timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """`lapel` with these words, run in this folder with this environment besides our own."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place) / "out", Path(place) / "err"
        process = start_forked(words, folder, environment, out, err)
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(words, timeout, err.read_text())
        assert process.exitcode is not None
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())


def start_forked(
    words: list[str], folder: Path, environment: dict[str, str], out: Path, err: Path
) -> ForkServerProcess:
    """The same, without waiting for it; `out` and `err` are files for what it says."""
    process = forking().Process(target=_lapel, args=(words, folder, {**os.environ, **environment}, out, err))
    process.start()
    return process


def _lapel(words: list[str], folder: Path, environment: dict[str, str], out: Path, err: Path) -> None:
    for number, path in enumerate((Path(os.devnull), out, err)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    warnings.resetwarnings()
    warnings.simplefilter("error")
    sys.argv = ["lapel", *words]
    from lapel.cli import main

    main()
