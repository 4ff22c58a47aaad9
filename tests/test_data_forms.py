from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lapel.data import FORMS, Dataset, Split, load_data, save_data
from lapel.data.registry import FASHION_CLASSES, slug
from lapel.errors import DataError, LapelError
from lapel.picture import PictureSpec


def drawn(
    train: int = 40,
    test: int | None = 20,
    *,
    size: int = 28,
    channels: int = 1,
    name: str = "fashion",
    class_names: tuple[str, ...] = FASHION_CLASSES,
) -> Dataset:
    """Noise with a black border, of every class."""
    random = np.random.default_rng(3)

    def split(count: int) -> Split:
        pictures = random.integers(0, 256, (count, size, size, channels), dtype=np.uint8)
        pictures[:, [0, -1]] = pictures[:, :, [0, -1]] = 0
        return Split(pictures, random.permutation(np.arange(count) % len(class_names)))

    return Dataset(name, split(train), None if test is None else split(test), class_names)


def refusal(path: Path, **how: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        load_data(path, **how)
    return caught.value


# What is written is read again


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("test", [None, 20])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_form_gives_the_same_dataset_back(
    tmp_path: Path, form: str, test: int | None, channels: int
) -> None:
    dataset = drawn(test=test, channels=channels)
    path = save_data(dataset, tmp_path / ("fashion.npz" if form == "npz" else "fashion"), form)
    picture = PictureSpec(channels=channels)
    again = load_data(path, picture=picture)
    assert again.fingerprint == dataset.fingerprint
    assert again.name == "fashion"
    assert again.class_names == FASHION_CLASSES
    assert again.skipped == ()


@pytest.mark.parametrize("form", ["parquet", "npz"])
def test_forms_that_keep_names_and_shapes(tmp_path: Path, form: str) -> None:
    names = ("zebra", "Ärmel / lang", "", "a")
    pictures = np.random.default_rng(0).integers(0, 256, (9, 5, 7, 2), dtype=np.uint8)
    dataset = Dataset("odd", Split(pictures, np.arange(9) % 4), None, names)
    again = load_data(save_data(dataset, tmp_path / f"odd.{form}", form))
    assert again.fingerprint == dataset.fingerprint


def test_numbered_classes_come_back_in_order_from_folders(tmp_path: Path) -> None:
    dataset = drawn(24, class_names=tuple(str(label) for label in range(12)), name="n")
    assert load_data(save_data(dataset, tmp_path / "n", "folder")).fingerprint == dataset.fingerprint


@pytest.mark.parametrize("names", [("b", "a"), ("a b", "a/b"), ("...", "x")])
def test_folders_refuse_names_they_cannot_keep(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="as folder names, its class names") as caught:
        save_data(drawn(class_names=names), tmp_path / "x", "folder")
    assert "parquet or npz" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_csv_refuses_pictures_that_are_not_square(tmp_path: Path) -> None:
    dataset = Dataset("wide", Split(np.zeros((2, 4, 6, 1), np.uint8), np.arange(2)), None, ("0", "1"))
    with pytest.raises(DataError, match="CSV holds square pictures"):
        save_data(dataset, tmp_path / "x", "csv")


# Saving


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_overwritten_unless_asked(tmp_path: Path, form: str) -> None:
    path = tmp_path / "taken.npz"
    save_data(drawn(), path, form)
    with pytest.raises(DataError) as caught:
        save_data(drawn(), path, form)
    assert caught.value.message == f"{path}: already there."
    assert "--overwrite" in caught.value.hint
    other = drawn(60)
    save_data(other, path, form, overwrite=True)
    assert (load_data(path).train.pictures == other.train.pictures).all()
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_with_other_things_in_it_is_never_replaced(tmp_path: Path) -> None:
    path = save_data(drawn(), tmp_path / "x", "csv")
    (path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"not replaced, since it also holds thesis\.txt"):
        save_data(drawn(), path, "csv", overwrite=True)
    assert (path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(DataError, match=r"a file, but this form is written as a folder"):
        save_data(drawn(), path / "thesis.txt", "csv", overwrite=True)
    with pytest.raises(DataError, match=r"a folder, but npz is written as one file"):
        save_data(drawn(), path, "npz", overwrite=True)


def test_a_failed_save_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_data(drawn(), tmp_path / "x", "folder")
    before = load_data(path).fingerprint

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(LapelError, match="no space left to write it"):
        save_data(drawn(60), path, "folder", overwrite=True)
    assert load_data(path).fingerprint == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_form(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no form 'parket'") as caught:
        save_data(drawn(), tmp_path / "x", "parket")
    assert caught.value.hint == 'Did you mean "parquet"?'


# CSV


def rows(count: int = 6, pixels: int = 16) -> list[list[object]]:
    random = np.random.default_rng(5)
    return [[row % 3, *random.integers(0, 256, pixels).tolist()] for row in range(count)]


def csv_file(path: Path, lines: list[list[object]], header: list[str] | None = None) -> Path:
    names = header or ["label", *(f"pixel{number}" for number in range(1, len(lines[0])))]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *lines])
    return path


def test_csv_reads_as_numpy_and_pyarrow_read_it(tmp_path: Path) -> None:
    written = save_data(drawn(300), tmp_path / "x", "csv") / "fashion_train.csv"
    dataset = load_data(written)
    table = np.loadtxt(written, delimiter=",", skiprows=1, dtype=np.int64)
    assert (dataset.train.labels == table[:, 0]).all()
    assert (dataset.train.pictures.reshape(300, -1) == table[:, 1:]).all()
    columns = pyarrow.csv.read_csv(written).to_pydict()
    assert columns["pixel400"] == dataset.train.pictures.reshape(300, -1)[:, 399].tolist()


def test_csv_is_read_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv_file(tmp_path / "a.csv", rows(50))
    whole = load_data(path)
    monkeypatch.setattr("lapel.data.table._BLOCK", 37)
    assert load_data(path).fingerprint == whole.fingerprint


def test_label_in_any_column_pixels_in_any_order_and_line_ends_of_any_system(tmp_path: Path) -> None:
    lines = rows()
    plain = load_data(csv_file(tmp_path / "a.csv", lines))
    turned = [line[::-1] for line in lines]
    names = ["Label", *(f"pixel{number}" for number in range(16))][::-1]
    path = csv_file(tmp_path / "b.csv", turned, names)
    assert load_data(path).fingerprint == plain.fingerprint
    text = path.read_bytes()
    assert b"\r\n" in text
    path.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\r\n", b"\n\n").rstrip(b"\n"))
    assert load_data(path).fingerprint == plain.fingerprint


def test_the_test_file_beside_is_read_too(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "fashion-mnist_train.csv", rows())
    csv_file(tmp_path / "fashion-mnist_test.csv", rows(3))
    for given_path in (path, tmp_path):
        dataset = load_data(given_path)
        assert dataset.test is not None
        assert len(dataset.test) == 3
        assert dataset.class_names == FASHION_CLASSES
    assert load_data(path).name == "fashion-mnist"


def test_a_test_file_without_labels_is_left_out_and_said(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "train.csv", rows())
    unlabelled = csv_file(tmp_path / "test.csv", rows(), [f"pixel{number}" for number in range(17)])
    dataset = load_data(path)
    assert dataset.test is None
    assert dataset.skipped[0].file == str(unlabelled)
    assert dataset.skipped[0].why.startswith("expected one column named `label`")


@pytest.mark.parametrize("block", [4096, 60])
def test_a_ragged_row_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("lapel.data.table._BLOCK", block)
    lines = rows(9)
    lines[6] = lines[6][:-2]
    path = csv_file(tmp_path / "a.csv", lines)
    error = refusal(path)
    assert error.message == f"{path}: row 7 has 15 fields; 17 were expected."
    assert "counted from 1, after the header" in error.hint


@pytest.mark.parametrize("field", ["256", "-1", "1.5", "x", "", "1000", "²", "0x1", " 7", "nan"])
def test_a_field_that_is_no_pixel(tmp_path: Path, field: str) -> None:
    lines = rows()
    lines[3][5] = field
    path = csv_file(tmp_path / "a.csv", lines)
    assert refusal(path).message == (
        f"{path}: row 4, column 6: {field!r} is no whole number from 0 to 255, as a pixel must be."
    )


def test_two_rows_on_one_line_do_not_pass_for_one_and_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("label,pixel1,pixel2,pixel3,pixel4\n0,1,2,3\n0,1,2,3,4,5\n")
    assert refusal(path).message == f"{path}: row 1 has 4 fields; 5 were expected."


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected one column named `label`"),
        ("5,0,0,0,0\n", "expected one column named `label`"),
        ("label,label,pixel1\n", "expected one column named `label`"),
        ("label,pixel1,price,pixel2\n", "column 3 is named 'price'"),
        ("label,pixel1,pixel2,pixel1\n", "column 4 is named 'pixel1'"),
        ("label,pixel1,pixel2,pixel3,pixel4\n", "holds a header and no rows"),
        ("label,pixel1,pixel2,pixel3\n0,1,2,3\n", "x.csv: 3 pixels"),
        ("label,pixel1,pixel2\n0,1,2\n", "2 pixels a picture make no square"),
        ("label\n0\n", "0 pixels a picture make no square"),
        ("\x00\xff\x00", "expected one column named `label`"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    if says == "x.csv: 3 pixels":  # one pixel in three colours is a picture
        assert load_data(path).shape == (1, 1, 3)
    else:
        assert says in refusal(path).message


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="0123456789,\n\r -x\x00²", max_size=80))
def test_csv_reads_as_a_plain_loop_does(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(b"label,pixel1,pixel2,pixel3,pixel4\n" + text.encode())
    lines = [line.split(",") for line in text.replace("\r", "").split("\n") if line]
    good = bool(lines) and all(
        len(line) == 5 and all(f.isascii() and f.isdecimal() and len(f) <= 3 for f in line) for line in lines
    )
    good = good and all(int(field) <= 255 for line in lines for field in line[1:])
    if not good:
        assert refusal(path).hint
        return
    dataset = load_data(path)
    assert dataset.train.labels.tolist() == [int(line[0]) for line in lines]
    assert dataset.train.pictures.reshape(-1, 4).tolist() == [[int(f) for f in line[1:]] for line in lines]


# Parquet


def parquet_file(path: Path, columns: dict[str, Any], metadata: dict[str, str] | None = None) -> Path:
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(metadata) if metadata else table, path)
    return path


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0]).save(buffer, "PNG")
    return buffer.getvalue()


