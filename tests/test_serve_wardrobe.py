"""The wardrobe of a service: what is added, corrected, kept and removed, and all that is refused."""

from __future__ import annotations

import io
import json
import resource
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httptools", reason="the extra serve is not installed")
pytest.importorskip("lancedb", reason="the extra search is not installed")

from click.testing import CliRunner
from PIL import Image
from service import Answer, Service, form, running

import lapel
from lapel.colour import HEX
from lapel.commands import serve as command
from lapel.errors import MissingExtra
from lapel.index.describe import Models
from lapel.index.store import table_name
from lapel.wardrobe import folder as folders
from lapel.wardrobe import outfits as outfit_files
from lapel.wardrobe.folder import FullWardrobe, open_wardrobe

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = {path.stem: path.read_bytes() for path in (ROOT / "examples" / "photos").glob("*.jpg")}
TOKEN = {"Authorization": "Bearer secret"}
Lapel = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "mine"


@pytest.fixture(scope="module")
def service(place: Path) -> Iterator[Service]:
    with running("--model", "fashion-mnist", "--wardrobe", place, LAPEL_TOKEN="secret") as here:
        yield here


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> None:
    """Each test begins with an empty wardrobe, whatever ran before."""
    if "service" in request.fixturenames:
        assert request.getfixturevalue("service").ask("DELETE", "/wardrobe", headers=TOKEN).status == 200


def add(service: Service, *photos: tuple[str, bytes]) -> list[dict[str, Any]]:
    body, headers = form(*photos)
    answer = service.ask("POST", "/wardrobe", body, {**headers, **TOKEN})
    assert answer.status == 200, answer.body
    rows: list[dict[str, Any]] = answer.json["photos"]
    return rows


def add_one(service: Service, name: str) -> dict[str, Any]:
    [row] = add(service, (f"{name}.jpg", PHOTOS[name]))
    garment: dict[str, Any] = row["garment"]
    return garment


def post(service: Service, path: str, value: Any) -> Answer:
    return service.ask("POST", path, json.dumps(value), TOKEN)


def listed(service: Service, query: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = service.ask("GET", f"/wardrobe{query}", headers=TOKEN).json["garments"]
    return rows


def files_of(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "photos").iterdir())


def test_photos_are_added_once_and_listed_by_kind_and_colour(service: Service, place: Path) -> None:
    rows = add(
        service,
        ("../../jeans.jpg", PHOTOS["jeans"]),
        ("twin.jpg", PHOTOS["jeans"]),
        ("dress.jpg", PHOTOS["red-dress"]),
        ("notes.jpg", b"this is no photo"),
        ("nothing.jpg", b""),
    )
    assert [row.get("result", row.get("code")) for row in rows] == [
        *("added", "known", "added", "photo_unreadable", "photo_unreadable"),
    ]
    assert rows[0]["garment"]["id"] == rows[1]["garment"]["id"]
    assert rows[3]["error"].startswith("notes.jpg: not a picture")
    answer = service.ask("GET", "/wardrobe", headers=TOKEN).json
    assert [(one["kind"], one["sure"]) for one in answer["garments"]] == [("Trousers", True), ("Dress", True)]
    assert answer["photos"] == 2 and "Polo" in answer["kinds"] and "Coat" in answer["labels"]
    assert {"name": "navy", "hex": HEX["navy"]} in answer["colours"]
    assert [one["kind"] for one in listed(service, "?kind=dress")] == ["Dress"]
    assert [one["kind"] for one in listed(service, "?colour=blue")] == ["Trousers"]
    assert [one["kind"] for one in listed(service, "?start=1&top=5")] == ["Dress"]
    # What was sent lies there as it came, under a name that follows from it, and nothing else does.
    assert len(files_of(place)) == 2 and not list(place.parent.rglob("jeans*"))
    assert {(place / "photos" / name).read_bytes() for name in files_of(place)} == {
        PHOTOS["jeans"],
        PHOTOS["red-dress"],
    }


