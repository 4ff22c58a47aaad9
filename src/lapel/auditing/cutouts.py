"""Cut-outs that went wrong: nothing there, hardly anything, cut off, several things, inside out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Labels, Pictures
from ..data.picture_file import chunks
from ..errors import MissingExtra

_FLAT = 8  # levels between the darkest and the brightest; less is nothing to be seen
_APART = 12  # levels from the ground, from which on a pixel belongs to an object; black cloth is that dark
_HARDLY = 0.02  # share of the picture
_TINY = 0.4  # of the picture's side, the longer side of the object
_CUT = 0.85  # of a side of the picture, that the object covers
_PART = 0.15  # of all that is there, for another object
_INVERTED = -0.3  # correlation with the mean picture of its class
_ALIKE = 0.5  # the same for most of a class, so that it has a look of its own
_USUAL = 0.02  # share of a class, from which on a look is its own
_FEW = 50  # pictures of a class, from which on it can be said what is usual


@dataclass(frozen=True)
class Fault:
    """A picture (by its place) that went wrong, why, and how badly (the higher, the worse)."""

    place: int
    reason: str
    badness: float


@dataclass(frozen=True, eq=False)
class _Looks:
    """What was measured of pictures (n)."""

    contrast: NDArray[np.int64]  # levels between the darkest and the brightest
    covered: NDArray[np.float64]  # share that belongs to objects
    longer: NDArray[np.float64]  # side of the box around them, of the picture's
    cut: NDArray[np.float64]  # share of that side of the picture which objects cover most
    second: NDArray[np.float64]  # share of the objects that the second largest has


def find_faults(pictures: Pictures, labels: Labels, means: NDArray[np.float32]) -> Iterator[Fault]:
    """The pictures that went wrong. `means` are the classes' mean training pictures (see `mean_pictures`).

    What an object looks like is compared with others of its class: where one in fifty is cut off at a border,
    or is in several parts, that is how the class looks. Raises MissingExtra without scipy.
    """
    looks = _measure(pictures)
    fit = _fit(pictures, labels, means)
    blank = looks.contrast < _FLAT
    hardly = ~blank & (looks.covered < _HARDLY)
    tiny = ~blank & ~hardly & (looks.longer < _TINY)
    good = ~(blank | hardly | tiny)
    cut = _unusual(good & (looks.cut > _CUT), labels)
    several = _unusual(good & (looks.second > _PART), labels)
    inverted = _unusual(good & (fit < _INVERTED) & (_typical(fit, labels) > _ALIKE), labels)
    for reason, which, badness in (
        ("blank", blank, _FLAT - looks.contrast),
        ("nearly blank", hardly, 1 - looks.covered),
        ("tiny object", tiny, 1 - looks.longer),
        ("cut off at the border", cut, looks.cut),
        ("in several parts", several, looks.second),
        ("inverted", inverted, -fit),
    ):
        for place in np.flatnonzero(which):
            yield Fault(int(place), reason, float(badness[place]))


def mean_pictures(pictures: Pictures, labels: Labels, classes: int) -> NDArray[np.float32]:
    """The mean grey picture of each class: (classes, height, width)."""
    sums = np.zeros((classes, *pictures.shape[1:3]))
    start = 0
    for part in chunks(pictures):
        np.add.at(sums, labels[start : start + len(part)], _grey(part))
        start += len(part)
    counts = np.bincount(labels, minlength=classes)[:, None, None]
    return np.asarray(sums / np.maximum(counts, 1), np.float32)


def _grey(pictures: Pictures) -> NDArray[np.float32]:
    return np.asarray(pictures.mean(axis=3, dtype=np.float32))


def _measure(pictures: Pictures) -> _Looks:
    try:
        from scipy.ndimage import label as connected
    except ModuleNotFoundError as error:
        raise MissingExtra("scipy, which objects are told apart with,", "audit") from error
    parts = [_measure_some(part, connected) for part in chunks(pictures)]
    return _Looks(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _measure_some(pictures: Pictures, connected: object) -> tuple[NDArray[np.float64], ...]:
    assert callable(connected)
    grey = _grey(pictures)
    count, height, width = grey.shape
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    inside = np.abs(grey - np.median(border, axis=1)[:, None, None]) >= _APART
    rows, columns = inside.any(axis=2), inside.any(axis=1)
    longer = np.maximum(_length(rows) / height, _length(columns) / width)
    sides = (
        np.stack([inside[:, 0], inside[:, -1]]).mean(axis=2),
        np.stack([inside[:, :, 0], inside[:, :, -1]]).mean(axis=2),
    )
    # Neighbours at corners belong together, pictures do not.
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = True
    numbers, found = connected(inside, structure)
    sizes = np.bincount(numbers.ravel(), minlength=found + 1)
    home = np.zeros(found + 1, np.intp)
    home[numbers.reshape(count, -1)] = np.arange(count)[:, None]
    order = np.lexsort((-sizes[1:], home[1:])) + 1
    begins = np.searchsorted(home[order], np.arange(count))
    ends = np.searchsorted(home[order], np.arange(count), side="right")
    second = np.where(
        ends - begins > 1, sizes[order[np.minimum(begins + 1, max(found - 1, 0))]] if found else 0, 0
    )
    covered = inside.mean(axis=(1, 2))
    return (
        np.ptp(pictures.reshape(count, -1).astype(np.int64), axis=1),
        covered,
        longer,
        np.concatenate(sides).max(axis=0),
        second / np.maximum(covered * height * width, 1),
    )


def _length(inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """From the first that is inside to the last, in each row."""
    last = inside.shape[1] - inside[:, ::-1].argmax(axis=1)
    return np.where(inside.any(axis=1), last - inside.argmax(axis=1), 0)


def _fit(pictures: Pictures, labels: Labels, means: NDArray[np.float32]) -> NDArray[np.float64]:
    """How each picture correlates with the mean of its class: from -1 to 1."""
    flat = means.reshape(len(means), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    found, start = [np.empty(0)], 0
    for part in chunks(pictures):
        rows = _grey(part).reshape(len(part), -1)
        rows = rows - rows.mean(axis=1, keepdims=True)
        own = flat[labels[start : start + len(part)]]
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(own, axis=1)
        found.append((rows * own).sum(axis=1) / np.maximum(lengths, 1e-6))
        start += len(part)
    return np.concatenate(found)


def _typical(values: NDArray[np.float64], labels: Labels) -> NDArray[np.float64]:
    """For each picture, the median of its class."""
    medians = np.zeros(int(labels.max()) + 1)
    for label in np.unique(labels):
        medians[label] = np.median(values[labels == label])
    return medians[labels]


def _unusual(which: NDArray[np.bool_], labels: Labels) -> NDArray[np.bool_]:
    """Those of them whose class hardly ever looks so."""
    counts = np.bincount(labels)
    shares = np.bincount(labels, weights=which) / np.maximum(counts, 1)
    return np.asarray(which & ((shares <= _USUAL) & (counts >= _FEW))[labels])
