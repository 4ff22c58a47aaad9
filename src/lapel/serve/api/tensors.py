"""Tensors as the Open Inference Protocol writes them: in JSON, or as bytes that follow the JSON.

Nothing here knows of connections or models: bytes come in, and what they ask for comes out, or HttpError.
"""

from __future__ import annotations

import binascii
import math
import reprlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from ...errors import did_you_mean
from ...picture import Picture
from ..http.messages import HttpError
from .encoding import read_json

INPUT: Final = "image"

_LONGEST_ID = 1024  # characters
_BESIDES = 1000  # parts of the JSON that are not data
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Output:
    """A tensor that is asked for; of `classes`, where it is not 0, only that many, as text."""

    name: str
    binary: bool = False
    classes: int = 0


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What a request asks: which outputs, for encoded photos or for pictures as the model sees them."""

    id: str
    photos: list[bytes] | list[Picture]
    outputs: list[Output]


@dataclass(frozen=True, slots=True)
class Signature:
    """What can be asked of a model: pictures of a shape, so many at once, and outputs, each of a datatype."""

    shape: tuple[int, int, int]
    most: int
    outputs: Mapping[str, str]

    @property
    def parts(self) -> int:
        """How many parts the JSON of a request may have: nested, a value may stand in a list of its own."""
        height, width, channels = self.shape
        return 3 * self.most * height * width * channels + _BESIDES


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor to send: float32, bool, or texts (dtype object)."""

    name: str
    values: NDArray[Any]
    binary: bool = False

    @property
    def datatype(self) -> str:
        """What the protocol calls the type of its values."""
        return {"f": "FP32", "b": "BOOL", "O": "BYTES"}[self.values.dtype.kind]


def read_infer_request(body: bytes, header: str | None, signature: Signature) -> InferRequest:
    """Read the body of a request to infer; `header` is its Inference-Header-Content-Length.

    Raises HttpError: 400 that says what was expected and what came, 413 where there is too much of it.
    """
    length = _json_length(header, len(body))
    data = _object("The request", read_json(body[:length], signature.parts))
    name = data.get("id")
    if name is not None and (not isinstance(name, str) or len(name) > _LONGEST_ID):
        raise _mismatch(f'"id" should be a text of at most {_LONGEST_ID:,} characters', name)
    photos = _photos(_only_input(data.get("inputs")), memoryview(body)[length:], signature)
    parameters = _object('"parameters"', data.get("parameters") or {})
    binary = _flag("binary_data_output", parameters.get("binary_data_output", False))
    return InferRequest(name or "", photos, _outputs(data.get("outputs"), binary, signature.outputs))


