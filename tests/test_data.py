"""Finding datasets by name, looking them over, and the verbs of `lapel data`."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from lapel.commands.data import data
from lapel.data import CATALOG, FORMS, Dataset, Skip, Split, check_data, load_data, save_data
from lapel.data.places import cache_folder, places
from lapel.data.registry import FASHION_CLASSES
from lapel.data.synthetic.draw import draw
from lapel.errors import DataError
from lapel.picture import PictureSpec

Lapel = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a working folder and a cache of one's own, with nothing in them."""
    for name in ("LAPEL_DATA", "KERAS_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("LAPEL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


# Where a name leads


def test_without_the_data_every_place_is_said(home: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_data("fashion-mnist", download=False)
    work = home / "work"
    raw = Path("FashionMNIST/raw")
    assert caught.value.message.splitlines() == [
        "fashion-mnist was not found. Looked in:",
        "  LAPEL_DATA: not set",
        f"  Lapel's cache: {home / 'cache' / 'fashion-mnist'}: nothing there",
        f"  torchvision: {work / 'data' / raw}: nothing there",
        f"  torchvision: {work / 'datasets' / raw}: nothing there",
        f"  torchvision: {home / 'home' / 'data' / raw}: nothing there",
        f"  torchvision: {home / 'home' / 'datasets' / raw}: nothing there",
        f"  Keras: {home / 'home' / '.keras' / 'datasets' / 'fashion-mnist'}: nothing there",
        "  the network: not asked",
    ]
    assert "Give the path of a folder" in caught.value.hint
    assert "set LAPEL_DATA to a folder that holds fashion-mnist/" in caught.value.hint


def test_without_a_network_every_mirror_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(DataError) as caught:
        load_data("mnist")
    assert "Looked in:" in caught.value.message
    for mirror in CATALOG["mnist"].mirrors:
        assert f"\n    {mirror}train-images-idx3-ubyte.gz: " in caught.value.message
    assert list((home / "cache" / "mnist").glob("*.gz")) == []


def test_places_come_in_the_order_of_the_design(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPEL_DATA", str(home / "given"))
    titles = [place.title for place in places(CATALOG["fashion-mnist"])]
    assert titles == ["LAPEL_DATA"] * 2 + ["Lapel's cache"] + ["torchvision"] * 4 + ["Keras"]


def test_the_cache_is_where_the_system_keeps_caches(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert cache_folder() == home / "cache"
    monkeypatch.delenv("LAPEL_CACHE")
    monkeypatch.setattr("platformdirs.windows.get_win_folder", lambda name: str(home / name))
    for system, expected in (
        (Windows, home / "CSIDL_LOCAL_APPDATA/lapel"),
        (MacOS, home / "home/Library/Caches/lapel"),
        (Unix, home / "home/.cache/lapel"),
    ):
        monkeypatch.setattr("platformdirs.PlatformDirs", system)
        assert cache_folder() == expected
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    assert cache_folder() == home / "xdg/lapel"


def test_real_files_are_found_wherever_they_lie(
    fashion_mnist: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision = home / "work/data/FashionMNIST/raw"
    torchvision.mkdir(parents=True)
    for path in fashion_mnist.glob("*.gz"):  # unpacked, as torchvision leaves them
        (torchvision / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    dataset = load_data(download=False)
    assert dataset.source == f"torchvision: {torchvision}"
    fingerprint = dataset.fingerprint

    own = home / "given/fashion-mnist"
    shutil.copytree(fashion_mnist, own, copy_function=shutil.copyfile)
    monkeypatch.setenv("LAPEL_DATA", str(home / "given"))
    dataset = load_data(download=False)
    assert (dataset.source, dataset.fingerprint) == (f"LAPEL_DATA: {own}", fingerprint)
    monkeypatch.setenv("LAPEL_DATA", str(own))
    assert load_data(download=False).source == f"LAPEL_DATA: {own}"
    # Held to its checksums where Lapel was told to look, passed over elsewhere.
    (own / "t10k-labels-idx1-ubyte.gz").write_bytes(b"other")
    assert load_data(download=False).source == f"torchvision: {torchvision}"
    monkeypatch.setenv("LAPEL_DATA", str(home / "given"))
    with pytest.raises(DataError, match="Expected SHA-256 67da17c7"):
        load_data(download=False)


def test_a_name_that_is_nearly_right(home: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_data("fashion-mnst")
    assert caught.value.message == "There is no dataset named 'fashion-mnst', and no file or folder either."
    assert caught.value.hint == 'Did you mean "fashion-mnist"?'


@pytest.mark.parametrize("path", ["a/b", "mine.csv", Path("mnist"), "./synthetic"])
def test_a_path_that_is_not_there(home: Path, path: str | Path) -> None:
    with pytest.raises(DataError, match=r"no such file or folder\.") as caught:
        load_data(path)
    assert caught.value.message.startswith(f"{Path(path)}: ")


def test_a_file_of_another_kind(home: Path) -> None:
    Path("cat.gif").write_bytes(b"GIF89a")
    with pytest.raises(DataError, match=r"cat\.gif: \.gif is no form of dataset"):
        load_data("cat.gif")


def test_drawn_garments_have_the_size_asked_for(home: Path) -> None:
    dataset = load_data("synthetic", picture=PictureSpec(8, 3))
    assert (dataset.name, dataset.shape) == ("synthetic", (8, 8, 3))


def test_ready_pictures_are_not_made_into_another_size(home: Path) -> None:
    np.savez("a.npz", pictures=np.zeros((2, 8, 8), np.uint8), labels=np.arange(2))
    assert load_data("a.npz").shape == (8, 8, 1)
    with pytest.raises(DataError, match="its pictures are 8×8×1; 28×28×1 were asked for"):
        load_data("a.npz", picture=PictureSpec())


# Looking over


def test_what_is_found_in_a_dataset() -> None:
    random = np.random.default_rng(0)
    train = random.integers(0, 256, (8, 6, 6, 1), dtype=np.uint8)
    test = random.integers(0, 256, (4, 6, 6, 1), dtype=np.uint8)
    train[3] = train[1]  # the same picture under another label
    train[5] = train[4] = 7  # blank, twice
    test[2] = train[0]
    dataset = Dataset(
        "odd",
        Split(train, np.array([0, 0, 0, 1, 0, 0, 0, 0])),
        Split(test, np.array([0, 0, 0, 0])),
        ("coat", "bag"),
        source="by hand",
        skipped=(Skip("notes.txt", "no picture"),),
    )
    found = check_data(dataset)
    assert found.splits["train"].per_class == {"coat": 7, "bag": 1}
    assert found.splits["train"].duplicates == 2
    assert found.splits["train"].blank == 2
    assert (found.across, found.conflicting) == (1, 1)
    assert found.balance == pytest.approx(1 / 7)
    assert found.splits["test"].mean == pytest.approx(test.mean(), abs=0.001)
    assert found.problems == (
        "train: 2 pictures equal an earlier one.",
        "train: 2 pictures are blank.",
        "test: class 'bag' has no pictures.",
        "1 test pictures are also training pictures: test figures will be too good.",
        "1 pictures stand under more than one label.",
        "Class 'coat' has 7 pictures, 'bag' has 1. Train with --set training.class_weights=balanced.",
        "1 files were left out; the first: notes.txt: no picture",
    )
    plain = json.loads(json.dumps(found.to_json()))
    assert plain["fingerprint"] == dataset.fingerprint
    assert plain["splits"]["test"]["pictures"] == 4
    assert plain["problems"] == list(found.problems)


def test_pictures_scaled_before_they_were_saved_are_noticed() -> None:
    split = Split(np.eye(4, dtype=np.uint8).reshape(1, 4, 4, 1).repeat(2, axis=0), np.arange(2))
    assert any(
        "no value is over 1" in line for line in check_data(Dataset("d", split, None, ("a", "b"))).problems
    )


def test_fashion_mnist_has_no_duplicates(fashion_mnist: Path) -> None:
    found = check_data(load_data(fashion_mnist))
    assert found.problems == ()
    assert set(found.splits["train"].per_class.values()) == {6000}


# The verbs


def test_list(lapel: Lapel) -> None:
    blocks = lapel("data", "list").stdout.split("\n\n")
    assert [block.split()[0] for block in blocks] == list(CATALOG)
    listed = json.loads(lapel("data", "list", "--json").stdout)
    assert [known["name"] for known in listed] == list(CATALOG)
    assert listed[0]["bytes"] == 30_878_645
    assert listed[0]["licence"].startswith("MIT")


@pytest.fixture
def garments(tmp_path: Path) -> Dataset:
    """A few drawn garments, saved as garments.npz where `lapel` runs."""
    dataset = Dataset("garments", Split(*draw(60)), Split(*draw(20, seed=1)), FASHION_CLASSES)
    save_data(dataset, tmp_path / "garments.npz", "npz")
    return dataset


def test_get_writes_another_form_and_says_where(lapel: Lapel, tmp_path: Path, garments: Dataset) -> None:
    for words, path in (((), "garments-csv"), (("--to", "my data/x"), "my data/x")):
        done = lapel("data", "get", "garments.npz", "--as", "csv", *words)
        assert (done.stdout, done.returncode) == (f"{path}\n", 0)
        assert f"fingerprint {garments.fingerprint[:12]}" in done.stderr
        assert (load_data(tmp_path / path).train.pictures == garments.train.pictures).all()
    again = lapel("data", "get", "garments.npz", "--as", "csv")
    assert again.returncode == 1
    assert again.stderr.splitlines()[-2:] == [
        "lapel: garments-csv: already there.",
        "  Choose another path, or overwrite it with --overwrite.",
    ]
    assert lapel("data", "get", "garments.npz", "--as", "csv", "--overwrite").returncode == 0
    assert lapel("data", "get", "garments.npz", "--to", "x").returncode == 2


def test_the_forms_offered_are_those_that_can_be_written() -> None:
    form = next(option for option in data.commands["get"].params if option.name == "form")
    assert set(form.type.choices) == set(FORMS)


@pytest.mark.parametrize("words", [(), ("--mean", "--out", "garments.png")])
def test_show_counts_and_draws_to_a_file(
    lapel: Lapel, tmp_path: Path, garments: Dataset, words: tuple[str, ...]
) -> None:
    done = lapel("data", "show", "garments.npz", "--count", "2", "--split", "test", *words)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [f"{name:<11}        2" for name in FASHION_CLASSES]
    assert done.stderr == "Drawn to garments.png\n"
    with Image.open(tmp_path / "garments.png") as figure:
        assert figure.width > 300


def test_show_draws_in_a_terminal_as_many_as_fit(
    garments: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lapel.terminal.can_draw", lambda *_: True)
    monkeypatch.setenv("COLUMNS", "60")
    for words, pictures in (((), 2), (("--mean",), 1)):
        lines = CliRunner().invoke(data, ["show", "garments.npz", *words], color=True).output.splitlines()
        assert lines[0] == "T-shirt/top: 6"
        assert len(lines) == 10 * (1 + 14)
        assert lines[1].count("▀") == 28 * pictures + (pictures - 1)
    assert list(tmp_path.glob("*.png")) == []


def test_show_says_when_there_is_no_test(lapel: Lapel, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pictures=np.zeros((2, 8, 8), np.uint8), labels=np.arange(2))
    done = lapel("data", "show", "a.npz", "--split", "test")
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "lapel: a has no test pictures.")


def test_check(lapel: Lapel, garments: Dataset) -> None:
    done = lapel("data", "check", "garments.npz")
    assert "test         20; 2 of each of 10 classes" in done.stdout
    assert done.stdout.endswith("Nothing to complain of.\n")
    found = json.loads(lapel("data", "check", "garments.npz", "--json").stdout)
    assert found["fingerprint"] == garments.fingerprint


def test_progress_is_said_in_plain_lines_where_there_is_no_terminal(lapel: Lapel, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        Image.new("L", (28, 28)).save(tmp_path / "mine" / name / "0.png")
    done = lapel("data", "get", "mine")
    assert done.stdout == "mine\n"
    assert done.stderr.splitlines()[0] == "reading mine (2) …"
