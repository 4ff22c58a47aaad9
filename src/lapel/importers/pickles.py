"""Pickles, which run code as they are opened, whatever their file is called: none is."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import BinaryIO

from ..errors import ModelError
from ..files import file_errors

_PICKLES = (".pkl", ".pickle", ".joblib", ".dill", ".sav")


def refuse_pickle(path: Path) -> None:
    """Raise ModelError where a file is a pickle, by its ending or by its first bytes."""
    with file_errors(path), path.open("rb") as file:
        start = file.read(2)
        torch = start == b"PK" and zipfile.is_zipfile(file) and _holds_pickle(file)
    if (
        path.suffix.casefold() in _PICKLES
        or torch
        or (start[:1] == b"\x80" and start[1:] in (b"\2", b"\3", b"\4", b"\5"))
    ):
        raise ModelError(
            f"{path}: {'a file of PyTorch' if torch else 'a pickle'}, which can run code as it is opened; "
            "it is not opened.",
            "Save the weights alone (torch.save(model.state_dict(), …) as .pth), or the network as ONNX.",
        )


def _holds_pickle(file: BinaryIO) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith(".pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError):
        return False
