"""Where and on what a run is made: what another person needs to make it again."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ._version import __version__
from .data.dataset import Dataset, Split
from .data.reference import reference_to
from .recipes.plan import parameters, plan
from .recipes.schema import Recipe


def environment(
    recipe: Recipe,
    dataset: Dataset,
    held: Split,
    *,
    engine: Mapping[str, str],
    device: str,
    precision: str,
    threads: int,
    seed: int,
    split_seed: int | None = None,
) -> dict[str, Any]:
    """Versions, machine, dataset and seeds of a run, as plain data.

    `engine` has its name and versions; `held` is the validation part of the dataset.
    """
    return {
        "lapel": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "engine": dict(engine),
        "device": device,
        "precision": precision,
        "threads": threads,
        "seed": seed,
        "split_seed": seed if split_seed is None else split_seed,
        "parameters": parameters(plan(recipe, dataset.shape, len(dataset.class_names))),
        "dataset": {
            "name": dataset.name,
            **reference_to(dataset),
            "source": dataset.source,
            "fingerprint": dataset.fingerprint,
            "class_names": list(dataset.class_names),
            "shape": list(dataset.shape),
            "train": len(dataset.train) - len(held),
            "validation": len(held),
            "test": len(dataset.test) if dataset.test else 0,
        },
        "started": now(),
    }


def now() -> str:
    """The time, to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _commit() -> str | None:
    """The commit of Lapel's own checkout, where it runs from one."""
    here = Path(__file__).resolve().parent
    if not (here.parent.parent / ".git").exists():
        return None
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
