"""Own classes by HTTP: POST /teach, and what follows from it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from service import Service, eventually, running

pytest.importorskip("httptools", reason="the extra serve is not installed")

import lapel
from lapel.data.synthetic.draw import draw
from lapel.decode import Limits
from lapel.serve.api import lessons as lessons_file
from lapel.serve.api.lessons import MAX_WAITING, Lessons
from lapel.serve.http.messages import HttpError
from lapel.serve.inference.models import Models
from lapel.teaching.teach import Taught

NAMES = {"long trousers": 1, "👜 bags, all": 8, 'say "boots"': 9}


@cache
def garments() -> dict[str, list[bytes]]:
    """Drawn photos by class, six of each."""
    pictures, labels = draw(140, size=96, channels=3, style="photo", seed=2)
    return {name: [encoded(one) for one in pictures[labels == label][:6]] for name, label in NAMES.items()}


def encoded(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def form(classes: dict[str, list[bytes]]) -> tuple[bytes, dict[str, str]]:
    """Photos by class as a browser's form sends them: it says a quotation mark as %22."""
    parts = [
        f'--rim\r\nContent-Disposition: form-data; name="{name.replace(chr(34), "%22")}"; '
        f'filename="photo {place}.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, own in classes.items()
        for place, data in enumerate(own)
    ]
    return b"".join(parts) + b"--rim--\r\n", {"Content-Type": "multipart/form-data; boundary=rim"}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running("--teach", "--model", "photo") as here:
        yield here


def taught(service: Service, classes: dict[str, list[bytes]], query: str = "") -> Any:
    """The lesson, when it is over."""
    begun = service.ask("POST", f"/teach{query}", *form(classes))
    assert begun.status == 200, begun.body
    assert begun.json["state"] in ("waiting", "learning")
    address = f"/teach/{begun.json['lesson']}"
    assert eventually(lambda: service.ask("GET", address).json["state"] in ("done", "failed"), 30)
    return service.ask("GET", address).json


def test_classes_are_taught_used_downloaded_and_forgotten(service: Service, tmp_path: Path) -> None:
    learned = {name: own[:4] for name, own in garments().items()}
    lesson = taught(service, {**learned, 'say "boots"': [b"no photo", *learned['say "boots"']]})
    assert (lesson["state"], lesson["done"], lesson["photos"]) == ("done", 13, 13)
    assert [(one["label"], one["photos"]) for one in lesson["classes"]] == [(name, 4) for name in NAMES]
    assert lesson["accuracy"] == pytest.approx(sum(one["right"] for one in lesson["classes"]) / 12)
    [skipped] = lesson["skipped"]
    assert (skipped["label"], skipped["source"]) == ('say "boots"', "photo 0.jpg")
    assert skipped["error"].startswith("photo 0.jpg: not a picture")

    name = lesson["lesson"]
    file = service.ask("GET", f"/teach/{name}/model.onnx")
    assert "attachment" in file.headers["content-disposition"]
    (tmp_path / "own.onnx").write_bytes(file.body)
    tagger = lapel.load_tagger(tmp_path / "own.onnx")
    assert tagger.card.class_names == tuple(NAMES)
    for own in garments().values():
        answer = service.ask("POST", f"/tag?model={name}&explain=1", own[5], {"Content-Type": "image/jpeg"})
        [tag] = answer.json["tags"]
        expected = tagger.tag(own[5])
        assert (tag["label"], tag["accepted"]) == (expected.label, expected.accepted)
        assert tag["confidence"] == pytest.approx(expected.confidence, abs=1e-5)
        assert tag["heat"].startswith("data:image/png")
    card = service.ask("GET", f"/model?model={name}").json
    assert (card["fingerprint"], card["served_as"]) == (tagger.fingerprint, name)
    listed = service.ask("GET", "/models").json
    assert listed["models"] == [{"name": "photo", "ready": True}]
    assert (listed["default"], listed["teach"]) == ("photo", True)
    assert service.ask("GET", "/health/ready").status == 200
    # It has no file that could be loaded again.
    assert service.ask("POST", f"/v2/repository/models/{name}/load").status == 404

    assert service.ask("DELETE", f"/teach/{name}").status == 200
    for method, path in [("GET", f"/teach/{name}"), ("DELETE", f"/teach/{name}")]:
        answer = service.ask(method, path)
        assert (answer.status, answer.json["code"]) == (404, "lesson_unknown")
    gone = service.ask("POST", f"/tag?model={name}", garments()["long trousers"][0])
    assert (gone.status, gone.json["code"]) == (404, "model_unknown")


