"""Where to compute, and in which precision."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any, TypeAlias

import keras

from ...errors import LapelError
from ...runtime import cores

# What a function that learns takes: the shape of one batch's part of each array, and its kind of number.
Shapes: TypeAlias = tuple[tuple[tuple[int, ...], str], ...]

# Multiplications a step below which casting to bf16 costs more than it saves (LOG.md has the figures).
_SMALL = 30_000_000


def backend() -> Any:
    """What Lapel needs of the framework under Keras: `on_tensorflow`, `on_jax` or `on_torch`."""
    return importlib.import_module(f".on_{keras.config.backend()}", __package__)


def choose_device(name: str = "auto") -> str:
    """The device of this name; "auto" takes an accelerator where there is one.

    Raises LapelError where the device asked for is not there.
    """
    there: list[str] = backend().accelerators()
    if name == "auto":
        return there[0] if there else "cpu"
    if name == "cpu":
        return name
    kind, _, number = name.partition(":")
    if kind not in ("gpu", "cuda", "mps", "tpu"):
        raise LapelError(f'There is no device "{name}".', "Known: auto, cpu, gpu, cuda, cuda:1, mps, tpu.")
    # TensorFlow and JAX call gpu what PyTorch calls cuda.
    kinds = ("gpu", "cuda") if kind in ("gpu", "cuda") else (kind,)
    for one in kinds:
        if f"{one}:{number or 0}" in there:
            return f"{one}:{number or 0}"
    raise LapelError(
        f'The device "{name}" is not available here.', "Leave --device out to take what there is."
    )


def on(device: str) -> Any:
    """While it lasts, Keras computes on this device."""
    return keras.device(backend().CPU if device == "cpu" else device)


def choose_precision(asked: str, device: str, work: int) -> str:
    """What is asked for; for "auto", "bf16" where the hardware is fast at it and a step has enough `work`."""
    if asked in ("fp32", "bf16"):
        return asked
    return "bf16" if work >= _SMALL and backend().fast_bf16(device, _processor()) else "fp32"


def threads() -> int:
    """How many threads of the CPU a framework takes that is not told otherwise."""
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdecimal():
            return int(os.environ[name])
    return cores()


def _processor() -> frozenset[str]:
    """What the processor can do, in the words of Linux; nothing where it is not known."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())
