"""Photos with a label each become a dataset: in memory, or in a file where they are many."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..decode import SUFFIXES
from ..errors import DataError, PictureError, did_you_mean
from ..picture import PictureSpec
from .assemble import assemble
from .cache import LeftOut, PictureCache
from .dataset import Dataset, Pictures, Skip
from .download import Progress
from .photos import decode_in_order, reason, refuse_ruins
from .picture_file import PictureFile, as_pictures, take
from .registry import FASHION_CLASSES, slug

MOST_CLASSES = 10_000
_KEPT = 64 * 1024**2  # bytes of pictures from which on they are kept; fewer are decoded in a moment
_IN_MEMORY = 256 * 1024**2  # bytes of pictures up to which they are read into memory


@dataclass(frozen=True)
class Photos:
    """How photos are made into pictures: to which spec, in which groups, kept in which cache.

    `group` is the name of a table's column, or a pattern on a photo's path.
    """

    spec: PictureSpec
    group: str | None = None
    cache: PictureCache | None = None  # by default the usual one


@dataclass(frozen=True)
class Listing:
    """Photos and what is known of them before any is decoded.

    `names` are their paths as they are shown, relative to `folder`. The last `tests` of them are test photos.
    `groups` has the cell of the group's column for each, where that is a column. `skipped` is what was left
    out while listing, `listed` how many files or rows there were.
    """

    source: Path  # the folder, or the table
    folder: Path
    names: Sequence[str]
    labels: Sequence[int]
    class_names: tuple[str, ...]
    tests: int = 0
    columns: tuple[str, ...] = ()
    groups: Sequence[str] | None = None
    skipped: tuple[Skip, ...] = ()


def read_photos(listing: Listing, how: Photos, progress: Progress | None) -> Dataset:
    """Decode the photos of a listing.

    Those that cannot be read are left out and named in `skipped`. Raises DataError where they are more than
    half, where a class has none left, or where the groups cannot be told.
    """
    groups = _groups(listing, how.group)
    photos = [str(listing.folder / name) for name in listing.names]
    pictures, left_out = _pictures(listing, photos, how, progress)
    good = np.ones(len(photos), dtype=bool)
    good[[place for place, _ in left_out]] = False
    skipped = listing.skipped + tuple(Skip(listing.names[place], why) for place, why in left_out)
    # Beside photos there may be notes and tables: what is not named as a photo is left out, and no more.
    broken = skipped[len(listing.skipped) :]
    bad = [skip for skip in broken if listing.columns or Path(skip.file).suffix.casefold() in SUFFIXES]
    refuse_ruins(listing.source, int(good.sum()), bad)
    train = int(good[: len(photos) - listing.tests].sum())
    places = np.flatnonzero(good)
    labels = np.asarray(listing.labels, dtype=np.int64)[places]
    trained = set(labels[:train].tolist())
    for label, name in enumerate(listing.class_names):
        if label not in trained:
            left = f" ({len(skipped):,} files were left out; first: {skipped[0]})" if skipped else ""
            raise DataError(
                f"{listing.source}: class {name!r} has no picture that can be read{left}.",
                "Add pictures of it, or leave the class out.",
            )
    own, tests = places[:train], places[train:]
    return assemble(
        listing.source,
        (take(pictures, slice(0, train)), labels[:train]),
        (take(pictures, slice(train, None)), labels[train:]) if len(tests) else None,
        listing.class_names,
        skipped=skipped,
        picture=how.spec,
        files=tuple(listing.names[place] for place in places.tolist()),
        groups=None if groups is None else tuple(groups[place] for place in own),
        group=how.group,
        test_groups=tuple(groups[place] for place in tests) if groups is not None and len(tests) else None,
    )


def class_labels(
    source: Path, found: Iterable[str], expected: str, hint: str
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Class names in their order, and the label of each name that was found.

    Whole numbers stand by value and before words. Fashion-MNIST's classes, also in the form t-shirt-top, get
    its names and label order. Raises DataError with `hint` for fewer than two classes, for more than 10,000,
    and for two whose names differ only in upper and lower case.
    """
    inside = set(found)
    if len(inside) < 2:
        raise DataError(
            f"{source}: expected {expected}; found {len(inside)}"
            f"{' (' + inside.pop() + ')' if inside else ''}.",
            hint,
        )
    if len(inside) > MOST_CLASSES:
        raise DataError(
            f"{source}: {len(inside):,} classes; at most {MOST_CLASSES:,} can be told apart.",
            "Is each photo a class of its own? Name the kinds of things that are to be told apart.",
        )
    alike: dict[str, str] = {}
    for name in sorted(inside):
        other = alike.setdefault(name.strip().casefold(), name)
        if other != name:
            raise DataError(
                f"{source}: the classes {other!r} and {name!r} differ only in upper and lower case.",
                "Give both one name if they are one class, or else names that differ more.",
            )
    fashion = {slug(name): label for label, name in enumerate(FASHION_CLASSES)}
    if len(inside) == len(fashion) and {slug(name) for name in inside} == fashion.keys():
        return FASHION_CLASSES, {name: fashion[slug(name)] for name in inside}
    names = tuple(sorted(inside, key=by_value))
    return names, {name: label for label, name in enumerate(names)}


