"""What the second part of the eyes learns from: maps of photographs and of drawn garments.

All of it is computed once and kept in a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from backgrounds import as_given, grounds, nothings
from eyes import SPEC, Maps, first_part
from numpy.typing import NDArray
from scenes import NOTHING, Scenes, enlarged
from shoes import shoes
from torch import Tensor

from lapel.data.dataset import Split
from lapel.picture import Source, read_picture

ROUNDS = 3  # in each, every photograph is seen in two ways
_ROOM = 32  # pixels by which grounds are larger than pictures
_AT_ONCE = 16
_DRAWN_AT_ONCE = 50


@dataclass(frozen=True)
class Views:
    """Maps to learn from; `photos[i, v]` is the way `v` of seeing photograph `i`."""

    plain: NDArray[np.float16]  # (n, 2, …): photographs as they are, and mirrored
    changed: list[NDArray[np.float16]]  # (n, 2, …), a round each
    drawn: Maps
    drawn_labels: NDArray[np.int64]
    drawn_from: NDArray[np.str_]  # the names in COUNTS

    @property
    def ways(self) -> int:
        """In how many ways each photograph is seen, as it is and mirrored not counted."""
        return 2 * len(self.changed)


# How many pictures are drawn of each source.
COUNTS = {"fm-plain": 3000, "fm-laid": 2000, "shoes": 1000, "nothing": 1500}


def make_views(pictures: NDArray[np.uint8], garments: Split, work: Path, *, share: int = 1) -> Views:
    """Compute the maps of pictures and of drawn garments, or take those that are kept in `work`.

    Of what is drawn, one in `share` is.
    """
    see = first_part()
    plain = kept(work / "plain.npy", lambda: _plain(pictures, see))
    changed = [
        kept(work / f"changed-{number}.npy", partial(_changed, pictures, see, number, share))
        for number in range(ROUNDS)
    ]
    path = work / "drawn.npz"
    if not path.exists():
        maps, labels, sources = zip(*_drawn(garments, see, share), strict=True)
        np.savez(
            path,
            maps=np.concatenate(maps),
            labels=np.concatenate(labels),
            sources=np.repeat(sources, [len(part) for part in labels]),
        )
    with np.load(path) as held:
        return Views(plain, changed, held["maps"], held["labels"], held["sources"])


def floats(pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures as Scenes takes them: (n, 3, side, side), 0 to 1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255


def _levels(pictures: Tensor) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = (
        (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    )
    return levels


def kept(path: Path, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """What a file holds, made first where there is none."""
    if not path.exists():
        part = path.with_suffix(".part.npy")
        np.save(part, make())
        part.rename(path)
    held: NDArray[Any] = np.load(path, mmap_mode="r")
    return held


def seen(sources: Iterable[Source]) -> NDArray[np.uint8]:
    """What the network sees of photographs, or of grey pictures."""
    return np.stack([read_picture(source, SPEC) for source in sources])


def _plain(pictures: NDArray[np.uint8], see: Callable[[NDArray[np.uint8]], Maps]) -> NDArray[np.float16]:
    return np.stack([see(pictures), see(np.ascontiguousarray(pictures[:, :, ::-1]))], 1)


def _changed(
    pictures: NDArray[np.uint8], see: Callable[[NDArray[np.uint8]], Maps], number: int, share: int
) -> NDArray[np.float16]:
    """Moved, turned, zoomed and lit in other ways, twice."""
    side = SPEC.size
    ground = torch.from_numpy(grounds(-(-300 // share), side + _ROOM, number + 5)).permute(0, 3, 1, 2)
    scenes = Scenes(ground, side, 1000 + number)
    found = []
    for start in range(0, len(pictures), _AT_ONCE):
        some = floats(pictures[start : start + _AT_ONCE])
        nowhere = torch.zeros(len(some), 1, side, side)
        found.append(np.stack([see(_levels(scenes.vary(some, nowhere))) for _ in range(2)], 1))
    return np.concatenate(found)


def _drawn(
    garments: Split, see: Callable[[NDArray[np.uint8]], Maps], share: int
) -> Iterator[tuple[Maps, NDArray[np.integer], str]]:
    """Fashion-MNIST as it is and laid on grounds, shoes, and what is no garment, some at a time."""
    random, side = np.random.default_rng(3), SPEC.size
    counts = {name: -(-count // share) for name, count in COUNTS.items()}
    ground = torch.from_numpy(grounds(-(-600 // share), side + _ROOM, 77)).permute(0, 3, 1, 2)
    scenes = Scenes(ground, side, 55)
    for name in ("fm-plain", "fm-laid"):
        for some in _parts(random.choice(len(garments), counts[name], replace=False)):
            small = torch.from_numpy(garments.pictures[some, :, :, 0]).float() / 255
            labels = garments.labels[some]
            if name == "fm-plain":
                seen = scenes.negate(scenes.move(enlarged(small, side), 18), 0.5)
            else:
                seen, _ = scenes.compose(small, torch.from_numpy(labels.astype(np.int64)))
            yield see(_levels(seen)), labels, name
    pairs, pair_labels = shoes(counts["shoes"], side, 9)
    for some in _parts(np.arange(len(pairs))):
        yield see(_levels(scenes.lay(floats(pairs[some]))[0])), pair_labels[some], "shoes"
    things = as_given(nothings(counts["nothing"], side, 8), 8)
    for some in _parts(np.arange(len(things))):
        seen = scenes.surfaces(floats(things[some]))
        yield see(_levels(seen)), np.full(len(some), NOTHING), "nothing"


def _parts(places: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    return (places[start : start + _DRAWN_AT_ONCE] for start in range(0, len(places), _DRAWN_AT_ONCE))
