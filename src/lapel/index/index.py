"""An index: photos that can be searched by picture, and what is done with them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from .._version import __version__
from ..colour import HEX, NAMES, Colour
from ..decode import Source
from ..errors import DataError, LapelError, ModelError, did_you_mean
from ..tag import Catalogue, Photo
from .describe import Describer, Models
from .duplicates import SAME_GARMENT, Duplicates, find_groups
from .filters import Filter, Words
from .rows import CORRECTED, ID, SOURCE, Description, Hit, colour_columns, hits_of
from .store import (
    Store,
    create_store,
    drop_table,
    one_of,
    open_store,
    rebuilding,
    table_name,
    table_names,
)
from .update import Change, Update, row_of_file

_AT_ONCE = 1000  # rows gone through at once
_NOTHING = timedelta(milliseconds=1)  # of what was before is kept


class Index:
    """An index on disk. Made by `open_index` or `build_index`.

    Any number of processes may read and write it at the same time.
    """

    def __init__(self, store: Store, models: Models) -> None:
        self._store, self._models = store, models

    def __repr__(self) -> str:
        return f"Index({str(self.path)!r}, {len(self):,} photos)"

    def __len__(self) -> int:
        return len(self._store)

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._store.path

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that garments may have."""
        return tuple(self._store.about["kinds"])

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that garments may have."""
        return tuple(self._store.about["labels"])

    @cached_property
    def describer(self) -> Describer:
        """The models that made it, loaded when they are first needed."""
        return self._models.load()

    def search(
        self,
        photo: Source | None = None,
        *,
        top: int = 20,
        like: str | None = None,
        kind: Words = (),
        colour: Words = (),
        label: Words = (),
        accepted: bool | None = None,
    ) -> list[Hit]:
        """The photos that are most like a photo, or like the one with the id `like`; the likest first.

        Where neither is given, those that have this kind, colour and label, in the order in which they
        came. Of several kinds, colours or labels any one will do; their case does not matter. The photo
        that `like` names is not among the hits.

        Raises PictureError where the photo cannot be read, and LapelError for a kind, colour, label or id
        that there is not.

        >>> open_index("wardrobe.lapel").search("photo.jpg", kind="Dress", colour="navy")  # doctest: +SKIP
        """
        where = Filter(kind, colour, label, accepted).condition(self._store.about)
        if photo is None and like is None:
            return hits_of(self._store.rows(where, limit=top))
        if photo is not None:
            return hits_of(self._store.nearest(self.describer.embed(photo), top, where))
        ids, embeddings = self._store.embeddings(one_of(ID, [str(like)]))
        if not ids:
            raise self._unknown(str(like))
        hits = hits_of(self._store.nearest(embeddings[0], top + 1, where))
        return [hit for hit in hits if hit.id != like][:top]

    def rows(
        self,
        *,
        kind: Words = (),
        colour: Words = (),
        label: Words = (),
        accepted: bool | None = None,
        corrected: bool = False,
        start: int = 0,
    ) -> Iterator[Hit]:
        """All photos that have this kind, colour and label, in the order in which they came, from the one at
        the place `start` on; with `corrected` only those of which a person has set something right.

        They are read some at a time, so there may be more of them than fit in memory.
        """
        where = Filter(kind, colour, label, accepted, corrected).condition(self._store.about)
        offset = start
        while rows := self._store.rows(where, limit=_AT_ONCE, offset=offset):
            yield from hits_of(rows)
            offset += len(rows)

    def duplicates(self, similarity: float = SAME_GARMENT) -> list[Duplicates]:
        """Groups of photos that are the same, or show the same garment; the most alike first.

        Photos count as showing the same garment from this similarity on.
        """
        ids, embeddings = self._store.embeddings()
        groups = find_groups(embeddings, similarity)
        wanted = sorted({ids[place] for group in groups for place in group.places})
        hits: dict[str, Hit] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            some = self._store.rows(one_of(ID, wanted[start : start + _AT_ONCE]))
            hits |= {hit.id: hit for hit in hits_of(some)}
        return [
            Duplicates(group.same, group.similarity, tuple(hits[ids[place]] for place in group.places))
            for group in groups
        ]

    def get(self, identity: str) -> Hit:
        """The photo with this id. Raises LapelError where there is none."""
        for hit in self.find([identity]):
            return hit
        raise self._unknown(identity)

    def find(self, identities: Sequence[str]) -> list[Hit]:
        """The photos with these ids; of ids that there are not, none."""
        return hits_of(self._store.rows(one_of(ID, identities))) if identities else []

    def find_copy(self, digest: str) -> Hit | None:
        """A photo whose file has this SHA-256, in hexadecimal; None where there is none."""
        for hit in hits_of(self._store.rows(one_of("hash", [digest]), limit=1)):
            return hit
        return None

    def update(self, photos: Iterable[str | Path | Photo]) -> Iterator[Change]:
        """Take in photos, folders, patterns and tables as `lapel tag` takes them; a Change for each photo.

        What has not changed is not looked at again. A photo that cannot be read is a Change that says why.
        Iterate to have it done. Raises LapelError where the disk refuses.
        """
        yield from Update(self._store, self.describer, _photos(photos))
        with self._store.writing():
            self._store.optimise()

    def add(self, photos: Iterable[str | Path | Photo]) -> list[Change]:
        """The same, all at once."""
        return list(self.update(photos))

    def take(self, path: Path, digest: str, seen: Description) -> Hit:
        """Take in a file that has been described already, and of which the SHA-256 is known.

        Raises LapelError where the disk refuses.
        """
        row = row_of_file(path, digest, seen)
        with self._store.writing():
            self._store.put([row])
        return self.get(row[ID])

    def remove(self, photos: Iterable[str | Path]) -> int:
        """Take photos out of the index, by their ids or paths; files stay. Returns how many there were."""
        given = [str(photo) for photo in photos]
        paths = [os.path.abspath(name) for name in given]  # noqa: PTH100
        with self._store.writing():
            return self._store.remove(f"{one_of(ID, given)} OR {one_of(SOURCE, [*given, *paths])}")

    def clear(self) -> None:
        """Take all photos out, and forget at once what was known of them; files stay."""
        with self._store.writing():
            self._store.remove("true")
            self._store.optimise(keep=_NOTHING)

    def optimise(self) -> None:
        """Make few files of many, as `update` does at its end."""
        with self._store.writing():
            self._store.optimise()

    def prune(self) -> int:
        """Take out the photos whose files are no longer there. Returns how many."""
        rows = self._store.rows("mtime > 0", (ID, SOURCE))
        gone = [row[ID] for row in rows if not os.path.lexists(row[SOURCE])]
        count = 0
        with self._store.writing():
            for start in range(0, len(gone), _AT_ONCE):
                count += self._store.remove(one_of(ID, gone[start : start + _AT_ONCE]))
        return count

    def correct(
        self,
        identity: str,
        *,
        label: str | None = None,
        kind: str | None = None,
        colours: Sequence[str] | None = None,
    ) -> Hit:
        """Set right what the models say of a photo; it stays so while its file does.

        Raises LapelError for an id, label, kind or colour that there is not.
        """
        hit, values = self.get(identity), dict[str, Any]()
        for name, value, known in (("label", label, self.labels), ("kind", kind, self.kinds)):
            if value is not None:
                if value not in known:
                    raise LapelError(f'There is no {name} "{value}".', did_you_mean(value, known))
                values[name] = value
        if label is not None:
            values |= {"accepted": True, "reason": ""}
        if colours is not None:
            values |= colour_columns([_colour(name, hit.colours, len(colours)) for name in colours])
        names = [name for name in ("label", "kind", "colours") if name in values]
        with self._store.writing():
            row = next(iter(self._store.whole(one_of(ID, [identity]))), None)
            if row is None:  # somebody else has taken it out meanwhile
                raise self._unknown(identity)
            corrected = sorted({*row["corrected"], *names})
            self._store.put([{**row, **values, "corrected": corrected}])
        return self.get(identity)

    def _unknown(self, identity: str) -> LapelError:
        return LapelError(f'{self.path}: there is no photo with the id "{identity}".')

    def info(self) -> dict[str, Any]:
        """What is in it: how many photos, of which kinds and colours, by which models it was made."""
        kinds: dict[str, int] = dict.fromkeys(self.kinds, 0)
        colours: dict[str, int] = dict.fromkeys(NAMES, 0)
        offset = accepted = 0
        while rows := self._store.rows(None, ("kind", "accepted", "colour_names"), _AT_ONCE, offset):
            for row in rows:
                kinds[row["kind"]] += 1
                accepted += row["accepted"]
                for name in row["colour_names"]:
                    colours[name] += 1
            offset += len(rows)
        about = self._store.about
        return {
            "path": str(self.path),
            "photos": offset,
            "accepted": accepted,
            "kinds": {name: count for name, count in kinds.items() if count},
            "colours": {name: count for name, count in colours.items() if count},
            "models": about["models"],
            "lapel": about["lapel"],
        }


def open_index(path: str | Path, models: Models | None = None) -> Index:
    """Open an index. Raises DataError where there is none, or it is damaged, and ModelError where other
    models made it, with the command that makes it anew.

    >>> len(open_index("wardrobe.lapel"))  # doctest: +SKIP
    120
    """
    path, models = Path(path), models or Models()
    fingerprints = models.fingerprints()
    store = open_store(path, table_name(fingerprints))
    if store.about.get("fingerprints") != fingerprints:
        raise ModelError(
            f"{path}: the index was made by {' and '.join(store.about.get('models', ['others']))}, "
            f"of Lapel {store.about.get('lapel', '?')}; the models of this Lapel ({__version__}) are others.",
            f"Make it anew of the same photos: {rebuilding(path)}",
        )
    if len(table_names(path)) > 1:
        raise DataError(f"{path}: it is being made anew, and not done yet.", f"Go on: {rebuilding(path)}")
    return Index(store, models)


def create_index(path: str | Path, models: Models | None = None, *, anew: bool = False) -> Index:
    """Open an index, or make an empty one where there is none; `anew` forgets what is in it.

    Raises LapelError where something else lies there, and else as `open_index` does.
    """
    path, models = Path(path), models or Models()
    if table_names(path) and not anew:
        return open_index(path, models)
    return Index(_created(path, models, anew=anew), models)


def build_index(
    photos: Iterable[str | Path | Photo], path: str | Path, models: Models | None = None
) -> Index:
    """An index of photos, folders, patterns and tables as `lapel tag` takes them, on disk at `path`.

    Where there is one already, what is new or has changed is taken in. Raises LapelError as `create_index`.

    >>> build_index(["photos"], "wardrobe.lapel")  # doctest: +SKIP
    Index('wardrobe.lapel', 120 photos)
    """
    index = create_index(path, models)
    index.add(photos)
    return index


def rebuild(path: str | Path, models: Models | None = None) -> Iterator[Change]:
    """Make an index anew of the photos that are in it, by the models of this Lapel; a Change for each.

    Until all are done, the old one stays; killed, it goes on with the next call. What a person has set right
    stays so. Photos that are no files are lost.
    """
    path, models = Path(path), models or Models()
    new = table_name(models.fingerprints())
    old = [name for name in table_names(path) if name != new]
    # Where the models are the same there is nothing to make anew but what has changed.
    index = Index(_created(path, models, anew=False), models) if old else open_index(path, models)
    for name in old or [new]:
        before = open_store(path, name)
        yield from index.update(_sources(before))
        if name != new:
            _keep_corrections(before, index._store)
            drop_table(path, name)


def _keep_corrections(before: Store, store: Store) -> None:
    for row in before.whole("array_length(corrected) > 0"):
        with store.writing():
            for now in store.whole(one_of(SOURCE, [row[SOURCE]])):
                kept = {column: row[column] for word in row["corrected"] for column in CORRECTED[word]}
                store.put([{**now, **kept, "corrected": row["corrected"]}])


def _created(path: Path, models: Models, *, anew: bool) -> Store:
    describer = models.load()
    about = {"lapel": __version__, **describer.about()}
    name = table_name(about["fingerprints"])
    if anew:
        for old in table_names(path):
            drop_table(path, old)
    return create_store(path, name, about)


def _sources(store: Store) -> list[Photo]:
    """The photos that are files. All at once: while they are gone through, rows may change their places."""
    return [Photo(row[SOURCE], row[SOURCE]) for row in store.rows("mtime > 0", (SOURCE,))]


def _photos(given: Iterable[str | Path | Photo]) -> Iterator[Photo]:
    if isinstance(given, Catalogue):
        yield from given
        return
    for one in [given] if isinstance(given, str | Path) else given:
        if isinstance(one, Photo):
            yield one
        else:
            yield from Catalogue([str(one)])


def _colour(name: str, seen: Sequence[Colour], count: int) -> Colour:
    """A colour that a person names: as it was seen, or an equal share of what is not known better."""
    if name not in NAMES:
        raise LapelError(f'There is no colour "{name}".', did_you_mean(name, NAMES))
    for colour in seen:
        if colour.name == name:
            return colour
    return Colour(name, round(1 / count, 3), HEX[name])
