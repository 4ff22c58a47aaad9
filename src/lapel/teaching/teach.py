"""Photos by class, and a model to build on -> a model that tells these classes apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..calibrate import probabilities_at, threshold, usual_answers
from ..card import Card
from ..decode import Limits, Source
from ..errors import LapelError, PictureError
from ..files import write_atomic
from ..metrics import wilson_interval
from ..model_file import read_model
from ..tagger import Tagger, doubtful, source_label, tagger_of
from .head import Labels, Learned, learn
from .trunk import Trunk

LEAST_CLASSES = 2
LEAST_PHOTOS = 2  # of each class that can be read: one to learn from while the other is asked about
_BATCH = 16  # photos between two calls of `on_progress`
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Skipped:
    """A photo that cannot be read: its class, its place in that from 0 on, what it is called, and why."""

    label: str
    place: int
    source: str
    error: PictureError


@dataclass(frozen=True)
class Taught:
    """A model of own classes. `data` is its file.

    `photos` counts, for each class, those that were learned from, and `right` those that were labelled right
    by models that had not learned from them. `skipped` are the photos that cannot be read.
    """

    data: bytes = field(repr=False)
    card: Card = field(repr=False)
    photos: dict[str, int]
    right: dict[str, int]
    skipped: tuple[Skipped, ...] = ()

    @property
    def accuracy(self) -> float:
        """The share of photos that were labelled right by models that had not learned from them."""
        return sum(self.right.values()) / sum(self.photos.values())

    def save(self, path: str | Path) -> Path:
        """Write the model file. Raises LapelError where it cannot be written."""
        write_atomic(Path(path), self.data)
        return Path(path)

    def tagger(self, limits: Limits | None = None) -> Tagger:
        """What labels photos with it; `limits` bound the photos it will read."""
        return tagger_of(self.data, self.card.name, limits)


def teach(
    photos: Mapping[str, Iterable[Source]],
    model: str | Path = "photo",
    *,
    name: str = "own classes",
    limits: Limits | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Taught:
    """Teach a model own classes: the last layer of `model` gives way to one that tells these apart.

    `photos` has two classes at least, and two photos of each that can be read; five to fifty are better. The
    others are skipped. Everything before the last layer stays as it is, so that this takes little longer than
    to look at the photos twice. `on_progress` is called with the photos that have been looked at, and all.
    How sure the model sounds, and what it accepts, is calibrated on answers about photos left out.

    Raises LapelError for classes that cannot be told apart by name, or have too few photos; ModelError where
    the model cannot be taught; MissingExtra without onnx.

    >>> mine = lapel.teach({"mine": ["a.jpg", "b.jpg"], "yours": ["c.jpg", "d.jpg"]})  # doctest: +SKIP
    >>> lapel.load_tagger(mine.save("mine.onnx")).tag("e.jpg").label                   # doctest: +SKIP
    'mine'
    """
    sources = [
        (label, place, source) for label, given in photos.items() for place, source in enumerate(given)
    ]
    names = check_classes(list(photos))
    path, data = read_model(model)
    base = tagger_of(data, str(path), limits)
    trunk = Trunk(data, base.card, str(path))
    features, labels, skipped = _look(trunk, base, sources, names, on_progress)
    counts = np.bincount(labels, minlength=len(names))
    _check_counts(names, counts.tolist(), skipped)
    learned = learn(features, labels)
    card, right = _card(name, names, base, trunk, learned, labels)
    return Taught(
        trunk.with_head(learned.head.weights, learned.head.bias, card),
        card,
        dict(zip(names, counts.tolist(), strict=True)),
        dict(zip(names, np.bincount(labels[right], minlength=len(names)).tolist(), strict=True)),
        tuple(skipped),
    )


def check_classes(names: list[str]) -> tuple[str, ...]:
    """The names of classes. Raises LapelError where they are too few, no names, or the same but for case."""
    if len(names) < LEAST_CLASSES:
        raise LapelError(
            f"Teaching needs {LEAST_CLASSES} classes at least; {len(names)} came.",
            "What is to be told from it? Make a class of other things, with photos of them.",
        )
    seen: dict[str, str] = {}
    for name in names:
        if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable() or name != name.strip():
            raise LapelError(
                f"A class needs a name of 1 to {_LONGEST_NAME} printable characters, without spaces around "
                f"it; {name[:60]!r} came."
            )
        if other := seen.get(name.casefold()):
            raise LapelError(
                f"Two classes have names that look alike: “{other}” and “{name}”.", "Rename one of them."
            )
        seen[name.casefold()] = name
    return tuple(names)


def _look(
    trunk: Trunk,
    base: Tagger,
    sources: list[tuple[str, int, Source]],
    names: tuple[str, ...],
    on_progress: Callable[[int, int], None],
) -> tuple[NDArray[np.float32], Labels, list[Skipped]]:
    """The features (2, n, width) and labels (n) of all photos that can be read, and the others."""
    found = [np.empty((2, 0, trunk.width), np.float32)]
    labels: list[int] = []
    skipped: list[Skipped] = []
    on_progress(0, len(sources))
    for start in range(0, len(sources), _BATCH):
        batch = sources[start : start + _BATCH]
        pictures = []
        for label, place, source in batch:
            picture = base.read(source)
            if isinstance(picture, PictureError):
                skipped.append(Skipped(label, place, source_label(source), picture))
            else:
                pictures.append(picture)
                labels.append(names.index(label))
        if pictures:
            found.append(trunk.features(np.stack(pictures)))
        on_progress(start + len(batch), len(sources))
    return np.concatenate(found, axis=1), np.array(labels, np.int64), skipped


def _check_counts(names: tuple[str, ...], counts: list[int], skipped: list[Skipped]) -> None:
    for name, count in zip(names, counts, strict=True):
        if count < LEAST_PHOTOS:
            bad = [one.error.message.removeprefix("bytes: ") for one in skipped if one.label == name]
            unread = f", and {len(bad)} that cannot be read ({bad[0].rstrip('.')})" if bad else ""
            photos = "photo" if count == 1 else "photos"
            raise LapelError(
                f"“{name}” has {count} {photos}{unread}; at least {LEAST_PHOTOS} are needed.",
                "Add some: five to fifty of each class are good.",
            )


def _card(
    name: str, names: tuple[str, ...], base: Tagger, trunk: Trunk, learned: Learned, labels: Labels
) -> tuple[Card, NDArray[np.bool_]]:
    """What the model says of itself, and which of the photos were labelled right while they were left out."""
    answers = _answers(learned, trunk.views, base.card.second_look)
    right = answers.argmax(axis=1) == labels
    scores = answers.max(axis=1)
    accept = threshold(scores, right)
    count = len(labels)
    before = base.card.made.get("trained on") or base.card.made.get("dataset") or base.card.name
    card = Card(
        name=name,
        class_names=names,
        picture=base.card.picture,
        measured=(
            {
                "dataset": "own photos",
                "split": f"{learned.folds} folds, each asked about while it was left out",
                "accuracy": float(right.mean()),
                "interval": list(wilson_interval(int(right.sum()), count)),
                "pictures": count,
            },
        ),
        made={
            "taught from": base.card.name,
            "taught from fingerprint": base.fingerprint,
            "trained on": f"{count} own photos; before that: {before}",
            "penalty": learned.penalty,
            "lapel": __version__,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        temperature=learned.temperature,
        accept=accept,
        second_look=base.card.second_look,
        usual=usual_answers(names, answers.argmax(axis=1), scores >= accept),
    )
    return card, right


def _answers(learned: Learned, views: int, second_look: float) -> NDArray[np.float64]:
    """Probabilities (n, classes) as the model would give them: with a second look where it takes one."""
    both = probabilities_at(learned.held_out, learned.temperature)
    if views == 2:
        return both
    first = probabilities_at(learned.held_out[:1], learned.temperature)
    places = doubtful(first, second_look)
    first[places] = both[places]
    return first
