"""The Open Inference Protocol: its wire format, and clients that others wrote."""

from __future__ import annotations

import asyncio
import base64
import copy
import gzip
import io
import json
import re
import time
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest
from halves import CARD, DOUBTING, bright, write_model
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from service import Answer, Service, running

from lapel import __version__
from lapel.serve.api.encoding import pack, read_json, unpack
from lapel.serve.api.tensors import (
    Output,
    Signature,
    Tensor,
    classification,
    read_infer_request,
    write_infer_answer,
)
from lapel.serve.http.messages import HttpError, Request, Response
from lapel.tagger import Tagger, load_tagger

OUTPUTS = {"probabilities": "FP32", "label": "BYTES", "accepted": "BOOL", "reason": "BYTES"}
GREY = Signature((8, 8, 1), 4, OUTPUTS)
COLOUR = Signature((4, 4, 3), 4, OUTPUTS)
PICTURES = np.stack([bright(side) for side in ("left", "right", "both")])[..., None]
LENGTH = "Inference-Header-Content-Length"


def png(side: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(bright(side)).save(file, "PNG")
    return file.getvalue()


def lengths_first(parts: list[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


def image(shape: list[int], datatype: str = "UINT8", **more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "image", "shape": shape, "datatype": datatype, **more}]}


def with_bytes(asked: dict[str, Any], follows: bytes) -> tuple[bytes, str]:
    """A body of JSON and the bytes that follow it, and its header."""
    asked = copy.deepcopy(asked)
    asked["inputs"][0].setdefault("parameters", {})["binary_data_size"] = len(follows)
    text = orjson.dumps(asked)
    return text + follows, str(len(text))


def refusal(
    body: bytes | dict[str, Any], header: str | None = None, signature: Signature = GREY
) -> HttpError:
    with pytest.raises(HttpError) as caught:
        read_infer_request(body if isinstance(body, bytes) else orjson.dumps(body), header, signature)
    return caught.value


# What a request says

FLAT = PICTURES.ravel().tolist()


def three_ways(pictures: np.ndarray, asked: dict[str, Any]) -> list[tuple[bytes, str | None]]:
    """The same pictures in one list, in nested lists, and as bytes."""
    bodies: list[tuple[bytes, str | None]] = []
    for data in (pictures.ravel().tolist(), pictures.tolist()):
        told = copy.deepcopy(asked)
        told["inputs"][0]["data"] = data
        bodies.append((orjson.dumps(told), None))
    return [*bodies, with_bytes(asked, pictures.tobytes())]


@given(count=st.integers(1, 4), seed=st.integers(0, 1000), signature=st.sampled_from([GREY, COLOUR]))
@settings(max_examples=30, deadline=None)
def test_pictures_arrive_as_they_were_sent(count: int, seed: int, signature: Signature) -> None:
    pictures = np.random.default_rng(seed).integers(0, 256, (count, *signature.shape), dtype=np.uint8)
    for body, header in three_ways(pictures, {"id": "a", **image([count, *signature.shape])}):
        question = read_infer_request(body, header, signature)
        assert question.id == "a"
        assert np.array_equal(question.photos, pictures)
        assert question.photos[0].dtype == np.uint8
        assert question.outputs == [Output(name) for name in OUTPUTS]


@given(photos=st.lists(st.binary(max_size=50), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_photos_arrive_as_they_were_sent(photos: list[bytes]) -> None:
    texts = [base64.b64encode(photo).decode() for photo in photos]
    in_json = orjson.dumps(image([len(photos)], "BYTES", data=texts, parameters={"content_type": "base64"}))
    assert read_infer_request(in_json, None, GREY).photos == photos
    body, header = with_bytes(image([len(photos)], "BYTES"), lengths_first(photos))
    assert read_infer_request(body, header, GREY).photos == photos


def test_outputs_are_asked_for_by_name_and_form() -> None:
    asked = image([3, 8, 8, 1], data=FLAT)
    asked["outputs"] = [
        {"name": "reason"},
        {"name": "label", "parameters": {"binary_data": False}},
        {"name": "probabilities", "parameters": {"classification": 2}},
    ]
    outputs = read_infer_request(orjson.dumps(asked), None, GREY).outputs
    assert outputs == [Output("reason"), Output("label"), Output("probabilities", classes=2)]
    asked["parameters"] = {"binary_data_output": True, "sequence_id": 7, "priority": 1}
    outputs = read_infer_request(orjson.dumps(asked), None, GREY).outputs
    assert outputs == [Output("reason", True), Output("label", False), Output("probabilities", True, 2)]
    del asked["outputs"]
    assert read_infer_request(orjson.dumps(asked), None, GREY).outputs == [
        Output(name, True) for name in OUTPUTS
    ]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], "The request should be a JSON object; [] came."),
        ({}, '"inputs" should be a list with the one input "image"; None came.'),
        ({"inputs": {}}, '"inputs" should be a list with the one input "image"; {} came.'),
        ({"inputs": ["image"]}, "Each of the inputs should be a JSON object; 'image' came."),
        ({"inputs": [{"name": "pixels"}]}, "The model has one input, \"image\"; 'pixels' came."),
        ({"inputs": [{"name": "image"}] * 2}, 'The input "image" is given 2 times; once is enough.'),
        (image([1, 8, 8, 1]), 'should have either "data" or "binary_data_size"; neither came.'),
        (image([1, 8, 8, 1], data=[], parameters={"binary_data_size": 0}), '"binary_data_size"; both came.'),
        (image([1, 8, 8, 1], parameters={"shared_memory_region": "a"}), "Shared memory is not read here"),
        (image([1, 8, 8, 1], parameters=[1]), '"parameters" of "image" should be a JSON object; [1] came.'),
        (image([1, 8, 8, 1], parameters={"binary_data_size": 64}), "come 0 bytes; there should be 64. Does"),
        (image([1, 8, 8, 1], parameters={"binary_data_size": "64"}), "a number of bytes; '64' came."),
        (image([1, 8, 8, 1], parameters={"binary_data_size": -1}), "a number of bytes; -1 came."),
        (image([1, 8, 8, 1], "FP32", data=[0.5] * 64), "encoded photos); 'FP32' came."),
        (image([1, 8, 8, 1], 8, data=[1] * 64), "encoded photos); 8 came."),
        (image([1, 8, 8], data=[1] * 64), "should be [n, 8, 8, 1], with n of 1 or more; [1, 8, 8] came."),
        (image([-1, 8, 8, 1], data=[1] * 64), "with n of 1 or more; [-1, 8, 8, 1] came."),
        (image([0, 8, 8, 1], data=[]), "with n of 1 or more; [0, 8, 8, 1] came."),
        (image([1, 8, 8, True], data=[1] * 64), "should be [n, 8, 8, 1]; [1, 8, 8, True] came."),
        (image([1.0, 8, 8, 1], data=[1] * 64), "should be [n, 8, 8, 1]; [1.0, 8, 8, 1] came."),
        (image([], data=[]), "with n of 1 or more; [] came."),
        (image([2**62, 2**62, 8, 1], data=[1]), "should be [n, 8, 8, 1], with n of 1 or more"),
        ({"inputs": [{"name": "image", "datatype": "UINT8", "data": []}]}, "[n, 8, 8, 1]; None came."),
        (image([1, 8, 8, 1], data=[1] * 63), "should have 64 values for the shape [1, 8, 8, 1]; 63 came."),
        (image([1, 8, 8, 1], data="AAAA"), '"data" of "image" should be a list; \'AAAA\' came.'),
        (image([1, 8, 8, 1], data=[256] * 64), "numbers from 0 to 255, not scaled; 256 came."),
        (image([1, 8, 8, 1], data=[*[0] * 63, -1]), "numbers from 0 to 255, not scaled; -1 came."),
        (image([1, 8, 8, 1], data=[0.5] * 64), "numbers from 0 to 255, not scaled; 0.5 came."),
        (image([1, 8, 8, 1], data=[*[0] * 63, "1"]), "numbers from 0 to 255, not scaled; '1' came."),
        (image([1, 8, 8, 1], data=[[[[1]] * 8] * 7]), "or nested as its shape [1, 8, 8, 1] says."),
        (image([1, 8, 8, 1], data=[[1] * 64]), "or nested as its shape [1, 8, 8, 1] says."),
        (image([1, 8, 8, 1], data=[[[[1]] * 7 + [1]] * 8]), "or nested as its shape [1, 8, 8, 1] says."),
        (image([2, 1], "BYTES", data=["", ""]), "should be [n], with n of 1 or more; [2, 1] came."),
        (
            image([2], "BYTES", data=["AA=="]),
            "a list with as many texts as its shape says (2); ['AA=='] came.",
        ),
        (image([1], "BYTES", data=["A*=="]), "photos in base64; number 0; 'A*==' came."),
        (image([2], "BYTES", data=["AA==", "AA"]), "photos in base64; number 1; 'AA' came."),
        (image([1], "BYTES", data=["é"]), "photos in base64; number 0; 'é' came."),
        (image([1], "BYTES", data=[7]), "photos in base64; number 0; 7 came."),
        ({"id": 5, **image([3, 8, 8, 1], data=FLAT)}, '"id" should be a text of at most 1,024 characters; 5'),
        ({"id": "a" * 1025, **image([3, 8, 8, 1], data=FLAT)}, '"id" should be a text of at most 1,024'),
        (
            {"parameters": "x", **image([3, 8, 8, 1], data=FLAT)},
            "\"parameters\" should be a JSON object; 'x'",
        ),
        (
            {"parameters": {"binary_data_output": 1}, **image([3, 8, 8, 1], data=FLAT)},
            '"binary_data_output" should be true or false; 1 came.',
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_said(asked: Any, told: str) -> None:
    error = refusal(orjson.dumps(asked))
    assert error.status == 400
    assert told in error.message


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ("label", "\"outputs\" should be a list; 'label' came."),
        (["label"], "Each of the outputs should be a JSON object; 'label' came."),
        ([{"name": "labels"}], "There is no output 'labels'. Did you mean \"label\"?"),
        ([{}], "There is no output None. Known: probabilities, label, accepted, reason."),
        ([{"name": "label"}, {"name": "label"}], 'The output "label" is asked for twice.'),
        (
            [{"name": "label", "parameters": {"binary_data": 1}}],
            '"binary_data" should be true or false; 1 came.',
        ),
        ([{"name": "label", "parameters": {"classification": 1}}], 'what has classes; "label" has none.'),
        ([{"name": "probabilities", "parameters": {"classification": -1}}], "a number of classes; -1 came."),
        ([{"name": "probabilities", "parameters": {"classification": True}}], "of classes; True came."),
        (
            [{"name": "label", "parameters": {"shared_memory_region": "a"}}],
            "Shared memory is not written here",
        ),
    ],
)
def test_what_is_wrong_with_its_outputs_is_said(outputs: Any, told: str) -> None:
    error = refusal({**image([3, 8, 8, 1], data=FLAT), "outputs": outputs})
    assert error.status == 400
    assert told in error.message


