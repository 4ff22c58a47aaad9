"""What every reader shares: from arrays to a Dataset, the shape of a row of pixels, the file beside."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..picture import PictureSpec
from .dataset import Dataset, Labels, Pictures, Skip, Split
from .registry import default_names

# No dataset that fits into memory is larger; a file that promises more is broken or hostile.
MOST_BYTES = 16 * 1024**3

Arrays = tuple[Pictures, Labels]


def assemble(
    path: Path,
    train: Arrays,
    test: Arrays | None,
    class_names: tuple[str, ...] | None = None,
    *,
    name: str | None = None,
    source: str = "",
    skipped: tuple[Skip, ...] = (),
    picture: PictureSpec | None = None,
    files: tuple[str, ...] | None = None,
    groups: tuple[str, ...] | None = None,
    group: str | None = None,
    test_groups: tuple[str, ...] | None = None,
) -> Dataset:
    """Make a Dataset of what was read from `path`.

    `files` are the names of all photos, the training ones first, where they were photos.

    Without `class_names`, Fashion-MNIST's where the path says so and the labels fit, else "0", "1", ….
    Raises DataError where pictures and labels do not fit each other, or training does not fit testing.
    """
    if not len(train[1]):
        raise DataError(f"{path}: holds no training pictures.", "Check that this is the right file.")
    if test is not None and test[0].shape[1:] != train[0].shape[1:]:
        raise DataError(
            f"{path}: training pictures are {size(train[0].shape[1:])}, "
            f"but test pictures are {size(test[0].shape[1:])}.",
            "Both must have one size and one number of channels.",
        )
    if class_names is None:
        most = max(int(labels.max(initial=0)) for _, labels in (train, *((test,) if test else ())))
        class_names = default_names(path, most + 1)
    return Dataset(
        name=name or _name_of(path),
        train=Split(*train, files and files[: len(train[1])]),
        test=None if test is None else Split(*test, files and files[len(train[1]) :]),
        class_names=class_names,
        source=source or str(path),
        skipped=skipped,
        picture=picture,
        groups=groups,
        group=group,
        test_groups=test_groups,
    )


def read_bytes(path: Path) -> bytes:
    """A whole file. Raises DataError where it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.", "Check the path.") from error
    except PermissionError as error:
        raise DataError(f"{path}: permission denied.", "Let yourself read the file.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).", "Check the path.") from error


def square(pixels: NDArray[np.uint8], path: Path) -> Pictures:
    """Turn rows of n·n (grey) or n·n·3 (colour) pixels into square pictures. Raises DataError for others."""
    count = pixels.shape[1]
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if side and side * side * channels == count:
            return pixels.reshape(-1, side, side, channels)
    raise DataError(
        f"{path}: {count} pixels a picture make no square: n·n (grey) or n·n·3 (colour) were expected.",
        "Fashion-MNIST has 784 pixel columns, 28·28.",
    )


def as_labels(values: NDArray[Any], path: Path) -> Labels:
    """Labels as int64. Raises DataError for anything but whole numbers from 0 on, one for each picture."""
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(
            f"{path}: labels must be a row of whole numbers; "
            f"these are {values.dtype} of shape {values.shape}.",
            "Number the classes 0, 1, 2, ….",
        )
    # Python's own integers, since a uint64 need not fit into int64.
    if len(values) and not 0 <= int(values.min()) <= int(values.max()) < 65536:
        wrong = values.min() if values.min() < 0 else values.max()
        raise DataError(
            f"{path}: label {wrong} is out of range: labels are 0 to the number of classes less one.",
            "Number the classes 0, 1, 2, ….",
        )
    return values.astype(np.int64)


def beside(path: Path) -> Path | None:
    """The test file that belongs to a training file: the same name with "test" for "train".

    >>> beside(Path("fashion-mnist_train.csv"))  # where that file is there
    PosixPath('fashion-mnist_test.csv')
    """
    head, train, tail = path.name.rpartition("train")
    other = path.with_name(f"{head}test{tail}")
    return other if train and other.is_file() else None


def _name_of(path: Path) -> str:
    """The name of the folder, or of the file without "train": fashion-mnist of fashion-mnist_train.csv."""
    path = path.resolve()
    stem = path.name if path.is_dir() else path.stem
    return re.sub(r"[-_. ]?train.*$", "", stem) or path.parent.name or "dataset"


def size(shape: tuple[int, ...]) -> str:
    """(height, width, channels) as people write it: "28×28×1"."""
    return "×".join(map(str, shape))
