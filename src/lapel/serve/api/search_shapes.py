"""The shapes of searching and matching, as types; used as those of shapes.py are."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypeAliasType, TypedDict

from .shapes import CLOSED, Base64, Colour, ModelName, NamedPhoto, Proportion, RequestId


class OnePhoto(TypedDict):
    """A photo as JSON."""

    photos: Annotated[list[Base64 | NamedPhoto], Field(min_length=1, max_length=1)]


class GarmentPhoto(OnePhoto):
    """A photo of a garment as JSON."""


JpegUrl = TypeAliasType(
    "JpegUrl", Annotated[str, Field(pattern="^data:image/jpeg;base64,", description="A JPEG as a data URL.")]
)
Identity = Annotated[str, Field(min_length=1, description="What the photo is called in the index.")]
IndexName = Annotated[ModelName, Field(description="What the index is called here.")]


@with_config(CLOSED)
class Hit(TypedDict):
    """A photo of an index."""

    id: Identity
    source: Annotated[str, Field(description="Where it lies, on the machine that made the index.")]
    similarity: Annotated[
        float | None,
        Field(description="To the photo: 1 for the same picture. null where none was searched with."),
    ]
    label: str
    score: Annotated[Proportion, Field(description="How sure the label is.")]
    accepted: Annotated[bool, Field(description="Whether the label is to be relied on.")]
    reason: Annotated[str | None, Field(description="Why not; null where it is.")]
    kind: str
    kind_score: Annotated[Proportion, Field(description="How sure the kind is.")]
    colours: Annotated[list[Colour], Field(description="The largest share first.")]
    corrected: Annotated[list[str], Field(description="What of it a person has set right.")]
    thumbnail: NotRequired[JpegUrl]


@with_config(CLOSED)
class Hits(TypedDict):
    """What was found."""

    id: RequestId
    index: IndexName
    hits: list[Hit]


@with_config(CLOSED)
class MatchedGarment(TypedDict):
    """A garment, as it is matched."""

    id: Annotated[str, Field(description="As in the index; of a photo that was sent, its name.")]
    source: str
    kind: str
    colours: list[Colour]
    patterned: Annotated[
        bool | None,
        Field(description="Whether it has a pattern all over. null in doubt, and where that is not judged."),
    ]


@with_config(CLOSED)
class SuggestedGarment(MatchedGarment):
    """A garment that goes with it."""

    score: Proportion
    reasons: list[str]
    findings: Annotated[dict[str, Proportion], Field(description="The score of each question of the rules.")]


@with_config(CLOSED)
class SuggestedRole(TypedDict):
    """What goes with it in one role."""

    role: str
    garments: list[SuggestedGarment]
    missing: Annotated[str | None, Field(description="Why there is none. null where there is.")]


@with_config(CLOSED)
class Outfit(TypedDict):
    """Garments that make an outfit, by their roles."""

    garments: dict[str, MatchedGarment]
    score: Proportion
    reasons: list[str]
    occasions: list[str]
    days: list[str]
    lacks: Annotated[list[str], Field(description="Roles that it needs, and the index has nothing for.")]


@with_config(CLOSED)
class Matched(TypedDict):
    """What goes with a garment. `thumbnails` are there with `thumbnails=1`, by the ids of the garments."""

    id: RequestId
    index: IndexName
    garment: MatchedGarment
    suggestions: list[SuggestedRole]
    outfits: list[Outfit]
    remarks: Annotated[list[str], Field(description="What was left out, and why.")]
    thumbnails: NotRequired[dict[str, JpegUrl]]
