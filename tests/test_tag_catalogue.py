from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from halves import CARD, DOUBTING, bright, write_model
from PIL import Image

from lapel.card import Card
from lapel.colour import Colour
from lapel.commands.tag import tag as tag_command
from lapel.errors import DataError, LapelError, MissingExtra, PictureError
from lapel.files import locked
from lapel.tag import Catalogue, Photo, tag_catalogue
from lapel.tag.rows import form_of
from lapel.tag.sorting import Sorting
from lapel.tagger import Tag, Untagged, load_tagger

SOURCE = Path(__file__).resolve().parent.parent / "src"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.onnx")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 100 photos: left, right and nothing in turn; two are broken."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(100):
        path = folder / f"{number:03d}.png"
        Image.fromarray(bright(("left", "right", "nothing")[number % 3])).save(path)
    (folder / "040.png").write_bytes(b"no photo")
    (folder / "041.png").write_bytes(b"")
    return folder


def run(*arguments: object, given: bytes | None = None) -> Result:
    return CliRunner().invoke(tag_command, list(map(str, arguments)), input=given)


def refused(*arguments: object) -> LapelError:
    error = run(*arguments).exception
    assert isinstance(error, LapelError), error
    return error


def names(inputs: list[object], **how: object) -> list[str]:
    return [photo.name for photo in Catalogue(list(map(str, inputs)), **how)]


