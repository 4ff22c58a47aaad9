"""From a name or a path to a Dataset: each place is looked at in turn, and each form has its reader."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import DataError
from ..picture import PictureSpec
from .assemble import beside, size
from .dataset import Dataset
from .download import Progress, fetch
from .folder import read_folder
from .idx import holds_idx, missing, read_idx_folder
from .npz import read_npz
from .parquet import read_parquet
from .places import cache_folder, places
from .registry import CATALOG, FASHION_MNIST, SYNTHETIC, Known, find
from .table import read_csv

# A path, what photographs are made into, and who is told of progress -> Dataset
Reader = Callable[[Path, PictureSpec, Progress | None], Dataset]


def load_data(
    name_or_path: str | os.PathLike[str] = FASHION_MNIST,
    *,
    picture: PictureSpec | None = None,
    photographs: PictureSpec | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> Dataset:
    """Load a dataset by its name (`lapel data list`) or from a path.

    A path is a folder (IDX files, a training table, or one folder per class) or a file (.csv, .parquet,
    .npz). `picture` says what photographs are made into, and is 28×28 grey by default; ready pictures must
    have that shape; `photographs` says so only of photographs, whatever shape ready pictures have. Without
    `download` the network is not asked. `progress` is called with what is being read or fetched, how much of
    it is done, and of how much.

    Raises DataError where there is no such dataset, or it is broken.

    >>> load_data("fashion-mnist")
    Dataset('fashion-mnist', 60000 train, 10000 test, 10 classes)
    """
    known = CATALOG.get(name_or_path) if isinstance(name_or_path, str) else None
    if known is None:
        dataset = _from_path(name_or_path, picture or photographs or PictureSpec(), progress)
    elif known.name == SYNTHETIC:
        dataset = replace(_draw(picture or PictureSpec()), picture=picture)
    else:
        dataset = _load_published(known, download, progress)
    if picture is not None and dataset.shape != picture.shape:
        raise DataError(
            f"{dataset.name}: its pictures are {size(dataset.shape)}; {size(picture.shape)} were asked for.",
            "Only photographs, in one folder per class, are made into another size.",
        )
    return replace(dataset, origin=known.name if known else str(Path(name_or_path).expanduser().resolve()))


def _draw(spec: PictureSpec) -> Dataset:
    from .synthetic.draw import synthetic_dataset

    return synthetic_dataset(size=spec.size, channels=spec.channels)


def _load_published(known: Known, download: bool, progress: Progress | None) -> Dataset:
    """A published dataset, from the first place that has it."""
    looked = [] if os.environ.get("LAPEL_DATA") else ["LAPEL_DATA: not set"]
    for place in places(known):
        where = f"{place.title}: {place.folder.absolute()}"
        absent = missing(place.folder, known)
        if absent:
            some = f"{absent[0].name} is missing" if len(absent) < len(known.files) else "nothing there"
            looked.append(f"{where}: {some}")
            continue
        try:
            return read_idx_folder(place.folder, known, where)
        except DataError as error:
            if place.own:
                raise
            looked.append(f"{place.title}: {error.message}")
    if download:
        folder = cache_folder() / known.name
        try:
            fetch(known.files, folder, known.mirrors, progress=progress)
        except DataError as error:
            looked.append(error.message.replace("\n", "\n  "))
        else:
            return read_idx_folder(folder, known, f"{known.home}, kept in {folder}")
    else:
        looked.append("the network: not asked")
    raise DataError(
        "\n  ".join([f"{known.name} was not found. Looked in:", *looked]),
        f"Give the path of a folder that holds its files (from {known.home}), set LAPEL_DATA to a folder "
        f"that holds {known.name}/, or run `lapel data get {known.name}` where there is a network.",
    )


def _from_path(given: str | os.PathLike[str], spec: PictureSpec, progress: Progress | None) -> Dataset:
    path = Path(given).expanduser()
    if path.is_dir():
        return _from_folder(path, spec, progress)
    if not path.exists():
        if isinstance(given, str) and path.name == given and not path.suffix:
            find(given)  # raises, with the nearest name
        raise DataError(
            f"{path}: no such file or folder.", "Check the path; `lapel data list` shows the names."
        )
    if reader := READERS.get(path.suffix.casefold()):
        return reader(path, spec, progress)
    raise DataError(
        f"{path}: {path.suffix or 'a file without an ending'} is no form of dataset.",
        f"Give a folder, or a {', '.join(sorted(READERS))} file.",
    )


def _beside(path: Path, spec: PictureSpec, progress: Progress | None) -> Dataset:
    """A Parquet file, and its test pictures where they lie beside it."""
    test = beside(path)
    return read_parquet([path], [test] if test else [], spec, progress)


def _from_folder(folder: Path, spec: PictureSpec, progress: Progress | None) -> Dataset:
    """IDX files, a training table (also in data/, as Hugging Face keeps them), or one folder per class."""
    if holds_idx(folder):
        return read_idx_folder(folder)
    for inside in (folder, folder / "data"):
        if train := sorted(inside.glob("*train*.parquet")):
            return read_parquet(train, sorted(inside.glob("*test*.parquet")), spec, progress)
    tables = sorted(folder.glob("*train*.csv"))
    if len(tables) > 1:
        raise DataError(
            f"{folder}: holds several training tables: {', '.join(table.name for table in tables)}.",
            "Give the path of one of them.",
        )
    return read_csv(tables[0]) if tables else read_folder(folder, spec, progress)


# The forms of dataset that are one file, by its ending.
READERS: dict[str, Reader] = {
    ".csv": lambda path, _spec, _progress: read_csv(path),
    ".npz": lambda path, _spec, _progress: read_npz(path),
    ".parquet": _beside,
}
