"""From a name or a path to a Dataset: each place is looked at in turn, and each form has its reader."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import DataError
from ..picture import PictureSpec
from .assemble import beside, size
from .cache import PictureCache
from .dataset import Dataset
from .download import Progress, fetch
from .folder import read_folder
from .idx import holds_idx, missing, read_idx_folder
from .listing import Photos
from .npz import read_npz
from .parquet import read_parquet
from .paths import holds_paths, read_paths
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
    group: str | None = None,
    cache_limit: int | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> Dataset:
    """Load a dataset by its name (`lapel data list`) or from a path.

    A path is a folder (IDX files, a training table, or one folder per class) or a file (.csv, .parquet,
    .npz). A table holds pixels, or paths of photos and their labels. `picture` says what photographs are made
    into, and is 28×28 grey by default; ready pictures must have that shape; `photographs` says the same, but
    leaves ready pictures as they are. `group` keeps photos together when they are divided: a column of the
    table, or a pattern on the path ("{group}_*.jpg", or a regular expression with one group). Many photos are
    decoded once and kept in Lapel's cache, of at most `cache_limit` bytes. Without `download` the network is
    not asked. `progress` is called with what is being read or fetched, how much of it is done, and of how
    much.

    Raises DataError where there is no such dataset, or it is broken.

    >>> load_data("fashion-mnist")
    Dataset('fashion-mnist', 60000 train, 10000 test, 10 classes)
    """
    known = CATALOG.get(name_or_path) if isinstance(name_or_path, str) else None
    if known is None:
        cache = None if cache_limit is None else PictureCache(limit=cache_limit)
        spec = picture or photographs or PictureSpec()
        dataset = _from_path(name_or_path, Photos(spec, group, cache), progress)
    elif known.name == SYNTHETIC:
        dataset = replace(_draw(picture or PictureSpec()), picture=picture)
    else:
        dataset = _load_published(known, download, progress)
    if picture is not None and dataset.shape != picture.shape:
        raise DataError(
            f"{dataset.name}: its pictures are {size(dataset.shape)}; {size(picture.shape)} were asked for.",
            "Only photographs, in one folder per class or a table of paths, are made into another size.",
        )
    if group is not None and dataset.groups is None:
        raise DataError(
            f"{dataset.name}: its pictures are no photos with a path, so that {group!r} names no groups.",
            "Groups go with a folder per class, or with a table of paths.",
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


def _from_path(given: str | os.PathLike[str], how: Photos, progress: Progress | None) -> Dataset:
    path = Path(given).expanduser()
    if path.is_dir():
        return _from_folder(path, how, progress)
    if not path.exists():
        if isinstance(given, str) and path.name == given and not path.suffix:
            find(given)  # raises, with the nearest name
        raise DataError(
            f"{path}: no such file or folder.", "Check the path; `lapel data list` shows the names."
        )
    if path.suffix.casefold() in (".csv", ".parquet") and holds_paths(path):
        return read_paths(path, how, progress)
    if reader := READERS.get(path.suffix.casefold()):
        return reader(path, how.spec, progress)
    raise DataError(
        f"{path}: {path.suffix or 'a file without an ending'} is no form of dataset.",
        f"Give a folder, or a {', '.join(sorted(READERS))} file.",
    )


def _beside(path: Path, spec: PictureSpec, progress: Progress | None) -> Dataset:
    """A Parquet file, and its test pictures where they lie beside it."""
    test = beside(path)
    return read_parquet([path], [test] if test else [], spec, progress)


def _from_folder(folder: Path, how: Photos, progress: Progress | None) -> Dataset:
    """IDX files, a training table (also in data/, as Hugging Face keeps them), or one folder per class."""
    if holds_idx(folder):
        return read_idx_folder(folder)
    for inside in (folder, folder / "data"):
        if train := sorted(inside.glob("*train*.parquet")):
            if len(train) == 1 and holds_paths(train[0]):
                return read_paths(train[0], how, progress)
            return read_parquet(train, sorted(inside.glob("*test*.parquet")), how.spec, progress)
    tables = sorted(folder.glob("*train*.csv"))
    if len(tables) > 1:
        raise DataError(
            f"{folder}: holds several training tables: {', '.join(table.name for table in tables)}.",
            "Give the path of one of them.",
        )
    if not tables:
        return read_folder(folder, how, progress)
    return read_paths(tables[0], how, progress) if holds_paths(tables[0]) else read_csv(tables[0])


# The forms of dataset that are one file, by its ending.
READERS: dict[str, Reader] = {
    ".csv": lambda path, _spec, _progress: read_csv(path),
    ".npz": lambda path, _spec, _progress: read_npz(path),
    ".parquet": _beside,
}