def write_infer_answer(about: dict[str, str], tensors: list[Tensor]) -> tuple[bytes, int | None]:
    """The body of an answer, and how much of it is JSON where bytes follow; `about` precedes the outputs."""
    outputs: list[dict[str, Any]] = []
    follow: list[bytes] = []
    for tensor in tensors:
        values = tensor.values
        output: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": values.shape}
        if tensor.binary:
            follow.append(_as_bytes(values))
            output["parameters"] = {"binary_data_size": len(follow[-1])}
        else:
            flat = np.ascontiguousarray(values).ravel()
            output["data"] = flat.tolist() if values.dtype == object else flat
        outputs.append(output)
    text = orjson.dumps({**about, "outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join((text, *follow)), len(text) if follow else None


def classification(rows: NDArray[np.float32], classes: int, names: Sequence[str]) -> NDArray[np.object_]:
    """The largest values of each row as texts "value:place:name", the largest first: (rows, classes)."""
    order = np.argsort(-rows, axis=1, kind="stable")[:, :classes]
    texts = [
        [f"{row[place]:f}:{place}:{names[place]}" for place in best]
        for row, best in zip(rows, order, strict=True)
    ]
    return np.array(texts, dtype=object)


def _json_length(header: str | None, length: int) -> int:
    if header is None:
        return length
    if not (header.isascii() and header.isdigit() and len(header) < 12 and int(header) <= length):
        raise _mismatch(
            f"Inference-Header-Content-Length should count the bytes of the JSON, which begins the body of "
            f"{length:,} bytes",
            header,
        )
    return int(header)


def _only_input(inputs: object) -> dict[str, Any]:
    if not isinstance(inputs, list) or not inputs:
        raise _mismatch(f'"inputs" should be a list with the one input "{INPUT}"', inputs)
    entries = [_object("Each of the inputs", entry) for entry in inputs]
    for entry in entries:
        if entry.get("name") != INPUT:
            raise _mismatch(f'The model has one input, "{INPUT}"', entry.get("name"))
    if len(entries) > 1:
        raise _invalid(f'The input "{INPUT}" is given {len(entries)} times; once is enough.')
    return entries[0]


def _photos(entry: dict[str, Any], follows: memoryview, signature: Signature) -> list[bytes] | list[Picture]:
    parameters = _object(f'"parameters" of "{INPUT}"', entry.get("parameters") or {})
    if "shared_memory_region" in parameters:
        raise _invalid(f'Shared memory is not read here: send the data of "{INPUT}" with the request.')
    size, data = parameters.get("binary_data_size"), entry.get("data")
    if (size is None) == (data is None):
        raise _invalid(
            f'The input "{INPUT}" should have either "data" or "binary_data_size"; '
            f"{'neither' if data is None else 'both'} came.",
        )
    if size is not None and (type(size) is not int or size < 0):
        raise _mismatch('"binary_data_size" should be a number of bytes', size)
    if (size or 0) != len(follows):
        raise _invalid(
            f"After the JSON come {len(follows):,} bytes; there should be {size or 0:,}. Does "
            "Inference-Header-Content-Length count the bytes of the JSON, all of them and no more?",
        )
    kind, shape = entry.get("datatype"), entry.get("shape")
    if kind == "UINT8":
        count = _count(shape, signature.shape, signature.most)
        whole = (count, *signature.shape)
        pixels = np.frombuffer(
            _pixels(data, whole) if size is None else _check_size(follows, whole), np.uint8
        )
        return list(pixels.reshape(whole))
    if kind == "BYTES":
        count = _count(shape, (), signature.most)
        return _texts(data, count) if size is None else _elements(follows, count)
    raise _mismatch(
        f'"{INPUT}" is of the datatype UINT8 (pictures as the model sees them) or BYTES (encoded photos)',
        kind,
    )


def _count(shape: object, rest: tuple[int, ...], most: int) -> int:
    """How many photos a shape says there are; after that it should go on as `rest`."""
    expected = f'"shape" of "{INPUT}" should be {["n", *rest]}'.replace("'", "")
    if not isinstance(shape, list) or any(type(side) is not int for side in shape):
        raise _mismatch(expected, shape)
    count = shape[0] if shape else 0
    if tuple(shape[1:]) != rest or count < 1:
        raise _mismatch(f"{expected}, with n of 1 or more", shape)
    if count > most:
        raise HttpError(
            "too_many_photos",
            f"{count:,} photos in one request; at most {most:,} are taken.",
            "Send fewer at once.",
        )
    return int(count)


def _pixels(data: object, shape: tuple[int, ...]) -> bytes:
    """The bytes of numbers from 0 to 255 that stand in one list, or in lists nested as the shape says."""
    if not isinstance(data, list):
        raise _mismatch(f'"data" of "{INPUT}" should be a list', data)
    flat = data
    if data and isinstance(data[0], list):
        flat = [data]
        for side in shape:
            if set(map(type, flat)) != {list} or set(map(len, flat)) != {side}:
                raise _invalid(
                    f'"data" of "{INPUT}" should be one list, or nested as its shape {list(shape)} says.'
                )
            flat = list(chain.from_iterable(flat))
    expected = math.prod(shape)
    if len(flat) != expected:
        raise _invalid(
            f'"data" of "{INPUT}" should have {expected:,} values for the shape {list(shape)}; '
            f"{len(flat):,} came.",
        )
    try:
        return bytes(flat)
    except (TypeError, ValueError) as error:
        wrong = next(value for value in flat if not isinstance(value, int) or not 0 <= value <= 255)
        raise _mismatch(
            f'"data" of "{INPUT}" should be whole numbers from 0 to 255, not scaled', wrong
        ) from error


def _check_size(follows: memoryview, shape: tuple[int, ...]) -> memoryview:
    expected = math.prod(shape)
    if len(follows) != expected:
        raise _invalid(
            f"A shape of {list(shape)} in UINT8 has {expected:,} bytes; {len(follows):,} bytes came."
        )
    return follows


def _texts(data: object, count: int) -> list[bytes]:
    """Photos in JSON: base64, since JSON holds nothing but text."""
    if not isinstance(data, list) or len(data) != count:
        raise _mismatch(
            f'"data" of "{INPUT}" should be a list with as many texts as its shape says ({count:,})', data
        )
    photos = []
    for place, text in enumerate(data):
        try:
            photos.append(binascii.a2b_base64(text, strict_mode=True))
        except (TypeError, ValueError) as error:
            raise _mismatch(
                f'"data" of "{INPUT}" should be photos in base64; number {place}', text
            ) from error
    return photos


def _elements(follows: memoryview, count: int) -> list[bytes]:
    """Photos as bytes, each after its length in four bytes, the least one first."""
    photos: list[bytes] = []
    place = 0
    while place < len(follows) and len(photos) < count:
        start = place + _LENGTH.size
        if start > len(follows):
            break
        place = start + _LENGTH.unpack_from(follows, place)[0]
        photos.append(bytes(follows[start:place]))
    if place != len(follows) or len(photos) != count:
        raise _invalid(
            f'The {len(follows):,} bytes of "{INPUT}" should be {count:,} photos, each after its length '
            "as a little-endian number of four bytes; they are not.",
        )
    return photos


def _outputs(outputs: object, binary: bool, known: Mapping[str, str]) -> list[Output]:
    if outputs is None or outputs == []:
        return [Output(name, binary) for name in known]
    if not isinstance(outputs, list):
        raise _mismatch('"outputs" should be a list', outputs)
    found: dict[str, Output] = {}
    for entry in outputs:
        output = _output(_object("Each of the outputs", entry), binary, known)
        if output.name in found:
            raise _invalid(f'The output "{output.name}" is asked for twice.')
        found[output.name] = output
    return list(found.values())


def _output(entry: dict[str, Any], binary: bool, known: Mapping[str, str]) -> Output:
    name = entry.get("name")
    if not isinstance(name, str) or name not in known:
        hint = did_you_mean(name[:100], known) if isinstance(name, str) else f"Known: {', '.join(known)}."
        raise _invalid(f"There is no output {reprlib.repr(name)}. {hint}")
    parameters = _object(f'"parameters" of "{name}"', entry.get("parameters") or {})
    if "shared_memory_region" in parameters:
        raise _invalid(f'Shared memory is not written here: take "{name}" with the answer.')
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        raise _mismatch(f'"classification" of "{name}" should be a number of classes', classes)
    if classes and known[name] != "FP32":
        raise _invalid(f'"classification" is for what has classes; "{name}" has none.')
    return Output(name, _flag("binary_data", parameters.get("binary_data", binary)), classes)


def _as_bytes(values: NDArray[Any]) -> bytes:
    if values.dtype != object:
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    parts = [text.encode() for text in values.ravel()]
    return b"".join(chain.from_iterable((_LENGTH.pack(len(part)), part) for part in parts))


def _object(what: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mismatch(f"{what} should be a JSON object", value)
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(f'"{name}" should be true or false', value)
    return value


def _invalid(message: str) -> HttpError:
    return HttpError("invalid_inference_request", message)


def _mismatch(expected: str, came: object) -> HttpError:
    return _invalid(f"{expected}; {reprlib.repr(came)} came.")