def png(side: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(bright(side)).save(file, "PNG")
    return file.getvalue()


# What is tagged


def test_patterns_give_files_by_name(photos: Path) -> None:
    (photos / "more" / "deep").mkdir(parents=True)
    (photos / "more" / "deep" / "a.png").write_bytes(b"")
    assert names([photos / "00*.png"]) == [str(photos / f"00{digit}.png") for digit in range(10)]
    assert names([photos / "**" / "a.*"]) == [str(photos / "more" / "deep" / "a.png")]
    (none,) = Catalogue([str(photos / "*.jpg")])
    assert isinstance(none.source, PictureError)
    assert none.source.message.endswith("*.jpg: no file has such a name.")


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a[1].png").touch()
    (tmp_path / "a1.png").touch()
    assert names([tmp_path / "a[1].png"]) == [str(tmp_path / "a[1].png")]


@pytest.mark.parametrize(
    ("given", "separator"), [(b"a b.png\r\n\nc.png", b"\n"), (b"a b.png\0c.png\0", b"\0")]
)
def test_a_list(given: bytes, separator: bytes) -> None:
    assert names(["-"], listed=io.BytesIO(given), separator=separator) == ["a b.png", "c.png"]


def test_a_list_may_hold_any_name() -> None:
    listed = io.BytesIO(b"new\nline.png\0\xff.png\0")
    assert names(["-"], listed=listed, separator=b"\0") == ["new\nline.png", os.fsdecode(b"\xff.png")]
    with pytest.raises(DataError, match="a line of more than 1,048,576 bytes"):
        names(["-"], listed=io.BytesIO(b"a" * 2_000_000))


def test_a_csv_holds_paths_from_its_own_folder(photos: Path, model: Path) -> None:
    table = photos / "list.csv"
    table.write_text('﻿file,price\n000.png,3\n"none\n,.png",4\n\n,5\n', encoding="utf-8")
    result = run(table, "--column", "file", "--model", model, "--csv")
    assert result.exit_code == 1
    rows = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
    assert [row["source"] for row in rows] == ["000.png", "none\n,.png", f"{table}:3"]
    assert rows[0]["label"] == "left"
    assert "no such file" in rows[1]["error"]
    assert rows[2]["error"].endswith("the row holds neither a path nor a photo.")
    assert [row["label"] for row in rows[1:]] == ["", ""]


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("a,b\n", None, "which of its columns holds the photos? a, b."),
        ("file\n", "fiel", 'there is no column "fiel".\nDid you mean "file"?'),
        ("", None, "an empty table"),
        ('a\n"' + "x" * 200_000, None, "line 2 is no line of a CSV file"),
        ("a\n" + "x" * 2_000_000, None, "a line of 1,048,576 characters or more"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, column: str | None, words: str) -> None:
    table = tmp_path / "list.csv"
    table.write_text(text)
    with pytest.raises(DataError) as caught:
        names([table], column=column)
    assert words in str(caught.value)


def test_parquet_with_paths_or_photos(photos: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    import pyarrow.parquet

    table = photos / "list.parquet"
    columns = {
        "file": ["000.png", None],
        "photo": [png("right"), b""],
        "image": [{"bytes": png("left"), "path": "x.png"}, {"bytes": None, "path": "000.png"}],
    }
    pyarrow.parquet.write_table(arrow.table(columns), table)
    file = list(Catalogue([str(table)], "file"))
    assert file[0] == Photo("000.png", str(photos / "000.png"))
    assert isinstance(file[1].source, PictureError)
    assert list(Catalogue([str(table)], "photo")) == [
        Photo(f"{table}:1", png("right")),
        Photo(f"{table}:2", b""),
    ]
    assert [photo.source for photo in Catalogue([str(table)], "image")] == [
        png("left"),
        str(photos / "000.png"),
    ]
    assert Catalogue([str(table)], "photo").count() == 2
    table.write_bytes(b"PAR1")
    for ask in (list, Catalogue.count):
        with pytest.raises(DataError, match="no readable Parquet file"):
            ask(Catalogue([str(table)], "photo"))


def test_parquet_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="pyarrow, which reads and writes Parquet, is not installed"):
        names(["list.parquet"])


def test_photos_are_counted_where_that_is_possible(photos: Path) -> None:
    (photos / "list.csv").write_text("file\na.png\nb.png\n")
    given = [str(photos), str(photos / "list.csv"), str(photos / "00*.png"), "none.png"]
    assert Catalogue(given).count() == 100 + 2 + 10 + 1
    assert Catalogue([*given, "-"]).count() is None


# Many at once


def expected(photos: Path, model: Path) -> list[str]:
    """The label of each photo, asked one by one; the reason where there is none."""
    tagger = load_tagger(model)
    answers = [next(tagger.tag_many([path])) for path in sorted(photos.iterdir())]
    return [answer.label if isinstance(answer, Tag) else answer.error.message for answer in answers]


def told(rows: Iterator[tuple[Photo, Tag | Untagged]]) -> list[str]:
    return [row.label if isinstance(row, Tag) else row.error.message for _, row in rows]


@pytest.mark.parametrize("processes", [1, 3])
def test_many_are_answered_as_one_is(photos: Path, model: Path, processes: int) -> None:
    catalogue = Catalogue([str(photos)])
    assert told(tag_catalogue(load_tagger(model), catalogue, processes)) == expected(photos, model)


def test_bytes_and_paths_and_what_is_neither_keep_their_order(photos: Path, model: Path) -> None:
    sources = [png("left"), str(photos / "001.png"), PictureError("gone"), b"no photo"] * 20
    given = [Photo(str(number), source) for number, source in enumerate(sources)]
    rows = list(tag_catalogue(load_tagger(model), given))
    assert [photo for photo, _ in rows] == given
    assert [row.source for _, row in rows] == [photo.name for photo in given]
    labels = [row.label if isinstance(row, Tag) else row.error.message[:8] for _, row in rows]
    assert labels == ["left", "right", "gone", "bytes: n"] * 20


def test_photos_are_taken_as_they_are_needed(model: Path) -> None:
    taken = 0

    def endless() -> Iterator[Photo]:
        nonlocal taken
        while True:
            taken += 1
            yield Photo("a", png("left"))

    rows = tag_catalogue(load_tagger(model), endless(), processes=2)
    assert [next(rows) for _ in range(200)]
    assert taken < 200 + 64 * 10
    rows.close()


DEADLY = """
import sys
if any("lapel.tag.worker" in word for word in sys.orig_argv):
    import os, signal
    import lapel.picture
    read = lapel.picture.read_picture
    def read_picture(source, spec, limits):
        if str(source).endswith(("040.png", "077.png")):
            os.kill(os.getpid(), signal.SIGSEGV)
        return read(source, spec, limits)
    lapel.picture.read_picture = read_picture
"""


def test_a_photo_that_kills_its_process_costs_one_row(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(DEADLY)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(SOURCE)]))
    rows = told(tag_catalogue(load_tagger(model), Catalogue([str(photos)])))
    right = expected(photos, model)
    for number in (40, 77):
        assert rows[number].endswith(f"{number:03d}.png: the process that decoded it died (SIGSEGV).")
        rows[number] = right[number]
    assert rows == right


