"""A file or a folder -> a network, by the reader for its form."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError
from . import keras_file, onnx_file, saved_model
from .network import ImportedNetwork
from .pickles import refuse_pickle

_KERAS = (".keras", ".h5", ".hdf5")
_KNOWN = (
    "Known: .keras, .h5, .onnx, the folder of a SavedModel, and with a recipe the weights in a .pth, .pt or "
    ".safetensors file."
)


def read_network(path: Path) -> ImportedNetwork:
    """Read a whole network: a .keras, .h5 or .onnx file, or the folder of a SavedModel.

    Raises ModelError where it is none of these, is broken, or holds what could run code.
    """
    if path.is_dir():
        if not (path / saved_model.FILE).is_file():
            raise ModelError(f"{path}: a folder without {saved_model.FILE}, so no SavedModel.", _KNOWN)
        return saved_model.read_saved_model(path)
    ending = path.suffix.casefold()
    refuse_pickle(path)
    if ending in _KERAS:
        return keras_file.read_keras(path)
    if ending == ".onnx":
        return onnx_file.read_onnx(path)
    if path.name == saved_model.FILE:
        raise ModelError(f"{path}: one file of a SavedModel.", f"Give its folder: {path.parent}")
    raise ModelError(f"{path}: {ending or 'a file without an ending'} is no form of network.", _KNOWN)