def test_parquet_in_kaggles_form(tmp_path: Path) -> None:
    lines = rows()
    columns = {f"pixel{number}": [line[number] for line in lines] for number in range(1, 17)}
    path = parquet_file(tmp_path / "a.parquet", {**columns, "label": [line[0] for line in lines]})
    assert load_data(path).fingerprint == load_data(csv_file(tmp_path / "a.csv", lines)).fingerprint


def test_parquet_in_hugging_faces_form(tmp_path: Path) -> None:
    dataset = drawn(20, 10)
    about = {"info": {"features": {"label": {"names": list(FASHION_CLASSES), "_type": "ClassLabel"}}}}
    (tmp_path / "data").mkdir()
    for part, split in (("train", dataset.train), ("test", dataset.test)):
        assert split is not None
        half = len(split) // 2
        for number, where in enumerate((slice(0, half), slice(half, None))):
            shard = split.take(where)
            cells = [{"bytes": png(picture), "path": None} for picture in shard.pictures]
            name = f"{part}-0000{number}-of-00002.parquet"
            columns = {"image": cells, "label": shard.labels}
            parquet_file(tmp_path / "data" / name, columns, {"huggingface": json.dumps(about)})
    assert load_data(tmp_path).fingerprint == dataset.fingerprint


def test_pictures_in_parquet_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    picture = drawn().train.pictures[0]
    cells = [{"bytes": png(picture), "path": "a.png"}, {"bytes": b"no picture", "path": "b.png"}]
    path = parquet_file(tmp_path / "a.parquet", {"image": cells, "label": [0, 1]})
    dataset = load_data(path)
    assert len(dataset.train) == 1
    assert len(dataset.skipped) == 1
    assert dataset.skipped[0].file == f"{path}: row 2"
    cells[0]["bytes"] = None
    parquet_file(path, {"image": cells, "label": [0, 1]})
    assert "some rows hold none" in refusal(path).message


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"label": [0, 1], "pixels": [[1, 2, 3, 4], [1, 2, 3]]}, "the same number of pixels; found 4, 3"),
        ({"label": [0, 1], "pixels": [[1, 2, 3, 4], None]}, "the same number of pixels; found 4, None"),
        ({"label": [0, 1], "pixels": [[1, 2, 3, 4], [1, 2, 3, 999]]}, "found 999"),
        ({"label": [0, 1], "pixels": [[1, 2, 3, 4], [1, 2, 3, -9]]}, "found -9"),
        ({"label": [0, 1], "pixels": [[1, 2, 3, 4.5], [1, 2, 3, 4]]}, "these are float64"),
        ({"label": [0, 1], "pixels": ["abcd", "efgh"]}, "must hold lists of numbers; it holds string"),
        (
            {"label": [0, None], "pixels": [[1, 2, 3, 4], [1, 2, 3, 4]]},
            "labels must be a row of whole numbers",
        ),
        (
            {"label": ["a", "b"], "pixels": [[1, 2, 3, 4], [1, 2, 3, 4]]},
            "labels must be a row of whole numbers",
        ),
        ({"label": [0, -1], "pixels": [[1, 2, 3, 4], [1, 2, 3, 4]]}, "label -1 is out of range"),
        ({"price": [1, 2]}, "expected one column named `label`"),
        ({"label": [0], "pixel1": [1], "pixel2": [2]}, "2 pixels a picture make no square"),
        ({"label": [0], "pixel1": [None]}, "pixels must be whole numbers"),
    ],
)
def test_parquet_that_is_no_dataset(tmp_path: Path, columns: dict[str, Any], says: str) -> None:
    assert says in refusal(parquet_file(tmp_path / "a.parquet", columns)).message