def test_a_model_that_is_taught_on_may_be_chosen(service: Service) -> None:
    two = {name: garments()[name][:2] for name in list(NAMES)[:2]}
    answer = service.ask("POST", "/teach?model=foto", *form(two))
    assert (answer.status, answer.json["code"]) == (404, "model_unknown")


@pytest.mark.parametrize(
    ("classes", "status", "code", "says"),
    [
        ({"tops": 2}, 400, "invalid_classes", "2 classes at least; 1 came"),
        ({"tops": 2, "Tops": 2}, 400, "invalid_classes", "look alike"),
        ({"tops": 2, "shoes": 1}, 400, "invalid_classes", "“shoes” has 1 photo; at least 2"),
        ({"tops": 201, "shoes": 2}, 413, "too_many_photos", "at most 200 of a class"),
        ({str(n): 2 for n in range(51)}, 400, "invalid_classes", "at most 50"),
        ({str(n): 41 for n in range(50)}, 413, "too_many_photos", "2,000 photos"),
        ({}, 400, "no_photo", "There is no photo"),
    ],
)
def test_what_cannot_be_taught_is_refused(
    service: Service, classes: dict[str, int], status: int, code: str, says: str
) -> None:
    answer = service.ask("POST", "/teach", *form({name: [b"-"] * count for name, count in classes.items()}))
    assert (answer.status, answer.json["code"]) == (status, code)
    assert says in answer.json["error"]


def test_a_lesson_without_enough_photos_that_can_be_read_fails_and_says_why(service: Service) -> None:
    lesson = taught(service, {"tops": garments()["long trousers"][:2], "shoes": [b"text", b"words"]})
    assert lesson["state"] == "failed"
    assert "“shoes” has 0 photos, and 2 that cannot be read" in lesson["error"]
    assert lesson["hint"]
    answer = service.ask("GET", f"/teach/{lesson['lesson']}/model.onnx")
    assert (answer.status, answer.json["code"]) == (409, "lesson_unfinished")


def test_what_is_no_form_is_refused(service: Service) -> None:
    answer = service.ask("POST", "/teach", b"{}", {"Content-Type": "application/json"})
    assert (answer.status, answer.json["code"]) == (415, "media_type_unsupported")


def test_without_the_flag_nothing_is_taught() -> None:
    two = {name: garments()[name][:2] for name in list(NAMES)[:2]}
    with running("--model", "fashion-mnist") as here:
        for method, path in [("POST", "/teach"), ("GET", "/teach/x"), ("DELETE", "/teach/x")]:
            answer = here.ask(method, path, *(form(two) if method == "POST" else ()))
            assert (answer.status, answer.json["code"]) == (403, "teaching_off")
        assert here.ask("GET", "/models").json["teach"] is False


def test_a_token_is_asked_for() -> None:
    with running("--teach", "--model", "fashion-mnist", LAPEL_TOKEN="secret") as here:
        assert here.ask("GET", "/teach/x").status == 401


def test_several_workers_are_refused(lapel: Any) -> None:
    done = lapel("serve", "--teach", "--workers", "2")
    assert done.returncode == 2
    assert "--workers 1" in done.stderr


# The line that lessons wait in


