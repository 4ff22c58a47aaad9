"""Broken requests of every kind, sent to `lapel serve` over plain sockets.

    python benchmarks/fuzz_serve.py [--count 50000] [--seed 0] [--model fashion-mnist] [--keep FOLDER]

Requests to /tag, /search, /match and under /v2 are drawn whole and then broken: pictures as
benchmarks/fuzz.py breaks them, JSON by its parts and by its bytes, sizes, shapes and lengths that lie,
forms, heads, chunks, packed bodies; some go out several at a time, some end early. Each must be answered
within ten seconds, by no 5xx but 503 and 504 (501 and 505 where the head is at fault), an error with
words. Now and then a whole request must be answered as ever, and at the end the server must hold about as
much memory as halfway. What is not so is kept in a file of its own, and the exit status is 1. The same
seed sends the same requests.

What the OpenAPI document promises, schemathesis holds the service to: docs/serving.md says how.
"""

from __future__ import annotations

import argparse
import base64
import collections
import gzip
import json
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from fuzz import mutated, seeds
from loads import NAME, v2_body
from numpy.random import Generator
from PIL import Image
from servers import Server, form, lapel
from wire import Answer, Gone, Hang, Nonsense, Wire, request

from lapel import build_index
from lapel.data.synthetic.draw import draw
from lapel.model_file import model_path

THREADS = 4
SECONDS = 10.0
WHOLE_EVERY = 200  # requests, one of which is not broken
_WAITED = 0.1  # seconds in which a request that has no end may be answered yet
# How much more memory the server may hold at the end than halfway: once in a while something larger comes.
GROWTH, ROOM = 1.3, 64 * 2**20
_INFER = f"/v2/models/{NAME}/infer"
_LENGTH = "Inference-Header-Content-Length"
_PATHS = (
    *(
        "/",
        "/model",
        "/models",
        "/metrics",
        "/health/live",
        "/health/ready",
        "/openapi.json",
        "/docs",
        "/page/",
    ),
    *(
        "/v2",
        "/v2/health/ready",
        f"/v2/models/{NAME}",
        f"/v2/models/{NAME}/config",
        "/v2/models/x/versions/1",
    ),
)
_ODD: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 255, 256, 2**31, 2**63, 2**64, 10**30, 0.5, -0.0, 1e308),
    *(
        float("nan"),
        float("inf"),
        "",
        "0",
        "image",
        "UINT8",
        "BYTES",
        "FP32",
        "ä€\U0001f455",
        "\0",
        "x" * 5000,
    ),
    *(
        [],
        [[]],
        {},
        {"a": 1},
        [0] * 784,
        [[0] * 28] * 28,
        [1, 28, 28, 1],
        [-1],
        [2**40, 2**40],
        [0, 28, 28, 1],
    ),
)
_BOMB = gzip.compress(bytes(200_000_000))


@dataclass(frozen=True)
class Case:
    """What is sent, and what it was before it was broken.

    `whole` says that its head and its body fit together, so that an answer is due; `heady` that its head is
    at fault; `good` that nothing is.
    """

    kind: str
    data: bytes
    whole: bool = True
    heady: bool = False
    good: bool = False

    @property
    def bodiless(self) -> bool:
        """Whether the answer has no body."""
        return self.data.startswith(b"HEAD ")


