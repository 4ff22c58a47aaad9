"""A .keras or .h5 file -> an imported network. Keras loads what was checked, and no code of the file runs."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines.backend import load_keras, quiet
from ..errors import MissingExtra, ModelError, first_line
from ..files import file_errors
from .convert import convert_function
from .keras_config import check_config
from .network import LARGEST, ImportedNetwork

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_LARGEST_PART = 32 * 1024 * 1024  # of config and metadata; weights may be as large as a file
_WHOLE = 'Save the whole network: model.save("model.keras").'


def read_keras(path: Path) -> ImportedNetwork:
    """Read a whole Keras network, as model.save writes it (.keras, .h5), by any Keras since the first.

    Raises ModelError where the file is too large, broken, holds only weights, or anything beside Keras's
    own plain layers; LapelError where Keras runs on another backend than TensorFlow in this process.
    """
    with file_errors(path), path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ModelError(f"{path}: more than {LARGEST:,} bytes; larger files are not loaded.")
    if data.startswith(_ZIP):
        checked, ending = _check_zip(data, str(path)), ".keras"
    elif data.startswith(_HDF5):
        checked, ending = _check_hdf5(data, str(path), whole=True), ".h5"
    else:
        raise ModelError(f"{path}: not a file of Keras.", "Is this the right file? " + _WHOLE)
    network = _load(checked, ending, str(path))
    return _network(network, str(path))


def _check_zip(data: bytes, source: str) -> bytes:
    """The same archive with nothing but the parts that were checked."""
    wanted = {"metadata.json": _LARGEST_PART, "config.json": _LARGEST_PART, "model.weights.h5": LARGEST}
    parts: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name, largest in wanted.items():
                if archive.getinfo(name).file_size > largest:
                    raise ModelError(
                        f"{source}: its {name} is larger than {largest:,} bytes; it is not read."
                    )
                with archive.open(name) as opened:
                    parts[name] = opened.read(largest)
    except KeyError as error:
        raise ModelError(f"{source}: not a file of Keras: {error.args[0]}", _WHOLE) from error
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, EOFError, ValueError, RuntimeError) as error:
        raise ModelError(f"{source}: not a whole Keras file ({first_line(error)}).") from error
    parts["config.json"] = json.dumps(check_config(parts["config.json"], source)).encode()
    _check_hdf5(parts["model.weights.h5"], source, whole=False)
    again = io.BytesIO()
    with zipfile.ZipFile(again, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return again.getvalue()


def _check_hdf5(data: bytes, source: str, *, whole: bool) -> bytes:
    """HDF5 that leads to no other file and is no larger unpacked; a `whole` network is of known layers."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise MissingExtra("h5py", "keras") from error

    total = 0

    def check(group: Any) -> None:
        nonlocal total
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ModelError(f'{source}: "{name}" in it leads elsewhere; it is not opened.')
            item = group[name]
            if isinstance(item, h5py.Group):
                check(item)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ModelError(f'{source}: "{name}" in it lies in another file; it is not opened.')
                total += item.size * item.dtype.itemsize
                if total > LARGEST:
                    raise ModelError(f"{source}: more than {LARGEST:,} bytes of weights; it is not loaded.")

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            check(file)
            config = file.attrs.get("model_config") if whole else None
    except ModelError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{source}: not a whole HDF5 file ({first_line(error)}).") from error
    if whole:
        if not isinstance(config, str | bytes):
            raise ModelError(f"{source}: holds weights alone, and does not say of which network.", _WHOLE)
        check_config(config, source)
    return data


def _load(data: bytes, ending: str, source: str) -> Any:
    keras = load_keras("tensorflow")
    with tempfile.TemporaryDirectory() as folder, quiet():
        copy = Path(folder) / f"network{ending}"
        copy.write_bytes(data)
        try:
            return keras.models.load_model(copy, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises whatever its layers raise
            raise ModelError(
                f"{source}: Keras {keras.__version__} cannot load it ({first_line(error)}).",
                "Save it as .keras with a newer Keras, or bring it to ONNX and import that.",
            ) from error


def _network(network: Any, source: str) -> ImportedNetwork:
    for what in ("inputs", "outputs"):
        found = getattr(network, what, None) or []
        if len(found) != 1:
            raise ModelError(
                f"{source}: has {len(found)} {what}; a network with one of each is taken.",
                "Save a network that takes pictures alone and gives one answer.",
            )
    takes = tuple(network.inputs[0].shape)
    number = str(network.inputs[0].dtype)

    def answers(inputs: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(network(inputs, training=False))

    return ImportedNetwork(
        source,
        "Keras",
        takes,
        number,
        answers,
        lambda shape: convert_function(
            lambda x: network(x, training=False), (takes[0], *shape), number, source
        ),
    )