def test_search_and_match_know_the_wardrobe(service: Service) -> None:
    jeans = add_one(service, "jeans")
    shirt, shoes = add_one(service, "checked-shirt"), add_one(service, "white-sneakers")
    hits = service.ask("POST", f"/search?index=wardrobe&like={jeans['id']}", headers=TOKEN).json["hits"]
    assert {hit["id"] for hit in hits} == {shirt["id"], shoes["id"]}
    found = service.ask("POST", f"/match?index=wardrobe&like={jeans['id']}&top=3", headers=TOKEN).json
    assert {one["id"] for role in found["suggestions"] for one in role["garments"]} >= {shoes["id"]}


def test_a_correction_is_kept_and_becomes_data_to_train_with(service: Service, tmp_path: Path) -> None:
    nothing = service.ask("GET", "/wardrobe/corrections", headers=TOKEN)
    assert (nothing.status, nothing.json["code"]) == (404, "corrections_none")
    jeans, dress, boots = (add_one(service, name) for name in ("jeans", "red-dress", "black-boots"))
    right = {"label": "Coat", "kind": "Skirt", "colours": ["navy", "white"]}
    answer = post(service, f"/wardrobe/garments/{jeans['id']}", right)
    assert answer.status == 200, answer.body
    now = answer.json["garment"]
    assert (now["label"], now["kind"], now["sure"], now["accepted"]) == ("Coat", "Skirt", True, True)
    assert [colour["name"] for colour in now["colours"]] == ["navy", "white"]
    assert sorted(now["corrected"]) == ["colours", "kind", "label"]
    add_one(service, "jeans")  # once more: it stays as it was set right
    assert next(one for one in listed(service) if one["id"] == jeans["id"]) == now
    post(service, f"/wardrobe/garments/{dress['id']}", {"kind": "Dress"})
    post(service, f"/wardrobe/garments/{boots['id']}", {"colours": ["brown"]})
    packed = service.ask("GET", "/wardrobe/corrections", headers=TOKEN)
    assert packed.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(packed.body)) as archive:
        archive.extractall(tmp_path)
    data = lapel.load_data(tmp_path / "kinds.csv")
    assert data.class_names == ("Dress", "Skirt") and len(data.train) == 2 and not data.skipped
    assert (tmp_path / "labels.csv").read_text().splitlines()[1].endswith(",Coat")
    [name] = [line.partition(",")[0] for line in (tmp_path / "labels.csv").read_text().splitlines()[1:]]
    assert (tmp_path / name).read_bytes() == PHOTOS["jeans"]


def test_outfits_are_kept_and_go_with_their_garments(service: Service) -> None:
    jeans, shirt, boots = (add_one(service, name) for name in ("jeans", "checked-shirt", "black-boots"))
    pieces = {"top": shirt["id"], "bottom": jeans["id"], "shoes": boots["id"]}
    kept = post(service, "/wardrobe/outfits", {"garments": pieces}).json
    assert post(service, "/wardrobe/outfits", {"garments": pieces}).json["outfit"] == kept["outfit"]
    other = post(service, "/wardrobe/outfits", {"garments": {"top": shirt["id"], "shoes": boots["id"]}}).json
    outfits = service.ask("GET", "/wardrobe/outfits", headers=TOKEN).json["outfits"]
    assert [one["outfit"] for one in outfits] == [other["outfit"], kept["outfit"]]
    assert {role: one["id"] for role, one in outfits[1]["garments"].items()} == pieces
    assert (outfits[1]["occasions"], outfits[1]["reasons"][0]) == (["casual", "smart"], kept["reasons"][0])
    assert service.ask("DELETE", f"/wardrobe/outfits/{other['outfit']}", headers=TOKEN).status == 200
    gone = service.ask("DELETE", f"/wardrobe/outfits/{other['outfit']}", headers=TOKEN)
    assert (gone.status, gone.json["code"]) == (404, "garment_unknown")
    assert service.ask("DELETE", f"/wardrobe/garments/{jeans['id']}", headers=TOKEN).status == 200
    assert service.ask("GET", "/wardrobe/outfits", headers=TOKEN).json["outfits"] == []


