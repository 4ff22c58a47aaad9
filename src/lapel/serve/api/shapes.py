"""The shapes of what is asked and answered, as types: mypy holds the handlers to them, and the OpenAPI
document is made from them (openapi.py). While the service runs, this file is not imported.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypeAliasType, TypedDict

from ..http.codes import Code

CLOSED = ConfigDict(extra="forbid")  # nothing else is in it

ModelName = TypeAliasType(
    "ModelName",
    Annotated[str, Field(pattern="^[A-Za-z0-9._-]+$", description="What a model is called here.")],
)
ErrorCode = TypeAliasType(
    "ErrorCode",
    Annotated[Code, Field(description="Why, in one word for programs; the guide says what each means.")],
)
Base64 = TypeAliasType(
    "Base64",
    Annotated[
        str,
        Field(
            pattern="^(data:[^,]*,)?([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
            description="The bytes of an image file in base64, or as a data URL.",
            json_schema_extra={"contentEncoding": "base64"},
        ),
    ],
)
PngUrl = TypeAliasType(
    "PngUrl", Annotated[str, Field(pattern="^data:image/png;base64,", description="A PNG as a data URL.")]
)
Proportion = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(ge=0)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
RequestId = Annotated[str, Field(description="The request's id, as in X-Request-Id.")]
Hint = Annotated[str, Field(description="What to do; empty where there is nothing to say.")]


@with_config(CLOSED)
class Error(TypedDict):
    """Why a request is not answered as asked."""

    error: Annotated[str, Field(description="What was expected, and what came.")]
    hint: Hint
    code: ErrorCode
    id: RequestId


# Labels


class NamedPhoto(TypedDict):
    """A photo with a name."""

    name: NotRequired[
        Annotated[
            str,
            Field(
                description="What the photo is called in the answer; "
                "“photo 1” and so on where nothing is said."
            ),
        ]
    ]
    data: Base64


class Photos(TypedDict):
    """Photos as JSON."""

    photos: Annotated[
        list[Base64 | NamedPhoto],
        Field(
            min_length=1,
            max_length=256,
            description="Each photo as base64, or as an object that names it. "
            "Entries beside these two are ignored.",
        ),
    ]


@with_config(CLOSED)
class Alternative(TypedDict):
    """A label and how probable it is."""

    label: str
    confidence: Proportion


@with_config(CLOSED)
class Colour(TypedDict):
    """A colour of the garment."""

    name: Annotated[str, Field(description="What people call it.")]
    share: Annotated[Proportion, Field(description="Of the garment.")]
    hex: Annotated[str, Field(pattern="^#[0-9a-f]{6}$", description="Its mean, as in HTML.")]


@with_config(
    ConfigDict(
        extra="forbid",
        json_schema_extra={
            "if": {"properties": {"accepted": {"const": True}}},
            "then": {"properties": {"reason": {"type": "null"}}},
            "else": {"properties": {"reason": {"type": "string", "minLength": 1}}},
        },
    )
)
class Tag(TypedDict):
    """The answer for one photo. `picture` is the picture that the model saw, and is there with `picture=1`. `heat` shows what in it mattered, and is to be laid over it; it and `fall` are there with `explain=1`."""  # noqa: E501

    source: Annotated[
        str,
        Field(
            description="What the photo was called: its file name in the form, the name in JSON, or “photo”."
        ),
    ]
    label: Annotated[str, Field(description="The most probable class.")]
    confidence: Annotated[
        Proportion, Field(description="How probable that class is, compared with the other classes.")
    ]
    score: Annotated[
        Proportion,
        Field(
            description="The confidence, less what the model would rather refuse. "
            "It decides whether the label is accepted."
        ),
    ]
    accepted: Annotated[bool, Field(description="Whether the label is to be relied on.")]
    reason: Annotated[
        str | None,
        Field(
            description="Why it is not accepted: “unsure”, or one of the model's rejects. "
            "null where it is accepted."
        ),
    ]
    alternatives: Annotated[
        list[Alternative],
        Field(description="The next labels, the most probable first; one fewer than `top` says."),
    ]
    colours: Annotated[
        list[Colour],
        Field(
            max_length=3,
            description="The colours of the garment, the largest share first; empty where the model sees "
            "grey pictures.",
        ),
    ]
    picture: NotRequired[PngUrl]
    heat: NotRequired[PngUrl]
    fall: NotRequired[
        Annotated[
            Proportion,
            Field(
                description="How far the confidence fell at most where a part of the picture was covered; "
                "below 0.01, no part matters by itself, and there is no heat."
            ),
        ]
    ]


@with_config(CLOSED)
class Untagged(TypedDict):
    """A photo that could not be read."""

    source: Annotated[str, Field(description="What the photo was called.")]
    error: Annotated[str, Field(description="Why the photo could not be read.")]
    hint: Hint
    code: Literal["photo_unreadable"]


@with_config(CLOSED)
class Timings(TypedDict):
    """Where the time went, in milliseconds."""

    received_ms: Annotated[Milliseconds, Field(description="Until the request was read.")]
    labelled_ms: Annotated[Milliseconds, Field(description="To wait for a thread, to decode and to label.")]
    total_ms: Annotated[Milliseconds, Field(description="From the first byte on.")]


@with_config(CLOSED)
class Tags(TypedDict):
    """What came of the photos."""

    id: RequestId
    model: ModelName
    tags: Annotated[
        list[Tag | Untagged],
        Field(min_length=1, description="One for each photo, in the order in which they came."),
    ]
    timings: Timings


@with_config(CLOSED)
class NothingTagged(TypedDict):
    """Not one of the photos could be read."""

    error: Annotated[str, Field(description="What was wrong with the first photo.")]
    hint: Hint
    code: Literal["photo_unreadable"]
    id: RequestId
    model: ModelName
    tags: Annotated[list[Untagged], Field(min_length=1, description="What was wrong with each.")]
    timings: Timings


# Own classes


@with_config(CLOSED)
class LessonClass(TypedDict):
    """A class of a lesson."""

    label: Label
    photos: Annotated[int, Field(ge=0, description="Its photos; once it is done, those that could be read.")]
    right: Annotated[
        int | None,
        Field(description="How many of them were labelled right while they were left out. null until then."),
    ]


@with_config(CLOSED)
class SkippedPhoto(TypedDict):
    """A photo that could not be read, and was left out."""

    label: Label
    source: Annotated[str, Field(description="What the photo was called.")]
    error: Annotated[str, Field(description="Why the photo could not be read.")]
    hint: Hint


@with_config(CLOSED)
class Lesson(TypedDict):
    """How far a lesson is. Once it is done, its name is that of a model."""

    lesson: ModelName
    state: Literal["waiting", "learning", "done", "failed"]
    done: Annotated[int, Field(ge=0, description="Photos that have been looked at.")]
    photos: Annotated[int, Field(ge=0, description="All of them.")]
    classes: list[LessonClass]
    skipped: list[SkippedPhoto]
    accuracy: Annotated[
        float | None,
        Field(description="The share of photos labelled right while they were left out. null until then."),
    ]
    error: Annotated[str | None, Field(description="Why it failed. null where it has not.")]
    hint: Annotated[str | None, Field(description="What to do then.")]


# Models and health


@with_config(CLOSED)
class ListedModel(TypedDict):
    """A model that is served."""

    name: ModelName
    ready: Annotated[bool, Field(description="Whether it answers.")]


@with_config(CLOSED)
class Models(TypedDict):
    """What is served. `default` answers where no model is asked for."""

    models: Annotated[list[ListedModel], Field(min_length=1)]
    default: ModelName
    teach: Annotated[bool, Field(description="Whether own classes can be taught here.")]
    wardrobe: Annotated[bool, Field(description="Whether there is a wardrobe here.")]


@with_config(CLOSED)
class Picture(TypedDict):
    """The picture that the model sees of a photo."""

    size: Annotated[int, Field(ge=4, le=1024)]
    channels: Literal[1, 3]
    preparation: Literal["plain", "garment"]


@with_config(CLOSED)
class Measured(TypedDict):
    """What the model reached on one set of pictures."""

    dataset: str
    split: str
    accuracy: Proportion
    interval: Annotated[list[Proportion], Field(min_length=2, max_length=2, description="95 %")]
    pictures: Annotated[int, Field(ge=1)]


@with_config(CLOSED)
class NoUsual(TypedDict):
    """Nothing is known of its calibration."""


@with_config(CLOSED)
class Usual(TypedDict):
    """What it answered on the pictures of its calibration."""

    accepted: Proportion
    labels: dict[str, Proportion]


@with_config(CLOSED)
class NoCalibration(TypedDict):
    """It was made without one, or before this was said."""


@with_config(CLOSED)
class Calibration(TypedDict):
    """How its confidence was made true."""

    method: Annotated[
        Literal["temperature", "curve", "vector", "vector and curve"],
        Field(description="One temperature, or a scale for each class."),
    ]
    fitted: Annotated[int, Field(ge=1, description="On so many answers to pictures that were held out.")]
    losses: Annotated[
        dict[str, float], Field(description="The log loss of each method on answers that were left out.")
    ]
    scale: NotRequired[Annotated[list[float], Field(description="What each class's logarithm is scaled by.")]]
    bias: NotRequired[Annotated[list[float], Field(description="What is added to it.")]]
    curve: NotRequired[Annotated[float, Field(description="How much of its square is taken away.")]]


@with_config(CLOSED)
class Card(TypedDict):
    """What a model says of itself, what it is called here, and its fingerprint."""

    name: Annotated[Label, Field(description="What the model calls itself.")]
    class_names: Annotated[
        list[Label], Field(min_length=1, max_length=10000, json_schema_extra={"uniqueItems": True})
    ]
    picture: Picture
    measured: Annotated[list[Measured], Field(description="What the model reached.")]
    made: Annotated[dict[str, str | float | bool | None], Field(description="How it came to be.")]
    temperature: Annotated[
        float,
        Field(
            gt=0,
            le=1000,
            description="What its answers are divided by before they become probabilities; inside the model.",
        ),
    ]
    rejects: Annotated[
        list[Label],
        Field(max_length=10000, description="The reasons for which it can refuse a photo itself."),
    ]
    accept: Annotated[Proportion, Field(description="The least score at which a label is accepted.")]
    second_look: Annotated[
        Proportion,
        Field(
            description="Where the second class has more than this share of what the first has, "
            "the mirror image is asked about as well; with 1, never."
        ),
    ]
    usual: Annotated[
        NoUsual | Usual,
        Field(
            description="What it answered on the pictures of its calibration; what drift is measured from."
        ),
    ]
    calibration: Annotated[
        NoCalibration | Calibration, Field(description="How its confidence was made true.")
    ]
    format: Literal[1]
    served_as: ModelName
    fingerprint: Annotated[
        str, Field(pattern="^[0-9a-f]{64}$", description="The SHA-256 of the model's file.")
    ]


@with_config(CLOSED)
class Live(TypedDict):
    """It is alive."""

    live: Literal[True]


@with_config(CLOSED)
class Ready(TypedDict):
    """Whether requests should come."""

    ready: bool
