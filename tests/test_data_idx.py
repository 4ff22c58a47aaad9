from __future__ import annotations

import gzip
import hashlib
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapel.data import Dataset, Split, load_data
from lapel.data.idx import read_idx, read_idx_folder, write_idx
from lapel.data.registry import DataFile, Known
from lapel.errors import DataError


def pictures_file(pictures: np.ndarray, magic: int = 2051) -> bytes:
    """IDX by the letter of its description, by hand."""
    return struct.pack(f">{1 + pictures.ndim}I", magic, *pictures.shape) + pictures.tobytes()


def labels_file(labels: list[int]) -> bytes:
    return struct.pack(">2I", 2049, len(labels)) + bytes(labels)


PICTURES = np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 6, 5)
LABELS = [0, 1, 2, 1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(pictures_file(PICTURES)))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels_file(LABELS)))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(pictures_file(PICTURES[:2]))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(labels_file([2, 0]))
    return tmp_path


def refusal(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        load_data(path)
    assert caught.value.hint
    return caught.value


def test_a_folder_is_read_packed_and_raw(folder: Path) -> None:
    dataset = load_data(folder)
    assert dataset.train.pictures.shape == (4, 6, 5, 1)
    assert (dataset.train.pictures[..., 0] == PICTURES).all()
    assert dataset.train.labels.tolist() == LABELS
    assert dataset.train.pictures.flags.writeable
    assert dataset.test is not None
    assert dataset.test.labels.tolist() == [2, 0]
    assert dataset.class_names == ("0", "1", "2")
    assert dataset.source == str(folder)


def test_test_files_may_be_absent_but_only_both(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").unlink()
    error = refusal(folder)
    assert error.message == (
        f"{folder}: t10k-labels-idx1-ubyte (or t10k-labels-idx1-ubyte.gz) is missing, "
        "though its companion is there."
    )
    (folder / "t10k-images-idx3-ubyte").unlink()
    assert load_data(folder).test is None


def test_names_with_a_dot_are_found_too(folder: Path) -> None:
    (folder / "t10k-images-idx3-ubyte").rename(folder / "t10k-images.idx3-ubyte")
    assert load_data(folder).test is not None


def test_several_gzip_members_are_one_file(folder: Path) -> None:
    data = pictures_file(PICTURES)
    packed = gzip.compress(data[:30]) + gzip.compress(data[30:])
    (folder / "train-images-idx3-ubyte.gz").write_bytes(packed)
    assert (load_data(folder).train.pictures[..., 0] == PICTURES).all()


def test_a_wrong_magic_number(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(pictures_file(PICTURES, magic=1234)))
    error = refusal(folder)
    assert error.message == (
        f"{path}: wrong magic number: expected 2051 (pictures) or 2049 (labels), found 1234."
    )
    assert "right file" in error.hint


def test_pictures_and_labels_exchanged(folder: Path) -> None:
    pictures, labels = folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz"
    both = pictures.read_bytes(), labels.read_bytes()
    labels.write_bytes(both[0])
    pictures.write_bytes(both[1])
    error = refusal(folder)
    assert error.message == f"{pictures}: expected magic number 2051, found 2049."
    assert "exchanged" in error.hint


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.97])
def test_a_truncated_gz(folder: Path, kept: float) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    noise = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
    packed = gzip.compress(pictures_file(noise))
    path.write_bytes(packed[: int(len(packed) * kept)])
    assert refusal(folder).message == f"{path}: cut off: the packed data end too early."


def test_a_damaged_gz(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    packed = bytearray(path.read_bytes())
    packed[-6] ^= 255  # the check sum
    path.write_bytes(packed)
    assert refusal(folder).message.startswith(f"{path}: the packed data are damaged (")


@pytest.mark.parametrize(("change", "says"), [(-1, "but 119 follow"), (1, "but more follow")])
def test_another_number_of_bytes_than_promised(folder: Path, change: int, says: str) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    data = pictures_file(PICTURES)
    path.write_bytes(gzip.compress(data[:-1] if change < 0 else data + b"x"))
    assert refusal(folder).message == f"{path}: its header promises 4 × 6 × 5 = 120 bytes, {says}."


def test_more_pictures_than_labels(folder: Path) -> None:
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels_file([0, 1, 1])))
    assert refusal(folder).message == (
        f"{folder}: train-images-idx3-ubyte.gz holds 4 pictures, "
        "but train-labels-idx1-ubyte.gz holds 3 labels."
    )