class Classroom:
    """Lessons whose learning is only waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.held = 0
        self.gate = asyncio.Event()
        self.learned: list[dict[str, list[bytes]]] = []
        loop = asyncio.get_running_loop()

        def teach(photos: dict[str, list[bytes]], _model: Any, **more: Any) -> Taught:
            asyncio.run_coroutine_threadsafe(self.gate.wait(), loop).result(10)
            more["on_progress"](1, 4)
            self.learned.append(photos)
            return model()

        monkeypatch.setattr(lessons_file, "teach", teach)
        self.models = Models.load_all({"photo": "fashion-mnist"}, Limits())
        self.lessons = Lessons(self.models, Limits(), self.hold, self.release, **settings)

    def hold(self, count: int) -> None:
        self.held += count

    def release(self, count: int) -> None:
        self.held -= count

    def add(self) -> Any:
        return self.lessons.add("fashion-mnist", {"a": [("1", b"xx"), ("2", b"yy")], "b": [("3", b"z")] * 2})


@cache
def model() -> Taught:
    return lapel.teach({name: own[:2] for name, own in garments().items()}, "fashion-mnist")


@pytest.fixture
def classroom(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run a story about lessons, and stop them at its end."""
    model()  # made before the threads begin

    def run(story: Any, **settings: Any) -> None:
        async def main() -> None:
            room = Classroom(monkeypatch, **settings)
            try:
                await asyncio.wait_for(story(room), 20)
            finally:
                room.gate.set()
                await asyncio.gather(*room.lessons._tasks)
                room.lessons.stop()

        asyncio.run(main())

    yield run


async def until(check: Any) -> None:
    while not check():
        await asyncio.sleep(0.005)


def test_one_is_learned_at_a_time_and_few_may_wait(classroom: Any) -> None:
    async def story(room: Classroom) -> None:
        waiting = [room.add() for _ in range(MAX_WAITING)]
        assert room.held == 6 * MAX_WAITING
        await until(lambda: waiting[0].state == "learning")
        assert [one.state for one in waiting[1:]] == ["waiting"] * (MAX_WAITING - 1)
        with pytest.raises(HttpError) as full:
            room.add()
        assert (full.value.code, full.value.headers["Retry-After"]) == ("lessons_full", "1")
        room.gate.set()
        await until(lambda: all(one.state == "done" for one in waiting))
        assert room.held == 0
        assert all(one.photos == {} for one in waiting)
        room.add()

    classroom(story)


def test_a_lesson_that_is_forgotten_is_given_up(classroom: Any) -> None:
    async def story(room: Classroom) -> None:
        first, second = room.add(), room.add()
        await until(lambda: first.state == "learning")
        room.lessons.forget(first.name)
        room.lessons.forget(second.name)
        room.gate.set()
        await until(lambda: room.held == 0)
        assert room.learned == []
        assert room.models.names == ("photo",)
        with pytest.raises(HttpError):
            room.models.get(first.name)

    classroom(story)


def test_what_nobody_asks_for_is_forgotten(classroom: Any) -> None:
    async def story(room: Classroom) -> None:
        room.gate.set()
        lesson = room.add()
        await until(lambda: lesson.state == "done")
        await until(lambda: lesson.name not in room.lessons._lessons)
        with pytest.raises(HttpError):
            room.models.get(lesson.name)

    classroom(story, idle_seconds=0.3)


def test_of_too_many_the_one_that_was_asked_for_least_lately_goes(classroom: Any) -> None:
    async def story(room: Classroom) -> None:
        room.gate.set()
        kept = []
        for _ in range(2):
            kept.append(room.add())
            await until(lambda: kept[-1].state == "done")
        room.models.get(kept[0].name)  # as a photo that it labels does
        third = room.add()
        await until(lambda: third.state == "done")
        assert room.lessons.get(kept[0].name) is kept[0]
        with pytest.raises(HttpError):
            room.lessons.get(kept[1].name)

    classroom(story, most_kept=2)
