"""A person's own photos: folders and tables of any kind, the cache of decoded pictures, groups, copies."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from lapel import PictureSpec, load_data
from lapel.data import Dataset, Split, check_data
from lapel.data.cache import PictureCache
from lapel.data.cache_folder import read_size, write_size
from lapel.data.holdout import Division
from lapel.data.near import near_across, near_pairs, thumbnails
from lapel.data.picture_file import PictureFile, as_pictures, in_file
from lapel.data.remarks import remarks
from lapel.errors import DataError, LapelError
from lapel.recipes.load import load_recipe
from lapel.runs import open_run
from lapel.trainer import resume, train
from lapel.training.watch import Watch

Lapel = Callable[..., "subprocess.CompletedProcess[str]"]


def photo(path: Path, seed: int = 0, size: tuple[int, int] = (24, 16)) -> Path:
    """A photo of soft noise in colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def photos(folder: Path, classes: dict[str, int], size: tuple[int, int] = (24, 16)) -> Path:
    """A folder per class with so many photos in it."""
    for label, (name, count) in enumerate(classes.items()):
        for number in range(count):
            photo(folder / name / f"{number:03}.png", 1000 * label + number, size)
    return folder


def table(path: Path, rows: Sequence[Sequence[object]], *header: str) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
    else:
        pq.write_table(pa.table({name: [row[at] for row in rows] for at, name in enumerate(header)}), path)
    return path


def refusal(path: Path, **how: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        load_data(path, **how)
    return caught.value


# What is read


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize(
    "columns", [("file", "label"), ("Path", "class"), ("image", "kind"), ("filename", "category")]
)
def test_a_table_of_paths_is_the_folder_that_it_names(
    tmp_path: Path, form: str, columns: tuple[str, str]
) -> None:
    folder = photos(tmp_path / "photos", {"coat": 3, "dress": 2})
    names = sorted(path.relative_to(tmp_path).as_posix() for path in folder.rglob("*.png"))
    rows = [[7, name, name.split("/")[1]] for name in names]
    path = table(tmp_path / f"mine.{form}", rows, "price", *columns)
    spec = PictureSpec(20, 3)
    dataset, plain = load_data(path, picture=spec), load_data(folder, picture=spec)
    assert dataset.class_names == ("coat", "dress")
    assert dataset.files == tuple(names)
    assert (dataset.name, dataset.origin, dataset.picture) == ("mine", str(path), spec)
    for name, picture in zip(dataset.files, dataset.train.pictures, strict=True):
        assert (picture == plain.train.pictures[plain.files.index(name.removeprefix("photos/"))]).all()


@pytest.mark.parametrize(("wide", "channels"), [(True, 3), (False, 3), (True, 1)])
def test_photos_are_letterboxed_and_never_cropped(tmp_path: Path, wide: bool, channels: int) -> None:
    """A bright rim all round a dark photo is there on all four sides of what a model sees."""
    size = (90, 30) if wide else (30, 90)
    pixels = np.full((*size[::-1], 3), 255, np.uint8)
    pixels[3:-3, 3:-3] = 20
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels).save(tmp_path / name / "0.png")
    picture = load_data(tmp_path, picture=PictureSpec(30, channels)).train.pictures[0]
    if not wide:
        picture = picture.swapaxes(0, 1)
    assert picture.shape == (30, 30, channels)
    assert (picture[:10] > 200).all()  # the ground goes on above and below
    assert (picture[20:] > 200).all()
    assert (picture[14:16, [0, -1]] > 200).all()
    assert (picture[13:17, 3:-3] < 60).all()


def test_labels_with_commas_quotes_and_emoji_stay_as_they_are(tmp_path: Path) -> None:
    names = ['coat, "long"', "dress 👗", "été; a\\b/c", "7"]
    rows = [
        [photo(tmp_path / f"{n}-{m}.png", 10 * n + m).name, name]
        for n, name in enumerate(names)
        for m in (0, 1)
    ]
    for form in ("csv", "parquet"):
        dataset = load_data(table(tmp_path / f"t.{form}", rows, "file", "label"))
        assert set(dataset.class_names) == set(names)
        assert [dataset.class_names[label] for label in dataset.train.labels] == [name for _, name in rows]
    folder = photos(tmp_path / "photos", {'coat, "long"': 2, "dress 👗": 2})
    assert load_data(folder).class_names == ('coat, "long"', "dress 👗")


