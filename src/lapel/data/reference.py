"""How a dataset is written down where it has to be found again: in runs, studies and sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..picture import PictureSpec
from .dataset import Dataset
from .download import Progress
from .load import load_data


def reference_to(dataset: Dataset) -> dict[str, Any]:
    """Where a dataset came from, or None where only Python has it, and how its photos became pictures."""
    return {
        "origin": dataset.origin,
        "picture": dataset.picture.to_dict() if dataset.picture else None,
        "group": dataset.group,
    }


def load_reference(reference: Mapping[str, Any], progress: Progress | None = None) -> Dataset:
    """Load the dataset that is found there now. Raises as `load_data` does."""
    picture = PictureSpec.from_dict(reference["picture"]) if reference["picture"] else None
    return load_data(reference["origin"], picture=picture, group=reference.get("group"), progress=progress)