@pytest.mark.parametrize(
    "about",
    [
        "",
        "[]",
        "{}",
        '{"class_names": ["a"], "shape": [2, "2", 1]}',
        '{"class_names": 3, "shape": [2, 2, 1]}',
    ],
)
def test_parquet_whose_schema_says_nonsense(tmp_path: Path, about: str) -> None:
    path = parquet_file(
        tmp_path / "a.parquet", {"label": [0], "pixels": [[1, 2, 3, 4]]}, {"lapel.dataset": about}
    )
    assert "cannot be read" in refusal(path).message


def test_broken_parquet(tmp_path: Path) -> None:
    path = save_data(drawn(test=None), tmp_path / "x", "parquet") / "train.parquet"
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for kept in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        assert refusal(path).message.startswith(f"{path}: no readable Parquet file (")
    for _ in range(60):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 8):
            data[place] = random.integers(256)
        path.write_bytes(data)
        try:
            load_data(path)
        except DataError as error:
            assert str(path) in error.message or "x: " in error.message


# .npz


def test_npz_in_keras_form_and_with_pictures_alone(tmp_path: Path) -> None:
    train = drawn().train
    path = tmp_path / "mnist.npz"
    grey, labels = train.pictures[..., 0], train.labels.astype(np.uint8)
    np.savez(path, x_train=grey, y_train=labels, x_test=grey[:5], y_test=labels[:5])
    dataset = load_data(path)
    assert (dataset.train.pictures == train.pictures).all()
    assert dataset.test is not None
    assert dataset.test.labels.tolist() == train.labels[:5].tolist()
    np.savez(path, pictures=train.pictures, labels=labels)
    assert (load_data(path).train.labels == train.labels).all()


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"a": np.zeros(3)}, "expected arrays x_train and y_train (or pictures and labels)"),
        ({"pictures": np.zeros((2, 4, 4)), "labels": np.arange(2)}, "pictures must be uint8"),
        ({"pictures": np.zeros((2, 4), np.uint8), "labels": np.arange(2)}, "it is uint8 of shape (2, 4)"),
        (
            {"pictures": np.zeros((3, 4, 4), np.uint8), "labels": np.arange(2)},
            "holds 3 pictures, but labels holds 2",
        ),
        (
            {"pictures": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(2)},
            "labels must be a row of whole numbers",
        ),
        ({"pictures": np.zeros((2, 4, 4), np.uint8), "labels": np.int64(3)}, "of shape ()"),
        (
            {"pictures": np.zeros((0, 4, 4), np.uint8), "labels": np.zeros(0, int)},
            "holds no training pictures",
        ),
        (
            {"pictures": np.zeros((1, 4, 4), np.uint8), "labels": np.array([2**64 - 1], np.uint64)},
            "label 18446744073709551615 is out of range",
        ),
        (
            {
                "pictures": np.zeros((1, 4, 4), np.uint8),
                "labels": np.zeros(1, int),
                "class_names": np.zeros(1),
            },
            "class_names must be a row of texts",
        ),
        (
            {
                "x_train": np.zeros((1, 4, 4), np.uint8),
                "y_train": np.zeros(1, int),
                "x_test": np.zeros((1, 5, 5), np.uint8),
                "y_test": np.zeros(1, int),
            },
            "training pictures are 4×4×1, but test pictures are 5×5×1",
        ),
    ],
)
def test_npz_that_is_no_dataset(tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    assert says in refusal(path).message


def test_npz_with_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, pictures=np.array([{"a": 1}, None], dtype=object), labels=np.arange(2))
    error = refusal(path)
    assert error.message.startswith(f"{path}: no readable .npz file of plain arrays (")
    assert "Python objects are not read" in error.hint


