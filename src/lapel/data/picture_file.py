"""Pictures that lie in a file: read some at a time, so that any number of them takes the same memory."""

from __future__ import annotations

import json
import math
import mmap
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import LapelError
from ..files import write_atomic

Pictures: TypeAlias = NDArray[np.uint8]  # (n, height, width, channels)

_CHUNK = 16 * 1024 * 1024  # bytes of pictures that are looked at together


class _Handle:
    """An open file, closed with the last of those that read from it."""

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self.number)


class PictureFile:
    """Pictures (n, height, width, channels; uint8), one after the other in a file.

    It is asked as an array is: for its shape, its length, and for pictures at places, slices or masks, which
    come as arrays. Each read maps the file anew and lets go of it, so that what was read stays in the
    system's cache and not in this process. `numpy.asarray` reads all of them.

    `rows` are the places in the file of these pictures, in order; by default all of them.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, path: Path, shape: tuple[int, int, int], rows: NDArray[np.intp] | None = None) -> None:
        self.path, self._picture = Path(path), shape
        self._handle = _Handle(self.path)  # kept, so that whoever removes the file takes nothing from us
        if rows is None:
            rows = np.arange(self.path.stat().st_size // math.prod(shape), dtype=np.intp)
        self.rows = rows

    def __repr__(self) -> str:
        return f"PictureFile({str(self.path)!r}, {len(self)} pictures)"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, channels)."""
        return (len(self), *self._picture)

    @property
    def nbytes(self) -> int:
        """What all of them would take in memory."""
        return math.prod(self.shape)

    def take(self, which: NDArray[Any] | slice) -> PictureFile:
        """The pictures at these places, in this order, still in their file."""
        part = object.__new__(PictureFile)
        part.path, part._picture, part._handle = self.path, self._picture, self._handle
        part.rows = self.rows[which]
        return part

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            first, *rest = key
            part = self if first is ... else self[first]
            return np.asarray(part)[
                key if first is ... else tuple(rest) if part.ndim < 4 else (slice(None), *rest)
            ]
        rows = self.rows[key]
        return self._read(rows) if isinstance(rows, np.ndarray) else self._read(rows[None])[0]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for part in chunks(as_pictures(self)):
            yield from part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        pictures = self._read(self.rows)
        return pictures if dtype is None else pictures.astype(dtype, copy=False)

    def memo(self, question: str, answer: Callable[[], str]) -> str:
        """What was answered to a question about these pictures before; else the answer, which is kept."""
        notes = self.path.with_suffix(".notes.json")
        known: dict[str, str] = {}
        with suppress(OSError, ValueError):
            known = json.loads(notes.read_text())
        if question not in known:
            known[question] = answer()
            with suppress(LapelError):  # where nothing can be kept, it is worked out again
                write_atomic(notes, json.dumps(known))
        return known[question]

    def _read(self, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        if not len(rows):
            return np.empty((0, *self._picture), np.uint8)
        mapped = mmap.mmap(self._handle.number, 0, access=mmap.ACCESS_READ)
        try:
            return np.frombuffer(mapped, np.uint8).reshape(-1, *self._picture)[rows]
        finally:
            mapped.close()


def as_pictures(file: PictureFile) -> Pictures:
    """The pictures in a file where an array is expected: whoever takes slices and places needs no other."""
    return cast("Pictures", file)


def in_file(pictures: object) -> PictureFile | None:
    """The file that pictures lie in; None where they are an array."""
    return pictures if isinstance(pictures, PictureFile) else None


def take(pictures: Pictures, which: NDArray[Any] | slice) -> Pictures:
    """The pictures at these places, in this order; those in a file stay there."""
    file = in_file(pictures)
    return pictures[which] if file is None else as_pictures(file.take(which))


def chunks(pictures: Pictures) -> Iterator[Pictures]:
    """The same pictures, some at a time."""
    many = max(1, _CHUNK // max(1, math.prod(pictures.shape[1:])))
    for start in range(0, len(pictures), many):
        yield pictures[start : start + many]
