"""What the models say of a photo that goes into an index: label, kind, colours and embedding."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..decode import Source
from ..encode import encode, to_image
from ..errors import ModelError, PictureError
from ..model_file import read_model
from ..picture import Picture
from ..tag import Photo
from ..tagger import Tagger, load_tagger, source_label
from .rows import Description

if TYPE_CHECKING:
    from ..tag.decoders import Read

Described: TypeAlias = tuple[Photo, Description | PictureError]

_SIDE = 160  # pixels of a thumbnail
_SHOWN = 12  # characters of a fingerprint


@dataclass(frozen=True)
class Models:
    """The models that an index is made by: one that labels and embeds, and one that tells kinds."""

    labels: str | Path = "photo"
    kinds: str | Path = "wardrobe"

    def fingerprints(self) -> dict[str, str]:
        """What tells these models from any others. Raises ModelError where one cannot be read."""
        return {
            name: hashlib.sha256(read_model(model)[1]).hexdigest()
            for name, model in (("labels", self.labels), ("kinds", self.kinds))
        }

    def load(self) -> Describer:
        """Both of them, ready. Raises ModelError where one cannot be used."""
        return Describer(load_tagger(self.labels), load_tagger(self.kinds))


class Describer:
    """Describes photos by two models. Made by `Models.load`.

    Raises ModelError where the first gives no embedding, or the second sees other pictures than the first.
    """

    def __init__(self, labels: Tagger, kinds: Tagger) -> None:
        if not labels.embedding_width:
            raise ModelError(
                f"The model {labels.card.name} gives no embedding, so no index can be made by it.",
                "The shipped model photo does.",
            )
        if labels.card.picture != kinds.card.picture:
            raise ModelError(
                f"The models {labels.card.name} and {kinds.card.name} see different pictures of a photo.",
                "An index takes two models with the same eyes, such as photo and wardrobe.",
            )
        self.labels, self.kinds = labels, kinds

    def about(self) -> dict[str, Any]:
        """What an index says of the models that made it."""
        return {
            "fingerprints": {"labels": self.labels.fingerprint, "kinds": self.kinds.fingerprint},
            "models": [f"{one.card.name}@{one.fingerprint[:_SHOWN]}" for one in (self.labels, self.kinds)],
            "labels": list(self.labels.card.class_names),
            "kinds": list(self.kinds.card.class_names),
            "width": self.labels.embedding_width,
        }

    def describe(self, names: Sequence[str], pictures: Sequence[Picture]) -> list[Description]:
        """What the models say of pictures as they see them. Raises ModelError where one fails."""
        if not pictures:
            return []
        tags, embeddings = self.labels.tag_and_embed(names, pictures)
        # The colours of a garment are the same, whoever is asked what it is.
        colours = [tag.colours for tag in tags]
        kinds = self.kinds.tags(names, *self.kinds.answers(np.stack(pictures)), colours)
        return [
            Description(tag, kind, embedding, thumbnail(picture))
            for tag, kind, embedding, picture in zip(tags, kinds, embeddings, pictures, strict=True)
        ]

    def describe_read(self, batch: Sequence[Read]) -> list[Described]:
        """The same of photos that were read, in their order; of one that could not be read, why."""
        seen = [(photo, read) for photo, read in batch if not isinstance(read, PictureError)]
        found = iter(self.describe([photo.name for photo, _ in seen], [picture for _, picture in seen]))
        return [(photo, read if isinstance(read, PictureError) else next(found)) for photo, read in batch]

    def describe_photo(self, source: Source) -> Description:
        """The same of one photo. Raises PictureError where it cannot be read."""
        return self.describe([source_label(source)], [self.labels.picture(source)])[0]

    def embed(self, source: Source) -> NDArray[np.float32]:
        """The embedding of one photo. Raises PictureError where it cannot be read."""
        embedding: NDArray[np.float32] = self.labels.embed(self.labels.picture(source)[None])[0]
        return embedding


def thumbnail(picture: Picture) -> bytes:
    """All of the photo, squared as the models see it: in a grid, all are alike."""
    image = to_image(picture)
    image.thumbnail((_SIDE, _SIDE))
    return encode(image, "jpeg")