def test_bytes_after_the_json_are_counted() -> None:
    body, header = with_bytes(image([3, 8, 8, 1]), PICTURES.tobytes())
    assert "come 193 bytes; there should be 192." in refusal(body + b"x", header).message
    assert "come 191 bytes; there should be 192." in refusal(body[:-1], header).message
    assert (
        "After the JSON come 3 bytes; there should be 0."
        in refusal(
            orjson.dumps(image([3, 8, 8, 1], data=FLAT)) + b"end",
            str(len(orjson.dumps(image([3, 8, 8, 1], data=FLAT)))),
        ).message
    )
    short, header = with_bytes(image([3, 8, 8, 1]), b"x" * 191)
    assert "[3, 8, 8, 1] in UINT8 has 192 bytes; 191 bytes came." in refusal(short, header).message


@pytest.mark.parametrize("header", ["-1", "x", "", "1e2", "٣", "99999999999999", "100000"])
def test_the_length_of_the_json_is_checked(header: str) -> None:
    body, _ = with_bytes(image([3, 8, 8, 1]), PICTURES.tobytes())
    error = refusal(body, header)
    assert "Inference-Header-Content-Length should count the bytes of the JSON" in error.message
    assert "is not valid JSON" in refusal(body, "20").message


@pytest.mark.parametrize(
    "follows",
    [b"", b"\1\0\0", b"\5\0\0\0four", b"\xff\xff\xff\xff", b"\1\0\0\0a\1\0\0\0bx", lengths_first([b"a"] * 3)],
)
def test_photos_fill_their_bytes_exactly(follows: bytes) -> None:
    body, header = with_bytes(image([2], "BYTES"), follows)
    assert "should be 2 photos, each after its length as a little-endian" in refusal(body, header).message


