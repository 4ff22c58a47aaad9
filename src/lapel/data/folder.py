"""A folder per class, with pictures in it; or train/ and test/ (or val/), each with a folder per class."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..encode import to_image
from ..errors import DataError, did_you_mean
from ..files import file_errors
from .dataset import Dataset, Split
from .download import Progress
from .listing import Listing, Photos, by_value, class_labels, read_photos
from .registry import FASHION_CLASSES, slug

_TRAIN, _TEST = {"train", "training"}, {"test", "testing"}
_VALIDATION = {"val", "valid", "validation"}
_TREE = "Lay it out as FOLDER/CLASS/picture.png, or FOLDER/train/CLASS/… and FOLDER/test/CLASS/…."


def read_folder(folder: Path, how: Photos, progress: Progress | None = None) -> Dataset:
    """Read pictures of every kind that `read_picture` knows, and make of them what `how` says.

    Classes are the folders' names in their order (whole numbers by value); folders named as Fashion-MNIST's
    classes, also in the form t-shirt-top, get its names and label order. Where there are train/, val/ and
    test/, validation joins training, since Lapel holds out its own; val/ without test/ is the test.
    What is no picture is left out and named in `skipped`.

    Raises DataError for fewer than two classes, two that differ only in case, or a class without a picture.
    """
    train, test = _splits(folder)
    class_names, labels = class_labels(
        folder, _class_folders(train), "a folder for each of two classes or more", _TREE
    )
    for path in (path for part in test for path in _folders(part)):
        if path.name not in labels:
            raise DataError(
                f"{path}: a class to test on that is not there to train on.",
                did_you_mean(path.name, sorted(labels)),
            )
    learned, tested = _files(folder, train, labels), _files(folder, test, labels)
    files = learned + tested
    return read_photos(
        Listing(
            source=folder,
            folder=folder,
            names=[name for name, _ in files],
            labels=[label for _, label in files],
            class_names=class_names,
            tests=len(tested),
        ),
        how,
        progress,
    )


def write_folder(dataset: Dataset, folder: Path) -> None:
    """Write every picture as PNG to train/CLASS/ and test/CLASS/, numbered in the dataset's order.

    Raises DataError for what folders cannot hold: two channels or more than three, a class without
    training pictures, classes whose names are alike as folder names or would come back in another order.
    """
    names = [slug(name) for name in dataset.class_names]
    in_order = names == sorted(names, key=by_value) or dataset.class_names == FASHION_CLASSES
    if len(set(names)) < len(names) or "" in names or not in_order:
        raise DataError(
            f"{dataset.name}: as folder names, its class names ({', '.join(dataset.class_names[:4])}, …) "
            "are alike, empty or in another order.",
            "Choose parquet or npz, which keep names and their order.",
        )
    if dataset.shape[2] not in (1, 3) or len(np.unique(dataset.train.labels)) < len(names):
        raise DataError(
            f"{dataset.name}: folders hold grey or colour pictures (these have {dataset.shape[2]} channels), "
            "and at least one training picture of every class.",
            "Choose parquet or npz.",
        )
    for part, split in (("train", dataset.train), ("test", dataset.test)):
        if split is not None:
            _write_split(split, [folder / part / name for name in names])


def _write_split(split: Split, folders: list[Path]) -> None:
    with file_errors(folders[0].parent):
        for folder in folders:
            folder.mkdir(parents=True)
    digits = len(str(len(split)))

    def write(number: int) -> None:
        picture = split.pictures[number]
        image = to_image(picture)
        path = folders[split.labels[number]] / f"{number:0{digits}}.png"
        with file_errors(path):
            image.save(path, compress_level=1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(write, range(len(split))):
            pass


def _splits(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders that hold class folders: those to train on, and those to test on."""
    inside = {path.name.casefold(): path for path in _folders(folder)}
    if not (inside.keys() & _TRAIN and inside.keys() <= _TRAIN | _TEST | _VALIDATION):
        return [folder], []
    train, test, validation = (
        [path for name, path in inside.items() if name in names] for names in (_TRAIN, _TEST, _VALIDATION)
    )
    return (train + validation, test) if test else (train, validation)


def _class_folders(parts: list[Path]) -> set[str]:
    return {path.name for part in parts for path in _folders(part)}


def _folders(folder: Path) -> list[Path]:
    # Archives packed on a Mac bring __MACOSX.
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))
    )


def _files(folder: Path, parts: list[Path], labels: dict[str, int]) -> list[tuple[str, int]]:
    """Every file in the class folders, relative to `folder`, and its label.

    They come by their names across classes: the order of `write_folder`.
    """
    found = [
        (path.relative_to(own).as_posix(), labels[own.name], path.relative_to(folder).as_posix())
        for part in parts
        for own in _folders(part)
        for path in own.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    ]
    return [(name, label) for _, label, name in sorted(found)]