def test_numbers_as_labels_stand_by_value(tmp_path: Path) -> None:
    rows = [[photo(tmp_path / f"{n}.png", n).name, n] for n in (10, 9, 2)]
    for form in ("csv", "parquet"):
        dataset = load_data(table(tmp_path / f"t.{form}", rows, "file", "label"))
        assert dataset.class_names == ("2", "9", "10")
        assert dataset.train.labels.tolist() == [2, 1, 0]


def test_a_table_of_another_country_and_another_system(tmp_path: Path) -> None:
    names = [photo(tmp_path / f"{n}.png", n).name for n in range(4)]
    lines = "".join(f"{name};{label}\r\n" for name, label in zip(names, "abab", strict=True))
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfFile;Label\r\n" + lines.encode())
    assert load_data(tmp_path / "t.csv").class_names == ("a", "b")
    (tmp_path / "t.csv").write_bytes("file,label\na.png,été\n".encode("latin-1"))
    error = refusal(tmp_path / "t.csv")
    assert (error.message, error.hint) == (
        f"{tmp_path}/t.csv: its text is not UTF-8.",
        "Save the table as CSV in UTF-8.",
    )


def test_paths_are_relative_to_the_table_and_may_lead_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    inside, outside = photo(tmp_path / "shop/a/1.png", 1), photo(tmp_path / "elsewhere/2.png", 2)
    rows = [
        ["a/1.png", "x"],
        ["../elsewhere/2.png", "y"],
        [outside.with_name("3.png"), "x"],
        ["a/gone.png", "y"],
    ]
    photo(tmp_path / "elsewhere/3.png", 3)
    dataset = load_data(table(tmp_path / "shop/t.csv", rows, "file", "label"))
    assert dataset.files == ("a/1.png", "../elsewhere/2.png", f"{tmp_path}/elsewhere/3.png")
    assert [tuple(skip) for skip in dataset.skipped] == [("a/gone.png", "no such file")]
    assert inside.exists()


def test_rows_that_are_none_are_left_out_and_say_why(tmp_path: Path) -> None:
    for n in range(4):
        photo(tmp_path / f"{n}.png", n)
    rows = [["0.png", "a"], ["1.png", "b"], ["", "a"], ["2.png", ""], ["0.png", "b"], ["3.png", "b"]]
    dataset = load_data(table(tmp_path / "t.csv", rows, "file", "label"))
    assert dataset.files == ("0.png", "1.png", "3.png")
    assert [tuple(skip) for skip in dataset.skipped] == [
        ("row 3", "no path"),
        ("2.png", "no label"),
        ("0.png", "row 5 names it again, after row 1"),
    ]


def test_the_test_table_beside_is_read_too(tmp_path: Path) -> None:
    for n in range(6):
        photo(tmp_path / f"{n}.png", n)
    path = table(tmp_path / "my_train.csv", [["0.png", "a"], ["1.png", "b"]], "file", "label")
    other = table(
        tmp_path / "my_test.csv", [["2.png", "b"], ["3.png", "a"], ["no.png", "a"]], "file", "label"
    )
    for given_path in (path, tmp_path):
        dataset = load_data(given_path)
        assert dataset.test is not None
        assert (dataset.train.labels.tolist(), dataset.test.labels.tolist()) == ([0, 1], [1, 0])
        assert dataset.files == ("0.png", "1.png")
    table(other, [["2.png", "c"]], "file", "label")
    assert refusal(path).message == f"{other}: class 'c' to test on is not there to train on."


@pytest.mark.parametrize(
    ("header", "rows", "says"),
    [
        (("file", "price"), [["0.png", 3]], "no column of labels; its columns are file, price."),
        (("file", "label"), [["0.png", "a"]], "expected two classes or more; found 1 (a)."),
        (("file", "label"), [], "no row has both a path and a label."),
        (("file", "label"), [["", "a"]], "no row has both a path and a label."),
        (
            ("file", "label"),
            [[f"{n}.png", n] for n in range(10_001)],
            "10,001 classes; at most 10,000 can be told apart.",
        ),
    ],
)
def test_tables_that_name_no_dataset(
    tmp_path: Path, header: tuple[str, str], rows: list[list[object]], says: str
) -> None:
    path = table(tmp_path / "t.csv", rows, *header)
    error = refusal(path)
    assert error.message == f"{path}: {says}"
    assert error.hint