def test_what_is_there_twice_is_found(service: Service) -> None:
    image = Image.open(io.BytesIO(PHOTOS["red-dress"]))
    again = io.BytesIO()
    image.resize((image.width * 9 // 10, image.height * 9 // 10)).save(again, "jpeg", quality=80)
    add(service, ("a.jpg", PHOTOS["red-dress"]), ("b.jpg", again.getvalue()), ("c.jpg", PHOTOS["cap"]))
    [group] = service.ask("GET", "/wardrobe/duplicates", headers=TOKEN).json["groups"]
    assert [one["kind"] for one in group["garments"]] == ["Dress", "Dress"]


def test_what_is_removed_is_gone_and_nothing_else_is(service: Service, place: Path) -> None:
    jeans, cap = add_one(service, "jeans"), add_one(service, "cap")
    (place / "photos" / "mine.txt").write_text("not of the wardrobe")
    assert service.ask("DELETE", f"/wardrobe/garments/{jeans['id']}", headers=TOKEN).status == 200
    assert [one["id"] for one in listed(service)] == [cap["id"]]
    assert len(files_of(place)) == 2
    assert service.ask("DELETE", "/wardrobe", headers=TOKEN).status == 200
    assert listed(service) == [] and files_of(place) == ["mine.txt"]
    (place / "photos" / "mine.txt").unlink()
    # Not even an older version of the table knows them.
    assert not any(PHOTOS["cap"][-64:] in path.read_bytes() for path in place.rglob("*") if path.is_file())
    assert not list(place.rglob("*.lance/data/*.lance"))


def test_the_photo_is_shown_as_a_jpeg_whatever_it_came_as(service: Service) -> None:
    wide = io.BytesIO()
    Image.fromarray(np.full((30, 1400, 4), (200, 30, 30, 255), np.uint8)).save(wide, "png")
    [row] = add(service, ("wide.png", wide.getvalue()))
    answer = service.ask("GET", f"/wardrobe/garments/{row['garment']['id']}/photo", headers=TOKEN)
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.body)).size == (960, 21)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/wardrobe?kind=Dres", None, 400, "invalid_query"),
        ("GET", "/wardrobe?start=-1", None, 400, "invalid_query"),
        ("GET", "/wardrobe?top=0", None, 400, "invalid_query"),
        ("POST", "/wardrobe", b"", 400, "no_photo"),
        ("POST", "/wardrobe/garments/nobody", b'{"kind": "Polo"}', 404, "garment_unknown"),
        ("POST", "/wardrobe/garments/%27%20OR%201=1%20--", b'{"kind": "Polo"}', 404, "garment_unknown"),
        ("DELETE", "/wardrobe/garments/..%2fphotos", None, 404, "route_unknown"),
        ("DELETE", "/wardrobe/garments/%7e%00", None, 404, "garment_unknown"),
        ("GET", "/wardrobe/garments/nobody/photo", None, 404, "garment_unknown"),
        ("POST", "/wardrobe/garments/nobody", b'{"kin": "Polo"}', 400, "invalid_body"),
        ("POST", "/wardrobe/garments/nobody", b'{"kind": 3}', 400, "invalid_body"),
        ("POST", "/wardrobe/garments/nobody", b"{}", 400, "invalid_body"),
        ("POST", "/wardrobe/garments/nobody", b"[", 400, "invalid_body"),
        ("POST", "/wardrobe/outfits", b'{"garments": {"head": "a", "top": "b"}}', 400, "invalid_garment"),
        ("POST", "/wardrobe/outfits", b'{"garments": {"top": "a"}}', 400, "invalid_garment"),
        ("POST", "/wardrobe/outfits", b'{"garments": {"top": "a", "shoes": "a"}}', 400, "invalid_garment"),
        ("POST", "/wardrobe/outfits", b'{"garments": {"top": "a", "shoes": "b"}}', 404, "garment_unknown"),
        ("POST", "/wardrobe/outfits", b'{"garments": {"top": ["a"]}}', 400, "invalid_body"),
    ],
)
def test_what_cannot_be_done_says_so(
    service: Service, method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    answer = service.ask(method, path, body, TOKEN)
    assert (answer.status, answer.json["code"]) == (status, code)


def test_a_correction_names_what_there_is(service: Service) -> None:
    jeans = add_one(service, "jeans")
    for wrong, words in [
        ({"kind": "Trouzers"}, 'Did you mean "Trousers"?'),
        ({"label": "Hose"}, 'There is no label "Hose".'),
        ({"colours": ["nevy"]}, 'Did you mean "navy"?'),
    ]:
        answer = post(service, f"/wardrobe/garments/{jeans['id']}", wrong)
        assert (answer.status, answer.json["code"]) == (400, "invalid_garment")
        assert words in f"{answer.json['error']} {answer.json['hint']}"


def test_the_bounds_and_the_token_hold(service: Service) -> None:
    many, headers = form(*[(f"{number}.jpg", b"x") for number in range(17)])
    answer = service.ask("POST", "/wardrobe", many, {**headers, **TOKEN})
    assert (answer.status, answer.json["code"]) == (413, "too_many_photos")
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "png")
    [row] = add(service, ("bomb.png", bomb.getvalue()))
    assert row["code"] == "photo_unreadable" and "pixels" in row["error"]
    for method, path in [("GET", "/wardrobe"), ("POST", "/wardrobe"), ("DELETE", "/wardrobe")]:
        assert service.ask(method, path, b"x" if method == "POST" else None).status == 401
    cross = {**TOKEN, "Origin": "https://elsewhere.example"}
    assert service.ask("DELETE", "/wardrobe", headers=cross).json["code"] == "origin_forbidden"


def test_a_wardrobe_takes_so_many_photos_and_outfits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wardrobe = open_wardrobe(tmp_path / "mine")
    jeans, _ = wardrobe.add(PHOTOS["jeans"])
    monkeypatch.setattr(folders, "MOST", 1)
    with pytest.raises(FullWardrobe, match="takes no more"):
        wardrobe.add(PHOTOS["cap"])
    assert not wardrobe.add(PHOTOS["jeans"])[1]
    monkeypatch.setattr(folders, "MOST", 9)
    monkeypatch.setattr(folders, "MOST_BYTES", len(PHOTOS["jeans"]) + 1)
    with pytest.raises(FullWardrobe, match="GiB"):
        wardrobe.add(PHOTOS["cap"])
    monkeypatch.setattr(folders, "MOST_BYTES", 1 << 30)
    cap, _ = wardrobe.add(PHOTOS["cap"])
    monkeypatch.setattr(outfit_files, "MOST", 0)
    with pytest.raises(FullWardrobe, match="outfits are kept already"):
        wardrobe.keep_outfit({"bottom": jeans.id, "hat": cap.id})


def test_a_wardrobe_that_has_moved_goes_on(tmp_path: Path) -> None:
    first = open_wardrobe(tmp_path / "old")
    jeans, _ = first.add(PHOTOS["jeans"])
    (tmp_path / "old").rename(tmp_path / "new")
    wardrobe = open_wardrobe(tmp_path / "new")
    assert wardrobe.add(PHOTOS["jeans"]) == (jeans, False)
    assert wardrobe.photo(jeans.id) == PHOTOS["jeans"]
    wardrobe.remove(jeans.id)
    assert files_of(tmp_path / "new") == []


def test_several_write_at_the_same_time(tmp_path: Path) -> None:
    """Two begin the same wardrobe at once, and add the same photos among others."""
    place, names = tmp_path / "mine", sorted(PHOTOS)

    def add_all(part: list[str]) -> list[bool]:
        wardrobe = open_wardrobe(place)
        return [wardrobe.add(PHOTOS[name])[1] for name in part]

    with ThreadPoolExecutor(2) as pool:
        new = [one for part in pool.map(add_all, (names[:8], names[:3:-1])) for one in part]
    assert sum(new) == len(names) == len(open_wardrobe(place).index) == len(files_of(place))


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    wardrobe = open_wardrobe(tmp_path / "mine")
    wardrobe.add(PHOTOS["jeans"])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    small = io.BytesIO()
    Image.open(io.BytesIO(PHOTOS["cap"])).resize((48, 48)).save(small, "jpeg", quality=50)
    for photo, size in [(PHOTOS["cap"], 3000), (small.getvalue(), len(small.getvalue()) + 1)]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            with pytest.raises(lapel.LapelError, match="no space left to write it"):
                wardrobe.add(photo)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert len(files_of(tmp_path / "mine")) == 1 == len(wardrobe.index)