def test_more_than_is_taken_is_refused_before_it_is_looked_at() -> None:
    assert refusal(image([5, 8, 8, 1], data=[])).status == 413
    assert refusal(image([2**63 - 1, 8, 8, 1], data=[])).message.endswith("at most 4 are taken.")
    began = time.thread_time()
    error = refusal(b'{"inputs": [' + b"[]," * 10_000_000 + b"[]]}")
    assert (error.status, time.thread_time() - began < 1) == (413, True)
    assert "is not valid JSON" in refusal(b"[" * 5000).message


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_request_does_worse_than_be_refused(data: st.DataObject) -> None:
    asked = {"id": "a", **image([3, 8, 8, 1]), "outputs": [{"name": "label", "parameters": {}}]}
    body, header = data.draw(
        st.sampled_from(
            [
                *three_ways(PICTURES, asked),
                with_bytes(image([2], "BYTES"), lengths_first([b"one", b"two"])),
                (orjson.dumps(image([1], "BYTES", data=["AA=="])), None),
            ]
        )
    )
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(0, min(len(changed), 300) - 1)))
        changed[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    header = data.draw(st.sampled_from([header, None, str(len(changed)), "7"]))
    try:
        question = read_infer_request(bytes(changed), header, GREY)
    except HttpError as error:
        assert error.status in (400, 413)
    else:
        assert 1 <= len(question.photos) <= GREY.most


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_value_anywhere_does_worse_than_be_refused(data: st.DataObject) -> None:
    asked = {
        "id": "a",
        **image([1, 8, 8, 1], data=[1] * 64, parameters={"content_type": "np"}),
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "probabilities", "parameters": {"classification": 1, "binary_data": True}}],
    }
    node: Any = asked
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], (dict, list)) or not node[key] or data.draw(st.booleans()):
            node[key] = data.draw(ANYTHING)
            break
        node = node[key]
    try:
        read_infer_request(json.dumps(asked).encode(), None, GREY)
    except HttpError as error:
        assert error.status in (400, 413)
        assert len(error.message) < 400


