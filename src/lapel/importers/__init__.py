"""Networks that were trained elsewhere: what they take and answer, and how they become a model of Lapel.

A file from elsewhere meets limits first, is read as data, and is loaded only when everything in it is known.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..files import file_errors

if TYPE_CHECKING:
    import onnx

LARGEST = 512 * 1024 * 1024  # bytes of a whole file; no larger model would be loaded in the end

_BATCH = 256  # pictures asked about at once
_KERAS = (".keras", ".h5", ".hdf5")
_PICKLES = (".pkl", ".pickle", ".joblib", ".dill", ".sav")
_KNOWN = (
    "Known: .keras, .h5, .onnx, the folder of a SavedModel, and with a recipe the weights in a .pth, .pt or "
    ".safetensors file."
)


@dataclass(frozen=True)
class Foreign:
    """A network that was trained elsewhere, whole and ready to be asked.

    `takes` is the shape of its input, the batch first, None where a length may be anything; it is None
    itself where nothing is said. `number` is numpy's name for the type of that input. `answers` maps a
    batch of inputs to a row of numbers for each; `graph` makes an ONNX graph with one input and one output
    of it, for inputs of the shape given (without the batch).
    """

    source: str
    form: str
    takes: tuple[int | None, ...] | None
    number: str
    answers: Callable[[NDArray[Any]], NDArray[Any]]
    graph: Callable[[tuple[int, ...]], onnx.ModelProto]

    @property
    def whole_numbers(self) -> bool:
        """Whether it takes pixels as they are, 0 to 255, and nothing else."""
        return np.dtype(self.number).kind in "iu"

    def ask(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network answers to inputs (n, …): (n, …). Whatever it raises comes through."""
        return in_batches(self.answers, inputs.astype(self.number), self.takes[0] if self.takes else None)


def words(text: str) -> frozenset[str]:
    """The words of a list that is written as a text."""
    return frozenset(text.split())


def in_batches(
    answers: Callable[[NDArray[Any]], NDArray[Any]], inputs: NDArray[Any], batch: int | None = None
) -> NDArray[np.float32]:
    """Ask about inputs a batch at a time; where the batch has a fixed size, the last one is filled up."""
    size = batch or min(_BATCH, len(inputs))
    missing = math.ceil(len(inputs) / size) * size - len(inputs) if batch else 0
    filled = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)]) if missing else inputs
    parts = [answers(filled[start : start + size]) for start in range(0, len(filled), size)]
    return np.concatenate(parts)[: len(inputs)].astype(np.float32)


def read_foreign(path: Path) -> Foreign:
    """Read a whole network: a .keras, .h5 or .onnx file, or the folder of a SavedModel.

    Raises ModelError where it is none of these, is broken, or holds what could run code.
    """
    from . import keras_file, onnx_file, saved_model

    if path.is_dir():
        if not (path / saved_model.FILE).is_file():
            raise ModelError(f"{path}: a folder without {saved_model.FILE}, so no SavedModel.", _KNOWN)
        return saved_model.read_saved_model(path)
    ending = path.suffix.casefold()
    _refuse_pickle(path, ending)
    if ending in _KERAS:
        return keras_file.read_keras(path)
    if ending == ".onnx":
        return onnx_file.read_onnx(path)
    if path.name == saved_model.FILE:
        raise ModelError(f"{path}: one file of a SavedModel.", f"Give its folder: {path.parent}")
    raise ModelError(f"{path}: {ending or 'a file without an ending'} is no form of network.", _KNOWN)


def _refuse_pickle(path: Path, ending: str) -> None:
    """A pickle runs code as it is opened, whatever its file is called; it is known by its first bytes."""
    with file_errors(path), path.open("rb") as file:
        start = file.read(2)
        torch = start == b"PK" and zipfile.is_zipfile(file) and _holds_pickle(file)
    if ending in _PICKLES or torch or (start[:1] == b"\x80" and start[1:] in (b"\2", b"\3", b"\4", b"\5")):
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
