"""Pictures of what a model does not know: made of chance and of garments, and those that somebody names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from .data import Progress, load_data
from .data.dataset import Pictures, drawn
from .data.idx import holds_idx
from .data.load import READERS
from .data.places import places
from .data.registry import CATALOG
from .errors import DataError, PictureError
from .picture import PictureSpec, read_picture
from .tag.inputs import Catalogue

DIGITS = "mnist"

_PATCHES = 4  # along a side
_Maker: TypeAlias = Callable[[Pictures, np.random.Generator], Pictures]


@dataclass(frozen=True, eq=False)
class Strangers:
    """Pictures of one kind. `refused` more show nothing, and are no pictures for the model in question."""

    name: str
    pictures: Pictures
    made: bool  # by us: a score may be chosen on them
    refused: int = 0
    unread: tuple[str, ...] = ()  # files that could not be read, and why


def made_strangers(known: Pictures, seed: int) -> list[Strangers]:
    """As many of each kind as there are known pictures (n, height, width, channels), and of their shape."""
    return [
        Strangers(name, make(known, np.random.default_rng([seed, number])), made=True)
        for number, (name, make) in enumerate(MAKERS.items())
    ]


def named_strangers(
    name: str, spec: PictureSpec, most: int, seed: int, progress: Progress | None = None
) -> Strangers:
    """At most `most` pictures of a dataset (by name or path), of a folder of photos, or of photos.

    Photos become what a model sees, by its `spec`. Raises DataError where there is nothing to be had.
    """
    path = Path(name).expanduser()
    if name in CATALOG or path.suffix.casefold() in READERS or (path.is_dir() and holds_idx(path)):
        pictures = load_data(_digits_here(name), photographs=spec, progress=progress).train.pictures
        return _drawn(name, pictures[drawn(len(pictures), most, seed)], spec)
    photos = [photo.source for photo in Catalogue([str(path)])]
    chosen = [photos[place] for place in drawn(len(photos), most, seed)]
    seen, unread = [], []
    for number, photo in enumerate(chosen):
        try:
            if isinstance(photo, PictureError):
                raise photo
            seen.append(read_picture(photo, spec))
        except PictureError as error:
            unread.append(error.message)
        if progress:
            progress(name, number + 1, len(chosen))
    if not seen:
        raise DataError(f"{name}: no photo that can be read ({unread[0]}).", "Name a folder of photos.")
    return Strangers(name, np.stack(seen), made=False, unread=tuple(unread))


def digits(spec: PictureSpec, most: int, seed: int) -> Strangers | None:
    """MNIST's digits, where they lie on this machine; the network is not asked."""
    place = _digits_here(DIGITS)
    try:
        pictures = load_data(place, download=False).train.pictures
    except DataError:
        return None
    return _drawn(DIGITS, pictures[drawn(len(pictures), most, seed)], spec)


def as_seen(pictures: Pictures, spec: PictureSpec) -> tuple[Pictures, int]:
    """Pictures as a model sees them, and how many show nothing to it; those of its own shape stay."""
    if pictures.shape[1:] == spec.shape:
        return pictures, 0
    seen = []
    for picture in pictures:
        try:
            seen.append(read_picture(picture, spec))
        except PictureError:
            continue
    whole = np.stack(seen) if seen else np.zeros((0, *spec.shape), np.uint8)
    return whole, len(pictures) - len(whole)


def _drawn(name: str, pictures: Pictures, spec: PictureSpec) -> Strangers:
    seen, refused = as_seen(pictures, spec)
    return Strangers(name, seen, made=False, refused=refused)


def _digits_here(name: str) -> str | Path:
    """Where MNIST's training digits lie, though the test digits may not; else the name as it is."""
    if name != DIGITS:
        return name
    folders = [place.folder for place in places(CATALOG[DIGITS]) if place.own]
    return next((folder for folder in folders if holds_idx(folder)), name)


def _uniform_noise(known: Pictures, random: np.random.Generator) -> Pictures:
    return random.integers(0, 256, known.shape, dtype=np.uint8)


def _normal_noise(known: Pictures, random: np.random.Generator) -> Pictures:
    drawn = random.normal(127.5, 64, known.shape)
    return np.rint(np.clip(drawn, 0, 255)).astype(np.uint8)


def _grey_levels(known: Pictures, random: np.random.Generator) -> Pictures:
    """Each picture of one level all over."""
    levels = random.integers(0, 256, (len(known), 1, 1, 1), dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(levels, known.shape))


def _inverted(known: Pictures, _random: np.random.Generator) -> Pictures:
    return 255 - known


def _scrambled(known: Pictures, random: np.random.Generator) -> Pictures:
    """Each picture cut into sixteen parts that change places; what does not divide by four stays."""
    count, height, width, channels = known.shape
    tall, wide = height // _PATCHES, width // _PATCHES
    inner = known[:, : tall * _PATCHES, : wide * _PATCHES]
    parts = inner.reshape(count, _PATCHES, tall, _PATCHES, wide, channels).transpose(0, 1, 3, 2, 4, 5)
    parts = parts.reshape(count, _PATCHES**2, tall, wide, channels)
    order = random.permuted(np.tile(np.arange(_PATCHES**2), (count, 1)), axis=1)
    parts = parts[np.arange(count)[:, None], order].reshape(count, _PATCHES, _PATCHES, tall, wide, channels)
    mixed = known.copy()
    mixed[:, : tall * _PATCHES, : wide * _PATCHES] = parts.transpose(0, 1, 3, 2, 4, 5).reshape(inner.shape)
    return mixed


MAKERS: dict[str, _Maker] = {
    "uniform noise": _uniform_noise,
    "Gaussian noise": _normal_noise,
    "grey levels": _grey_levels,
    "inverted": _inverted,
    "scrambled": _scrambled,
}