# What an answer says


def test_an_answer_in_json() -> None:
    tensors = [
        Tensor("probabilities", np.array([[0.1, 0.9], [1, 0]], np.float32)),
        Tensor("label", np.array(["Ærmel", "b"], dtype=object)),
        Tensor("accepted", np.array([True, False])),
    ]
    body, length = write_infer_answer({"id": "a", "model_name": "halves"}, tensors)
    assert length is None
    assert json.loads(body) == {
        "id": "a",
        "model_name": "halves",
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [2, 2], "data": [0.1, 0.9, 1, 0]},
            {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["Ærmel", "b"]},
            {"name": "accepted", "datatype": "BOOL", "shape": [2], "data": [True, False]},
        ],
    }


def test_an_answer_with_bytes_beside_json() -> None:
    tensors = [
        Tensor("label", np.array([["Ærmel"], [""]], dtype=object), binary=True),
        Tensor("accepted", np.array([True]), binary=False),
        Tensor("probabilities", np.array([[1, 0.5]], ">f4"), binary=True),
    ]
    body, length = write_infer_answer({"id": "a"}, tensors)
    told = json.loads(body[:length])["outputs"]
    assert [output.get("parameters") for output in told] == [
        {"binary_data_size": 14},
        None,
        {"binary_data_size": 8},
    ]
    assert (told[0]["shape"], told[1]["data"]) == ([2, 1], [True])
    assert body[length:] == b"\6\0\0\0\xc3\x86rmel\0\0\0\0" + b"\0\0\x80\x3f" + b"\0\0\0\x3f"


def test_classes_are_told_as_triton_tells_them() -> None:
    # The example of Triton's documentation: the largest first, and no more than there are.
    rows = np.array([[1.1, 3.3, 0.5, 2.4], [1, 5, 10, 4]], np.float32)
    names = ("tee", "coat", "bag", "boot")
    assert classification(rows, 2, names).tolist() == [
        ["3.300000:1:coat", "2.400000:3:boot"],
        ["10.000000:2:bag", "5.000000:1:coat"],
    ]
    assert classification(rows, 9, names).shape == (2, 4)


# Bodies


