"""The service as an ASGI application: asked by httpx, mounted in a program, and by clients that misbehave."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httptools", reason="the extra serve is not installed")
pytest.importorskip("httpx", reason="httpx is not installed (pip install 'lapel[test]')")

import httpx
from halves import bright, write_model
from PIL import Image

from lapel.errors import ModelError
from lapel.serve import Auth, Bounds
from lapel.serve.asgi import AsgiApp, app


def png(side: str = "left") -> bytes:
    file = io.BytesIO()
    Image.fromarray(bright(side)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def model(tmp_path: Path) -> str:
    return f"halves={write_model(tmp_path / 'halves.onnx')}"


def ask(service: Any, work: Callable[[Any], Awaitable[None]], root_path: str = "") -> None:
    """Do something with a client of an application, between its start and its end."""

    async def main() -> None:
        transport = httpx.ASGITransport(app=service, root_path=root_path)
        async with (
            lifespan(service),
            httpx.AsyncClient(transport=transport, base_url="http://here") as client,
        ):
            await work(client)

    asyncio.run(main())


class lifespan:  # noqa: N801
    """What a server says to an application when it starts and ends."""

    def __init__(self, service: AsgiApp) -> None:
        self.service, self.inbox, self.outbox = service, asyncio.Queue(), asyncio.Queue()

    async def __aenter__(self) -> None:
        self.task = asyncio.create_task(self.service({"type": "lifespan"}, self.inbox.get, self.outbox.put))
        await self.inbox.put({"type": "lifespan.startup"})
        assert await self.outbox.get() == {"type": "lifespan.startup.complete"}

    async def __aexit__(self, *_error: object) -> None:
        await self.inbox.put({"type": "lifespan.shutdown"})
        assert await self.outbox.get() == {"type": "lifespan.shutdown.complete"}
        await self.task


def test_own_classes_are_taught_where_that_is_asked_for(model: str) -> None:
    async def work(client: Any) -> None:
        files = [(side, (f"{side}.png", png(side))) for side in ("both", "none") for _ in range(3)]
        lesson = (await client.post("/teach", files=files)).json()["lesson"]
        async with asyncio.timeout(20):
            while (answer := await client.get(f"/teach/{lesson}")).json()["state"] != "done":
                await asyncio.sleep(0.01)
        assert answer.json()["accuracy"] == 1
        tags = (await client.post(f"/tag?model={lesson}", content=png("both"))).json()["tags"]
        assert tags[0]["label"] == "both"

    async def refused(client: Any) -> None:
        assert (await client.get("/teach/any")).json()["code"] == "teaching_off"

    ask(app(model, teach=True), work)
    ask(app(model), refused)


def test_photos_are_labelled_as_by_the_service(model: str) -> None:
    async def work(client: Any) -> None:
        files = [("photo", ("a.png", png("left"))), ("photo", ("b.png", png("right")))]
        answer = await client.post("/tag?top=1", files=files, headers={"X-Request-Id": "me"})
        assert answer.status_code == 200
        assert [tag["label"] for tag in answer.json()["tags"]] == ["left", "right"]
        assert answer.headers["x-request-id"] == answer.json()["id"] == "me"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await client.get("/models")).json()["default"] == "halves"
        head = await client.head("/model")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 0
        assert "default-src 'none'" in (await client.get("/")).headers["content-security-policy"]
        assert (await client.get("/openapi.json")).json()["info"]["title"] == "Lapel"
        counts = (await client.get("/metrics")).text
        assert 'lapel_requests_total{route="/tag",status="200"} 1' in counts
        assert "lapel_inflight_bytes 0" in counts

    ask(app(model, threads=1), work)


def test_it_starts_and_ends_and_starts_again(model: str) -> None:
    service = app(model, threads=1)

    async def work(client: Any) -> None:
        answer = await client.post("/tag", content=png("right"), headers={"Content-Type": "image/png"})
        assert answer.json()["tags"][0]["label"] == "right"
        assert (await client.get("/health/ready")).status_code == 200

    ask(service, work)
    ask(service, work)


def test_a_program_mounts_it_below_an_address_and_keeps_its_lifespan_for_itself(model: str) -> None:
    labels = app(model, threads=1)

    async def program(scope: Any, receive: Any, send: Any) -> None:
        """Routes as Starlette's Mount does: the whole path stays, and root_path says where it begins."""
        assert scope["path"].startswith("/labels/")
        await labels({**scope, "root_path": "/labels"}, receive, send)

    async def main() -> None:
        transport = httpx.ASGITransport(app=program)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            answer = await client.post("/labels/tag", content=png(), headers={"Content-Type": "image/png"})
            assert answer.json()["tags"][0]["label"] == "left"
            assert (await client.get("/labels/nowhere")).json()["code"] == "route_unknown"

    asyncio.run(main())