def test_two_classes_that_differ_only_by_case_are_refused_by_name(tmp_path: Path) -> None:
    folder = photos(tmp_path / "p", {"Coat": 2, "coat": 2, "hat": 2})
    says = "the classes 'Coat' and 'coat' differ only in upper and lower case."
    assert refusal(folder).message == f"{folder}: {says}"
    rows = [[f"p/{name}/000.png", name] for name in ("Coat", "coat", "hat")]
    assert says in refusal(table(tmp_path / "t.csv", rows, "file", "label")).message


# What is broken


def broken(folder: Path, good: int, bad: int) -> Path:
    photos(folder, {"coat": good, "dress": good})
    (folder / "coat").mkdir(parents=True, exist_ok=True)
    for number in range(bad):
        (folder / "coat" / f"bad-{number}.jpg").write_bytes(b"\xff\xd8\xff" + bytes(20))
    return folder


def test_a_few_broken_photos_are_left_out(tmp_path: Path) -> None:
    dataset = load_data(broken(tmp_path, good=3, bad=6))
    assert len(dataset.train) == 6
    assert {skip.file for skip in dataset.skipped} == {f"coat/bad-{number}.jpg" for number in range(6)}
    assert all(skip.why.startswith("the picture is damaged") for skip in dataset.skipped)


@pytest.mark.parametrize("good", [0, 3])
def test_more_than_half_broken_stops(tmp_path: Path, good: int) -> None:
    broken(tmp_path, good, bad=7)
    (tmp_path / "dress").mkdir(exist_ok=True)
    error = refusal(tmp_path)
    assert error.message.startswith(
        f"{tmp_path}: 7 of {2 * good + 7} photos cannot be read, "
        "the first coat/bad-0.jpg (7: the picture is damaged"
    )
    assert "not most of them" in error.hint


def test_what_lies_beside_photos_is_not_counted_as_broken(tmp_path: Path) -> None:
    photos(tmp_path, {"coat": 1, "dress": 1})
    for number in range(9):
        (tmp_path / "coat" / f"{number}.txt").write_text("bought in spring")
    assert len(load_data(tmp_path).skipped) == 9


def test_check_and_show_say_what_was_left_out(lapel: Lapel, tmp_path: Path) -> None:
    folder = broken(tmp_path / "mine", good=2, bad=2)
    done = lapel("data", "check", "mine", COLUMNS="100")
    assert done.returncode == 0, done.stderr
    assert (
        "look at      2 files were left out; the first: coat/bad-0.jpg: the picture is damaged" in done.stdout
    )
    lines = done.stdout.splitlines()
    place = lines.index("left out: 2")
    assert [line.split()[0] for line in lines[place + 1 : place + 4]] == [
        "file",
        "coat/bad-0.jpg",
        "coat/bad-1.jpg",
    ]
    found = json.loads(lapel("data", "check", "mine", "--json").stdout)
    assert [skip["file"] for skip in found["skipped"]] == ["coat/bad-0.jpg", "coat/bad-1.jpg"]
    shown = lapel("data", "show", "mine")
    assert shown.stderr.splitlines()[1] == (
        f"2 files were left out; `lapel data check {folder.resolve()}` says which and why."
    )


