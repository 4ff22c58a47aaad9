"""timm, wherever it can be imported: also beside a PyTorch that torchvision was not built for."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

_OPERATORS = ("nms", "qnms")  # those that torchvision itself needs to be imported
_kept: list[torch.library.Library] = []  # an operator lasts as long as its library


def import_timm() -> Any:
    """timm; a test that cannot have it is skipped with the reason."""
    for package in ("torchvision", "timm"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    if not _kept and not _operators_load():
        library = torch.library.Library("torchvision", "DEF")
        for operator in _OPERATORS:
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("timm", exc_type=Exception)


def _operators_load() -> bool:
    """Whether torchvision's own operators suit this PyTorch; a build for CUDA does not without it."""
    spec = find_spec("torchvision")
    assert spec is not None
    assert spec.origin is not None
    try:
        for library in Path(spec.origin).parent.glob("_C.*"):
            torch.ops.load_library(library)
    except OSError:
        return False
    return True