class Breaker:
    """Draws requests. The same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random: Generator = np.random.default_rng(seed)
        self.files = list(seeds().values())
        self._kinds: tuple[Callable[[], Case], ...] = (
            *(self._v2_json, self._v2_json, self._v2_binary, self._v2_binary, self._v2_photos),
            *(self._form, self._raw, self._json_photos, self._head, self._get, self._packed, self._chunked),
        )

    def case(self) -> Case:
        """The next one."""
        return self._kinds[int(self.random.integers(len(self._kinds)))]()

    def good(self) -> Case:
        """A request that is as it should be."""
        body = json.dumps(v2_body(self.random.integers(0, 256, 784).tolist())).encode()
        return Case("whole", request("POST", _INFER, {"Content-Type": "application/json"}, body), good=True)

    def photo(self) -> bytes:
        """A picture file, broken three times out of four."""
        whole = self.files[int(self.random.integers(len(self.files)))]
        other = self.files[int(self.random.integers(len(self.files)))]
        return whole if self.random.random() < 0.25 else mutated(whole, other, self.random)

    def odd(self) -> Any:
        """Something that JSON can hold."""
        return deepcopy(_ODD[int(self.random.integers(len(_ODD)))])

    def broken_json(self, document: Any) -> bytes:
        """JSON after one to three changes of its parts, and sometimes of its bytes."""
        document = deepcopy(document)
        for _ in range(int(self.random.integers(1, 4))):
            document = self._changed(document)
        text = json.dumps(document).encode()
        chance = self.random.random()
        if chance < 0.1:
            return mutated(text, text, self.random)
        if chance < 0.13:
            depth = int(self.random.choice([50, 1000, 100_000]))
            return text.replace(b'"data": ', b'"data": ' + b"[" * depth, 1) + b"]" * depth
        if chance < 0.16:
            return text.replace(b'"data": [', b'"data": [1e999, 0x1, 1' + b"0" * 400 + b", ", 1)
        return text

    def _changed(self, value: Any) -> Any:
        if isinstance(value, dict) and value and self.random.random() < 0.85:
            key = list(value)[int(self.random.integers(len(value)))]
            match int(self.random.integers(6)):
                case 0:
                    del value[key]
                case 1:
                    value[str(self.odd())] = value[key]
                case _:
                    value[key] = self._changed(value[key])
            return value
        if isinstance(value, list) and 0 < len(value) < 100 and self.random.random() < 0.85:
            place = int(self.random.integers(len(value)))
            match int(self.random.integers(5)):
                case 0:
                    del value[place]
                case 1:
                    value *= int(self.random.choice([2, 3, 100]))
                case _:
                    value[place] = self._changed(value[place])
            return value
        if isinstance(value, list) and value and self.random.random() < 0.5:
            value[int(self.random.integers(len(value)))] = self.odd()
            return value
        return self.odd()

    def _outputs(self) -> list[dict[str, Any]]:
        names = ["probabilities", "label", "accepted", "reason"]
        return [
            {
                "name": names[int(self.random.integers(4))],
                "parameters": {
                    "binary_data": bool(self.random.random() < 0.5),
                    "classification": int(self.random.integers(0, 4)),
                },
            }
        ]

    def _infer(self, kind: str, body: bytes, headers: dict[str, str] | None = None) -> Case:
        return Case(kind, request("POST", _INFER, headers or {"Content-Type": "application/json"}, body))

    def _v2_json(self) -> Case:
        document = v2_body(self.random.integers(0, 256, 784).tolist())
        if self.random.random() < 0.5:
            document |= {"id": "a", "outputs": self._outputs(), "parameters": {"binary_data_output": True}}
        return self._infer("V2, JSON", self.broken_json(document))

    def _v2_photos(self) -> Case:
        texts = [base64.b64encode(self.photo()).decode() for _ in range(int(self.random.integers(1, 4)))]
        if self.random.random() < 0.3:
            texts[0] = mutated(texts[0].encode(), b"=-_ \n\xff", self.random).decode("latin-1")
        tensor = {"name": "image", "shape": [len(texts)], "datatype": "BYTES", "data": texts}
        document = {"inputs": [tensor], "outputs": self._outputs()}
        whole = json.dumps(document).encode()
        return self._infer("V2, photos", whole if self.random.random() < 0.6 else self.broken_json(document))

    def _v2_binary(self) -> Case:
        if self.random.random() < 0.5:
            photos = [self.photo() for _ in range(int(self.random.integers(1, 4)))]
            data = b"".join(struct.pack("<I", len(photo)) + photo for photo in photos)
            tensor: dict[str, Any] = {"name": "image", "shape": [len(photos)], "datatype": "BYTES"}
        else:
            count = int(self.random.integers(1, 4))
            data = self.random.bytes(784 * count)
            tensor = {"name": "image", "shape": [count, 28, 28, 1], "datatype": "UINT8"}
        if self.random.random() < 0.3:
            data = mutated(data, data, self.random)
        tensor["parameters"] = {"binary_data_size": len(data)}
        document = {"inputs": [tensor], "outputs": self._outputs()}
        head = json.dumps(document).encode() if self.random.random() < 0.5 else self.broken_json(document)
        length: Any = len(head)
        if self.random.random() < 0.3:
            length = self.random.choice(
                ["-1", "0", "1", str(len(head) + 1), "9" * 30, "1e3", "", "0x10", "٣"]
            )
        headers = {"Content-Type": "application/octet-stream", _LENGTH: str(length)}
        return self._infer("V2, binary", head + data, headers)

    def _form(self) -> Case:
        asked = form(self.photo(), name=str(self.random.choice(["a.jpg", "", "\0", "ä", "x" * 2000, '"'])))
        body = asked.body * int(self.random.choice([1, 1, 1, 2, 70]))
        if self.random.random() < 0.5:
            body = mutated(body, asked.body, self.random)
        kind = asked.type
        if self.random.random() < 0.2:
            kind = str(
                self.random.choice(["multipart/form-data", kind + "x", kind.upper(), "multipart/mixed"])
            )
        return Case("form", request("POST", f"{self._route()}{self._query()}", {"Content-Type": kind}, body))

    def _raw(self) -> Case:
        kinds = [
            "image/jpeg",
            "application/octet-stream",
            "image/*",
            "",
            "text/plain",
            ";",
            "image/x; a=\xff",
        ]
        kind = (
            kinds[min(int(self.random.integers(14)), len(kinds) - 1)]
            if self.random.random() < 0.3
            else kinds[0]
        )
        address = f"{self._route()}{self._query()}"
        return Case("photo", request("POST", address, {"Content-Type": kind}, self.photo()))

    def _json_photos(self) -> Case:
        text = base64.b64encode(self.photo()).decode()
        document = {"photos": [text, {"name": "a.jpg", "data": text}]}
        body = json.dumps(document).encode() if self.random.random() < 0.4 else self.broken_json(document)
        return Case(
            "JSON",
            request("POST", f"{self._route()}{self._query()}", {"Content-Type": "application/json"}, body),
        )

    def _route(self) -> str:
        return str(self.random.choice(["/tag", "/tag", "/tag", "/search", "/match"]))

    def _query(self) -> str:
        if self.random.random() < 0.7:
            return ""
        name = str(
            self.random.choice(
                [
                    *("top", "model", "picture", "explain", "x", "%00", "top=1&top"),
                    *("kind", "colour", "like", "index", "thumbnails"),
                ]
            )
        )
        value = str(
            self.random.choice(
                [
                    *("0", "1", "-1", "99999999999", "%ff", "", NAME, "%F0%9F", "1" * 3000),
                    *("Shirt,Dress", "navy", "%27%20OR%201=1", ",,,", "%22);%20--", "," * 3000),
                ]
            )
        )
        return f"?{name}={value}"

    def _packed(self) -> Case:
        body = json.dumps(v2_body([0] * 784)).encode()
        coding = str(self.random.choice(["gzip", "deflate", "gzip, gzip", "br", "identity", "x"]))
        packed = zlib.compress(body) if coding == "deflate" else gzip.compress(body)
        chance = self.random.random()
        if chance < 0.02:
            packed = _BOMB
        elif chance < 0.6:
            packed = mutated(packed, body, self.random)
        headers = {"Content-Type": "application/json", "Content-Encoding": coding}
        return self._infer("packed", packed, headers)

    def _get(self) -> Case:
        path = _PATHS[int(self.random.integers(len(_PATHS)))]
        if self.random.random() < 0.3:
            path += str(
                self.random.choice(["/../..", "/%2e%2e/%2e%2e/etc/passwd", "%00", "//", "?" + "a=b&" * 50])
            )
        method = str(self.random.choice(["GET", "GET", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST"]))
        return Case("no body", request(method, path, {"Accept-Encoding": "gzip"}))

    def _chunked(self) -> Case:
        body, place = self.photo(), 0
        data = request("POST", "/tag", {"Content-Type": "image/png", "Transfer-Encoding": "chunked"})
        data = data.replace(b"Content-Length: 0\r\n", b"")
        while place < len(body):
            piece = body[place : place + int(self.random.integers(1, 3000))]
            data, place = data + b"%x\r\n%b\r\n" % (len(piece), piece), place + len(piece)
        data += b"0\r\n\r\n"
        if self.random.random() < 0.5:
            return Case("chunks", data)
        return Case("chunks", mutated(data, b"\r\n0\r\nffffffffffffffff\r\n", self.random), False, heady=True)

    def _head(self) -> Case:
        data = self.good().data
        head, _, body = data.partition(b"\r\n\r\n")
        lines = [
            *(b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999"),
            *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Connection: upgrade"),
            *(b"Expect: 100-continue", b"Expect: x", b"Host: a\r\nHost: b", b"X: " + b"y" * 20_000, b": x"),
            *(
                b"A: b\r\n" * 200,
                b"X-Request-Timeout: nan",
                b"X-Request-Id: \x01\xff",
                b" folded: x",
                b"a\0b: c",
            ),
        ]
        if self.random.random() < 0.6:
            head += b"\r\n" + lines[int(self.random.integers(len(lines)))]
        if self.random.random() < 0.6:
            head = mutated(head, b" \t\r\n:/?#%HTTP/0.9 HTTP/2.0 HTTP/1.0", self.random)
        return Case("head", head + b"\r\n\r\n" + body, whole=False, heady=True)


@dataclass
class Found:
    """What became of the requests."""

    kinds: collections.Counter[str] = field(default_factory=collections.Counter)
    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    slowest: tuple[float, str] = (0.0, "")
    faults: list[tuple[str, str, bytes]] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Take over what another found."""
        self.kinds += other.kinds
        self.statuses += other.statuses
        self.slowest = max(self.slowest, other.slowest)
        self.faults += other.faults


