"""NumPy's .npz: x_train, y_train, x_test, y_test, as Keras keeps MNIST; or pictures and labels alone."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import write_atomic
from .assemble import MOST_BYTES, Arrays, as_labels, assemble
from .dataset import Dataset

_PAIRS = (("x_train", "y_train"), ("pictures", "labels"))
_TEST = ("x_test", "y_test")
_NAMES = "class_names"
# What numpy and zipfile raise for files that are broken, encrypted or hold objects.
_BROKEN = (
    ValueError,
    OSError,
    EOFError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_npz(path: Path) -> Dataset:
    """Read a .npz file. Objects in it (pickles) are refused.

    Pictures are uint8 of shape (n, h, w) or (n, h, w, channels), labels whole numbers of shape (n,).
    Raises DataError for a file that is missing, broken or not of this form.
    """
    arrays = _load(path)
    for pair in _PAIRS:
        if set(pair) <= arrays.keys():
            train = _split(path, arrays, pair)
            test = _split(path, arrays, _TEST) if pair == _PAIRS[0] and set(_TEST) <= arrays.keys() else None
            return assemble(path, train, test, _class_names(path, arrays))
    raise DataError(
        f"{path}: expected arrays x_train and y_train (or pictures and labels); "
        f"none of these pairs is there.",
        "Save it with numpy.savez(path, x_train=…, y_train=…, x_test=…, y_test=…).",
    )


def write_npz(dataset: Dataset, path: Path) -> None:
    """Write x_train, y_train, x_test, y_test and class_names into one packed file."""
    arrays: dict[str, Any] = {_NAMES: np.array(dataset.class_names)}
    for (pictures, labels), split in ((_PAIRS[0], dataset.train), (_TEST, dataset.test)):
        if split is not None:
            grey = split.pictures.shape[3] == 1
            arrays[pictures] = split.pictures[..., 0] if grey else split.pictures
            arrays[labels] = split.labels

    def write(file: BinaryIO) -> None:
        np.savez_compressed(file, **arrays)

    write_atomic(path, write)


def _load(path: Path) -> dict[str, NDArray[Any]]:
    wanted = {*_PAIRS[0], *_PAIRS[1], *_TEST, _NAMES}
    if not path.is_file():
        raise DataError(f"{path}: no such file.", "Check the path.")
    try:
        with zipfile.ZipFile(path) as archive:
            promised = sum(item.file_size for item in archive.infolist())
        if promised > MOST_BYTES:
            raise DataError(f"{path}: promises {promised} bytes; at most {MOST_BYTES} are read.")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if name in wanted}
    except _BROKEN as error:
        raise DataError(
            f"{path}: no readable .npz file of plain arrays ({error or type(error).__name__}).",
            "Fetch it again, or save it anew with numpy.savez. Files that hold Python objects are not read.",
        ) from error


def _split(path: Path, arrays: dict[str, NDArray[Any]], pair: tuple[str, str]) -> Arrays:
    pictures, labels = (arrays[name] for name in pair)
    if pictures.dtype != np.uint8 or pictures.ndim not in (3, 4) or 0 in pictures.shape[1:]:
        raise DataError(
            f"{path}: {pair[0]} must be uint8 of shape (n, height, width) or (n, height, width, channels); "
            f"it is {pictures.dtype} of shape {pictures.shape}.",
            "Keep pixels as whole numbers from 0 to 255; models scale them themselves.",
        )
    labels = as_labels(labels, path)
    if len(pictures) != len(labels):
        raise DataError(
            f"{path}: {pair[0]} holds {len(pictures)} pictures, but {pair[1]} holds {len(labels)} labels.",
            "They do not belong together.",
        )
    if pictures.ndim == 3:
        pictures = pictures[..., np.newaxis]
    return pictures, labels


def _class_names(path: Path, arrays: dict[str, NDArray[Any]]) -> tuple[str, ...] | None:
    names = arrays.get(_NAMES)
    if names is None:
        return None
    if names.ndim != 1 or names.dtype.kind != "U":
        raise DataError(
            f"{path}: {_NAMES} must be a row of texts; it is {names.dtype} of shape {names.shape}."
        )
    return tuple(names.tolist())
