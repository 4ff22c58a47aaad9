"""The shapes of a wardrobe, as types; used as those of shapes.py are."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from .search_shapes import Hit, Identity, IndexName
from .shapes import CLOSED, Base64, Hint, NamedPhoto, Proportion, RequestId

Role = Literal["top", "bottom", "dress", "shoes", "outer", "bag", "hat"]


@with_config(CLOSED)
class Garment(Hit):
    """A garment of the wardrobe, with a small picture of it."""

    sure: Annotated[bool, Field(description="Whether its kind is to be relied on.")]


@with_config(CLOSED)
class NamedColour(TypedDict):
    """A colour that a garment may have."""

    name: str
    hex: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]


@with_config(CLOSED)
class Garments(TypedDict):
    """Some of the garments, and what garments may be called."""

    id: RequestId
    index: IndexName
    photos: Annotated[int, Field(ge=0, description="How many garments there are in all.")]
    kinds: list[str]
    labels: list[str]
    colours: list[NamedColour]
    garments: list[Garment]


class WardrobePhotos(TypedDict):
    """Photos as JSON."""

    photos: Annotated[list[Base64 | NamedPhoto], Field(min_length=1, max_length=16)]


@with_config(CLOSED)
class AddedPhoto(TypedDict):
    """A photo that is in the wardrobe now."""

    source: Annotated[str, Field(description="What the photo was called in the request.")]
    result: Annotated[
        Literal["added", "known"], Field(description="`known`: the same photo was there already.")
    ]
    garment: Garment


@with_config(CLOSED)
class RefusedPhoto(TypedDict):
    """A photo that was not taken in."""

    source: str
    error: str
    hint: Hint
    code: Literal["photo_unreadable", "wardrobe_full"]


@with_config(CLOSED)
class AddedPhotos(TypedDict):
    """What became of photos, in their order."""

    id: RequestId
    photos: list[AddedPhoto | RefusedPhoto]


@with_config(CLOSED)
class Correction(TypedDict):
    """What is right; what is not said stays as it is."""

    label: NotRequired[str]
    kind: NotRequired[str]
    colours: NotRequired[Annotated[list[str], Field(description="Names, the largest share first.")]]


@with_config(CLOSED)
class OneGarment(TypedDict):
    """A garment as it is now."""

    id: RequestId
    garment: Garment


@with_config(CLOSED)
class DuplicateGroup(TypedDict):
    """Photos that are the same photo, or show the same garment."""

    same: Literal["photo", "garment"]
    similarity: Annotated[Proportion, Field(description="Each is at least so much like another of them.")]
    garments: Annotated[list[Garment], Field(min_length=2)]


@with_config(CLOSED)
class Duplicates(TypedDict):
    """What is there twice, the most alike first."""

    id: RequestId
    groups: list[DuplicateGroup]


@with_config(CLOSED)
class OutfitToKeep(TypedDict):
    """Garments by their roles."""

    garments: Annotated[dict[Role, Identity], Field(min_length=2)]


@with_config(CLOSED)
class KeptOutfit(TypedDict):
    """An outfit that was kept, with what the rules said of it then."""

    outfit: str
    garments: dict[Role, Garment]
    reasons: list[str]
    occasions: list[str]
    days: list[str]


@with_config(CLOSED)
class KeptOutfitAnswer(KeptOutfit):
    """The outfit that is kept now."""

    id: RequestId


@with_config(CLOSED)
class KeptOutfits(TypedDict):
    """The outfits that were kept, the last first."""

    id: RequestId
    outfits: list[KeptOutfit]