def request(body: bytes = b"", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", "/v2", b"", named, body, "a", 0.0)


@given(body=st.binary(max_size=2000))
@settings(max_examples=30, deadline=None)
def test_bodies_are_unpacked(body: bytes) -> None:
    assert unpack(request(body), 0) == body  # whoever read it has counted it
    assert unpack(request(gzip.compress(body), content_encoding="GZIP "), len(body)) == body
    assert unpack(request(zlib.compress(body), content_encoding="deflate"), len(body)) == body


@pytest.mark.parametrize(
    ("body", "encoding", "status", "told"),
    [
        (b"", "br", 415, "packed as 'br'; gzip and deflate are unpacked here."),
        (b"", "gzip, gzip", 415, "packed as 'gzip, gzip'"),
        (b"plain", "gzip", 400, "The body is not gzip, as its header says"),
        (gzip.compress(b"x", mtime=0), "deflate", 400, "The body is not deflate, as its header says"),
        (gzip.compress(b"x" * 99, mtime=0)[:-4], "gzip", 400, "is packed as gzip, but is cut off."),
        (b"", "gzip", 400, "is packed as gzip, but is cut off."),
        (gzip.compress(b"x", mtime=0) * 2, "gzip", 400, "is packed as gzip, but goes on after its end."),
        (gzip.compress(b"x" * 101, mtime=0), "gzip", 413, "Unpacked, the body has more than 100 bytes."),
    ],
)
def test_bodies_that_cannot_be_unpacked(body: bytes, encoding: str, status: int, told: str) -> None:
    with pytest.raises(HttpError) as caught:
        unpack(request(body, content_encoding=encoding), 100)
    assert caught.value.status == status
    assert told in caught.value.message


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(b"\0" * 50_000_000)
    began = time.thread_time()
    with pytest.raises(HttpError, match="more than 1,000,000 bytes"):
        unpack(request(bomb, content_encoding="deflate"), 1_000_000)
    assert time.thread_time() - began < 0.1


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("gzip", "gzip"),
        ("deflate, gzip", "deflate"),
        ("br;q=1.0, GZIP;q=0.8", "gzip"),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip; q=0.000", None),
        ("br, zstd", None),
        ("", None),
    ],
)
def test_answers_are_packed_as_the_client_asks(accepts: str, encoding: str | None) -> None:
    answer = Response(body=b"lapel " * 1000, headers=(("A", "b"),))
    found = pack(request(accept_encoding=accepts), answer)
    if encoding is None:
        assert found is answer
        return
    assert found.headers == (("A", "b"), ("Content-Encoding", encoding))
    unpack = gzip.decompress if encoding == "gzip" else zlib.decompress
    assert unpack(found.body) == answer.body
    small = Response(body=b"lapel")
    assert pack(request(accept_encoding=accepts), small) is small


def test_json_is_read_where_it_is_in_proportion() -> None:
    assert read_json(b'{"a": [1, 2]}', 0) == {"a": [1, 2]}  # too short to do harm
    text = orjson.dumps(list(range(10_000)))
    assert len(read_json(text, 10_000)) == 10_000
    with pytest.raises(HttpError, match="more parts than the 9,999") as caught:
        read_json(text, 9_999)
    assert caught.value.status == 413
    for damaged in (b"", b"{", b"[NaN]", b'"\xff"'):
        with pytest.raises(HttpError, match="not valid JSON"):
            read_json(damaged, 100)


# The service, and clients that others wrote


@pytest.fixture(scope="module")
def taggers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tagger]:
    """What the models of the service answer when they are asked at home."""
    folder = tmp_path_factory.mktemp("models")
    cards = {"halves": CARD, "doubting": DOUBTING}
    return {name: load_tagger(write_model(folder / f"{name}.onnx", card)) for name, card in cards.items()}


