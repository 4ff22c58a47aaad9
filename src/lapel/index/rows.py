"""What an index keeps of a photo, as a row of its table and as people and programs see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..colour import Colour
from ..tagger import Tag

ID, SOURCE, EMBEDDING = "id", "source", "embedding"
# What is read of a row that is shown; the other columns say whether a photo has changed.
SHOWN = (
    ID,
    SOURCE,
    "label",
    "score",
    "accepted",
    "reason",
    "kind",
    "kind_score",
    "colours",
    "corrected",
    "thumbnail",
)

# What a person may set right, and the columns that say it.
CORRECTED = {
    "label": ("label", "accepted", "reason"),
    "kind": ("kind",),
    "colours": ("colours", "colour_names"),
}


@dataclass(frozen=True)
class Stamp:
    """By what a photo is known again: its size and time, and the SHA-256 of its bytes.

    `mtime` is in nanoseconds, and 0 of a photo that is no file.
    """

    size: int
    mtime: int
    hash: str


@dataclass(frozen=True)
class Description:
    """What the models say of a photo, and a JPEG of at most 160 pixels."""

    tag: Tag
    kind: Tag
    embedding: Sequence[float]
    thumbnail: bytes


@dataclass(frozen=True)
class Hit:
    """A photo of an index. `id` stays the same while the photo moves or changes.

    `score` and `kind_score` say how sure the models are; `reason` is why the label is not accepted, empty
    where it is. `similarity` to the photo that was searched with is 1 for the same picture, near 0 for
    another garment, and None where none was given. `corrected` names what a person has set right.
    """

    id: str
    source: str
    label: str
    score: float
    kind: str
    kind_score: float
    colours: tuple[Colour, ...]
    accepted: bool
    reason: str
    similarity: float | None
    thumbnail: bytes = field(repr=False)
    corrected: tuple[str, ...] = ()

    @property
    def distance(self) -> float | None:
        """1 less the similarity."""
        return None if self.similarity is None else 1 - self.similarity

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without the thumbnail."""
        return {
            "id": self.id,
            "source": self.source,
            "similarity": self.similarity,
            "label": self.label,
            "score": self.score,
            "accepted": self.accepted,
            "reason": self.reason or None,
            "kind": self.kind,
            "kind_score": self.kind_score,
            "colours": [colour.to_dict() for colour in self.colours],
            "corrected": list(self.corrected),
        }


def hits_of(rows: Iterable[Mapping[str, Any]]) -> list[Hit]:
    """Rows of the table with the columns SHOWN, and `_distance` where something was searched for, as hits."""
    return [
        Hit(
            row[ID],
            row[SOURCE],
            row["label"],
            row["score"],
            row["kind"],
            row["kind_score"],
            tuple(Colour(one["name"], one["share"], one["hex"]) for one in row["colours"]),
            row["accepted"],
            row["reason"],
            min(1.0, 1 - row["_distance"]) if "_distance" in row else None,
            row["thumbnail"],
            tuple(row["corrected"]),
        )
        for row in rows
    ]


def row_of(identity: str, source: str, stamp: Stamp, seen: Description) -> dict[str, Any]:
    """A row of the table."""
    tag, kind = seen.tag, seen.kind
    return {
        ID: identity,
        SOURCE: source,
        "size": stamp.size,
        "mtime": stamp.mtime,
        "hash": stamp.hash,
        "label": tag.label,
        "score": tag.score,
        "accepted": tag.accepted,
        "reason": tag.reason,
        "kind": kind.label,
        "kind_score": kind.score,
        **colour_columns(tag.colours),
        "corrected": [],
        "thumbnail": seen.thumbnail,
        EMBEDDING: seen.embedding,
    }


def colour_columns(colours: Sequence[Colour]) -> dict[str, Any]:
    """The columns of a garment's colours: all that is known of them, and their names to filter by."""
    return {
        "colours": [colour.to_dict() for colour in colours],
        "colour_names": [colour.name for colour in colours],
    }


def schema(arrow: Any, width: int, metadata: dict[str, str]) -> Any:
    """The columns of the table for embeddings of this many numbers; `arrow` is pyarrow."""
    colour = arrow.struct([("name", arrow.string()), ("share", arrow.float64()), ("hex", arrow.string())])
    types = {
        ID: arrow.string(),
        SOURCE: arrow.string(),
        "size": arrow.int64(),
        "mtime": arrow.int64(),
        "hash": arrow.string(),
        "label": arrow.string(),
        "score": arrow.float64(),
        "accepted": arrow.bool_(),
        "reason": arrow.string(),
        "kind": arrow.string(),
        "kind_score": arrow.float64(),
        "colours": arrow.list_(colour),
        "colour_names": arrow.list_(arrow.string()),
        "corrected": arrow.list_(arrow.string()),
        "thumbnail": arrow.binary(),
        EMBEDDING: arrow.list_(arrow.float32(), width),
    }
    return arrow.schema(list(types.items()), metadata=metadata)
