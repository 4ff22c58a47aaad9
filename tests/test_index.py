"""Photos in an index: what is taken in, what is found, and what goes wrong."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageEnhance

import lapel
from lapel.cli import lapel as command
from lapel.data.synthetic.draw import draw
from lapel.errors import DataError, LapelError, MissingExtra, ModelError

pytest.importorskip("lancedb", reason="the extra search is not installed")

from made_index import made_rows, made_store

from lapel.index.duplicates import find_groups
from lapel.index.index import create_index, rebuild
from lapel.index.store import open_store, table_names

TESTS = Path(__file__).resolve().parent
COUNT = 12


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve drawn garments, in it an index of them."""
    folder = tmp_path_factory.mktemp("drawn")
    pictures, _ = draw(COUNT, size=200, channels=3, style="photo", seed=4)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:02d}.png")
    lapel.build_index([folder], folder / "index.lapel")
    return folder


@pytest.fixture
def photos(drawn: Path, tmp_path: Path) -> Path:
    """The same photos, in a folder of the test's own; their index knows them by the paths there."""
    folder = tmp_path / "photos"
    shutil.copytree(drawn, folder, ignore=shutil.ignore_patterns("*.lapel"))
    shutil.copytree(drawn / "index.lapel", tmp_path / "index.lapel")
    index = lapel.open_index(tmp_path / "index.lapel")
    assert {change.what for change in index.add([folder])} == {"added"}
    assert index.remove([drawn / path.name for path in folder.iterdir()]) == COUNT
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(command, list(map(str, words)))


def whats(index: lapel.Index, *photos: object) -> list[str]:
    return sorted(change.what for change in index.add([str(one) for one in photos]))


# What is found


def test_a_photo_is_most_like_itself_and_then_like_another_view_of_it(drawn: Path) -> None:
    index = lapel.open_index(drawn / "index.lapel")
    assert len(index) == COUNT
    for number in range(COUNT):
        path = drawn / f"{number:02d}.png"
        first, second = index.search(path, top=2)
        assert first.source == str(path)
        assert first.similarity == pytest.approx(1, abs=1e-3)
        assert second.similarity is not None
        assert second.similarity < 0.99
        with Image.open(path) as image:
            view = ImageEnhance.Brightness(image.crop((6, 6, 194, 194))).enhance(0.9)
        assert index.search(view.transpose(Image.Transpose.FLIP_LEFT_RIGHT), top=1)[0].source == str(path)


def test_a_hit_says_what_the_models_say(drawn: Path) -> None:
    index = lapel.open_index(drawn / "index.lapel")
    path = drawn / "03.png"
    [hit] = index.search(path, top=1)
    tag, kind = lapel.load_tagger().tag(path), lapel.load_tagger("wardrobe").tag(path)
    assert (hit.label, hit.accepted, hit.colours) == (tag.label, tag.accepted, tag.colours)
    assert hit.score == pytest.approx(tag.score, abs=1e-6)
    assert (hit.kind, hit.kind_score) == (kind.label, pytest.approx(kind.score, abs=1e-6))
    assert hit.thumbnail.startswith(b"\xff\xd8\xff")
    assert index.get(hit.id).source == hit.source


def test_filters_take_any_case_and_refuse_what_there_is_not(drawn: Path) -> None:
    index = lapel.open_index(drawn / "index.lapel")
    everything = list(index.rows())
    assert [hit.id for hit in index.search(top=COUNT)] == [hit.id for hit in everything]
    for hit in everything:
        some = index.search(kind=hit.kind.upper(), colour=hit.colours[0].name, top=COUNT)
        expected = [
            one.id
            for one in everything
            if one.kind == hit.kind and hit.colours[0].name in [colour.name for colour in one.colours]
        ]
        assert [one.id for one in some] == expected
        assert hit.id in expected
    both = index.search(drawn / "00.png", kind=("Bag", "Boot"), top=COUNT)
    assert {hit.kind for hit in both} <= {"Bag", "Boot"}
    with pytest.raises(LapelError, match=r'no kind "dres".\nDid you mean "dress"\?'):
        index.search(kind="dres")
    with pytest.raises(LapelError, match=r'no colour "nvay".\nDid you mean "navy"\?'):
        next(index.rows(colour="nvay"))
    with pytest.raises(LapelError, match='no photo with the id "none"'):
        index.search(like="none")


def test_like_another_photo_of_the_index(drawn: Path) -> None:
    index = lapel.open_index(drawn / "index.lapel")
    first = next(index.rows())
    by_photo = index.search(first.source, top=4)[1:]
    assert [hit.id for hit in index.search(like=first.id, top=3)] == [hit.id for hit in by_photo]


