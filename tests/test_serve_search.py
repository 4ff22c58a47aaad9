"""POST /search and POST /match, asked of a service with an index, and all that is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

pytest.importorskip("httptools", reason="the extra serve is not installed")
pytest.importorskip("lancedb", reason="the extra search is not installed")

from service import Service, form, running

import lapel

PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"
Lapel = Callable[..., CompletedProcess[str]]
JEANS = (PHOTOS / "jeans.jpg").read_bytes()
TOKEN = {"Authorization": "Bearer secret"}
JPEG = {"Content-Type": "image/jpeg", **TOKEN}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "wardrobe.lapel"
    lapel.build_index(sorted(PHOTOS.glob("*.jpg")), path)
    return path


@pytest.fixture(scope="module")
def service(index: Path) -> Iterator[Service]:
    with running("--model", "fashion-mnist", "--index", f"own={index}", LAPEL_TOKEN="secret") as here:
        yield here


def names(rows: list[dict]) -> list[str]:
    return [Path(row["source"]).name for row in rows]


def test_a_photo_finds_itself_first_however_it_is_sent(service: Service) -> None:
    body, headers = form(("a.jpg", JEANS))
    packed = json.dumps({"photos": [base64.b64encode(JEANS).decode()]})
    ways = [
        (JEANS, JPEG),
        (body, {**headers, **TOKEN}),
        (packed, {"Content-Type": "application/json", **TOKEN}),
    ]
    answers = [service.ask("POST", "/search?top=3", *way) for way in ways]
    for answer in answers:
        assert answer.status == 200, answer.body
        assert answer.json["index"] == "own" and len(answer.json["hits"]) == 3
        assert names(answer.json["hits"])[0] == "jeans.jpg"
        similarities = [hit["similarity"] for hit in answer.json["hits"]]
        assert similarities == sorted(similarities, reverse=True) and similarities[0] > 0.99
    assert answers[0].json["hits"] == answers[1].json["hits"] == answers[2].json["hits"]


def test_without_a_photo_it_filters(service: Service) -> None:
    answer = service.ask("POST", "/search?kind=trousers,Hat", headers=TOKEN)
    assert names(answer.json["hits"]) == ["cap.jpg", "jeans.jpg"]
    assert {hit["similarity"] for hit in answer.json["hits"]} == {None}
    assert names(service.ask("POST", "/search?colour=blue", headers=TOKEN).json["hits"]) == ["jeans.jpg"]
    assert service.ask("POST", "/search?kind=Bag", headers=TOKEN).json["hits"] == []


def test_a_photo_of_the_index_finds_the_others(service: Service) -> None:
    [jeans] = service.ask("POST", "/search?kind=Trousers", headers=TOKEN).json["hits"]
    answer = service.ask("POST", f"/search?like={jeans['id']}&thumbnails=1", headers=TOKEN)
    assert len(answer.json["hits"]) == 11 and "jeans.jpg" not in names(answer.json["hits"])
    data = base64.b64decode(answer.json["hits"][0]["thumbnail"].partition(",")[2])
    assert data.startswith(b"\xff\xd8")


def test_what_goes_with_a_garment(service: Service, index: Path) -> None:
    answer = service.ask("POST", "/match?top=2&thumbnails=1", JEANS, JPEG)
    assert answer.status == 200, answer.body
    found = answer.json
    assert found["garment"]["kind"] == "Trousers" and len(found["outfits"]) <= 2
    roles = {one["role"]: one for one in found["suggestions"]}
    assert roles["bag"]["missing"] == "no bag in this wardrobe"
    assert roles["shoes"]["garments"] and all(one["reasons"] for one in roles["shoes"]["garments"])
    assert {one["id"] for one in roles["shoes"]["garments"]} <= set(found["thumbnails"])
    [jeans] = service.ask("POST", "/search?kind=Trousers", headers=TOKEN).json["hits"]
    known = service.ask("POST", f"/match?like={jeans['id']}&top=2", headers=TOKEN).json
    mine = lapel.match(PHOTOS / "jeans.jpg", index, top=2).to_dict()
    assert {key: known[key] for key in mine} == json.loads(json.dumps(mine))


@pytest.mark.parametrize(
    ("path", "photo", "status", "code", "words"),
    [
        ("/search?index=none", b"", 404, "index_unknown", 'No index "none" is served here.'),
        ("/search?kind=Dres", b"", 400, "invalid_query", 'Did you mean "dress"?'),
        ("/search?colour=nevy", JEANS, 400, "invalid_query", 'Did you mean "navy"?'),
        ("/search?top=0", b"", 400, "invalid_query", "top is a whole number from 1"),
        ("/search?thumbnails=yes", b"", 400, "invalid_query", "thumbnails is 0 or 1"),
        ("/search?like=nobody", b"", 400, "invalid_query", 'no photo with the id "nobody"'),
        ("/search?like=nobody", JEANS, 400, "invalid_query", "not with both"),
        ("/search?kind=' OR 1=1 --".replace(" ", "%20"), b"", 400, "invalid_query", "There is no kind"),
        ("/search", b"no photo at all", 400, "photo_unreadable", "not a picture of a known format"),
        ("/match", b"", 400, "no_photo", "Matching takes a photo"),
        ("/match?like=nobody", b"", 400, "no_match", 'no photo with the id "nobody"'),
        ("/match?like=nobody", JEANS, 400, "invalid_query", "one of both"),
        ("/match?kind=Trouzers", JEANS, 400, "no_match", 'Did you mean "Trousers"?'),
        ("/match", b"no photo at all", 400, "photo_unreadable", "not a picture of a known format"),
    ],
)
def test_what_cannot_be_found_says_so(
    service: Service, path: str, photo: bytes, status: int, code: str, words: str
) -> None:
    answer = service.ask("POST", path, photo, JPEG)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert words in f"{answer.json['error']} {answer.json['hint']}"


def test_a_photo_that_is_not_sure_is_not_matched_unless_it_is_said(service: Service) -> None:
    tee = (PHOTOS / "printed-t-shirt.jpg").read_bytes()
    answer = service.ask("POST", "/match", tee, JPEG)
    assert answer.json["code"] == "no_match" and "closest: T-shirt" in answer.json["error"]
    assert service.ask("POST", "/match?kind=T-shirt", tee, JPEG).json["garment"]["kind"] == "T-shirt"


def test_one_photo_at_a_time_within_the_bounds_and_with_the_token(service: Service) -> None:
    body, headers = form(("a.jpg", JEANS), ("b.jpg", JEANS))
    answer = service.ask("POST", "/search", body, {**headers, **TOKEN})
    assert (answer.status, answer.json["code"]) == (413, "too_many_photos")
    assert service.ask("POST", "/search", JEANS).status == 401
    assert service.ask("POST", "/match", JEANS).status == 401
    answer = service.ask("POST", "/search", JEANS, {**TOKEN, "Content-Type": "text/plain"})
    assert (answer.status, answer.json["code"]) == (415, "media_type_unsupported")
    metrics = service.ask("GET", "/metrics", headers=TOKEN).body.decode()
    assert 'route="/search"' in metrics and 'route="/match"' in metrics


def test_a_service_without_an_index_says_how_to_get_one() -> None:
    with running("--model", "fashion-mnist") as here:
        answer = here.ask("POST", "/search")
        assert (answer.status, answer.json["code"]) == (404, "index_unknown")
        assert "--index" in answer.json["hint"]


def test_an_index_that_is_none_is_refused_at_the_start(new_python: Lapel) -> None:
    result = new_python("serve", "--port", "0", "--model", "fashion-mnist", "--index", "none.lapel")
    assert result.returncode == 1 and "none.lapel" in result.stderr and "Traceback" not in result.stderr
    result = new_python("serve", "--index", "a/b=one.lapel")
    assert result.returncode == 1 and "no name for a served index" in result.stderr
