"""Where to compute, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ...errors import LapelError

# Multiplications a step below which casting to bf16 costs more than it saves (LOG.md has the figures).
_SMALL = 30_000_000


def choose_device(name: str = "auto") -> torch.device:
    """The device of this name; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises LapelError where the device asked for is not there.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise LapelError(f'There is no device "{name}".', "Known: auto, cpu, cuda, cuda:1, mps.") from error
    there = {"cpu": True, "cuda": cuda and (device.index or 0) < torch.cuda.device_count(), "mps": mps}
    if not there.get(device.type, False):
        raise LapelError(
            f'The device "{name}" is not available here.', "Leave --device out to take what there is."
        )
    return device


def choose_precision(asked: str, device: torch.device, work: int) -> str:
    """What is asked for; for "auto", "bf16" where the hardware is fast at it and a step has enough `work`."""
    if asked in ("fp32", "bf16"):
        return asked
    return "bf16" if fast_bf16(device) and work >= _SMALL else "fp32"


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """While it lasts, PyTorch computes on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fast_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than fp32 on a device."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        return bool(has.get("amx_bf16") or has.get("avx512_bf16"))
    return False