def test_broken_npz(tmp_path: Path) -> None:
    path = save_data(drawn(test=None), tmp_path / "a.npz", "npz")
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for kept in (0, 10, len(whole) // 2):
        path.write_bytes(whole[:kept])
        assert "no readable .npz file" in refusal(path).message
    for _ in range(200):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 6):
            data[place] = random.integers(256)
        path.write_bytes(data)
        try:
            load_data(path)
        except DataError as error:
            assert str(path) in error.message
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "pictures.npy",
            b"\x93NUMPY\x01\x00\x76\x00{'descr': '|u1', 'fortran_order': False, "
            b"'shape': (99999999999, 28, 28), }".ljust(128)
            + b"few",
        )
    assert "no readable .npz file" in refusal(path).message


# One folder per class


def pictures_in(folder: Path, classes: dict[str, int], form: str = "png") -> Path:
    random = np.random.default_rng(7)
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            picture = random.integers(0, 256, (40, 30, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / name / f"{number}.{form}")
    return folder


@pytest.mark.parametrize("form", ["png", "jpg", "webp", "bmp"])
def test_a_folder_per_class(tmp_path: Path, form: str) -> None:
    dataset = load_data(pictures_in(tmp_path / "mine", {"coat": 2, "bag": 3}, form))
    assert dataset.class_names == ("bag", "coat")
    assert dataset.shape == (28, 28, 1)
    assert np.bincount(dataset.train.labels).tolist() == [3, 2]
    assert dataset.test is None
    assert load_data(tmp_path / "mine", picture=PictureSpec(20, 3)).shape == (20, 20, 3)


def test_train_validation_and_test_folders(tmp_path: Path) -> None:
    pictures_in(tmp_path / "train", {"a": 2, "b": 2})
    pictures_in(tmp_path / "val", {"a": 1, "b": 1})
    dataset = load_data(tmp_path)
    assert (len(dataset.train), len(dataset.test or ())) == (4, 2)
    pictures_in(tmp_path / "test", {"a": 3})
    dataset = load_data(tmp_path)
    assert (len(dataset.train), len(dataset.test or ())) == (6, 3)
    pictures_in(tmp_path / "test" / "extra", {"c": 1})
    assert refusal(tmp_path).message.endswith("extra: a class to test on that is not there to train on.")


def test_fashion_folders_keep_its_label_order(tmp_path: Path) -> None:
    pictures_in(tmp_path, {slug(name): 1 for name in FASHION_CLASSES})
    assert load_data(tmp_path).class_names == FASHION_CLASSES
    assert slug("T-shirt/top") == "t-shirt-top"


def test_what_is_no_picture_is_named_skipped_and_counted(tmp_path: Path) -> None:
    folder = pictures_in(tmp_path, {"a": 2, "b": 2})
    (folder / "a" / "notes.txt").write_text("to do")
    (folder / "b" / "cut.png").write_bytes((folder / "b" / "0.png").read_bytes()[:60])
    (folder / "b" / ".DS_Store").write_bytes(b"ignored")
    (folder / "__MACOSX").mkdir()
    told: list[tuple[str, int, int | None]] = []
    dataset = load_data(folder, progress=lambda *what: told.append(what))
    assert len(dataset.train) == 4
    assert [skip.file for skip in dataset.skipped] == ["b/cut.png", "a/notes.txt"]
    assert "not a picture of a known format; it looks like text" in dataset.skipped[1].why
    assert told == [(f"reading {folder.name}", 6, 6)]


@pytest.mark.parametrize(("classes", "found"), [({}, "found 0."), ({"coat": 2}, "found 1 (coat).")])
def test_fewer_than_two_classes(tmp_path: Path, classes: dict[str, int], found: str) -> None:
    error = refusal(pictures_in(tmp_path, classes))
    assert error.message == f"{tmp_path}: expected a folder for each of two classes or more; {found}"
    assert "FOLDER/CLASS/picture.png" in error.hint


def test_an_empty_class(tmp_path: Path) -> None:
    pictures_in(tmp_path, {"bag": 1, "coat": 0})
    assert refusal(tmp_path).message == f"{tmp_path}: class 'coat' has no picture that can be read."
    (tmp_path / "coat" / "a.png").write_text("no")
    error = refusal(tmp_path)
    assert "class 'coat' has no picture that can be read (1 files were left out; first: " in error.message
    assert error.hint == "Add pictures of it, or leave the class out."