class Sender:
    """Sends cases over connections that are kept as long as the server keeps them."""

    def __init__(self, port: int, seed: int) -> None:
        self.found = Found()
        self._port = port
        self._breaker = Breaker(seed)
        self._wire: Wire | None = None
        self._sent = 0

    def run(self, count: int) -> None:
        """Send so many requests."""
        while self._sent < count:
            many = int(self._breaker.random.integers(2, 5)) if self._breaker.random.random() < 0.1 else 1
            cases = [self._next() for _ in range(many)]
            # What does not say where it ends can only be the last.
            while not all(case.whole for case in cases[:-1]):
                cases.pop(0)
            self._sent += len(cases)
            try:
                self._ask(cases)
            except OSError as error:
                self._fault(f"no connection: {error}", cases)
                self._leave()
        self._leave()

    def _next(self) -> Case:
        return self._breaker.good() if self._sent % WHOLE_EVERY == 0 else self._breaker.case()

    def _ask(self, cases: list[Case]) -> None:
        self.found.kinds.update(case.kind for case in cases)
        if self._wire is None:
            self._wire = Wire(self._port, SECONDS)
        data, chance = b"".join(case.data for case in cases), self._breaker.random.random()
        if chance < 0.03:  # gone before all is said
            self._wire.send(data[: int(self._breaker.random.integers(1, len(data)))])
            self._leave(reset=chance < 0.015)
            return
        self._wire.send(data)
        began = time.perf_counter()
        for place, case in enumerate(cases):
            try:
                answer = self._answer(self._wire, case)
            except Gone as error:
                # Of a request without an end, the connection's end is an answer, too.
                if case.whole:
                    self._fault(f"no answer ({error})", cases)
                self._leave()
                return
            except (Hang, Nonsense) as error:
                self._fault(f"{type(error).__name__}: {error}", cases)
                self._leave()
                return
            self._judge(case, answer, time.perf_counter() - began)
            if answer.last and place + 1 < len(cases):
                self._leave()
                return
        if answer.last or not cases[-1].whole:
            self._leave()

    def _answer(self, wire: Wire, case: Case) -> Answer:
        """The answer to a case; one that has no end is given its end when nothing comes."""
        if not case.whole:
            wire.patience(_WAITED)
            try:
                return wire.answer(bodiless=case.bodiless)
            except Hang:
                wire.patience(SECONDS)
                wire.end()
        return wire.answer(bodiless=case.bodiless)

    def _judge(self, case: Case, answer: Answer, seconds: float) -> None:
        self.found.statuses[answer.status] += 1
        self.found.slowest = max(self.found.slowest, (seconds, case.kind))
        allowed = (503, 504, 501, 505) if case.heady else (503, 504)
        if answer.status >= 500 and answer.status not in allowed:
            self._fault(f"{answer.status} {answer.body[:300]!r}", [case])
        elif case.good and answer.status not in (200, 503):
            self._fault(f"whole, and answered {answer.status} {answer.body[:300]!r}", [case])
        elif answer.status >= 400 and not case.bodiless:
            try:
                assert json.loads(answer.body)["error"]
            except (ValueError, KeyError, TypeError, AssertionError):
                self._fault(f"{answer.status} without words: {answer.body[:300]!r}", [case])

    def _fault(self, what: str, cases: list[Case]) -> None:
        kinds = " + ".join(case.kind for case in cases)
        self.found.faults.append((what, kinds, b"".join(case.data for case in cases)))

    def _leave(self, *, reset: bool = False) -> None:
        if self._wire:
            self._wire.close(reset=reset)
        self._wire = None