# The cache of decoded pictures


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds so small that a few photos are kept, and stay in their file."""
    monkeypatch.setattr("lapel.data.listing._KEPT", 1)
    monkeypatch.setattr("lapel.data.listing._IN_MEMORY", 1)


def test_pictures_in_a_file_answer_as_an_array_does(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 3), dtype=np.uint8)
    array.tofile(tmp_path / "p.bin")
    file = PictureFile(tmp_path / "p.bin", (3, 4, 3))
    mask = array[:, 0, 0, 0] > 100
    for key in (
        0,
        -1,
        slice(2, 5),
        slice(None, None, -1),
        np.array([3, 3, 0]),
        mask,
        [],
        (slice(None), slice(1, 2)),
        (slice(1, 4), slice(None), slice(None, None, -1)),
        (..., 0),
        (2, 1),
        (np.array([1, 2]), 0),
    ):
        assert np.array_equal(file[key], array[key]), key
    assert np.array_equal(np.asarray(file.take(np.array([5, 1])).take(slice(0, 1))), array[[5]])
    assert (file.shape, len(file), file.nbytes) == (array.shape, 7, array.nbytes)
    assert np.array_equal(np.stack(list(file)), array)
    (tmp_path / "p.bin").unlink()
    assert np.array_equal(np.asarray(file), array)  # it is still open


@pytest.mark.usefixtures("tiny")
def test_kept_pictures_are_those_that_are_decoded_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = broken(tmp_path, good=4, bad=3)
    spec = PictureSpec(10, 3)
    first = load_data(folder, picture=spec)
    assert in_file(first.train.pictures) is not None
    again = load_data(folder, picture=spec, progress=lambda *_: pytest.fail("decoded again"))
    monkeypatch.setattr("lapel.data.listing._KEPT", 10**9)
    plain = load_data(folder, picture=spec)
    assert in_file(plain.train.pictures) is None
    assert first.fingerprint == again.fingerprint == plain.fingerprint
    assert (first.skipped, first.files) == (again.skipped, again.files) == (plain.skipped, plain.files)
    for one, other in zip(again.split(0.25, 3), plain.split(0.25, 3), strict=True):
        assert np.array_equal(np.asarray(one.pictures), other.pictures)
    assert check_data(again) == check_data(plain)


@pytest.mark.usefixtures("tiny")
def test_a_fingerprint_of_kept_pictures_reads_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path, {"a": 2, "b": 2})
    known = load_data(folder).fingerprint
    monkeypatch.setattr(PictureFile, "_read", lambda *_: pytest.fail("read again"))
    again = load_data(folder)
    assert again.fingerprint == known
    other = Dataset("d", again.train.take(np.array([1, 0, 3, 2])), None, again.class_names)
    with pytest.raises(pytest.fail.Exception):  # the same pictures in another order are others
        assert other.fingerprint != known


@pytest.mark.usefixtures("tiny")
def test_a_photo_that_changes_is_decoded_again(tmp_path: Path) -> None:
    folder = photos(tmp_path, {"a": 2, "b": 2})
    before = load_data(folder).fingerprint
    photo(folder / "a/000.png", seed=99)
    os.utime(folder / "a/000.png", ns=(1, 1))
    assert load_data(folder).fingerprint != before


@pytest.mark.usefixtures("tiny")
def test_a_process_that_was_killed_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = broken(tmp_path, good=20, bad=5)
    monkeypatch.setattr("lapel.data.listing._KEPT", 10**9)
    expected = load_data(folder)
    monkeypatch.setattr("lapel.data.listing._KEPT", 1)
    monkeypatch.setattr("lapel.data.cache._STEP", 10)
    monkeypatch.setattr("lapel.data.photos._TOLD", 1)

    def stop(what: str, done: int, total: int | None) -> None:
        if done == 27:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_data(folder, progress=stop)
    (entry,) = PictureCache().entries()
    with (entry / "pictures.bin").open("ab") as file:
        file.write(b"what a killed process had begun")
    told: list[int] = []
    dataset = load_data(folder, progress=lambda what, done, total: told.append(done))
    assert told[0] == 21  # after the last step that was written down
    assert dataset.fingerprint == expected.fingerprint
    assert dataset.skipped == expected.skipped


@pytest.mark.usefixtures("tiny")
def test_what_was_used_least_recently_goes_first(tmp_path: Path) -> None:
    one = 28 * 28 * 4
    for name in ("first", "second", "third"):
        photos(tmp_path / name, {"a": 2, "b": 2})
    kept = {}
    for age, name in enumerate(("first", "second")):
        load_data(tmp_path / name)
        (new,) = set(PictureCache().entries()) - set(kept.values())
        kept[name] = new
        os.utime(new / "state.json", ns=(age + 1, age + 1))
    load_data(tmp_path / "first")  # used again
    load_data(tmp_path / "third", cache_limit=3 * one)
    assert kept["first"] in PictureCache().entries()
    assert kept["second"] not in PictureCache().entries()
    error = refusal(photos(tmp_path / "fourth", {"a": 2, "b": 2}), cache_limit=one - 1)
    assert (
        "what is to be kept takes 3,136 bytes, more than the 3,135 bytes that this cache may hold"
        in error.message
    )
    assert "LAPEL_CACHE_LIMIT=" in error.hint
    assert kept["first"] in PictureCache().entries()


def test_data_clean_says_how_much_it_removed(lapel: Lapel, tmp_path: Path) -> None:
    spec, names = PictureSpec(), [str(photo(tmp_path / f"{n}.png", n)) for n in range(3)]
    cache = PictureCache()
    path, _ = cache.pictures(names, spec, None, "")
    held = sum(file.stat().st_size for file in path.parent.iterdir())
    assert held > 3 * 28 * 28
    assert lapel("data", "clean").stdout == f"{write_size(held)} removed from {cache.folder}\n"
    assert not path.exists()
    assert lapel("data", "clean").stdout == f"0 bytes removed from {cache.folder}\n"


def test_a_full_disk_is_one_clear_line_and_what_there_is_is_gone_on_with(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {"a": 30, "b": 30})
    program = f"""if True:
        import resource, signal
        from lapel import load_data
        from lapel.data import cache, listing
        listing._KEPT, cache._STEP = 1, 10
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({28 * 28 * 40}, -1))
        load_data({str(folder)!r})
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    last = done.stderr.strip().splitlines()[-2:]
    assert last[0].startswith("lapel.errors.LapelError: ")
    assert last[0].endswith("pictures.bin: no space left to write it; what was there before is untouched.")
    assert last[1] == "Free some space, or set LAPEL_CACHE to another disk, and run the same command again."
    (entry,) = PictureCache().entries()
    assert json.loads((entry / "state.json").read_text())["photos"] >= 10