def test_models_and_token_come_from_the_environment(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPEL_MODELS", f"{model},b={model.partition('=')[2]}")
    monkeypatch.setenv("LAPEL_TOKEN", "s3cret")

    async def work(client: Any) -> None:
        refused = await client.get("/models")
        assert (refused.status_code, refused.json()["code"]) == (401, "token_missing")
        answer = await client.get("/models", headers={"Authorization": "Bearer s3cret"})
        assert [entry["name"] for entry in answer.json()["models"]] == ["halves", "b"]

    ask(app(), work)
    with pytest.raises(ModelError, match="nowhere"):
        app("nowhere.onnx")


async def in_pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 50):
        yield data[start : start + 50]


def test_bodies_are_bounded_whether_they_say_how_long_they_are_or_not(model: str) -> None:
    def check(bounds: Bounds, status: int, code: str) -> None:
        async def work(client: Any) -> None:
            photo = {"Content-Type": "image/png"}
            for content in (b"x" * 2000, in_pieces(b"x" * 2000)):
                answer = await client.post("/tag", content=content, headers=photo)
                assert (answer.status_code, answer.json()["code"]) == (status, code)
                assert answer.headers.get("retry-after") == ("1" if status == 503 else None)
            assert (await client.post("/tag", content=png(), headers=photo)).status_code == 200
            assert "lapel_inflight_bytes 0" in (await client.get("/metrics")).text

        ask(app(model, threads=1, bounds=bounds), work)

    check(Bounds(max_body=1000), 413, "body_too_large")
    check(Bounds(max_held=1000, pause=0), 503, "too_many_bytes")


def request(path: str, **headers: str) -> dict[str, Any]:
    raw = [(key.encode(), value.encode()) for key, value in headers.items()]
    return {"type": "http", "method": "POST", "path": path, "headers": raw}


def test_a_body_that_does_not_come_is_given_up(model: str) -> None:
    async def main() -> None:
        service, sent = app(model, threads=1, bounds=Bounds(body_seconds=0.02)), []

        async def wait() -> Any:
            await asyncio.sleep(60)

        async def send(message: Any) -> None:
            sent.append(message)

        async with asyncio.timeout(10):
            await service(request("/tag"), wait, send)
        assert sent[0]["status"] == 408
        assert b'"request_timeout"' in sent[1]["body"]

    asyncio.run(main())


def test_who_goes_away_is_not_worked_for(model: str) -> None:
    async def main() -> None:
        service, sent = app(model, threads=1), []
        messages = [{"type": "http.request", "body": png()}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        async with asyncio.timeout(10):
            await service(request("/tag", **{"content-type": "image/png"}), receive, send)
        assert sent == []

    asyncio.run(main())


def test_what_is_not_http_is_turned_away(model: str) -> None:
    async def main() -> None:
        sent = []

        async def send(message: Any) -> None:
            sent.append(message)

        await app(model, auth=Auth())({"type": "websocket"}, lambda: None, send)
        assert sent == [{"type": "websocket.close"}]

    asyncio.run(main())
