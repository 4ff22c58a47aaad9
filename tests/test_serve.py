"""The service as it is started: what it answers, to whom, under load, and how it ends."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("httptools", reason="the extra serve is not installed")

from halves import CLASSES, DOUBTING, bright, write_model
from hostile import NO_PICTURES, bombs, encoded
from PIL import Image
from service import Service, eventually, form, received, running


def png(side: str = "left") -> bytes:
    file = io.BytesIO()
    Image.fromarray(bright(side)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "halves.onnx")
    write_model(folder / "doubting.onnx", DOUBTING)
    return folder


@pytest.fixture(scope="module")
def service(models: Path) -> Iterator[Service]:
    with running("--model", models / "halves.onnx", "--model", f"b={models / 'doubting.onnx'}") as here:
        yield here


def test_a_photo_as_it_is(service: Service) -> None:
    answer = service.ask(
        "POST", "/tag?top=2", png("right"), {"Content-Type": "image/png", "X-Request-Id": "me"}
    )
    assert answer.status == 200
    told = answer.json
    assert told["id"] == answer.headers["x-request-id"] == "me"
    assert told["model"] == "halves"
    assert set(told["timings"]) == {"received_ms", "labelled_ms", "total_ms"}
    assert 0 < told["timings"]["labelled_ms"] <= told["timings"]["total_ms"] < 10_000
    [row] = told["tags"]
    assert (row["source"], row["label"], row["accepted"], row["reason"]) == ("photo", "right", True, None)
    assert [one["label"] for one in row["alternatives"]] == ["nothing"]
    assert row["confidence"] > 0.9
    assert answer.headers["cache-control"] == "no-store"


def test_a_form_of_several_of_which_one_is_bad(service: Service) -> None:
    body, headers = form(("a.png", png("left")), ("b.jpg", b"this is no photo"), ("ä.png", png("right")))
    answer = service.ask("POST", "/tag", body, headers)
    assert answer.status == 200
    first, bad, last = answer.json["tags"]
    assert (first["source"], first["label"]) == ("a.png", "left")
    assert (last["source"], last["label"]) == ("ä.png", "right")
    assert bad["source"] == "b.jpg"
    assert bad["error"].startswith("b.jpg: not a picture of a known format; it looks like text")
    assert "JPEG" in bad["hint"]
    assert bad["code"] == "photo_unreadable"


def test_json_in_base64(service: Service) -> None:
    text = base64.b64encode(png("left")).decode()
    photos = [text, {"name": "x.png", "data": f"data:image/png;base64,{text}"}]
    answer = service.ask("POST", "/tag", json.dumps({"photos": photos}), {"Content-Type": "application/json"})
    assert [(row["source"], row["label"]) for row in answer.json["tags"]] == [
        ("photo 1", "left"),
        ("x.png", "left"),
    ]


def test_hostile_files_fail_alone_and_cost_little(service: Service) -> None:
    long, dot = encoded(Image.new("L", (40_000, 4), 9)), encoded(Image.new("RGB", (1, 1)))
    bad = [("bad.jpg", data) for data in (*(data for data, _ in NO_PICTURES), png()[:40], long, dot)]
    body, headers = form(("good.png", png()), *bad, ("good.png", png("right")))
    began = time.perf_counter()
    first, *rows, last = service.ask("POST", "/tag", body, headers).json["tags"]
    assert (first["label"], last["label"]) == ("left", "right")
    for row, (_, words) in zip(rows, NO_PICTURES, strict=False):
        assert words in row["error"]
    assert all(row["error"].startswith("bad.jpg: ") for row in rows)
    for name, files in bombs().items():
        asked = [service.ask("POST", "/tag?picture=1", data, {"Content-Type": "image/png"}) for data in files]
        if len(files[0]) > 32 * 2**20:
            assert asked[0].status == 413, name
        else:
            bomb, plain = (answer.json["tags"][0]["picture"] for answer in asked)
            assert bomb == plain, name
    assert time.perf_counter() - began < 20


def test_where_no_photo_can_be_read_the_request_has_failed(service: Service) -> None:
    answer = service.ask("POST", "/tag", b"no photo", {"Content-Type": "image/jpeg"})
    assert answer.status == 400
    assert answer.json["error"] == answer.json["tags"][0]["error"]
    assert answer.json["error"].startswith("photo: not a picture")
    assert answer.json["code"] == answer.json["tags"][0]["code"] == "photo_unreadable"


def test_why_a_tag_is_not_accepted(service: Service) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(file, "PNG")
    [row] = service.ask("POST", "/tag?model=b", file.getvalue(), {"Content-Type": "image/png"}).json["tags"]
    assert (row["accepted"], row["reason"]) == (False, "no garment found")


def test_the_picture_that_the_model_saw_and_what_mattered_in_it(service: Service) -> None:
    spot = np.zeros((8, 8), np.uint8)
    spot[2:6, 1:3] = 255
    file = io.BytesIO()
    Image.fromarray(spot).save(file, "PNG")
    answer = service.ask("POST", "/tag?picture=1&explain=1", file.getvalue(), {"Content-Type": "image/png"})
    [row] = answer.json["tags"]
    images = {}
    for name in ("picture", "heat"):
        head, _, data = row[name].partition(",")
        assert head == "data:image/png;base64"
        images[name] = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert (images["picture"] == spot).all()
    assert row["label"] == "left"
    assert row["fall"] > 0.1
    assert images["heat"].shape == (8, 8, 4)
    alpha = images["heat"][:, :, 3].astype(int)
    assert alpha[:, :4].mean() > alpha[:, 4:].mean()


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "words", "code"),
    [
        ("/tag", {"Content-Type": "text/plain"}, b"x", 415, "type text/plain", "media_type_unsupported"),
        ("/tag", {"Content-Type": "image/png"}, b"", 400, "no photo in the request", "no_photo"),
        ("/tag", {"Content-Type": "application/json"}, b"{", 400, "not valid JSON", "invalid_body"),
        ("/tag", {"Content-Type": "application/json"}, b"[]", 400, 'Expected {"photos"', "invalid_body"),
        (
            "/tag",
            {"Content-Type": "application/json"},
            b'{"photos": [1]}',
            400,
            "Photo 1 is not a text",
            "invalid_body",
        ),
        (
            "/tag",
            {"Content-Type": "application/json"},
            b'{"photos": ["*"]}',
            400,
            "not base64",
            "invalid_body",
        ),
        (
            "/tag",
            {"Content-Type": "multipart/form-data; boundary=a"},
            b"--a\r\n",
            400,
            "damaged or cut off",
            "invalid_body",
        ),
        (
            "/tag",
            {"Content-Type": "multipart/form-data"},
            b"--a\r\n",
            400,
            "damaged or cut off",
            "invalid_body",
        ),
        (
            "/tag",
            {"Content-Type": "image/png", "Content-Encoding": "br"},
            b"x",
            415,
            "packed as 'br'",
            "encoding_unsupported",
        ),
        ("/tag?top=0", {}, b"x", 400, "top is a whole number", "invalid_query"),
        ("/tag?picture=yes", {}, b"x", 400, "picture is 0 or 1", "invalid_query"),
        ("/tag?model=hal", {}, b"x", 404, 'No model "hal"', "model_unknown"),
        ("/tag", {"X-Request-Timeout": "soon"}, b"x", 400, "expected seconds", "invalid_header"),
        ("/nowhere", {}, b"x", 404, "nothing at /nowhere", "route_unknown"),
        ("/models", {}, b"x", 405, "takes GET", "method_not_allowed"),
    ],
)
def test_what_is_wrong_is_said(
    service: Service, path: str, headers: dict[str, str], body: bytes, status: int, words: str, code: str
) -> None:
    answer = service.ask("POST", path, body, headers)
    assert answer.status == status
    assert words in answer.json["error"]
    assert set(answer.json) == {"error", "hint", "code", "id"}
    assert answer.json["code"] == code


def test_too_many_photos_at_once(service: Service) -> None:
    body, headers = form(*[("a.png", png())] * 257)
    answer = service.ask("POST", "/tag", body, headers)
    assert answer.status == 413
    assert "257 photos in one request; at most 256" in answer.json["error"]
    assert answer.json["code"] == "too_many_photos"


def test_what_is_served(service: Service) -> None:
    assert service.ask("GET", "/models").json == {
        "models": [{"name": "halves", "ready": True}, {"name": "b", "ready": True}],
        "default": "halves",
        "teach": False,
        "wardrobe": False,
    }
    card = service.ask("GET", "/model?model=halves").json
    assert card["class_names"] == list(CLASSES)
    assert len(card["fingerprint"]) == 64
    assert service.ask("GET", "/health/live").json == {"live": True}
    assert service.ask("GET", "/health/ready").json == {"ready": True}
    assert service.ask("GET", "/v2/models/b/ready").status == 200


def test_what_happened_is_counted(service: Service) -> None:
    service.ask("POST", "/tag", png(), {"Content-Type": "image/png"})
    answer = service.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    assert 'lapel_requests_total{route="/tag",status="200"}' in text
    assert 'lapel_photos_total{model="halves",outcome="accepted"}' in text
    assert 'lapel_model_info{model="b"' in text


def test_the_page_comes_with_a_strict_policy(service: Service) -> None:
    answer = service.ask("GET", "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    again = service.ask("GET", "/", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert service.ask("GET", "/page/../app.py").status == 404


def test_strange_pages_and_strange_names_of_this_machine_are_refused(service: Service) -> None:
    photo = {"Content-Type": "image/png"}
    here = f"127.0.0.1:{service.port}"
    assert service.ask("POST", "/tag", png(), {**photo, "Origin": f"http://{here}"}).status == 200
    for stranger in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
    ):
        answer = service.ask("POST", "/tag", png(), {**photo, **stranger})
        assert answer.status == 403
        assert "--allow-origin" in answer.json["hint"]
        assert answer.json["code"] == "origin_forbidden"
    answer = service.ask("POST", "/tag", png(), {**photo, "Host": "evil.example"})
    assert answer.status == 403
    assert "--token" in answer.json["hint"]
    assert answer.json["code"] == "host_forbidden"
    assert service.ask("GET", "/models", headers={"Host": f"[::1]:{service.port}"}).status == 200


def test_a_site_that_is_allowed_may_ask(models: Path) -> None:
    site = "https://shop.example"
    with running("--model", models / "halves.onnx", "--allow-origin", site) as service:
        asked = {
            "Origin": site,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        before = service.ask("OPTIONS", "/tag", headers=asked)
        assert before.status == 204
        assert before.headers["access-control-allow-origin"] == site
        assert "POST" in before.headers["access-control-allow-methods"]
        assert "content-type" in before.headers["access-control-allow-headers"].lower()
        answer = service.ask("POST", "/tag", png(), {"Content-Type": "image/png", "Origin": site})
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == site
        assert answer.headers["vary"] == "Origin"
        other = service.ask("OPTIONS", "/tag", headers={**asked, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_a_token_is_asked_for(models: Path) -> None:
    with running("--model", models / "halves.onnx", LAPEL_TOKEN="s3cret") as service:
        for headers, code in (
            ({}, "token_missing"),
            ({"Authorization": "Bearer wrong"}, "token_wrong"),
            ({"Authorization": "s3cre"}, "token_wrong"),
        ):
            answer = service.ask("POST", "/tag", png(), {"Content-Type": "image/png", **headers})
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json["code"] == code
        right = {"Authorization": "Bearer s3cret", "Content-Type": "image/png"}
        assert service.ask("POST", "/tag", png(), right).status == 200
        assert service.ask("GET", "/metrics").status == 401
        assert service.ask("POST", "/v2/models/halves/infer", b"{}").status == 401
        assert service.ask("GET", "/health/ready").status == 200
        assert service.ask("GET", "/").status == 200
        _, said = service.end()
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--host", "0.0.0.0"], "lets other machines ask"),
        (["--token", "a", "--no-auth"], "Choose one"),
        (["--model", "a=photo", "--model", "a=photo"], 'Two models are called "a"'),
        (["--model", "a/b=photo"], "no name for a served model"),
        (["--model", "nowhere.onnx"], "no such model file"),
    ],
)
def test_what_cannot_be_served(words: list[str], told: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "lapel", "serve", "--port", "0", *words],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode in (1, 2)
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_address_that_is_taken(service: Service, models: Path) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "lapel",
            "serve",
            "--port",
            str(service.port),
            "--model",
            models / "halves.onnx",
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 1
    assert "Cannot listen on 127.0.0.1" in ended.stderr
    assert "--port 0" in ended.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_taken_on_is_answered_when_it_ends(models: Path, workers: int) -> None:
    with running("--model", models / "halves.onnx", "--workers", str(workers), "--grace", "0.5") as service:
        kept = socket.create_connection(("127.0.0.1", service.port), timeout=10)
        head = f"POST /tag HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(png())}\r\n\r\n"
        kept.sendall(head.encode() + png()[:10])  # half a request
        assert service.ask("GET", "/health/ready").status == 200
        service.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: service.ask("GET", "/health/ready").status == 503, 0.4)
        kept.sendall(png()[10:])
        answer = received(kept)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"Connection: close" in answer
        kept.close()
        status, said = service.end()
    assert status == 0
    assert "Traceback" not in said


@pytest.mark.parametrize("workers", [1, 2])
def test_models_are_loaded_anew_without_a_lost_request(tmp_path: Path, workers: int) -> None:
    file = write_model(tmp_path / "m.onnx")
    statuses: list[int] = []
    stop = threading.Event()
    with running("--model", f"m={file}", "--workers", str(workers)) as service:

        def ask() -> None:
            while not stop.is_set():
                statuses.append(service.ask("POST", "/tag", png(), {"Content-Type": "image/png"}).status)

        askers = [threading.Thread(target=ask) for _ in range(2)]

        def are_still_answered() -> bool:
            count = len(statuses)
            return eventually(lambda: len(statuses) > count + 4)

        for asker in askers:
            asker.start()
        before = service.ask("GET", "/model").json
        write_model(file.with_suffix(".new"), DOUBTING).replace(file)
        service.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: service.ask("GET", "/model").json["fingerprint"] != before["fingerprint"])
        assert are_still_answered()
        file.write_bytes(b"no model")  # what cannot be loaded changes nothing
        assert service.ask("POST", "/v2/repository/models/m/load", b"{}").status >= 400
        assert service.ask("GET", "/model").json["rejects"] == ["no garment found"]
        write_model(file)
        assert service.ask("POST", "/v2/repository/models/m/load", b"{}").status == 200
        for _ in range(4):  # in every worker
            assert service.ask("GET", "/model").json["rejects"] == []
        assert are_still_answered()
        stop.set()
        for asker in askers:
            asker.join()
        assert set(statuses) == {200}
        assert service.ask("POST", "/v2/repository/models/m/unload", b"{}").status == 200
        for _ in range(4):
            assert service.ask("POST", "/tag", png(), {"Content-Type": "image/png"}).status == 503
        assert service.ask("GET", "/health/ready").status == 503


def test_a_worker_that_dies_is_replaced(models: Path) -> None:
    with running("--model", models / "halves.onnx", "--workers", "2") as service:
        if not shutil.which("pgrep"):
            pytest.skip("there is no pgrep here")
        listed = subprocess.run(["pgrep", "-P", str(service.process.pid)], capture_output=True, text=True)
        children = listed.stdout.split()
        assert len(children) == 2
        os.kill(int(children[0]), signal.SIGKILL)

        def answers() -> bool:
            with contextlib.suppress(OSError, http.client.HTTPException):  # what it had is lost with it
                return all(
                    service.ask("POST", "/tag", png(), {"Content-Type": "image/png"}).status == 200
                    for _ in range(4)
                )
            return False

        assert eventually(answers, 5)
        _, said = service.end()
    assert "worker died" in said


def test_more_than_can_be_done_is_refused_at_once(models: Path) -> None:
    # Large pictures of noise keep the one thread busy.
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG", compress_level=1)
    statuses: list[int] = []
    words = ("--model", models / "halves.onnx", "--threads", "1", "--queue", "2")
    with running(*words) as service:

        def ask() -> None:
            answer = service.ask("POST", "/tag", file.getvalue(), {"Content-Type": "image/png"})
            statuses.append(answer.status)
            if answer.status == 503:
                assert answer.headers["retry-after"] == "1"
                assert answer.json["code"] == "queue_full"

        askers = [threading.Thread(target=ask) for _ in range(12)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert set(statuses) == {200, 503}
        late = service.ask(
            "POST", "/tag", file.getvalue(), {"Content-Type": "image/png", "X-Request-Timeout": "0.005"}
        )
        assert (late.status, late.json["code"]) == (504, "deadline_exceeded")
        assert eventually(
            lambda: service.ask("POST", "/tag", png(), {"Content-Type": "image/png"}).status == 200
        )
        text = service.ask("GET", "/metrics").body.decode()
        assert 'lapel_refused_total{reason="deadline"} 1' in text


def test_the_log_names_requests_but_no_photos(models: Path) -> None:
    with running("--model", models / "halves.onnx", "--log-requests", "--log-format", "json") as service:
        body, headers = form(("my-secret-shirt.png", png()))
        service.ask("POST", "/tag", body, {**headers, "X-Request-Id": "abc"})
        _, said = service.end()
    assert "my-secret-shirt" not in said
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    [line] = [line for line in lines if line["event"] == "answered"]
    assert (line["id"], line["method"], line["path"], line["status"]) == ("abc", "POST", "/tag", 200)
    assert line["ms"] > 0


@pytest.mark.long
def test_broken_requests_do_no_harm() -> None:
    script = Path(__file__).parent.parent / "benchmarks" / "fuzz_serve.py"
    done = subprocess.run(
        [sys.executable, script, "--count", "300", "--seed", "1"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "requests (seed 1)" in done.stdout
    assert done.stdout.endswith("0 faults.\n")
