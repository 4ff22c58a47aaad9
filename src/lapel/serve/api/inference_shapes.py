"""The shapes of the Open Inference Protocol, as types; used as those of shapes.py are."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypeAliasType, TypedDict

from .shapes import CLOSED, ModelName, Proportion

DataType = Literal["FP32", "BYTES", "BOOL"]
ConfigType = Literal["TYPE_FP32", "TYPE_STRING", "TYPE_BOOL"]
Size = Annotated[int, Field(ge=1)]
Version = Literal["1"]
Platform = Literal["onnxruntime_onnx"]
OutputName = TypeAliasType("OutputName", Literal["probabilities", "label", "accepted", "reason"])
Shape = TypeAliasType(
    "Shape",
    Annotated[
        list[Annotated[int, Field(ge=-1)]],
        Field(description="The length of each side; -1 stands for any."),
    ],
)


@with_config(CLOSED)
class Server(TypedDict):
    """What the server is."""

    name: Literal["lapel"]
    version: str
    extensions: list[str]


@with_config(CLOSED)
class ModelReady(TypedDict):
    """The model answers."""

    name: ModelName
    ready: Literal[True]


@with_config(CLOSED)
class InputMetadata(TypedDict):
    """The input of a model."""

    name: Literal["image"]
    datatype: Literal["UINT8"]
    shape: Shape


@with_config(CLOSED)
class OutputMetadata(TypedDict):
    """An output of a model."""

    name: OutputName
    datatype: DataType
    shape: Shape


@with_config(CLOSED)
class ModelMetadata(TypedDict):
    """A model in the words of the protocol."""

    name: ModelName
    versions: Annotated[list[Version], Field(min_length=1, max_length=1)]
    platform: Platform
    inputs: Annotated[list[InputMetadata], Field(min_length=1, max_length=1)]
    outputs: Annotated[list[OutputMetadata], Field(min_length=4, max_length=4)]


@with_config(CLOSED)
class InputConfig(TypedDict):
    """The input of a model, as Triton writes it."""

    name: Literal["image"]
    data_type: Literal["TYPE_UINT8"]
    dims: Annotated[list[Size], Field(min_length=3, max_length=3)]


@with_config(CLOSED)
class OutputConfig(TypedDict):
    """An output of a model, as Triton writes it."""

    name: OutputName
    data_type: ConfigType
    dims: Annotated[list[Size], Field(max_length=1)]


@with_config(CLOSED)
class ModelConfig(TypedDict):
    """A model's configuration, as Triton writes it."""

    name: ModelName
    platform: Platform
    backend: Literal["onnxruntime"]
    max_batch_size: Annotated[Literal[256], Field(description="Photos that one request may have.")]
    input: Annotated[list[InputConfig], Field(min_length=1, max_length=1)]
    output: Annotated[list[OutputConfig], Field(min_length=4, max_length=4)]


class PhotosInput(TypedDict):
    """Image files, prepared here as the model wants them."""

    name: Literal["image"]
    datatype: Literal["BYTES"]
    shape: Annotated[
        list[Annotated[int, Field(ge=1, le=256)]],
        Field(min_length=1, max_length=1, description="The number of photos."),
    ]
    data: Annotated[
        list[
            Annotated[
                str,
                Field(
                    pattern="^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
                    json_schema_extra={"contentEncoding": "base64"},
                ),
            ]
        ],
        Field(min_length=1),
    ]


class PicturesInput(TypedDict):
    """Pictures as the model sees them."""

    name: Literal["image"]
    datatype: Literal["UINT8"]
    shape: Annotated[
        list[Size],
        Field(
            min_length=4,
            max_length=4,
            description="Number, height, width, channels; the last three as the model's metadata says.",
        ),
    ]
    data: Annotated[
        list[Annotated[int, Field(ge=0, le=255)] | list[Any]],
        Field(
            min_length=1,
            description="The values in one list, or nested as the shape says; 0 to 255, not scaled.",
        ),
    ]


class OutputParameters(TypedDict):
    """In what form an output comes."""

    classification: NotRequired[
        Annotated[
            int,
            Field(
                ge=0,
                description="So many of the largest probabilities, as texts “value:place:class”; "
                "only for probabilities.",
            ),
        ]
    ]
    binary_data: NotRequired[
        Annotated[bool, Field(description="Whether this one comes as bytes after the JSON.")]
    ]


class RequestedOutput(TypedDict):
    """An output that is asked for."""

    name: OutputName
    parameters: NotRequired[OutputParameters | None]


class InferParameters(TypedDict):
    """In what form all outputs come."""

    binary_data_output: NotRequired[
        Annotated[bool, Field(default=False, description="Whether all come as bytes after the JSON.")]
    ]


class InferRequest(TypedDict):
    """What is asked of a model. Entries that are not named here are ignored."""

    id: NotRequired[
        Annotated[
            Annotated[str, Field(max_length=1024)] | None,
            Field(description="Comes back in the answer; without it, the request's id does."),
        ]
    ]
    inputs: Annotated[list[PhotosInput | PicturesInput], Field(min_length=1, max_length=1)]
    outputs: NotRequired[
        Annotated[
            list[RequestedOutput] | None,
            Field(description="What is asked for, each once; all four where nothing is said."),
        ]
    ]
    parameters: NotRequired[InferParameters | None]


@with_config(CLOSED)
class NumbersOutput(TypedDict):
    """The probability of every class, for each photo."""

    name: Literal["probabilities"]
    datatype: Literal["FP32"]
    shape: Annotated[list[Size], Field(min_length=2, max_length=2)]
    data: Annotated[list[Proportion], Field(min_length=1)]


@with_config(CLOSED)
class TextsOutput(TypedDict):
    """Labels; reasons, empty where a label is accepted; or probabilities as a classification."""

    name: Literal["label", "reason", "probabilities"]
    datatype: Literal["BYTES"]
    shape: Annotated[list[Size], Field(min_length=1, max_length=2)]
    data: Annotated[list[str], Field(min_length=1)]


@with_config(CLOSED)
class TruthsOutput(TypedDict):
    """Whether each label is accepted."""

    name: Literal["accepted"]
    datatype: Literal["BOOL"]
    shape: Annotated[list[Size], Field(min_length=1, max_length=1)]
    data: Annotated[list[bool], Field(min_length=1)]


@with_config(CLOSED)
class InferAnswer(TypedDict):
    """What the model answers."""

    id: str
    model_name: ModelName
    model_version: Version
    outputs: Annotated[list[NumbersOutput | TextsOutput | TruthsOutput], Field(min_length=1, max_length=4)]


@with_config(CLOSED)
class IndexEntry(TypedDict):
    """A model, and whether it answers."""

    name: ModelName
    version: Version
    state: Literal["READY", "UNAVAILABLE"]
    reason: Literal["", "unloaded"]


Index = TypeAliasType("Index", Annotated[list[IndexEntry], Field(description="All models that are served.")])


class IndexRequest(TypedDict):
    """Which models to list."""

    ready: NotRequired[Annotated[Any, Field(description="Only those that answer, where it is true.")]]


class LoadRequest(TypedDict):
    """How to load a model."""

    parameters: NotRequired[
        Annotated[Any, Field(description="None are taken: a model is loaded from its own file, as it is.")]
    ]