def test_damaged_files_are_said_to_be_so(place: Path, service: Service) -> None:
    jeans = add_one(service, "jeans")
    (place / "outfits.json").write_text('{"format": 7}')
    answer = service.ask("GET", "/wardrobe/outfits", headers=TOKEN)
    assert (answer.status, answer.json["code"]) == (500, "wardrobe_failed")
    assert "outfits.json" in answer.json["error"] and answer.json["hint"].startswith("Move it away")
    (place / "outfits.json").unlink()
    (place / "photos" / Path(jeans["source"]).name).unlink()
    answer = service.ask("GET", f"/wardrobe/garments/{jeans['id']}/photo", headers=TOKEN)
    assert (answer.status, answer.json["code"]) == (500, "wardrobe_failed")
    assert service.ask("DELETE", f"/wardrobe/garments/{jeans['id']}", headers=TOKEN).status == 200


def test_a_folder_that_is_something_else_is_refused_at_the_start(tmp_path: Path) -> None:
    letters, file, index = tmp_path / "letters", tmp_path / "file", tmp_path / "index.lapel"
    letters.mkdir()
    (letters / "dear.txt").write_text("Dear")
    file.write_text("x")
    (index / "photos-1-2.lance").mkdir(parents=True)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "photos").symlink_to(letters)
    for place, words in [
        (letters, "something else is there"),
        (file, "a file; a wardrobe is a folder"),
        (index, f"--index {index}"),
        (linked, "no folder of a wardrobe's own"),
    ]:
        result = CliRunner().invoke(command.serve, ["--wardrobe", str(place)])
        assert isinstance(result.exception, lapel.LapelError)
        assert words in f"{result.exception.message} {result.exception.hint}"
    assert [path.name for path in letters.iterdir()] == ["dear.txt"]
    words = ["--wardrobe", str(tmp_path / "new"), "--index", f"wardrobe={index}"]
    result = CliRunner().invoke(command.serve, words)
    assert result.exit_code == 2 and "give it another name" in result.output


def test_a_damaged_index_ends_the_start_in_one_line(new_python: Lapel, tmp_path: Path) -> None:
    name = table_name(Models().fingerprints())
    (tmp_path / "damaged" / "index.lapel" / f"{name}.lance").mkdir(parents=True)
    result = new_python(
        *("serve", "--port", "0", "--model", "fashion-mnist", "--wardrobe", tmp_path / "damaged")
    )
    assert result.returncode == 1 and "the index is damaged" in result.stderr, result.stderr
    assert "Traceback" not in result.stderr


def test_without_the_extra_it_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "lancedb" else object())
    result = CliRunner().invoke(command.serve, ["--wardrobe", str(tmp_path / "mine")])
    assert isinstance(result.exception, MissingExtra)
    assert "lapel[search]" in f"{result.exception.message} {result.exception.hint}"
    assert not (tmp_path / "mine").exists()


def test_a_service_without_a_wardrobe_says_how_to_get_one() -> None:
    with running("--model", "fashion-mnist") as here:
        for method, path in [("GET", "/wardrobe"), ("POST", "/wardrobe"), ("DELETE", "/wardrobe/garments/a")]:
            answer = here.ask(method, path, b"x" if method == "POST" else None)
            assert (answer.status, answer.json["code"]) == (403, "wardrobe_off")
            assert "--wardrobe" in answer.json["hint"]
        assert here.ask("GET", "/models").json["wardrobe"] is False
