"""IDX, the format of MNIST and Fashion-MNIST: a magic number, the lengths, and one byte a pixel or label.

A file is read raw or packed (.gz). Nothing in it is believed before it is checked: no more is unpacked
than its header promises, and the header may not promise more than the file can hold.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import write_atomic
from .assemble import MOST_BYTES, Arrays, assemble, read_bytes
from .dataset import Dataset, Split
from .registry import CATALOG, DataFile, Known

PARTS = {"train": "train", "test": "t10k"}
_GZIP = b"\x1f\x8b"
_MOST_PACKED = 1032  # deflate packs at most 1032 bytes into one
_LABELS, _GREY, _COLOUR = 2049, 2051, 2052  # magic numbers: bytes, and 1, 3 or 4 lengths
_WRONG_FILE = "Check that this is the right file, or fetch it again."


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one IDX file of bytes, raw or packed: labels (n,), or pictures (n, h, w) or (n, h, w, c).

    Raises DataError for a wrong magic number, a file cut off, or another number of bytes than its header
    promises.
    """
    return _parse(path, _read(path))


def read_idx_folder(folder: Path, known: Known | None = None, source: str = "") -> Dataset:
    """Read a folder with the four files of MNIST's form (or only the two for training).

    With `known` every file must be the published one, all four must be there, and the dataset has that
    name. Raises DataError where a file is missing, broken, not the published one, or where pictures and
    labels do not fit each other.
    """
    published = {file.unpacked_name: file for file in known.files} if known else {}
    with ThreadPoolExecutor(max_workers=2) as pool:  # unpacking releases the interpreter's lock
        train = pool.submit(_pair, folder, "train", published)
        test = pool.submit(_pair, folder, "test", published)
        train_arrays, test_arrays = train.result(), test.result()
    if train_arrays is None or (known and test_arrays is None):
        raise DataError(
            f"{folder}: expected {_name('train', 'images-idx3')} and its companions, packed (.gz) or not.",
            "All of a split's files must lie in one folder, under their usual names.",
        )
    known = known or _published_here(folder)
    return assemble(
        folder,
        train_arrays,
        test_arrays,
        known.class_names if known else None,
        name=known.name if known else None,
        source=source,
    )


def holds_idx(folder: Path) -> bool:
    """Whether this folder has training pictures in IDX."""
    return _find(folder, _name("train", "images-idx3")) is not None


def missing(folder: Path, known: Known) -> list[DataFile]:
    """The files of `known` that this folder does not hold, packed or not."""
    return [file for file in known.files if _find(folder, file.unpacked_name) is None]


def write_idx(dataset: Dataset, folder: Path) -> None:
    """Write the files of MNIST's form, packed, into `folder`. Raises DataError where a label is over 255."""
    for part, split in (("train", dataset.train), ("test", dataset.test)):
        if split is not None:
            _write_split(split, part, folder)


def _write_split(split: Split, part: str, folder: Path) -> None:
    if split.labels.max(initial=0) > 255:
        raise DataError(
            "IDX holds labels up to 255; this dataset has more classes.", "Choose parquet or npz."
        )
    grey = split.pictures.shape[3] == 1
    pictures = split.pictures[..., 0] if grey else split.pictures
    for kind, magic, array in (
        ("images-idx3", _GREY if grey else _COLOUR, pictures),
        ("labels-idx1", _LABELS, split.labels.astype(np.uint8)),
    ):
        header = struct.pack(f">{1 + array.ndim}I", magic, *array.shape)
        # Without the time, so that the same data are the same bytes.
        packed = gzip.compress(header + np.ascontiguousarray(array).tobytes(), compresslevel=6, mtime=0)
        write_atomic(folder / f"{_name(part, kind)}.gz", packed)


def _pair(folder: Path, part: str, published: dict[str, DataFile]) -> Arrays | None:
    """Pictures and labels of one split; None where neither is there."""
    names = _name(part, "images-idx3"), _name(part, "labels-idx1")
    pictures_path, labels_path = (_find(folder, name) for name in names)
    if pictures_path is None and labels_path is None:
        return None
    if pictures_path is None or labels_path is None:
        absent = names[0] if pictures_path is None else names[1]
        raise DataError(
            f"{folder}: {absent} (or {absent}.gz) is missing, though its companion is there.",
            "Pictures and labels come in pairs: put the missing file beside the other.",
        )
    pictures = _parse(pictures_path, _read(pictures_path, published.get(names[0])))
    labels = _parse(labels_path, _read(labels_path, published.get(names[1])))
    for path, array, lengths, magic in (
        (pictures_path, pictures, (3, 4), _GREY),
        (labels_path, labels, (1,), _LABELS),
    ):
        if array.ndim not in lengths:
            raise DataError(
                f"{path}: expected magic number {magic}, found {2048 + array.ndim}.",
                "Pictures and labels may have been exchanged.",
            )
    if len(pictures) != len(labels):
        raise DataError(
            f"{folder}: {pictures_path.name} holds {len(pictures)} pictures, "
            f"but {labels_path.name} holds {len(labels)} labels.",
            "They do not belong together: fetch both again from one place.",
        )
    if pictures.ndim == 3:
        pictures = pictures[..., np.newaxis]
    # A copy, since what was read is not writable and engines want it to be.
    return pictures.copy(), labels.astype(np.int64)