def test_a_missing_file_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing: no such file\."):
        read_idx(tmp_path / "nothing")
    with pytest.raises(DataError, match="expected train-images-idx3-ubyte and its companions"):
        read_idx_folder(tmp_path)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(pictures_file(PICTURES) + bytes(200_000_000), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(DataError, match="but more follow"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize("lengths", [(1000, 1000, 1000), (2**32 - 1, 2**32 - 1, 2**32 - 1)])
def test_a_promise_that_cannot_be_kept_takes_no_memory(tmp_path: Path, lengths: tuple[int, ...]) -> None:
    path = tmp_path / "promise.gz"
    path.write_bytes(gzip.compress(struct.pack(">4I", 2051, *lengths) + b"few"))
    with pytest.raises(DataError, match="promises"):
        read_idx(path)


def known(folder: Path) -> Known:
    """The files in `folder` as if they were published."""
    files = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        raw = gzip.decompress(data) if path.suffix == ".gz" else data
        name = path.name.removesuffix(".gz") + ".gz"
        sums = (hashlib.sha256(part).hexdigest() for part in (data, raw))
        files.append(DataFile(name, len(data), *sums))
    return Known("small", "", ("a", "b", "c"), "", "", tuple(files))


def test_published_files_are_held_to_their_checksums_packed_and_raw(folder: Path) -> None:
    small = known(folder)
    dataset = read_idx_folder(folder, small, "here")
    assert (dataset.name, dataset.class_names, dataset.source) == ("small", ("a", "b", "c"), "here")
    for name in ("train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte"):
        path = folder / name
        before = path.read_bytes()
        wrong = labels_file([0, 0] if name.startswith("t10k") else [0, 0, 0, 0])
        path.write_bytes(gzip.compress(wrong) if path.suffix == ".gz" else wrong)
        with pytest.raises(DataError) as caught:
            read_idx_folder(folder, small)
        expected = hashlib.sha256(before).hexdigest()
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f"{path}: not the published file." in caught.value.message
        assert f"Expected SHA-256 {expected}, found {found}" in caught.value.message
        assert caught.value.hint == f"Delete {path} and run the same command again."
        path.write_bytes(before)


def test_a_label_out_of_range(folder: Path) -> None:
    few = Known("small", "", ("a", "b"), "", "", known(folder).files)
    with pytest.raises(DataError, match=r"small: training label 2 \(number 2\) is out of range: 2 classes"):
        read_idx_folder(folder, few)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_again(tmp_path: Path, channels: int) -> None:
    random = np.random.default_rng(1)
    train, test = (
        Split(random.integers(0, 256, (n, 7, 9, channels), dtype=np.uint8), np.arange(n) % 4) for n in (12, 5)
    )
    dataset = Dataset("any", train, test, ("0", "1", "2", "3"))
    write_idx(dataset, tmp_path)
    assert load_data(tmp_path).fingerprint == dataset.fingerprint
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_idx(dataset, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_the_real_files_read_as_numpy_and_struct_read_them(fashion_mnist: Path) -> None:
    dataset = load_data(fashion_mnist)
    assert dataset.name == "fashion-mnist"
    assert dataset.class_names[0] == "T-shirt/top"
    for split, part in ((dataset.train, "train"), (dataset.test, "t10k")):
        raw = gzip.decompress((fashion_mnist / f"{part}-images-idx3-ubyte.gz").read_bytes())
        count, height, width = struct.unpack_from(">3I", raw, 4)
        assert split is not None
        assert split.pictures.shape == (count, height, width, 1)
        assert split.pictures.tobytes() == raw[16:]
        labels = gzip.decompress((fashion_mnist / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        assert split.labels.tolist() == list(labels[8:])


VALID = pictures_file(PICTURES)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, len(VALID)),
    packed=st.booleans(),
    after=st.binary(max_size=8),
)
def test_no_bytes_end_in_anything_but_an_array_or_a_data_error(
    tmp_path: Path, changes: list[tuple[int, int]], cut: int, packed: bool, after: bytes
) -> None:
    data = bytearray(gzip.compress(VALID, mtime=0) if packed else VALID)
    for place, value in changes:
        data[place % min(len(data), 20 if not packed else len(data))] = value
    path = tmp_path / "any"
    path.write_bytes(bytes(data[: max(cut, len(data) - cut)]) + after)
    try:
        array = read_idx(path)
    except DataError as error:
        assert str(path) in error.message
        assert error.hint
    else:
        assert array.dtype == np.uint8
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = zlib.decompress(raw, wbits=31)
        assert raw.endswith(array.tobytes())