def test_processes_that_cannot_start(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(7)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(LapelError, match=r"did not start \(it ended with 7\)"):
        list(tag_catalogue(load_tagger(model), Catalogue([str(photos)])))


# Rows in files


def rows_of(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [dict(row) for row in csv.DictReader(file)]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    import pyarrow.parquet

    rows: list[dict[str, object]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


ENDINGS = [".csv", ".jsonl", ".parquet"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_in_a_file(photos: Path, model: Path, tmp_path: Path, ending: str) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    out = tmp_path / "made" / f"rows{ending}"
    result = run(photos, "--model", model, "--out", out, "--top", 2)
    assert result.exit_code == 1
    assert result.stdout == f"{out}\n"
    assert result.stderr.splitlines()[0].startswith("100 photos in 0:0")
    assert result.stderr.splitlines()[-1].split() == ["not", "read", "2"]
    rows = rows_of(out)
    assert [row["source"] for row in rows] == [str(path) for path in sorted(photos.iterdir())]
    labels = [row.get("label") or row["error"] for row in rows]
    assert labels == expected(photos, model)
    assert {row["model"] for row in rows} == {f"halves@{load_tagger(model).fingerprint[:12]}"}
    assert float(str(rows[0]["confidence"])) == pytest.approx(
        load_tagger(model).tag(photos / "000.png").confidence, abs=1e-6
    )
    assert list(out.parent.iterdir()) == [out]
    before = out.read_bytes()
    assert run(photos, "--model", model, "--out", out, "--top", 2).exit_code == 1
    if ending != ".parquet":
        assert out.read_bytes() == before
    assert rows_of(out) == rows


@pytest.mark.parametrize(
    "ending",
    [pytest.param(ending, marks=[] if ending == ".csv" else [pytest.mark.long]) for ending in ENDINGS],
)
def test_a_file_goes_on_wherever_it_was_cut(photos: Path, model: Path, tmp_path: Path, ending: str) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    (photos / 'odd,\n"name".png').write_bytes(b"")
    out = tmp_path / f"rows{ending}"
    run(photos, "--model", model, "--out", tmp_path / "whole.jsonl")
    run(photos, "--model", model, "--out", out)
    whole = rows_of(out)
    journal, data = out, out.read_bytes()
    if ending == ".parquet":
        journal, data = tmp_path / "rows.parquet.part", (tmp_path / "whole.jsonl").read_bytes()
    draw = random.Random(0)
    for cut in [0, 1, 9, len(data) - 1, *draw.sample(range(len(data)), 6)]:
        out.unlink(missing_ok=True)
        journal.write_bytes(data[:cut])
        assert run(photos, "--model", model, "--out", out).exit_code == 1
        assert rows_of(out) == whole
        assert ending == ".parquet" or out.read_bytes() == data
    assert not (tmp_path / "rows.parquet.part").exists()


def test_a_catalogue_that_grew_is_gone_on_with(photos: Path, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    out = tmp_path / "rows.parquet"
    run(photos, "--model", model, "--out", out)
    (photos / "more.png").write_bytes(png("right"))
    run(photos, "--model", model, "--out", out)
    assert [row["label"] for row in rows_of(out)[-2:]] == ["left", "right"]
    assert len(rows_of(out)) == 101


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_what_does_not_fit_is_refused_and_left_alone(
    photos: Path, model: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"rows{ending}"
    run(photos, "--model", model, "--out", out)
    before = out.read_bytes()
    other = write_model(tmp_path / "other.onnx", Card("other", CARD.class_names, CARD.picture))
    assert "row 1 does not fit these tags: it was made by halves@" in str(
        refused(photos, "--model", other, "--out", out)
    )
    assert "row 1 is of" in str(refused(photos / "001.png", photos, "--model", model, "--out", out))
    fewer = str(refused(photos / "0*.png", "--model", model, "--out", out, "--top", 2))
    assert "begin as these rows would" in fewer or "it gives 3 labels instead of 2" in fewer
    (photos / "099.png").unlink()
    error = refused(photos, "--model", model, "--out", out)
    assert error.message.endswith("but now there is no such photo.")
    assert error.hint.endswith("or begin anew with --overwrite.")
    assert out.read_bytes() == before
    assert run(photos, "--model", model, "--out", out, "--overwrite").exit_code == 1
    assert len(rows_of(out)) == 99


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "name,price\nshirt,3\n"),
        ("a.csv", "sour"),
        ("a.jsonl", "shopping: milk"),
        ("a.jsonl", '{"a": 1}\n'),
        ("a.jsonl", "[" * 100_000 + "\n"),
        ("a.parquet", "no Parquet"),
    ],
)
def test_a_file_of_something_else_is_left_alone(
    photos: Path, model: Path, tmp_path: Path, name: str, text: str
) -> None:
    out = tmp_path / name
    if text == "sour":  # the beginning of our own header
        out.write_text(text)
        assert run(photos, "--model", model, "--out", out).exit_code == 1
        assert len(rows_of(out)) == 100
        return
    if name == "a.parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    out.write_text(text)
    assert str(out) in refused(photos, "--model", model, "--out", out).message
    assert out.read_text() == text


def test_one_process_at_a_time_writes_a_file(photos: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    with locked(tmp_path / ".rows.csv.lock"):
        assert "another process is writing it" in str(refused(photos, "--model", model, "--out", out))
    run(photos, "--model", model, "--out", out)
    assert len(rows_of(out)) == 100
    assert not list(tmp_path.glob(".*"))


def test_rows_survive_kills(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    shades = np.random.default_rng(0).integers(0, 255, (600, 200, 200, 3), dtype=np.uint8)
    for number, shade in enumerate(shades):
        Image.fromarray(shade).save(folder / f"{number:04d}.jpg")
    (folder / "0300.jpg").write_bytes(b"")
    whole, out = tmp_path / "whole.csv", tmp_path / "rows.csv"
    command = [sys.executable, "-m", "lapel", "tag", str(folder), "--model", str(model), "--out"]
    seconds = time.monotonic()
    subprocess.run([*command, whole], capture_output=True, check=False, timeout=60)
    seconds = time.monotonic() - seconds
    draw = random.Random(1)
    killed = 0
    for number in range(20):
        process = subprocess.Popen(
            [*command, out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(timeout=draw.uniform(0.2, 0.9) * seconds if number < 5 else 60)
            break
        except subprocess.TimeoutExpired:
            # Ctrl-C reaches the process alone, too: it ends its helpers itself.
            process.send_signal(signal.SIGINT if number == 2 else signal.SIGKILL)
            process.wait(timeout=60)
            killed += 1
    assert killed
    assert out.read_bytes() == whole.read_bytes()


def test_parquet_on_stdout(photos: Path, model: Path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    import pyarrow.parquet

    result = run(photos, "--model", model, "--parquet")
    rows = pyarrow.parquet.read_table(io.BytesIO(result.stdout_bytes)).to_pylist()
    assert len(rows) == 100
    assert rows[0]["label"] == "left"
    assert len(rows[0]["alternatives"]) == 2
    assert rows[40]["label"] is None
    assert "looks like text" in rows[40]["error"]


def test_a_list_on_stdin(photos: Path, model: Path) -> None:
    given = b"\0".join(os.fsencode(path) for path in sorted(photos.glob("00*.png")))
    result = run("-", "-0", "--model", model, "--json", given=given)
    assert result.exit_code == 0
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()][:4] == [
        "left",
        "right",
        "nothing",
        "left",
    ]


# Sorting and the gallery


def sort(photos: Path, model: Path, folder: Path, *more: object) -> Result:
    return run(photos, "--model", model, "--json", "--sort-into", folder, *more)


@pytest.mark.parametrize("link", [False, True])
def test_sorting_copies_or_links(photos: Path, model: Path, tmp_path: Path, link: bool) -> None:
    folder = tmp_path / "sorted"
    (photos / "more").mkdir()
    (photos / "more" / "000.png").write_bytes(png("left") + b"another of that name")
    more = ["--link"] if link else []
    dry = sort(photos, model, folder, "--dry-run", *more)
    assert not folder.exists()
    assert f"{photos / '001.png'} -> {folder / 'right' / '001.png'}" in dry.stderr
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    for _ in range(2):
        assert sort(photos, model, folder, *more).exit_code == 1
        sorted_ = [path for path in folder.rglob("*") if not path.is_dir()]
        assert len(sorted_) == 99
        assert all(path.is_symlink() == link for path in sorted_)
    assert {path.read_bytes() for path in (folder / "left").glob("000*.png")} == {
        (photos / "000.png").read_bytes(),
        (photos / "more" / "000.png").read_bytes(),
    }
    assert {path: path.read_bytes() for path in photos.rglob("*.png")} == before


def test_sorting_overwrites_nothing(photos: Path, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sorted"
    (folder / "left").mkdir(parents=True)
    mine = folder / "left" / "000.png"
    mine.write_text("mine")
    sort(photos, model, folder)
    assert mine.read_text() == "mine"
    (other,) = (folder / "left").glob("000-*.png")
    other.write_text("mine, too")
    assert "another file is there, and none is overwritten" in str(
        refused(photos, "--model", model, "--sort-into", folder)
    )


def test_a_refusal_in_between_ends_all_threads(photos: Path, model: Path, tmp_path: Path) -> None:
    """Whoever looks at the error still holds what was under way."""
    folder, threads = tmp_path / "sorted", set(threading.enumerate())
    sort(photos, model, folder)
    for file in folder.rglob("*.png"):
        file.write_text("mine")
    sort(photos, model, folder)
    for file in folder.rglob("*-*.png"):
        file.write_text("mine, too")
    error = refused(photos, "--model", model, "--sort-into", folder)
    assert error.__traceback__ is not None
    assert set(threading.enumerate()) <= threads


def test_labels_that_are_no_names_of_folders(tmp_path: Path) -> None:
    labels = ["T-shirt/top", "../../etc", "..", "a", "A", "T-shirt-top"]
    photo = tmp_path / "x.png"
    photo.write_bytes(png("left"))
    reasons = ["no/pe", "A", "unsure"]
    sorting = Sorting(tmp_path / "sorted", labels, reasons)
    for label in labels:
        assert sorting.add(Photo(str(photo), str(photo)), Tag(str(photo), label, 1.0, (), 1.0))
    for reason in reasons:
        assert sorting.add(Photo(str(photo), str(photo)), Tag(str(photo), "a", 1.0, (), 0.1, reason))
    assert {path.name for path in (tmp_path / "sorted").iterdir()} == {
        "T-shirt-top",
        "-..-etc",
        "-",
        "a",
        "A-",
        "T-shirt-top-",
        "no-pe",
        "A--",
        "unsure",
    }


def test_photos_that_are_no_files_are_not_sorted(tmp_path: Path) -> None:
    with pytest.raises(LapelError, match="no file that could be sorted"):
        Sorting(tmp_path, ["left"], []).add(
            Photo("t.parquet:1", b"x"), Tag("t.parquet:1", "left", 1.0, (), 1.0)
        )


def test_the_gallery(photos: Path, model: Path, tmp_path: Path) -> None:
    (photos / "<b>.png").write_bytes(png("nothing"))
    page = tmp_path / "page.html"
    run(photos, "--model", model, "--json", "--gallery", page)
    text = page.read_text()
    assert "99 of 99 photos, the not accepted and the least certain first" in text
    assert "2 could not be read" in text
    assert text.count("data:image/jpeg") == text.count("data:image/png") == 99
    assert "&lt;b&gt;.png" in text
    assert "<b>.png" not in text
    certainties = [float(part.split('"')[0]) for part in text.split('<meter value="')[1:]]
    assert certainties == sorted(certainties)
    assert "http" not in text.replace("http-equiv", "")


def test_a_gallery_keeps_the_least_certain(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lapel.tag import gallery

    monkeypatch.setattr(gallery, "MOST", 3)
    made = gallery.Gallery(load_tagger(model))
    for place, (share, reason) in enumerate(
        [(0.9, ""), (0.3, ""), (0.5, "unsure"), (0.4, ""), (0.4, "<dark>"), (0.2, "")]
    ):
        tag = Tag(f"{place}.png", "left", 0.99, (), share, reason)
        made.add(Photo(tag.source, png("left")), tag)
    page = made._page()
    shown = [word for word in page.replace("<", ">").split(">") if word.endswith(".png")]
    assert shown == ["4.png", "2.png", "5.png"]
    for words in ("unsure (closest: left 50.0%)", "&lt;dark&gt; (closest: left 40.0%)"):
        assert f'<p class="doubt">I don&#x27;t know: {words}</p>' in page
    # The summary is of all six, the filters of the three that are shown.
    assert "67<small>%</small>" in page and "of 6 photos accepted" in page
    assert "<span>&lt;dark&gt; <b>1</b></span>" in page and 'name="label"' not in page
    assert "body:has(#reason-2:checked) .cards>li:not(.reason-2){display:none}" in page


def test_a_gallery_filters_by_colour(model: Path, tmp_path: Path) -> None:
    from lapel.tag.gallery import Gallery

    made = Gallery(load_tagger(model))
    for name in ("navy", "red", "red"):
        tag = Tag("a.png", "left", 0.9, (), 0.9, "", (Colour(name, 0.8, "#112233"),))
        made.add(Photo("a.png", png("left")), tag)
    made.write(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<legend>colour</legend>" in page and "<span>red <b>2</b></span>" in page
    assert page.count('<i style="background:#112233"></i>red 80%') == 2


def test_rows_of_an_earlier_version_are_gone_on_with(photos: Path, model: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "rows.csv", tmp_path / "whole.csv"
    run(photos, "--model", model, "--out", whole)
    # That version had no colours, the last column; of this model of grey pictures they are empty.
    old = [line.rsplit(",", 1)[0] + "\n" for line in whole.read_text().splitlines()]
    out.write_text("".join(old[:40]))
    run(photos, "--model", model, "--out", out)
    assert out.read_text() == "".join(old)


def test_rows_carry_colours_there_and_back(model: Path) -> None:
    tagger = load_tagger(model)
    tag = Tag(
        "a.png",
        "left",
        0.9,
        (("right", 0.1),),
        0.9,
        "",
        (Colour("light blue", 0.712, "#a0c2e4"), Colour("navy", 0.2, "#1c284a")),
    )
    for name in ("csv", "jsonl"):
        form = form_of(name, tagger, 2)
        assert form.decode(form.encode(tag)) == tag
    assert b"light blue 0.712 #a0c2e4; navy 0.200 #1c284a" in form_of("csv", tagger, 2).encode(tag)


# What is not accepted


@pytest.fixture
def doubting(tmp_path: Path) -> Path:
    return write_model(tmp_path / "doubting.onnx", DOUBTING)


REASONS = ["", "", "no garment found"]  # for what `photos` holds in turn


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_say_what_is_not_accepted_and_why(
    photos: Path, doubting: Path, tmp_path: Path, ending: str
) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    Image.fromarray(bright("both")).save(photos / "zz.png")
    out = tmp_path / f"rows{ending}"
    result = run(photos, "--model", doubting, "--out", out)
    summary = [line.split() for line in result.stderr.splitlines()[1:]]
    assert summary[2:] == [["no", "garment", "found", "32"], ["unsure", "1"], ["not", "read", "2"]]
    assert {label: int(count) for label, count in summary[:2]} == {"left": 34, "right": 32}
    rows = rows_of(out)
    if ending == ".csv":
        head = "source,label,confidence,score,accepted,reason,label_2,confidence_2,error,model,colours\n"
        assert out.read_text().startswith(head)
    tagger = load_tagger(doubting)
    for number in (0, 1, 2, 100):
        tag, row = tagger.tag(photos / (f"{number:03d}.png" if number < 100 else "zz.png")), rows[number]
        assert tag.reason == ("unsure" if number == 100 else REASONS[number])
        assert float(str(row["score"])) == pytest.approx(tag.score, abs=1e-6)
        assert row["accepted"] in (tag.accepted, str(tag.accepted).lower())
        assert (row["reason"] or "") == tag.reason
    assert not rows[40].get("score")
    assert not rows[40].get("reason")
    again = run(photos, "--model", doubting, "--out", out)
    assert again.stderr.splitlines()[1:] == result.stderr.splitlines()[1:]
    assert rows_of(out) == rows


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("true,,", "true,unsure,"),
        ("true,,", "false,,"),
        ("true,,", "yes,,"),
        ("false,no garment found,", "false,too dark,"),
        ('"accepted": true', '"accepted": false'),
        ('"accepted": true', '"accepted": "yes"'),
        ('"reason": "no garment found"', '"reason": "too dark"'),
        ('"score": ', '"skore": '),
    ],
)
def test_rows_whose_verdict_does_not_fit_are_refused(
    photos: Path, doubting: Path, tmp_path: Path, before: str, after: str
) -> None:
    out = tmp_path / ("rows.jsonl" if '"' in before else "rows.csv")
    run(photos / "00*.png", "--model", doubting, "--out", out)
    assert before in out.read_text()
    out.write_text(out.read_text().replace(before, after, 1))
    assert "does not fit these tags" in refused(photos / "00*.png", "--model", doubting, "--out", out).message


def test_what_is_not_accepted_is_sorted_by_its_reason(photos: Path, doubting: Path, tmp_path: Path) -> None:
    Image.fromarray(bright("both")).save(photos / "zz.png")
    sort(photos, doubting, tmp_path / "sorted")
    folders = {folder.name: len(list(folder.iterdir())) for folder in (tmp_path / "sorted").iterdir()}
    assert folders == {"left": 34, "right": 32, "no garment found": 32, "unsure": 1}
