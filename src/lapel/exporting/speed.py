"""How fast a form answers and how much memory its process takes, each form in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ..data import Progress
from ..data.dataset import evenly
from ..errors import LapelError, ModelError
from .export import Exported, source_of_model, write_form
from .form import Ask, Form, Source
from .forms import FORMS, ONNX, form_called
from .onnx_session import open_onnx

BATCHES = (1, 64, 1024)
_SECONDS = 0.5  # for each size of a batch
_LEAST = 3  # times, however long they take
_MOST = 1000
_PICTURES = 512
_WARM = 2  # times before the clock runs: the first answers are slower


@dataclass(frozen=True)
class Speed:
    """How fast batches of one size are answered: milliseconds a batch, half and 99 of 100 of the time."""

    batch: int
    p50_ms: float
    p99_ms: float
    pictures_per_second: float
    times: int  # that it was measured


@dataclass(frozen=True)
class FormSpeed:
    """A form of a model: its size, how nearly it answers as the model in ONNX does, and how fast.

    `memory` is the largest that its process took, in bytes, Python and the runtime in it. `lacks` says in a
    sentence why a form could not be made; then there are no figures.
    """

    form: str
    bytes: int = 0
    agreement: float = 1.0
    memory: int = 0
    speeds: tuple[Speed, ...] = ()
    lacks: str = ""


def measure_forms(model: str | Path, progress: Progress | None = None) -> Iterator[FormSpeed]:
    """Every form of a model that can be made on this machine, measured one after the other.

    A form whose extra is not installed, or that the model cannot be made into, comes with what it lacks.
    Raises ModelError where there is no such model.
    """
    source, real = source_of_model(model)
    # `export` holds a form against the model on all pictures; here a part tells whether it is the same.
    source = replace(source, pictures=source.pictures[evenly(len(source.pictures), _PICTURES)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(source.data)
        if progress:
            progress(f"Measuring {ONNX}", 0, None)
        yield _measured(ONNX, path, source, len(source.data), 1.0)
        for form in (one for one in FORMS if one.here):
            try:
                form.require_extra()
                made = _made(form, source, Path(folder), real, progress)
            except LapelError as error:
                yield FormSpeed(form.name, lacks=str(error).replace("\n", " "))
                continue
            if progress:
                progress(f"Measuring {form.name}", 0, None)
            yield _measured(form.name, made.path, source, made.bytes, made.agreement)


def _made(form: Form, source: Source, folder: Path, real: bool, progress: Progress | None) -> Exported:
    return write_form(form, source, folder / f"model{form.ending}", real, progress)


def _measured(name: str, path: Path, source: Source, size: int, agreement: float) -> FormSpeed:
    """What a process of its own finds, so that no form is measured with the memory of another."""
    words = [name, str(path), json.dumps(source.card.picture.shape)]
    # No file with the name of a library in the current folder is imported in its place.
    command = [sys.executable, "-P", "-m", f"{__package__}.speed", *words]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        raise ModelError(f"{name}: its process failed while it was measured ({lines[-1][:200]}).")
    found = json.loads(result.stdout)
    speeds = tuple(Speed(**one) for one in found["speeds"])
    return FormSpeed(name, size, agreement, found["memory"], speeds)


def speed_of(ask: Ask, shape: tuple[int, int, int], batch: int, seconds: float = _SECONDS) -> Speed:
    """How fast batches of this size are answered, measured for so many seconds."""
    pictures = np.random.default_rng(0).integers(0, 256, (batch, *shape), dtype=np.uint8)
    for _ in range(_WARM):
        ask(pictures)
    times: list[float] = []
    while len(times) < _LEAST or (sum(times) < seconds and len(times) < _MOST):
        begun = time.perf_counter()
        ask(pictures)
        times.append(time.perf_counter() - begun)
    p50, p99 = (float(one) for one in np.quantile(times, (0.5, 0.99)))
    return Speed(batch, p50 * 1000, p99 * 1000, batch * len(times) / sum(times), len(times))


def _peak_memory() -> int:
    """The largest that this process has been, in bytes; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _main(name: str, path: Path, shape: tuple[int, int, int]) -> None:
    """Measure one form, and print what was found as JSON."""
    output = os.dup(1)
    os.dup2(2, 1)  # whatever a runtime prints is no part of the answer
    ask = open_onnx(path) if name == ONNX else form_called(name).open(path)
    speeds = [asdict(speed_of(ask, shape, batch)) for batch in BATCHES]
    os.write(output, json.dumps({"speeds": speeds, "memory": _peak_memory()}).encode())


if __name__ == "__main__":
    height, width, channels = json.loads(sys.argv[3])
    _main(sys.argv[1], Path(sys.argv[2]), (height, width, channels))