@pytest.fixture(scope="module")
def service(taggers: dict[str, Tagger], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("served")
    models = [write_model(folder / f"{name}.onnx", tagger.card) for name, tagger in taggers.items()]
    words = [word for model in models for word in ("--model", model)]
    with running(*words, "--max-body", "1", "--threads", "1") as service:
        yield service


def infer(service: Service, asked: dict[str, Any], model: str = "halves") -> Answer:
    return service.ask("POST", f"/v2/models/{model}/infer", orjson.dumps(asked))


def photos_counted(service: Service, model: str) -> dict[str, int]:
    """How many photos there have been, by what came of them."""
    text = service.ask("GET", "/metrics").body.decode()
    lines = re.findall(rf'lapel_photos_total{{model="{model}",outcome="(\w+)"}} (\d+)', text)
    return {outcome: int(count) for outcome, count in lines}


def test_the_server_tells_of_itself(service: Service) -> None:
    assert service.ask("GET", "/v2/health/live").json == {"live": True}
    assert service.ask("GET", "/v2/health/ready").json == {"ready": True}
    assert service.ask("GET", "/v2").json == {
        "name": "lapel",
        "version": __version__,
        "extensions": ["binary_tensor_data", "classification", "model_configuration", "model_repository"],
    }
    assert service.ask("GET", "/v2/models/doubting/versions/1").json == {
        "name": "doubting",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8, 1]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "accepted", "datatype": "BOOL", "shape": [-1]},
            {"name": "reason", "datatype": "BYTES", "shape": [-1]},
        ],
    }
    answer = service.ask("HEAD", "/v2/models/halves")
    assert (answer.status, int(answer.headers["content-length"]) > 0, answer.body) == (200, True, b"")


def test_every_output_that_is_told_of_comes_unasked(service: Service, taggers: dict[str, Tagger]) -> None:
    before = photos_counted(service, "doubting")
    answer = infer(service, {"id": "7", **image([3, 8, 8, 1], data=FLAT)}, "doubting")
    assert answer.status == 200
    told = answer.json
    assert (told["id"], told["model_name"], told["model_version"]) == ("7", "doubting", "1")
    metadata = service.ask("GET", "/v2/models/doubting").json
    assert [(output["name"], output["datatype"]) for output in told["outputs"]] == [
        (output["name"], output["datatype"]) for output in metadata["outputs"]
    ]
    outputs = {output["name"]: output for output in told["outputs"]}
    expected = taggers["doubting"].tag_pictures(["", "", ""], list(PICTURES))
    assert outputs["label"]["data"] == [tag.label for tag in expected]
    assert outputs["accepted"]["data"] == [True, True, False]
    assert outputs["reason"]["data"] == ["", "", "unsure"]
    assert outputs["probabilities"]["shape"] == [3, 2]
    best = np.reshape(outputs["probabilities"]["data"], (3, 2)).max(axis=1)
    assert best == pytest.approx([tag.confidence for tag in expected], abs=1e-6)
    after = photos_counted(service, "doubting")
    assert [after[outcome] - before[outcome] for outcome in ("accepted", "unsure", "error")] == [2, 1, 0]


def test_an_answer_bears_the_name_of_its_request(service: Service) -> None:
    body = orjson.dumps(image([3, 8, 8, 1], data=FLAT))
    answer = service.ask("POST", "/v2/models/halves/infer", body, {"X-Request-Id": "mine"})
    assert answer.json["id"] == "mine"


def test_a_photo_that_cannot_be_read_fails_the_request(service: Service) -> None:
    before = photos_counted(service, "halves")
    texts = [base64.b64encode(photo).decode() for photo in (png("left"), b"", b"no photo")]
    answer = infer(service, image([3], "BYTES", data=texts))
    assert answer.status == 400
    assert answer.json["error"] == 'Photo 1 of "image", counted from 0: empty; it holds no bytes at all.'
    assert photos_counted(service, "halves")["error"] - before["error"] == 2


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("GET", "/v2/models/halfs", 404, 'No model "halfs" is served here.'),
        ("POST", "/v2/models/halfs/infer", 404, 'No model "halfs" is served here.'),
        ("GET", "/v2/models/halves/versions/2", 404, "The model \"halves\" has no version '2'; it has 1."),
        ("GET", "/v2/models/halves/versions/1/", 404, "There is nothing at /v2/models/halves/versions/1/."),
        ("GET", "/v2/models/halves/stats", 404, "There is nothing at /v2/models/halves/stats."),
        ("GET", "/v2/models/halves/infer", 405, "/v2/models/halves/infer takes POST, not GET."),
        ("POST", "/v2/models/halves", 405, "/v2/models/halves takes GET, not POST."),
        ("POST", "/v2/models/halves/infer", 400, "The body is not valid JSON"),
        ("POST", "/v2/repository/models/halfs/load", 404, 'No model "halfs" is served here.'),
        ("POST", "/v2/repository/models/halfs/unload", 404, 'No model "halfs" is served here.'),
    ],
)
def test_what_is_not_served(service: Service, method: str, path: str, status: int, told: str) -> None:
    answer = service.ask(method, path)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert told in answer.json["error"]


