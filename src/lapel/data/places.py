"""Where a dataset with a name may lie on this machine, in the order in which Lapel looks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .registry import Known


@dataclass(frozen=True)
class Place:
    """A folder to look in.

    `own` says that somebody chose this folder for Lapel: a broken file there is an error. Elsewhere it
    only means that the next place is looked at.
    """

    title: str
    folder: Path
    own: bool


def cache_folder() -> Path:
    """Where Lapel keeps what it downloads: LAPEL_CACHE, or the usual place of this system."""
    if chosen := os.environ.get("LAPEL_CACHE"):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("lapel", appauthor=False, opinion=False)


def places(known: Known) -> list[Place]:
    """Every folder on this machine that may hold `known`, in order: LAPEL_DATA, Lapel's cache, others."""
    found = []
    if chosen := os.environ.get("LAPEL_DATA"):
        folder = Path(chosen).expanduser()
        found.append(Place("LAPEL_DATA", folder / known.name, own=True))
        # The four files may be of another dataset, so this folder is not held to be of this one.
        found.append(Place("LAPEL_DATA", folder, own=False))
    found.append(Place("Lapel's cache", cache_folder() / known.name, own=True))
    roots = (Path("data"), Path("datasets"), Path.home() / "data", Path.home() / "datasets")
    found += [Place("torchvision", root / known.torchvision, own=False) for root in roots]
    keras = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"
    found.append(Place("Keras", keras / known.name, own=False))
    return found