def by_value(name: str) -> tuple[int, str]:
    """Whole numbers by value and before words, so that "10" comes after "9"."""
    return (int(name), name) if name.isdecimal() else (sys.maxsize, name)


def _pictures(
    listing: Listing, photos: list[str], how: Photos, progress: Progress | None
) -> tuple[Pictures, LeftOut]:
    """The pictures of all photos that can be read, in their order; and which cannot, and why."""
    what, need = f"reading {listing.source.name}", len(photos) * math.prod(how.spec.shape)
    if need >= _KEPT:
        path, left_out = (how.cache or PictureCache()).pictures(photos, how.spec, progress, what)
        held = PictureFile(path, how.spec.shape)
        return as_pictures(held) if held.nbytes > _IN_MEMORY else np.asarray(held), left_out
    pictures = np.empty((len(photos), *how.spec.shape), np.uint8)
    left_out = []
    for place, found in enumerate(decode_in_order(photos, how.spec, progress, what)):
        if isinstance(found, PictureError):
            left_out.append((place, reason(found, photos[place])))
        else:
            pictures[place - len(left_out)] = found
    return pictures[: len(photos) - len(left_out)], left_out


def _groups(listing: Listing, group: str | None) -> Sequence[str] | None:
    """The group of each photo, "" where it has none."""
    if group is None:
        return None
    if listing.groups is not None:
        return listing.groups
    find = group_finder(group, listing.source, listing.columns)
    found = [find(name) for name in listing.names]
    if not any(found):
        raise DataError(
            f"{listing.source}: no path fits the group {group!r}; the first is {listing.names[0]}.",
            "Write it as {group}_*.jpg or {group}/*, or as a regular expression with one ( ).",
        )
    return found


def group_finder(group: str, source: Path, columns: Sequence[str] = ()) -> Callable[[str], str]:
    """What finds the group in a photo's path by a pattern, "" where there is none.

    Raises DataError for what is neither {group} in a pattern nor a regular expression with one group; where
    `source` has `columns`, a name may have been meant for one of these.
    """
    if "{group}" in group:
        expression = re.compile("(?:.*/)?" + _translated(group), re.DOTALL)
        return lambda name: found[1] if (found := expression.fullmatch(name)) else ""
    try:
        expression = re.compile(group)
    except re.error as error:
        raise DataError(f"{group!r} is no regular expression ({error}).", _GROUP_HINT) from error
    if expression.groups != 1:
        known = f"{source} has no column {group!r}, and it" if columns else f"{group!r}"
        near = f" {did_you_mean(group, columns)}" if columns else ""
        raise DataError(f"{known} is no pattern with one group.", f"{_GROUP_HINT}{near}")
    return lambda name: (found[1] or "") if (found := expression.search(name)) else ""


_GROUP_HINT = "Write it as {group}_*.jpg, or as a regular expression with one ( )."


def _translated(pattern: str) -> str:
    """A pattern of a path as a regular expression; {group} is as short as it can be."""
    parts = {"{group}": "([^/]+?)", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        parts.get(part) or re.escape(part) for part in re.split(r"(\{group\}|\*\*|\*|\?)", pattern) if part
    )