def test_packed_bodies_do_not_pass_the_limit(service: Service) -> None:
    bomb = gzip.compress(b" " * (1 << 21))
    answer = service.ask("POST", "/v2/models/halves/infer", bomb, {"Content-Encoding": "gzip"})
    assert (answer.status, "more than 1,048,576 bytes" in answer.json["error"]) == (413, True)
    answer = service.ask("POST", "/v2/models/halves/infer", b"x", {"Content-Encoding": "br"})
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "gzip, deflate")


def test_the_repository_takes_small_requests_only(service: Service) -> None:
    answer = service.ask("POST", "/v2/repository/index", "[]")
    assert (answer.status, answer.json["error"]) == (
        400,
        "The body should be a JSON object; it is a list.",
    )
    asked = '{"parameters": {"config": "{}"}}'
    answer = service.ask("POST", "/v2/repository/models/halves/load", asked)
    assert (answer.status, answer.json["error"].endswith("no parameters are taken.")) == (400, True)


def test_the_index_may_leave_out_what_is_unloaded(service: Service) -> None:
    answer = service.ask("POST", "/v2/repository/models/halves/unload")
    try:
        assert (answer.status, answer.body) == (200, b"")
        index = service.ask("POST", "/v2/repository/index", '{"ready": true}').json
        assert service.ask("GET", "/v2/health/ready").status == 503
    finally:
        assert service.ask("POST", "/v2/repository/models/halves/load", "{}").status == 200
    assert index == [{"name": "doubting", "version": "1", "state": "READY", "reason": ""}]


@pytest.fixture(scope="module")
def triton() -> Any:
    return pytest.importorskip(
        "tritonclient.http", reason="tritonclient[http] is not installed", exc_type=ImportError
    )


@pytest.fixture
def client(triton: Any, service: Service) -> Iterator[Any]:
    with triton.InferenceServerClient(f"127.0.0.1:{service.port}", concurrency=4) as client:
        yield client


def pictures_input(triton: Any, pictures: np.ndarray = PICTURES, *, binary: bool = True) -> list[Any]:
    found = triton.InferInput("image", list(pictures.shape), "UINT8")
    return [found.set_data_from_numpy(pictures, binary_data=binary)]


def photos_input(triton: Any, photos: list[bytes], *, binary: bool = True) -> list[Any]:
    found = triton.InferInput("image", [len(photos)], "BYTES")
    return [found.set_data_from_numpy(np.array(photos, dtype=object), binary_data=binary)]