def fuzz(port: int, count: int, seed: int) -> Found:
    """Send so many requests from several threads at once."""
    senders = [Sender(port, THREADS * seed + number) for number in range(THREADS)]
    threads = [threading.Thread(target=one.run, args=(count // THREADS,)) for one in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = Found()
    for one in senders:
        found.add(one.found)
    return found


def _started(model: str, folder: Path) -> Server:
    """The service, with an index of drawn garments."""
    for place, drawn in enumerate(draw(40, size=160, channels=3, style="photo", seed=1)[0]):
        Image.fromarray(drawn).save(folder / f"{place}.jpg")
    build_index([folder], folder / "wardrobe.lapel")
    return lapel(1, "--index", str(folder / "wardrobe.lapel")).started(model_path(model))


def main() -> int:
    """Send the requests, and print what became of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="fashion-mnist", help="of 28×28 grey pictures")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"), help="the folder for faults")
    asked = parser.parse_args()
    began = time.perf_counter()
    with TemporaryDirectory() as folder, _started(asked.model, Path(folder)) as server:
        server.wait(form(seeds()["jpeg"]))
        half = max(THREADS, asked.count // 2)
        found = fuzz(server.port, half, 2 * asked.seed)
        before = server.memory()
        found.add(fuzz(server.port, half, 2 * asked.seed + 1))
        time.sleep(1)
        after, alive, said = server.memory(), server.alive(), server.said()
    for number, (what, kind, data) in enumerate(found.faults):
        asked.keep.mkdir(exist_ok=True)
        kept = asked.keep / f"serve-{asked.seed}-{number}.bin"
        kept.write_bytes(data)
        print(f"{kind}: {what}; kept as {kept}", file=sys.stderr)
    grown = after > max(GROWTH * before, before + ROOM)
    print("| requests | sent |\n|---|---:|")
    for kind, count in sorted(found.kinds.items()):
        print(f"| {kind} | {count:,} |")
    print("\n| answer | times |\n|---|---:|")
    for status, count in sorted(found.statuses.items()):
        print(f"| {status} | {count:,} |")
    seconds = time.perf_counter() - began
    print(
        f"\n{sum(found.kinds.values()):,} requests (seed {asked.seed}) in {seconds:.0f} s; "
        f"the slowest answer took {found.slowest[0]:.2f} s ({found.slowest[1]}); the server held "
        f"{before / 2**20:.0f} MiB halfway and {after / 2**20:.0f} MiB at the end; "
        f"{len(found.faults)} faults{'' if alive else '; it ended'}{'; too much memory' if grown else ''}."
    )
    if not alive:
        print(said, file=sys.stderr)
    return int(bool(found.faults) or not alive or grown)


if __name__ == "__main__":
    sys.exit(main())
