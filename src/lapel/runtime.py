"""What this process runs on: its cores, and ONNX Runtime."""

from __future__ import annotations

import os
from types import ModuleType


def cores() -> int:
    """How many cores this process may use; a container may have fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def onnx_runtime() -> ModuleType:
    """ONNX Runtime, loaded when it is needed, and told not to tell its maker how it is used."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    module: ModuleType = onnxruntime
    return module