def test_triton_learns_of_the_server(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("halves")
    assert client.is_model_ready("halves", "1")
    assert not client.is_model_ready("halves", "2")
    assert not client.is_model_ready("halfs")
    assert client.get_server_metadata()["version"] == __version__
    metadata, config = client.get_model_metadata("halves"), client.get_model_config("halves", "1")
    assert [output["name"] for output in metadata["outputs"]] == [
        output["name"] for output in config["output"]
    ]
    assert config["max_batch_size"] == 256
    # With a size of batches, Triton leaves that dimension out.
    assert [-1, *config["input"][0]["dims"]] == metadata["inputs"][0]["shape"]


@pytest.mark.parametrize("outputs_binary", [None, True, False])
@pytest.mark.parametrize("inputs_binary", [True, False])
def test_triton_sends_pictures(
    triton: Any, client: Any, taggers: dict[str, Tagger], inputs_binary: bool, outputs_binary: bool | None
) -> None:
    outputs = None
    if outputs_binary is not None:
        outputs = [triton.InferRequestedOutput(name, binary_data=outputs_binary) for name in OUTPUTS]
    answer = client.infer(
        "doubting",
        pictures_input(triton, binary=inputs_binary),
        outputs=outputs,
        request_id="a b",
        sequence_id=3,
        sequence_start=True,
        priority=1,
        timeout=10_000_000,
    )
    expected = taggers["doubting"].tag_pictures(["", "", ""], list(PICTURES))
    assert answer.get_response()["id"] == "a b"
    assert answer.as_numpy("probabilities").dtype == np.float32
    assert answer.as_numpy("probabilities").max(axis=1) == pytest.approx([tag.confidence for tag in expected])
    labels = answer.as_numpy("label")
    assert [label.decode() if isinstance(label, bytes) else label for label in labels] == [
        tag.label for tag in expected
    ]
    assert answer.as_numpy("accepted").dtype == np.bool_
    assert answer.as_numpy("accepted").tolist() == [True, True, False]
    assert answer.as_numpy("reason").shape == (3,)


def test_triton_sends_photos(triton: Any, client: Any) -> None:
    photos = [png("right"), png("left")]
    answer = client.infer("halves", photos_input(triton, photos))
    assert answer.as_numpy("label").tolist() == [b"right", b"left"]
    encoded = [base64.b64encode(photo) for photo in photos]
    answer = client.infer("halves", photos_input(triton, encoded, binary=False), model_version="1")
    assert answer.as_numpy("label").tolist() == [b"right", b"left"]


@pytest.mark.parametrize("binary", [True, False])
def test_triton_asks_for_classes(triton: Any, client: Any, binary: bool) -> None:
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)]
    found = client.infer("halves", pictures_input(triton), outputs=outputs).as_numpy("probabilities")
    assert found.shape == (3, 2)
    value, place, label = (found[1, 0].decode() if binary else found[1, 0]).split(":")
    assert (float(value) > 0.9, place, label) == (True, "1", "right")


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_triton_packs_both_ways(triton: Any, client: Any, packing: str, binary: bool) -> None:
    many = np.repeat(PICTURES, 33, axis=0)
    answer = client.infer(
        "halves",
        pictures_input(triton, many),
        outputs=[triton.InferRequestedOutput("probabilities", binary_data=binary)],
        request_compression_algorithm=packing,
        response_compression_algorithm=packing,
    )
    assert answer._result["outputs"][0]["shape"] == [99, 3]
    assert answer.as_numpy("probabilities").argmax(axis=1)[::33].tolist() == [0, 1, 0]


def test_triton_is_told_what_is_wrong(triton: Any, client: Any) -> None:
    from tritonclient.utils import InferenceServerException

    with pytest.raises(InferenceServerException, match="No model") as caught:
        client.infer("halfs", pictures_input(triton))
    assert caught.value.status() == "404"
    with pytest.raises(InferenceServerException, match=r"Photo 1 of \"image\".*damaged or cut off") as caught:
        client.infer("halves", photos_input(triton, [png("left"), png("left")[:50]]))
    assert caught.value.status() == "400"
    with pytest.raises(InferenceServerException, match="at most 256 are taken") as caught:
        client.infer("halves", pictures_input(triton, np.repeat(PICTURES, 86, axis=0)))
    assert caught.value.status() == "413"


def test_triton_unloads_and_loads(triton: Any, client: Any) -> None:
    from tritonclient.utils import InferenceServerException

    def states() -> dict[str, str]:
        return {entry["name"]: entry["state"] for entry in client.get_model_repository_index()}

    assert states() == {"halves": "READY", "doubting": "READY"}
    client.unload_model("halves")
    try:
        assert states() == {"halves": "UNAVAILABLE", "doubting": "READY"}
        assert not client.is_model_ready("halves")
        assert not client.is_server_ready()
        with pytest.raises(InferenceServerException, match="is not loaded") as caught:
            client.infer("halves", pictures_input(triton))
        assert caught.value.status() == "503"
    finally:
        client.load_model("halves")
    assert client.is_model_ready("halves")
    assert client.infer("halves", pictures_input(triton)).as_numpy("label").shape == (3,)


def test_triton_asks_many_at_once(triton: Any, client: Any) -> None:
    asked = [
        client.async_infer("halves", pictures_input(triton, PICTURES[[place % 3]])) for place in range(12)
    ]
    labels = [one.get_result().as_numpy("label")[0] for one in asked]
    assert labels == [b"left", b"right", labels[2]] * 4


def test_the_asyncio_client_of_triton(triton: Any, service: Service) -> None:
    aio = pytest.importorskip("tritonclient.http.aio", reason="aiohttp is not installed")

    async def ask() -> Any:
        async with aio.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
            assert await client.is_server_ready()
            return await client.infer(
                "halves",
                pictures_input(aio, np.repeat(PICTURES, 33, axis=0)),
                request_compression_algorithm="gzip",
                response_compression_algorithm="gzip",
            )

    assert asyncio.run(ask()).as_numpy("probabilities").shape == (99, 3)
