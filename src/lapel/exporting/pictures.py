"""The pictures that forms of a model are held against: validation pictures, or drawn garments."""

from __future__ import annotations

from contextlib import suppress

from ..data import Progress
from ..data.dataset import Dataset, Pictures
from ..data.registry import CATALOG
from ..data.synthetic.draw import synthetic_dataset
from ..errors import DataError
from ..splits import dataset_of_model, split_of_model
from ..tagger import Tagger

_DRAWN = 512
_LEAST = 8  # pixels across a drawn garment


def pictures_of_model(
    tagger: Tagger, dataset: Dataset | None, progress: Progress | None = None
) -> tuple[Pictures, bool]:
    """The validation pictures of a model, and True; without its dataset drawn garments, and False.

    That is `dataset`, or the one that the card names, where Lapel knows it by that name and it can be had.
    """
    if dataset is None and tagger.card.made.get("dataset") in CATALOG:
        with suppress(DataError):
            dataset = dataset_of_model(tagger, progress)
    if dataset is None or dataset.shape != tagger.card.picture.shape:
        return drawn_pictures(tagger.card.picture.shape), False
    return split_of_model(tagger, dataset, "validation").pictures, True


def drawn_pictures(shape: tuple[int, int, int]) -> Pictures:
    """Drawn garments of this shape, the same each time."""
    size, channels = max(shape[0], _LEAST), shape[2]
    pictures: Pictures = synthetic_dataset(_DRAWN, 1, size=size, channels=channels).train.pictures
    return pictures[:, : shape[0], : shape[1]]
