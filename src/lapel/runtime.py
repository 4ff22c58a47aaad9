"""What this process runs on: its cores, ONNX Runtime and pyarrow."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from .errors import MissingExtra


def cores() -> int:
    """How many cores this process may use; a container may have fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def onnx_runtime() -> ModuleType:
    """ONNX Runtime, loaded when it is needed, and told not to tell its maker how it is used."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    module: ModuleType = onnxruntime
    return module


def pyarrow() -> tuple[Any, Any]:
    """The modules pyarrow and pyarrow.parquet. Raises MissingExtra where they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("pyarrow, which reads and writes Parquet,", "train") from error
    return pyarrow, pyarrow.parquet
