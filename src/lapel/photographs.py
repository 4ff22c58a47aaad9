"""Photographs -> a dataset of pictures that suit a recipe, and a sentence on what was chosen and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .data import load_data
from .data.dataset import Dataset, evenly
from .data.paths import holds_paths, photos_in
from .data.registry import CATALOG
from .errors import PictureError
from .picture import PictureSpec, read_picture
from .recipes.schema import Recipe

_LOOKED_AT = 24  # photographs
_MOST = 64  # pixels, for a recipe that does not say: enough to tell garments apart, and learned in minutes
_LEAST = 8
_COLOURS = {1: "in grey", 3: "in colour"}


def load_for(
    recipe: Recipe,
    name_or_path: str | os.PathLike[str],
    *,
    size: int | None = None,
    channels: int | None = None,
    **loading: Any,
) -> tuple[Dataset, str]:
    """A dataset whose photographs have become pictures for a recipe, and what is to be said of that.

    `size` and `channels` count first, then what the recipe says, then what the photographs look like. Ready
    pictures (Fashion-MNIST, a table of pixels) stay as they are: the sentence is empty then. `loading` is
    what `load_data` takes besides. Raises DataError as that does, also where ready pictures are not of the
    size that is asked for.
    """
    asked = size is not None or channels is not None
    why = "as asked for"
    if recipe.picture is not None:
        size, channels = size or recipe.picture.size, channels or recipe.picture.channels
        why = why if asked else f'as the recipe "{recipe.name}" says'
    elif not (size and channels):
        found, seen = _look(name_or_path)
        size, channels = size or found.size, channels or found.channels
        why = why if asked else seen
    spec = PictureSpec(size, channels)
    dataset = load_data(name_or_path, picture=spec if asked else None, photographs=spec, **loading)
    if dataset.picture is None:
        return dataset, ""
    return dataset, (
        f"{dataset.name}: photographs become pictures of {spec.size}×{spec.size} {_COLOURS[spec.channels]}"
        f"{f', {why}' if why else ''}. --size, --grey and --colour choose others."
    )


def _look(name_or_path: str | os.PathLike[str]) -> tuple[PictureSpec, str]:
    """What suits the photographs of a folder or a table, and what they look like; else the usual."""
    files = [] if name_or_path in CATALOG else _files(Path(name_or_path).expanduser())
    longer, coloured = [], False
    for place in evenly(len(files), _LOOKED_AT) if files else ():
        try:
            small = read_picture(files[place], PictureSpec(32, 3))
            with Image.open(files[place]) as image:
                longer.append(max(image.size))
        except PictureError:
            continue
        coloured = coloured or bool((small != small[:, :, :1]).any())
    if not longer:
        return PictureSpec(), ""
    side, channels = int(np.median(longer)), 3 if coloured else 1
    spec = PictureSpec(min(_MOST, max(_LEAST, side)), channels)
    return spec, f"since the {len(longer)} looked at are {_COLOURS[channels]} and about {side:,} pixels long"


def _files(path: Path) -> list[Path]:
    """The photographs in the folders of a folder, or those that a table names."""
    if path.is_dir():
        return sorted(
            file for file in path.glob("*/**/*") if file.is_file() and not file.name.startswith(".")
        )
    return photos_in(path) if holds_paths(path) else []