def test_a_photo_without_a_garment_finds_something_and_says_so(drawn: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    index = create_index(tmp_path / "noise.lapel")
    assert whats(index, tmp_path / "noise.png") == ["added"]
    [hit] = index.search()
    assert not hit.accepted
    assert hit.reason
    best = lapel.open_index(drawn / "index.lapel").search(tmp_path / "noise.png", top=1)[0].similarity
    assert best is not None
    assert best < 0.8


# What is taken in


def test_only_what_changed_is_looked_at_again(photos: Path, tmp_path: Path) -> None:
    index = lapel.open_index(tmp_path / "index.lapel")
    assert whats(index, photos) == ["unchanged"] * COUNT
    os.utime(photos / "00.png", ns=(1, 1))  # another time, the same bytes
    Image.new("RGB", (60, 60), "red").save(photos / "01.png")
    (photos / "02.png").rename(photos / "moved.png")
    (photos / "bad.png").write_text("no photo")
    before = {hit.source: hit.id for hit in index.rows()}
    expected = ["moved", "not read", *["unchanged"] * (COUNT - 2), "updated"]
    assert whats(index, photos) == expected
    after = {hit.source: hit.id for hit in index.rows()}
    assert after[str(photos / "moved.png")] == before[str(photos / "02.png")]
    assert after[str(photos / "01.png")] == before[str(photos / "01.png")]
    assert len(index) == COUNT
    (photos / "03.png").unlink()
    assert index.prune() == 1
    assert str(photos / "03.png") not in {hit.source for hit in index.rows()}
    assert whats(index, photos) == ["not read", *["unchanged"] * (COUNT - 1)]


def test_what_a_person_sets_right_stays_and_is_kept_when_made_anew(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "index.lapel"
    index = lapel.open_index(path)
    hit = next(index.rows())
    now = index.correct(hit.id, label="Bag", kind="Hat", colours=["navy", "red"])
    assert (now.label, now.accepted, now.kind) == ("Bag", True, "Hat")
    assert [colour.name for colour in now.colours] == ["navy", "red"]
    assert now.corrected == ("colours", "kind", "label")
    assert hit.id in [one.id for one in index.search(colour="navy", kind="hat", label="bag")]
    whats(index, photos)
    assert index.get(hit.id) == now
    with pytest.raises(LapelError, match=r'no label "bag"'):
        index.correct(hit.id, label="bag")
    list(rebuild(path))
    assert lapel.open_index(path).get(hit.id).label == "Bag"


def test_an_index_of_other_models_is_refused_and_made_anew(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "old.lapel"
    store = made_store(path, {"labels": "a" * 64, "kinds": "b" * 64})
    rows = list(made_rows(0, 2))
    rows[0]["source"], rows[1]["source"] = str(photos / "00.png"), str(photos / "01.png")
    rows[0] |= {"kind": "Hat", "corrected": ["kind"]}
    store.put(rows)
    with pytest.raises(ModelError) as caught:
        lapel.open_index(path)
    assert "was made by photo@made and wardrobe@made" in caught.value.message
    assert caught.value.hint.endswith(f"lapel index --out {path} --rebuild")
    result = run("index", "--out", path, "--rebuild")
    assert (result.exit_code, result.exception) == (0, None)
    index = lapel.open_index(path)
    assert len(table_names(path)) == 1
    assert index.search(photos / "01.png", top=1)[0].source == str(photos / "01.png")
    assert [hit.source for hit in index.search(kind="hat")] == [str(photos / "00.png")]


def test_tables_that_hold_photos(drawn: Path, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = tmp_path / "photos.parquet"
    data = [(drawn / f"{number:02d}.png").read_bytes() for number in (0, 1)]
    pyarrow.parquet.write_table(pyarrow.table({"photo": [*data, b""]}), table)
    index = lapel.build_index([table], tmp_path / "t.lapel")
    assert [hit.source for hit in index.rows()] == [f"{table}:1", f"{table}:2"]
    assert whats(index, table) == ["not read", "unchanged", "unchanged"]
    assert index.prune() == 0


# Several at once, and the end of one


def writer(path: Path, first: int, batches: int, size: int) -> subprocess.Popen[str]:
    code = "from made_index import *; write_batches(Path(sys.argv[1]), *map(int, sys.argv[2:5]))"
    words = [sys.executable, "-c", code, *map(str, (path, first, batches, size))]
    places = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": places}
    )


def test_killed_at_any_moment_it_is_whole(tmp_path: Path) -> None:
    path, size = tmp_path / "index.lapel", 50
    made_store(path)
    written = 0
    for turn in range(2):
        process = writer(path, turn * 100_000, 1000, size)
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(2 + turn)]
        process.send_signal(signal.SIGKILL)
        process.wait()
        said += process.stdout.readlines()
        process.stdout.close()
        count = len(open_store(path)) - written
        # What was said is there, and of what was being written all or nothing.
        assert count % size == 0
        assert len(said) <= count // size <= len(said) + 1
        written += count
    store = open_store(path)
    numbers = sorted(int(row["id"]) for row in store.rows(columns=("id",)))
    assert len(numbers) == len(set(numbers)) == written
    with store.writing():
        store.put(list(made_rows(900_000, 1)))
        store.optimise()
    assert len(open_store(path)) == written + 1


def test_two_writers_do_not_harm_each_other(tmp_path: Path) -> None:
    path = tmp_path / "index.lapel"
    made_store(path)
    writers = [writer(path, first, 6, 20) for first in (0, 60)]  # the second half of one is the other's first
    for process in writers:
        process.communicate()
        assert process.returncode == 0
    numbers = sorted(int(row["id"]) for row in open_store(path).rows(columns=("id",)))
    assert numbers == list(range(180))


# What goes wrong


def test_a_name_that_is_no_text_is_a_row_that_says_so(photos: Path, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/odd-\xff.png"
    shutil.copy(photos / "03.png", odd)
    index = lapel.open_index(tmp_path / "index.lapel")
    (change,) = index.add([os.fsdecode(odd)])
    assert change.what == "not read" and change.error is not None
    assert change.error.message.endswith(": the file's name is not UTF-8.")
    assert len(index) == COUNT


def test_what_is_no_index_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"none.lapel: no such index.\nMake one with: lapel index PHOTOS --out"
    ):
        lapel.open_index(tmp_path / "none.lapel")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    for call in (lapel.open_index, lambda path: lapel.build_index([], path)):
        with pytest.raises(LapelError, match=r"no index of Lapel|something else is there"):
            call(tmp_path / "letters")
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["a.txt"]


def test_a_damaged_index_is_said_in_one_line(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "index.lapel"
    for part in ("data", "_versions"):
        for file in path.glob(f"*.lance/{part}/*"):
            file.write_bytes(file.read_bytes()[:20])
        result = run("search", path)
        assert isinstance(result.exception, DataError), result.exception
        assert result.exception.message.startswith(f"{path}: the index is damaged (")
        assert "\n" not in result.exception.message
        assert result.exception.hint.endswith("--overwrite")
    result = run("index", photos / "00.png", "--out", path, "--overwrite")
    assert (result.exit_code, result.exception) == (0, None)
    assert len(lapel.open_index(path)) == 1


def test_an_empty_index(tmp_path: Path, drawn: Path) -> None:
    made_store(tmp_path / "e.lapel")
    assert lapel.open_index(tmp_path / "e.lapel").search(drawn / "00.png") == []
    result = run("search", tmp_path / "e.lapel", drawn / "00.png")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "the index is empty" in result.stderr
    assert run("duplicates", tmp_path / "e.lapel", "--json").stdout == ""
    assert json.loads(run("index", tmp_path / "e.lapel", "--info", "--json").stdout)["photos"] == 0


def test_ten_thousand_hits(tmp_path: Path) -> None:
    path = tmp_path / "many.lapel"
    rows = list(made_rows(0, 10_000))
    made_store(path).put(rows)
    index = lapel.open_index(path)
    hits = index.search(top=10_000)
    assert [hit.id for hit in hits] == [f"{number:08d}" for number in range(10_000)]
    alike = index.search(like="00000005", top=10_000, colour="white")
    assert len(alike) == 10_000 // 3 - 1
    similarities = [hit.similarity for hit in alike]
    assert similarities == sorted(similarities, key=lambda one: -(one or 0))
    vectors = {row["id"]: np.array(row["embedding"]) for row in rows if int(row["id"]) % 3 == 2}
    mine = vectors.pop("00000005")
    expected = sorted(vectors, key=lambda one: -float(vectors[one] @ mine))[:20]
    assert [hit.id for hit in alike[:20]] == expected
    result = run("search", path, "--top", 10_000, "--json", "--gallery", tmp_path / "page.html")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 10_000
    assert "Here are the first 500" in (tmp_path / "page.html").read_text()
    assert "10,000 of these files are no longer there" in result.stderr
    lines = run("search", path, "--top", 1200).stdout.splitlines()
    assert len([line for line in lines if "/none/" in line]) == 1200


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "index.lapel"
    made_store(path).put(list(made_rows(0, 10)))

    def no_more_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    code = (
        "import sys; sys.path[:0] = [sys.argv[2]]\nfrom made_index import *\n"
        "from lapel.errors import LapelError\nstore = open_store(Path(sys.argv[1]))\n"
        "try:\n    store.put(list(made_rows(10, 500)))\nexcept LapelError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent / "src")}
    result = subprocess.run(
        [sys.executable, "-c", code, str(path), str(TESTS)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        preexec_fn=no_more_room,
    )
    assert f"{path}: no space left to write it; what was there before is untouched." in result.stdout
    assert len(open_store(path)) == 10


def test_without_the_extra(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtra, match=r"LanceDB.*is not installed.\n.*'lapel\[search\]'"):
        lapel.open_index(drawn / "index.lapel")


def test_tagging_loads_nothing_of_it(drawn: Path) -> None:
    code = (
        "import sys\nsys.argv = ['lapel', 'tag', sys.argv[1]]\nfrom lapel.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nprint('\\n', *sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(drawn / "00.png")], capture_output=True, text=True, check=True
    )
    loaded = set(result.stdout.splitlines()[-1].split())
    assert "onnxruntime" in loaded
    assert not {"lancedb", "pyarrow", "lapel.index", "lapel.index.index"} & loaded


# Duplicates


def test_groups_are_those_that_are_linked() -> None:
    """Three vectors in a chain, a pair that is nearly the same, and one on its own."""
    turns = np.radians([0, 20, 40, 180, 180.5, 270])
    vectors = np.stack([np.cos(turns), np.sin(turns)], 1).astype(np.float32)
    found = find_groups(vectors, 0.9)
    assert [(group.same, group.places) for group in found] == [("photo", (3, 4)), ("garment", (0, 1, 2))]
    assert found[1].similarity == pytest.approx(np.cos(np.radians(20)), abs=1e-6)
    assert find_groups(vectors, 0.95) == found[:1]
    assert find_groups(vectors[:0]) == []


def test_the_same_photo_smaller_or_saved_again_is_found(photos: Path, tmp_path: Path) -> None:
    with Image.open(photos / "05.png") as image:
        image.resize((180, 180)).save(photos / "small.jpg", quality=95)
    shutil.copy(photos / "06.png", photos / "copy.png")
    index = lapel.open_index(tmp_path / "index.lapel")
    whats(index, photos)
    found = {
        frozenset(Path(hit.source).name for hit in group.hits): group.same for group in index.duplicates(0.93)
    }
    assert found[frozenset({"06.png", "copy.png"})] == "photo"
    assert any({"05.png", "small.jpg"} <= names for names in found)
    lines = run("duplicates", tmp_path / "index.lapel", "--json", "--similarity", 0.93).stdout.splitlines()
    assert len(lines) == len(found)
    assert {"same", "similarity", "photos"} == set(json.loads(lines[0]))


# The command line


def test_the_command_line(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.lapel"
    (photos / "bad.png").write_text("no photo")
    result = run("index", photos, "--out", path)
    assert result.exit_code == 1
    assert result.stdout == f"{path}\n"
    assert "bad.png: not a picture" in result.stderr
    assert result.stderr.splitlines()[-2:] == ["  added            12", "  not read          1"]
    (photos / "bad.png").unlink()
    told = json.loads(run("index", path, "--info", "--json").stdout)
    assert told["photos"] == sum(told["kinds"].values()) == COUNT
    assert "made by" in run("index", path, "--info").stdout
    lines = run("search", path, photos / "02.png", "--top", 3, "--json").stdout.splitlines()
    assert json.loads(lines[0])["source"] == str(photos / "02.png")
    assert len(lines) == 3
    page = tmp_path / "page.html"
    result = run("search", path, photos / "02.png", "--top", 3, "--gallery", page)
    assert result.stdout.splitlines()[0].split() == ["photo", "alike", "kind", "colours", "label", "score"]
    assert page.read_text().count('<img src="data:image/jpeg') == 4
    assert run("index", photos / "02.png", "--out", path, "--remove").exit_code == 0
    assert len(lapel.open_index(path)) == COUNT - 1
    shutil.move(photos, tmp_path / "elsewhere")
    assert "it knows them again" in run("search", path, "--top", 2).stderr
    assert run("index", "--out", path, "--prune").exit_code == 0
    assert len(lapel.open_index(path)) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["index", "photos"], "with --out"),
        (["index", "--out", "x"], "Which photos?"),
        (["index", "a", "b", "--info"], "Give one index"),
        (["index", "a", "--out", "x", "--rebuild", "--overwrite"], "cannot be combined"),
        (["index", "a", "--out", "x", "-0"], "--null goes with -"),
    ],
)
def test_wrong_usage(words: list[str], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr
