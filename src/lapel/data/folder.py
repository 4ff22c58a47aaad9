"""A folder per class, with pictures in it; or train/ and test/ (or val/), each with a folder per class."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..encode import to_image
from ..errors import DataError, PictureError, did_you_mean
from ..files import file_errors
from ..picture import Picture, PictureSpec, Source, read_picture
from .assemble import Arrays, assemble
from .dataset import Dataset, Split
from .download import Progress
from .registry import FASHION_CLASSES, slug

_TRAIN, _TEST = {"train", "training"}, {"test", "testing"}
_VALIDATION = {"val", "valid", "validation"}
_TREE = "Lay it out as FOLDER/CLASS/picture.png, or FOLDER/train/CLASS/… and FOLDER/test/CLASS/…."


def read_folder(folder: Path, spec: PictureSpec, progress: Progress | None = None) -> Dataset:
    """Read pictures of every kind that `read_picture` knows, and make `spec` of them.

    Classes are the folders' names in their order (whole numbers by value); folders named as Fashion-MNIST's
    classes, also in the form t-shirt-top, get its names and label order. Where there are train/, val/ and
    test/, validation joins training, since Lapel holds out its own; val/ without test/ is the test.
    What is no picture is left out and named in `skipped`.

    Raises DataError for fewer than two classes, or a class without a picture.
    """
    train_folders, test_folders = _splits(folder)
    names, labels = _classes(folder, train_folders, test_folders)
    train_files, test_files = _files(train_folders, labels), _files(test_folders, labels)
    sources = [path for path, _ in train_files + test_files]
    decoded = decode_all(sources, spec, progress, f"reading {folder.name}")
    skipped = tuple(found.message for found in decoded if isinstance(found, PictureError))
    train = _arrays(train_files, decoded[: len(train_files)], spec)
    test = _arrays(test_files, decoded[len(train_files) :], spec)
    for label, name in enumerate(names):
        if not (train[1] == label).any():
            left_out = f" ({len(skipped)} files were left out; first: {skipped[0]})" if skipped else ""
            raise DataError(
                f"{folder}: class {name!r} has no picture that can be read{left_out}.",
                "Put pictures into its folder, or take the folder away.",
            )
    return assemble(folder, train, test if len(test[1]) else None, names, skipped=skipped, picture=spec)


def decode_all(
    sources: Sequence[Source], spec: PictureSpec, progress: Progress | None, what: str
) -> list[Picture | PictureError]:
    """Make pictures of all sources, several at a time; where one cannot be read, its error stands instead."""

    def decode(source: Source) -> Picture | PictureError:
        try:
            return read_picture(source, spec)
        except PictureError as error:
            return error

    decoded: list[Picture | PictureError] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoders release the interpreter's lock
        for found in pool.map(decode, sources):
            decoded.append(found)
            if progress is not None and (len(decoded) % 100 == 0 or len(decoded) == len(sources)):
                progress(what, len(decoded), len(sources))
    return decoded


def write_folder(dataset: Dataset, folder: Path) -> None:
    """Write every picture as PNG to train/CLASS/ and test/CLASS/, numbered in the dataset's order.

    Raises DataError for what folders cannot hold: two channels or more than three, a class without
    training pictures, classes whose names are alike as folder names or would come back in another order.
    """
    names = [slug(name) for name in dataset.class_names]
    in_order = names == sorted(names, key=_by_value) or dataset.class_names == FASHION_CLASSES
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


def _classes(folder: Path, train: list[Path], test: list[Path]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Class names, and the label of each class folder's name."""
    inside = {path.name for part in train for path in _folders(part)}
    if len(inside) < 2:
        raise DataError(
            f"{folder}: expected a folder for each of two classes or more; found {len(inside)}"
            f"{' (' + inside.pop() + ')' if inside else ''}.",
            _TREE,
        )
    for path in (path for part in test for path in _folders(part)):
        if path.name not in inside:
            raise DataError(
                f"{path}: a class to test on that is not there to train on.",
                did_you_mean(path.name, sorted(inside)),
            )
    fashion = {slug(name): label for label, name in enumerate(FASHION_CLASSES)}
    if len(inside) == len(fashion) and {slug(name) for name in inside} == fashion.keys():
        return FASHION_CLASSES, {name: fashion[slug(name)] for name in inside}
    names = tuple(sorted(inside, key=_by_value))
    return names, {name: label for label, name in enumerate(names)}


def _by_value(name: str) -> tuple[int, str]:
    """Whole numbers by value and before words, so that "10" comes after "9"."""
    return (int(name), "") if name.isdecimal() else (sys.maxsize, name)


def _folders(folder: Path) -> list[Path]:
    # Archives packed on a Mac bring __MACOSX.
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))
    )


def _files(parts: list[Path], labels: dict[str, int]) -> list[tuple[Path, int]]:
    """Every file in the class folders and its label, by name across classes: the order of `write_folder`."""
    found = [
        (path.relative_to(folder).as_posix(), labels[folder.name], path)
        for part in parts
        for folder in _folders(part)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    ]
    return [(path, label) for _, label, path in sorted(found)]


def _arrays(
    files: list[tuple[Path, int]], decoded: list[Picture | PictureError], spec: PictureSpec
) -> Arrays:
    pairs = [
        (picture, label)
        for picture, (_, label) in zip(decoded, files, strict=True)
        if not isinstance(picture, PictureError)
    ]
    labels = np.array([label for _, label in pairs], dtype=np.int64)
    return np.array([picture for picture, _ in pairs], dtype=np.uint8).reshape(-1, *spec.shape), labels
