"""The pictures that forms of a model are held against: validation pictures, or drawn garments."""

from __future__ import annotations

from ..data import Progress
from ..data.dataset import Dataset, Pictures
from ..data.synthetic.draw import synthetic_dataset
from ..errors import DataError, RunError
from ..splits import dataset_of_model, split_of_model
from ..tagger import Tagger

_DRAWN = 512
_LEAST = 8  # pixels across a drawn garment


def pictures_of_model(
    tagger: Tagger, dataset: Dataset | None, progress: Progress | None = None
) -> tuple[Pictures, bool]:
    """The validation pictures of a model, and whether they are: else drawn garments.

    Its own dataset is that which the card names, where that can be had and its pictures suit the model.
    """
    try:
        dataset = dataset or dataset_of_model(tagger, progress)
        if dataset.shape == tagger.card.picture.shape:
            return split_of_model(tagger, dataset, "validation").pictures, True
    except (DataError, RunError):
        pass
    return drawn_pictures(tagger.card.picture.shape), False


def drawn_pictures(shape: tuple[int, int, int]) -> Pictures:
    """Drawn garments of this shape, the same each time."""
    size, channels = max(shape[0], _LEAST), shape[2]
    pictures: Pictures = synthetic_dataset(_DRAWN, 1, size=size, channels=channels).train.pictures
    return pictures[:, : shape[0], : shape[1]]
