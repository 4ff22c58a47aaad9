"""Parquet: a label and the pixels of one picture in each row.

Three forms are read: a column `pixels` of lists (as written here), the columns of Kaggle's CSV (pixel1,
pixel2, …), and Hugging Face's `image` of encoded bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, PictureError
from ..files import write_atomic
from ..picture import PictureSpec
from ..runtime import pyarrow
from .assemble import MOST_BYTES, Arrays, as_labels, assemble, size, square
from .dataset import Dataset, Labels, Pictures, Skip, Split
from .download import Progress
from .photos import decode_in_order, reason, refuse_ruins
from .table import pixel_columns

_OURS = b"lapel.dataset"  # in the schema's metadata: class names and the shape of a picture
_HUGGING_FACE = b"huggingface"
_AGAIN = "Fetch it again, or check that this is the right file."


def read_parquet(
    train: Sequence[Path], test: Sequence[Path], spec: PictureSpec, progress: Progress | None = None
) -> Dataset:
    """Read the Parquet files of the training pictures, and those of the test pictures (or none).

    Encoded pictures are made into `spec`; those that cannot be read are left out and named in `skipped`.
    Raises DataError for a file that is missing, broken or of none of the three forms, and MissingExtra
    without pyarrow.
    """
    trained = [_read(path, spec, progress) for path in train]
    tested = [_read(path, spec, progress) for path in test]
    first = trained[0]
    for path, rows in zip((*train, *test), trained + tested, strict=True):
        if (rows.class_names, rows.pictures.shape[1:]) != (first.class_names, first.pictures.shape[1:]):
            raise DataError(
                f"{path}: its classes or the size of its pictures are not those of {train[0].name}.",
                "Files that are read together must be of one dataset.",
            )
    return assemble(
        train[0],
        _join(trained),
        _join(tested) if tested else None,
        first.class_names,
        skipped=tuple(skip for rows in trained + tested for skip in rows.skipped),
    )


def write_parquet(dataset: Dataset, folder: Path) -> None:
    """Write train.parquet and test.parquet into `folder`. Raises MissingExtra without pyarrow."""
    arrow, parquet = pyarrow()
    about = {"class_names": list(dataset.class_names), "shape": list(dataset.shape)}

    def write(split: Split, file: BinaryIO) -> None:
        pixels = arrow.FixedSizeListArray.from_arrays(
            arrow.array(split.pictures.reshape(-1)), math.prod(dataset.shape)
        )
        table = arrow.table({"label": arrow.array(split.labels), "pixels": pixels})
        table = table.replace_schema_metadata({_OURS: json.dumps(about)})
        parquet.write_table(table, file, compression="zstd", use_dictionary=["label"])

    write_atomic(folder / "train.parquet", lambda file: write(dataset.train, file))
    if (test := dataset.test) is not None:
        write_atomic(folder / "test.parquet", lambda file: write(test, file))


@dataclass(frozen=True)
class _Rows:
    pictures: Pictures
    labels: Labels
    class_names: tuple[str, ...] | None
    skipped: tuple[Skip, ...] = ()


def _read(path: Path, spec: PictureSpec, progress: Progress | None) -> _Rows:
    arrow, parquet = pyarrow()
    if not path.is_file():
        raise DataError(f"{path}: no such file.", "Check the path.")
    try:
        # The path may be that of a set of files to pyarrow, so it is given the open file.
        with path.open("rb") as opened, parquet.ParquetFile(opened) as file:
            about = file.metadata
            promised = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
            if promised > MOST_BYTES:
                raise DataError(f"{path}: promises {promised} bytes; at most {MOST_BYTES} are read.", _AGAIN)
            table = file.read().combine_chunks()
        return _rows(path, table, spec, progress)
    except (arrow.ArrowException, OSError, OverflowError) as error:
        raise DataError(
            f"{path}: no readable Parquet file ({str(error).splitlines()[0] if str(error) else error!r}).",
            _AGAIN,
        ) from error


def _rows(path: Path, table: Any, spec: PictureSpec, progress: Progress | None) -> _Rows:
    names = table.column_names
    class_names, shape = _about(path, table.schema.metadata or {})
    if "label" in names and "image" in names:
        labels = as_labels(table["label"].to_numpy(), path)
        pictures, labels, skipped = _decode(path, table["image"].to_pylist(), labels, spec, progress)
        return _Rows(pictures, labels, class_names, skipped)
    if "label" in names and "pixels" in names:
        labels, pixels = table["label"].to_numpy(), _lists(path, table["pixels"])
    else:
        label, places = pixel_columns(path, names)
        labels = table.column(label).to_numpy()
        columns = [_to_bytes(path, table.column(place).to_numpy()) for place in places]
        pixels = np.stack(columns, axis=1) if columns else np.empty((len(labels), 0), np.uint8)
    if shape is not None and math.prod(shape) != pixels.shape[1]:
        raise DataError(
            f"{path}: it says that pictures are {size(shape)}, but each row holds {pixels.shape[1]} pixels.",
            "Write the file again.",
        )
    pictures = square(pixels, path) if shape is None else pixels.reshape(-1, *shape)
    return _Rows(pictures, as_labels(labels, path), class_names)


def _lists(path: Path, column: Any) -> NDArray[np.uint8]:
    """A column of lists, all of one length, as an array (rows, pixels)."""
    arrow, _ = pyarrow()
    import pyarrow.compute as compute

    kind = column.type
    if not any(
        fits(kind)
        for fits in (arrow.types.is_fixed_size_list, arrow.types.is_list, arrow.types.is_large_list)
    ):
        raise DataError(f"{path}: column `pixels` must hold lists of numbers; it holds {kind}.")
    lengths = compute.unique(compute.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or not lengths[0]:
        raise DataError(
            f"{path}: every row of column `pixels` must hold the same number of pixels; "
            f"found {', '.join(map(str, lengths[:4])) or 'no rows'}.",
        )
    values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return _to_bytes(path, values).reshape(len(column), -1)


def _to_bytes(path: Path, values: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels as uint8. Raises DataError where they are not whole numbers from 0 to 255."""
    if values.dtype.kind not in "iu":
        raise DataError(f"{path}: pixels must be whole numbers from 0 to 255; these are {values.dtype}.")
    if values.dtype != np.uint8 and len(values) and not 0 <= values.min() <= values.max() <= 255:
        wrong = values.min() if values.min() < 0 else values.max()
        raise DataError(f"{path}: pixels must be whole numbers from 0 to 255; found {wrong}.")
    return values.astype(np.uint8)


