"""The table of an index on disk, by LanceDB: the one file that knows it.

Every write is a version of its own, which is there as a whole or not at all: a process that is killed leaves
the version before. Writers take turns by a lock; readers need none. A table is named after the models that
made it, so that while others make a new one beside it, the old one is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, LapelError, MissingExtra, first_line
from ..files import NO_ROOM, locked, make_folder
from .rows import EMBEDDING, ID, SHOWN, SOURCE, Stamp, schema

FORMAT = 1
EXACT = 50_000  # rows up to which all are compared: that is as quick, and misses none

_KEY = b"lapel.index"  # in the metadata of the table
_TABLE = "photos-"
_LOCK = ".lock"
_ALL = 1 << 31
_ELSEWHERE = "Choose another place for the index."
_FULL = ("no space left", "file too large", "quota exceeded", "os error 28", "os error 27")
_CLOSED = ("permission denied", "read-only file system")
_VERSION_AGE = timedelta(hours=1)  # what others may still read of older versions stays for so long
_NEAR = 20  # parts of the index that are looked into
_REFINE = 10  # so many times the hits asked for are compared exactly
_STALE = 0.1  # of the rows: when so many are not in the index, it is brought up to date


class Store:
    """The table of one index. Made by `open_store` or `create_store`."""

    def __init__(self, path: Path, table: Any, about: dict[str, Any]) -> None:
        self.path, self.about, self._table = path, about, table

    def __len__(self) -> int:
        return self.count()

    def count(self, where: str | None = None) -> int:
        """How many rows there are, or fit a condition in SQL."""
        with _errors(self.path):
            return int(self._table.count_rows(where))

    def rows(
        self,
        where: str | None = None,
        columns: Sequence[str] = SHOWN,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """The rows that fit a condition, in the order in which they came."""
        with _errors(self.path):
            query = self._table.search().select(list(columns)).limit(_ALL if limit is None else limit)
            if where:
                query = query.where(where)
            found: list[dict[str, Any]] = query.offset(offset).to_list()
        return found

    def nearest(
        self,
        embedding: NDArray[np.float32],
        top: int,
        where: str | None = None,
        columns: Sequence[str] = SHOWN,
    ) -> list[dict[str, Any]]:
        """The rows that are most like an embedding, the likest first, each with its `_distance`."""
        with _errors(self.path):
            query = self._table.search(embedding, vector_column_name=EMBEDDING).distance_type("cosine")
            query = query.select([*columns, "_distance"]).limit(top).nprobes(_NEAR).refine_factor(_REFINE)
            if where:
                query = query.where(where, prefilter=True)
            found: list[dict[str, Any]] = query.to_list()
        return found

    def embeddings(self, where: str | None = None) -> tuple[list[str], NDArray[np.float32]]:
        """The ids of rows and their embeddings (n, width)."""
        with _errors(self.path):
            query = self._table.search().select([ID, EMBEDDING]).limit(_ALL)
            table = (query.where(where) if where else query).to_arrow()
            column = table.column(EMBEDDING).combine_chunks()
            values = column.flatten().to_numpy(zero_copy_only=False)
        return table.column(ID).to_pylist(), values.reshape(len(table), self.about["width"])

    def whole(self, where: str) -> list[dict[str, Any]]:
        """The rows that fit a condition, with all that is kept of them."""
        return self.rows(where, self._table.schema.names)

    def known(self, sources: Sequence[str]) -> dict[str, tuple[str, Stamp]]:
        """The id and the stamp of photos that are here, by their sources."""
        rows = self.rows(one_of(SOURCE, sources), (ID, SOURCE, "size", "mtime", "hash"))
        return {row[SOURCE]: (row[ID], Stamp(row["size"], row["mtime"], row["hash"])) for row in rows}

    def put(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows, in the place of those with the same ids."""
        if rows:
            self.put_columns({name: [row[name] for row in rows] for name in self._table.schema.names})

    def put_columns(self, columns: Mapping[str, Any]) -> None:
        """The same of rows that come column by column."""
        arrow = lance()[1]
        with _errors(self.path):
            merge = self._table.merge_insert(ID).when_matched_update_all().when_not_matched_insert_all()
            merge.execute(arrow.table(dict(columns), schema=self._table.schema))

    def set(self, identity: str, values: Mapping[str, Any]) -> None:
        """Change some columns of one row."""
        with _errors(self.path):
            self._table.update(where=f"{ID} = {quoted(identity)}", values=dict(values))

    def remove(self, where: str) -> int:
        """Remove the rows that fit a condition. Returns how many there were."""
        count = self.count(where)
        if count:
            with _errors(self.path):
                self._table.delete(where)
        return count

    def optimise(self, keep: timedelta = _VERSION_AGE) -> None:
        """Make few files of many, forget versions that are older than `keep`, and index embeddings where
        there are many."""
        with _errors(self.path):
            self._table.optimize(cleanup_older_than=keep)
            if self._table.count_rows() <= EXACT:
                return
            if not any(EMBEDDING in index.columns for index in self._table.list_indices()):
                self._index()

    def _index(self) -> None:
        from lancedb.index import BTree, IvfPq

        self._table.create_index(EMBEDDING, config=IvfPq(distance_type="cosine"))
        for column in (ID, SOURCE, "hash"):
            self._table.create_index(column, config=BTree())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock by which writers take turns, and see what those before have written."""
        with locked(self.path / _LOCK, elsewhere=_ELSEWHERE):
            with _errors(self.path):
                self._table.checkout_latest()
            yield


def open_store(path: Path, name: str | None = None) -> Store:
    """The table of an index by its name, or the one that is there. Raises DataError where there is none."""
    names = table_names(path)
    if not names:
        what = "no index of Lapel" if path.exists() else "no such index"
        raise DataError(f"{path}: {what}.", f"Make one with: lapel index PHOTOS --out {path}")
    with _errors(path):
        table = _connect(path).open_table(name if name in names else names[0])
        text = (table.schema.metadata or {}).get(_KEY)
        about = json.loads(text) if text else {}
    if about.get("format") != FORMAT:
        raise DataError(
            f"{path}: an index of the format {about.get('format')!r}; this Lapel reads {FORMAT}.",
            f"Make it anew: {rebuilding(path)}",
        )
    return Store(path, table, about)


def create_store(path: Path, name: str, about: dict[str, Any]) -> Store:
    """A new, empty table of that name. Raises LapelError where something else lies there."""
    if path.exists() and not (path.is_dir() and (table_names(path) or _is_empty(path))):
        raise LapelError(f"{path}: something else is there, and nothing is overwritten.", _ELSEWHERE)
    arrow = lance()[1]
    make_folder(path, elsewhere=_ELSEWHERE)
    metadata = {_KEY.decode(): json.dumps({"format": FORMAT, **about}, sort_keys=True)}
    with _errors(path):
        columns = schema(arrow, about["width"], metadata)
        table = _connect(path).create_table(name, schema=columns, exist_ok=True)
    return Store(path, table, {"format": FORMAT, **about})


def _is_empty(folder: Path) -> bool:
    return all(place.name == _LOCK for place in folder.iterdir())


def drop_table(path: Path, name: str) -> None:
    """Remove a table of that name, if there is one."""
    with _errors(path):
        _connect(path).drop_table(name, ignore_missing=True)


def table_names(path: Path) -> list[str]:
    """The tables of an index: one, but while another is made in its place."""
    return sorted(place.name.removesuffix(".lance") for place in path.glob(f"{_TABLE}*.lance"))


def table_name(fingerprints: Mapping[str, str]) -> str:
    """What the table is called that models with these fingerprints make."""
    return _TABLE + "-".join(value[:12] for _, value in sorted(fingerprints.items()))


def rebuilding(path: Path) -> str:
    """The command that makes an index anew of the photos that are in it."""
    return f"lapel index --out {path} --rebuild"


def one_of(column: str, values: Sequence[str]) -> str:
    """The condition that a column has one of these values."""
    return f"{column} IN ({', '.join(map(quoted, values))})" if values else "false"


def quoted(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def lance() -> tuple[Any, Any]:
    """The modules lancedb and pyarrow. Raises MissingExtra where they are not installed."""
    try:
        import lancedb
        import pyarrow
    except ImportError as error:
        raise MissingExtra("LanceDB, which indexes are kept in,", "search") from error
    return lancedb, pyarrow


def _connect(path: Path) -> Any:
    # Each question sees what others have written by then.
    return lance()[0].connect(path, read_consistency_interval=timedelta(0))


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Turn what LanceDB raises into one clear line about the index."""
    try:
        yield
    except LapelError:
        raise
    except Exception as error:  # it has no base class for what it raises
        text = str(error).lower()
        if any(word in text for word in _FULL):
            raise LapelError(
                f"{path}: no space left to write it; what was there before is untouched.", NO_ROOM
            ) from error
        if any(word in text for word in _CLOSED):
            raise LapelError(f"{path}: permission denied, or a read-only file system.", _ELSEWHERE) from error
        raise DataError(
            f"{path}: the index is damaged ({first_line(error)[:160]}).",
            f"Make it anew: lapel index PHOTOS --out {path} --overwrite",
        ) from error