def _published_here(folder: Path) -> Known | None:
    """The dataset whose training labels these are, whatever the folder is called."""
    path = _find(folder, _name("train", "labels-idx1"))
    if path is None:
        return None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for known in CATALOG.values():
        if any(digest in (file.sha256, file.unpacked_sha256) for file in known.files):
            return known
    return None


def _name(part: str, kind: str) -> str:
    return f"{PARTS[part]}-{kind}-ubyte"


def _find(folder: Path, name: str) -> Path | None:
    """The file of this name, packed or raw, also under the name that some unpackers give it."""
    dotted = name.replace("-idx", ".idx")
    for candidate in (f"{name}.gz", name, f"{dotted}.gz", dotted):
        if (folder / candidate).is_file():
            return folder / candidate
    return None


def _read(path: Path, published: DataFile | None = None) -> bytes:
    """The bytes of an IDX file, unpacked; the published file's where there is one."""
    data = read_bytes(path)
    if published is not None:
        expected = published.sha256 if path.suffix == ".gz" else published.unpacked_sha256
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            raise DataError(
                f"{path}: not the published file. Expected SHA-256 {expected}, found {found} "
                f"({len(data)} bytes).",
                f"Delete {path} and run the same command again.",
            )
    return _unpack(path, data) if data.startswith(_GZIP) else data


def _unpack(path: Path, data: bytes) -> bytes:
    """What a gzip file holds, but no more than one byte over what its own IDX header promises."""
    try:
        head = zlib.decompressobj(wbits=31).decompress(data[:4096], 64)
        _, lengths = _header(path, head)
        promised = 4 + 4 * len(lengths) + math.prod(lengths)
        if promised > len(data) * _MOST_PACKED:
            raise DataError(
                f"{path}: promises {promised} bytes, which {len(data)} packed bytes cannot hold.", _WRONG_FILE
            )
        parts: list[bytes] = []
        room = promised + 1
        while data and room:
            member = zlib.decompressobj(wbits=31)
            parts.append(member.decompress(data, room))
            room -= len(parts[-1])
            if room and not member.eof:
                raise DataError(f"{path}: cut off: the packed data end too early.", _WRONG_FILE)
            data = member.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise DataError(f"{path}: the packed data are damaged ({error}).", _WRONG_FILE) from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _header(path: Path, data: bytes) -> tuple[int, tuple[int, ...]]:
    """The magic number and the lengths."""
    magic = int.from_bytes(data[:4], "big") if len(data) >= 4 else None
    if magic not in (_LABELS, _GREY, _COLOUR):
        raise DataError(
            f"{path}: wrong magic number: expected {_GREY} (pictures) or {_LABELS} (labels), "
            f"found {'no four bytes' if magic is None else magic}.",
            "This is no IDX file of bytes. " + _WRONG_FILE,
        )
    count = magic & 0xFF
    if len(data) < 4 + 4 * count:
        raise DataError(f"{path}: cut off within its header, after {len(data)} bytes.", _WRONG_FILE)
    lengths: tuple[int, ...] = struct.unpack_from(f">{count}I", data, 4)
    if math.prod(lengths) > MOST_BYTES:
        raise DataError(
            f"{path}: promises {' × '.join(map(str, lengths))} bytes; at most {MOST_BYTES} are read.",
            _WRONG_FILE,
        )
    return magic, lengths


def _parse(path: Path, data: bytes) -> NDArray[Any]:
    _, lengths = _header(path, data)
    start = 4 + 4 * len(lengths)
    promised, found = math.prod(lengths), len(data) - start
    if promised != found:
        raise DataError(
            f"{path}: its header promises {' × '.join(map(str, lengths))} = {promised} bytes, "
            f"but {'more' if found > promised else found} follow.",
            _WRONG_FILE,
        )
    if len(lengths) > 1 and 0 in lengths[1:]:
        raise DataError(f"{path}: pictures of {' × '.join(map(str, lengths[1:]))} pixels.", _WRONG_FILE)
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(lengths)