def _decode(
    path: Path, cells: list[Any], labels: Labels, spec: PictureSpec, progress: Progress | None
) -> tuple[Pictures, Labels, tuple[Skip, ...]]:
    """Pictures of encoded bytes, their labels, and which rows were left out and why."""
    values = (cell.get("bytes") if isinstance(cell, dict) else cell for cell in cells)
    sources = [value for value in values if isinstance(value, bytes)]
    if len(sources) < len(cells):
        raise DataError(
            f"{path}: column `image` must hold the bytes of every picture; some rows hold none.",
            "Save the dataset with its pictures inside (Hugging Face's `embed_external_files`).",
        )
    found = list(decode_in_order(sources, spec, progress, f"reading {path.name}"))
    good = [row for row, picture in enumerate(found) if not isinstance(picture, PictureError)]
    skipped = tuple(
        Skip(f"{path}: row {row}", reason(picture, sources[row - 1]))
        for row, picture in enumerate(found, start=1)
        if isinstance(picture, PictureError)
    )
    refuse_ruins(path, len(good), skipped)
    pictures = np.array([found[row] for row in good], dtype=np.uint8).reshape(-1, *spec.shape)
    return pictures, labels[good], skipped


def _about(path: Path, metadata: dict[bytes, bytes]) -> tuple[tuple[str, ...] | None, tuple[int, ...] | None]:
    """Class names and the shape of a picture, as far as the schema says them."""
    try:
        if _OURS in metadata:
            about = json.loads(metadata[_OURS])
            names, shape = about["class_names"], about["shape"]
        elif _HUGGING_FACE in metadata:
            features = json.loads(metadata[_HUGGING_FACE])["info"]["features"]
            names, shape = features["label"].get("names"), None
        else:
            names, shape = None, None
        if shape is not None:
            shape = tuple(shape)
            if len(shape) != 3 or not all(type(length) is int and length > 0 for length in shape):
                raise ValueError(f"no shape: {shape}")
        if names is not None:
            names = tuple(names)
            if not all(isinstance(name, str) for name in names):
                raise ValueError(f"no class names: {names}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path}: what its schema says of classes and shape cannot be read ({error}).",
            "Write the file again.",
        ) from error
    return names, shape


def _join(parts: list[_Rows]) -> Arrays:
    if len(parts) == 1:
        return parts[0].pictures, parts[0].labels
    return np.concatenate([rows.pictures for rows in parts]), np.concatenate([rows.labels for rows in parts])