def test_a_disk_without_room_is_refused_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"what is to be kept takes 1,568 bytes; 1,000 bytes are free"):
        PictureCache().pictures(["a", "b"], PictureSpec(), lambda *_: pytest.fail("decoded"), "")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("500", 500),
        ("20GB", 20 * 10**9),
        ("1.5 gb", 1_500_000_000),
        ("2GiB", 2**31),
        ("3M", 3_000_000),
    ],
)
def test_sizes_as_people_write_them(text: str, count: int) -> None:
    assert read_size(text) == count


@pytest.mark.parametrize("text", ["", "many", "-1GB", "1..5GB", "1e9", "GB"])
def test_what_is_no_size_is_refused(lapel: Lapel, text: str) -> None:
    with pytest.raises(LapelError, match="is no size"):
        read_size(text)


def test_a_wrong_limit_is_wrong_usage(lapel: Lapel) -> None:
    done = lapel("data", "check", "x", "--cache-limit", "many")
    assert done.returncode == 2
    assert "'many' is no size. Write it as 500MB, 20GB or 1TB." in done.stderr


# Training from a file


def in_a_file(folder: Path, count: int = 90) -> Dataset:
    """Pictures of two classes, one bright above and one below, that lie in a file."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 90, (count, 8, 8, 1), dtype=np.uint8)
    labels = np.arange(count) % 2
    for place, label in enumerate(labels):
        pictures[place, 4 * label : 4 * label + 4] += 120
    pictures.tofile(folder / "pictures.bin")
    return Dataset(
        "filed", Split(as_pictures(PictureFile(folder / "pictures.bin", (8, 8, 1))), labels), None, ("a", "b")
    )


class _StopAfter(Watch):
    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def epoch(self, epoch: Any, seconds: float, best: bool) -> None:
        if epoch.number == self.epochs:
            raise KeyboardInterrupt


def small() -> Any:
    return load_recipe(
        "cnn-simple",
        ["training.epochs=3", "training.batch=16", "training.keep=last", "training.class_weights=balanced"],
    )


@pytest.mark.parametrize("engine", ["torch", pytest.param("keras", marks=pytest.mark.long)])
def test_a_training_streams_from_a_file_with_the_same_bits_twice_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = in_a_file(tmp_path)
    assert dataset.fingerprint  # which reads all of them, a piece at a time
    whole: list[int] = []
    real = PictureFile._read
    monkeypatch.setattr(
        PictureFile, "_read", lambda self, rows: (whole.append(len(rows)), real(self, rows))[1]
    )
    one = train(small(), dataset, engine=engine, seed=3, threads=1, path="one")
    assert max(whole) <= 16  # never more than a batch, or the nine to validate on
    assert one.history[-1].validation_accuracy == 1
    with pytest.raises(KeyboardInterrupt):
        train(small(), dataset, engine=engine, seed=3, threads=1, path="two", watches=[_StopAfter(2)])
    two = resume(open_run("two"), dataset)
    assert one.history == two.history
    for name, weight in one.weights().items():
        assert np.array_equal(weight, two.weights()[name]), name


# Groups


def test_groups_come_from_a_column_or_from_the_path(tmp_path: Path) -> None:
    rows = []
    for number, (who, label) in enumerate(
        [("ann", "a"), ("ann", "b"), ("bob", "a"), ("bob", "b"), ("", "a")]
    ):
        rows.append(
            [photo(tmp_path / f"{label}/{who}_{number}.png", number).relative_to(tmp_path), label, who]
        )
    path = table(tmp_path / "t.csv", rows, "file", "label", "who")
    expected = ("ann", "ann", "bob", "bob", "")
    assert load_data(path, group="who").groups == expected
    assert load_data(path, group="{group}_*.png").groups == expected
    assert load_data(path, group=r"([a-z]+)_\d").groups == expected
    assert load_data(path, group="{group}/*").groups == ("a", "b", "a", "b", "a")
    pq_path = table(tmp_path / "t.parquet", [[str(row[0]), *row[1:]] for row in rows], "file", "label", "who")
    assert load_data(pq_path, group="who").groups == expected
    for one in tmp_path.glob("t.*"):
        one.unlink()
    folder = load_data(tmp_path, group="{group}_*")
    assert Counter(folder.groups) == Counter(expected)


@pytest.mark.parametrize(
    ("group", "says"),
    [
        ("whom", "has no column 'whom', and it is no pattern with one group."),
        ("(a", "'(a' is no regular expression"),
        ("(a)(b)", "is no pattern with one group."),
        ("{group}-*.jpg", "no path fits the group '{group}-*.jpg'; the first is 0.png."),
    ],
)
def test_what_names_no_groups_is_refused(tmp_path: Path, group: str, says: str) -> None:
    rows = [[photo(tmp_path / f"{n}.png", n).name, n % 2, "x"] for n in range(4)]
    error = refusal(table(tmp_path / "t.csv", rows, "file", "label", "who"), group=group)
    assert says in error.message
    assert error.hint


def test_ready_pictures_have_no_groups(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pictures=np.zeros((2, 8, 8), np.uint8), labels=np.arange(2))
    assert "no photos with a path" in refusal(tmp_path / "a.npz", group="{group}_*").message


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(8, 40))
def test_a_group_stays_on_one_side_and_every_class_is_on_both(seed: int, classes: int, groups: int) -> None:
    random = np.random.default_rng(seed)
    numbers = np.concatenate(
        [np.repeat(np.arange(groups), random.integers(1, 9, groups)), np.arange(3 * classes) + groups]
    )
    labels = random.integers(0, classes, len(numbers))
    labels[-3 * classes :] = np.arange(3 * classes) % classes  # at least three groups hold each class
    division = Division("d", labels, tuple("abcde"[:classes]), [f"g{number}" for number in numbers])
    held = division.hold_out(0.3, seed)
    for group in set(numbers):
        assert len(set(held[numbers == group])) == 1
    for side in (held, ~held):
        assert set(labels[side]) == set(range(classes))
    assert (held == division.hold_out(0.3, seed)).all()
    assert 0.1 < held.mean() < 0.5
    folds = division.fold(3, seed)
    for group in set(numbers):
        assert len(set(folds[numbers == group])) == 1
    for fold in range(3):
        assert set(labels[folds == fold]) == set(range(classes))


def test_the_shares_come_near_and_the_seed_decides() -> None:
    random = np.random.default_rng(0)
    groups = [f"{number}" for number in random.integers(0, 200, 4000)]
    labels = random.integers(0, 6, 4000)
    division = Division("d", labels, tuple("abcdef"), groups)
    held = division.hold_out(0.1, 1)
    for label in range(6):
        assert held[labels == label].mean() == pytest.approx(0.1, abs=0.01)
    assert (held != division.hold_out(0.1, 2)).any()


def test_a_class_that_cannot_be_on_both_sides_is_refused_by_name() -> None:
    division = Division("mine", np.array([0, 0, 1, 1]), ("coat", "hat"), ["ann", "bob", "bob", "bob"])
    with pytest.raises(DataError) as caught:
        division.hold_out(0.5, 0)
    assert caught.value.message == (
        "mine: class 'hat' has its 2 picture(s) in one group; "
        "two are needed, to train on one and validate on the other."
    )
    crossed = Division(
        "mine", np.array([0, 1, 0, 1, 0, 1, 1]), ("coat", "hat"), ["x", "x", "x", "x", "y", "z", "z"]
    )
    assert crossed.hold_out(0.5, 0).sum() in (3, 4)
    with pytest.raises(DataError, match=r"class 'hat' has 1 training picture\(s\)"):
        Division("mine", np.array([0, 0, 1]), ("coat", "hat")).hold_out(0.5, 0)


def test_groups_that_bind_all_classes_together_are_refused() -> None:
    """a is in x and y, b in x and z, and z is in y: nobody can divide that."""
    labels = np.array([0, 1, 0, 2, 1, 2])
    division = Division("mine", labels, ("a", "b", "c"), ["x", "x", "y", "y", "z", "z"])
    with pytest.raises(DataError, match=r"cannot be divided so that class '.' is in all 2 parts"):
        division.hold_out(0.3, 0)


def test_a_run_remembers_its_groups(lapel: Lapel, tmp_path: Path) -> None:
    for number in range(24):
        photo(tmp_path / "mine" / "ab"[number % 2] / f"{'uvwxyz'[number // 4]}_{number}.png", number)
    settings_ = ["--set", "training.epochs=1", "--set", "training.validation=0.3"]
    done = lapel("train", "cnn-simple", "--data", "mine", "--group", "{group}_*", "--run", "run", *settings_)
    assert done.returncode == 0, done.stderr
    environment = json.loads((tmp_path / "run/environment.json").read_text())
    assert environment["dataset"]["group"] == "{group}_*"
    assert environment["dataset"]["validation"] == 8  # whole groups of four
    judged = lapel("evaluate", "run", "--no-report")
    assert "run: 8 validation pictures" in judged.stdout, judged.stderr


# Copies, and what is said before a training


def test_copies_in_another_size_quality_and_light_are_found(tmp_path: Path) -> None:
    spec = PictureSpec(32, 3)
    for number in range(30):
        photo(tmp_path / "a" / f"{number:02}.png", number, (60, 44))
    for number in range(10):
        with Image.open(tmp_path / "a" / f"{number:02}.png") as image:
            copy = ImageEnhance.Brightness(image.resize((45, 33))).enhance(0.9)
            (tmp_path / "b").mkdir(exist_ok=True)
            copy.save(tmp_path / "b" / f"{number:02}.jpg", quality=70)
    dataset = load_data(tmp_path, picture=spec)
    assert dataset.files is not None
    pairs = near_pairs(thumbnails(dataset.train.pictures))
    named = {(dataset.files[one], dataset.files[other]) for one, other in pairs}
    expected = {(f"a/{number:02}.png", f"b/{number:02}.jpg") for number in range(10)}
    assert {tuple(sorted(pair)) for pair in named} == expected
    assert set(check_data(dataset).near) == named
    held = dataset.train.labels == 1
    across = near_across(dataset, held)
    assert {(dataset.files[one], dataset.files[other]) for one, other in across} == expected
    (line,) = (line for line in remarks(dataset, held, weighed=True) if "nearly" in line)
    assert line.startswith("10 pictures to learn from are nearly the same as one to validate on")
    assert "a/00.png and b/00.jpg" in line
    together = load_data(tmp_path, picture=spec, group=r"(\d\d)\.")
    assert check_data(together).near == ()
    learned = together.held(0.3, 0)
    assert len(near_across(together, learned)) == 0


def test_many_pictures_that_are_all_alike_take_no_square_of_time() -> None:
    small_ones = np.zeros((30_000, 8, 9), np.uint8)
    assert 30_000 <= len(near_pairs(small_ones)) < 30_000 * 80


@pytest.mark.long
def test_classes_of_uneven_size_are_said_and_what_to_do(lapel: Lapel, tmp_path: Path) -> None:
    broken(photos(tmp_path / "mine", {"coat": 26, "dress": 4}), good=0, bad=1)
    words = "train", "cnn-simple", "--data", "mine", "--set", "training.epochs=1"
    done = lapel(*words)
    assert done.returncode == 0, done.stderr
    assert (
        "Class 'coat' has 26 pictures, 'dress' has 4. "
        "--set training.class_weights=balanced gives all classes the same weight." in done.stderr
    )
    assert "1 file was left out; `lapel data check" in done.stderr
    done = lapel(*words, "--set", "training.class_weights=balanced")
    assert "same weight" not in done.stderr
    photos(tmp_path / "one", {"coat": 4, "dress": 1})
    done = lapel("train", "cnn-simple", "--data", "one")
    assert done.returncode == 1
    assert "class 'dress' has 1 training picture(s); two are needed" in done.stderr


# Folds


def mine(folder: Path) -> Path:
    """Photos of two classes by six people, one class bright and one dark."""
    for number in range(36):
        label, who = "ab"[number % 2], "uvwxyz"[number // 6]
        path = photo(folder / label / f"{who}_{number:02}.png", number)
        with Image.open(path) as image:
            ImageEnhance.Brightness(image.convert("RGB")).enhance(1.6 if label == "a" else 0.3).save(path)
    return folder


def test_every_picture_is_held_out_once(tmp_path: Path) -> None:
    dataset = load_data(photos(tmp_path, {"a": 11, "b": 7}))
    folds = [dataset.held(0.5, 3, (number, 5)) for number in range(1, 6)]
    assert (np.sum(folds, axis=0) == 1).all()
    for held in folds:
        assert set(dataset.train.labels[held]) == {0, 1}
        assert held.sum() in (3, 4)
    with pytest.raises(DataError) as caught:
        dataset.held(0.5, 0, (1, 8))
    assert caught.value.message.endswith("class 'b' has 7 picture(s); 8 folds need 8.")
    assert caught.value.hint.startswith("Choose --folds 7.")


@pytest.mark.long
def test_folds_are_one_study_that_goes_on_and_is_judged_together(lapel: Lapel, tmp_path: Path) -> None:
    mine(tmp_path / "mine")
    words = (
        "train",
        "cnn-simple",
        "--data",
        "mine",
        "--group",
        "{group}_*",
        "--folds",
        "3",
        "--threads",
        "1",
    )
    done = lapel(*words, "--set", "training.epochs=2", "--set", "training.batch=8", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "runs/cnn-simple-1\n"
    study = tmp_path / "runs/cnn-simple-1"
    before = {path.name: path.read_bytes() for path in (study / "fold-3").glob("*.safetensors")}
    assert before
    # As if it had been killed: one fold stopped before its end, one never begun.
    shutil.rmtree(study / "fold-3")
    (study / "fold-2/done.json").unlink()
    refused = lapel("evaluate", "cnn-simple-1")
    assert (refused.returncode, "1 of 3 folds are trained" in refused.stderr) == (1, True)
    again = lapel("train", "--resume", "cnn-simple-1", "--quiet")
    assert again.returncode == 0, again.stderr
    assert {path.name: path.read_bytes() for path in (study / "fold-3").glob("*.safetensors")} == before
    found = json.loads(lapel("evaluate", "cnn-simple-1", "--json").stdout)
    pooled = np.array(found["pooled"]["confusion"])
    assert pooled.sum(axis=1).tolist() == [18, 18]  # each photo once
    assert (pooled == sum(np.array(fold["confusion"]) for fold in found["members"])).all()
    shares = [fold["accuracy"] for fold in found["members"]]
    assert found["mean"] == pytest.approx(np.mean(shares))
    assert found["spread"] == pytest.approx(np.std(shares, ddof=1))
    shown = lapel("evaluate", "cnn-simple-1").stdout
    assert f"{found['mean']:.2%} on average over 3 folds" in shown
    (row,) = json.loads(lapel("runs", "--json").stdout)
    assert (row["run"], row["kind"], row["members"], row["state"]) == ("cnn-simple-1", "folds", 3, "done")
    assert "cnn-simple-1 (3 folds)" in lapel("runs").stdout
    wrong = lapel("evaluate", "cnn-simple-1", "--test")
    assert (wrong.returncode, "mine has no test pictures" in wrong.stderr) == (1, True)
