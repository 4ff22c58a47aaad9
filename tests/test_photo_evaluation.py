"""Judging a model on a shop's own labelled photos, with a model whose answers are known beforehand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from halves import CARD, DOUBTING, bright, write_model
from PIL import Image

from lapel.cli import lapel
from lapel.errors import DataError
from lapel.judgement import Report
from lapel.metrics import wilson_interval
from lapel.photo_evaluation import evaluate_photos
from lapel.photo_labels import match_labels
from lapel.tagger import Tagger, load_tagger

# Label, what the photo shows, shop. "both" has no clear answer, "nothing" is refused; a hat is no class.
PHOTOS = [
    ("left", "left", "north"),
    ("left", "left", "south"),
    ("left", "both", "south"),
    ("RIGHT", "right", "north"),
    ("RIGHT", "left", "south"),
    ("hat", "nothing", "north"),
    ("hat", "left", "south"),
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "doubting.onnx", DOUBTING)


@pytest.fixture
def tagger(model: Path) -> Tagger:
    return load_tagger(model)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder per label, and the same as a table with numbers for labels."""
    folder = tmp_path / "shop"
    lines = ["path,class,seller"]
    for number, (label, shown, seller) in enumerate(PHOTOS):
        path = folder / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(bright(shown)).save(path)
        lines.append(f"{label}/{number}.png,{ {'left': 0, 'RIGHT': 1, 'hat': -1}[label] },{seller}")
    (folder / "left" / "broken.png").write_bytes(b"\x89PNG")
    (folder / "labels.csv").write_text("\n".join([*lines, "left/broken.png,,north"]))
    return folder


def test_the_figures_are_those_of_a_hand(tagger: Tagger, shop: Path) -> None:
    report = evaluate_photos(tagger, shop)
    assert (report.pictures, report.split, report.dataset) == (5, "labelled", "shop")
    assert (report.accuracy, report.interval) == (0.8, wilson_interval(4, 5))
    assert report.balanced_accuracy == pytest.approx((3 / 3 + 1 / 2) / 2)
    photos = report.photos
    assert photos is not None
    assert (photos.all.accepted, photos.all.accepted_accuracy) == (0.8, 0.75)
    assert photos.all.accepted_accuracy_interval == wilson_interval(3, 4)
    assert (photos.all.others, photos.all.others_accepted) == (2, 0.5)
    # The hat that looks like "left" ties with four of the five, and is above "both".
    assert photos.all.auroc == pytest.approx((5 + 4 / 2) / 10)
    assert [(one.name, one.pictures, one.accuracy) for one in photos.classes] == [
        ("left", 3, 1.0),
        ("right", 2, 0.5),
    ]
    assert photos.others == (("hat", 2, 1),)
    assert photos.unread == 1 and "broken.png" in photos.unread_first[0]
    assert Report.from_json(report.to_json()) == report


def test_a_table_says_the_same_and_has_groups(tagger: Tagger, shop: Path) -> None:
    report = evaluate_photos(tagger, shop / "labels.csv", by="seller")
    photos = report.photos
    assert photos is not None
    assert (report.dataset, report.accuracy, photos.unread) == ("shop", 0.8, 0)
    other = evaluate_photos(tagger, shop).photos
    assert other is not None and photos.all.loss == pytest.approx(other.all.loss)  # added up in another order
    assert replace(photos.all, loss=None) == replace(other.all, loss=None)
    north, south = photos.groups
    assert (north.name, north.pictures, north.accuracy, north.others) == ("north", 2, 1.0, 1)
    assert (south.pictures, south.accuracy, south.accepted_accuracy) == (3, 2 / 3, 0.5)
    assert photos.worst is None  # a handful is wrong by chance


def test_a_folder_has_groups_by_a_pattern_on_its_paths(tagger: Tagger, shop: Path) -> None:
    for number, (label, _, seller) in enumerate(PHOTOS):
        path = shop / label / f"{number}.png"
        path.rename(path.with_name(f"{seller}_{number}.png"))
    photos = evaluate_photos(tagger, shop, by="{group}_*.png").photos
    assert photos is not None
    table = [("north", 2, 1.0, 1), ("south", 3, 2 / 3, 1)]
    assert [(one.name, one.pictures, one.accuracy, one.others) for one in photos.groups] == table
    with pytest.raises(DataError, match="'seller' is no pattern with one group"):
        evaluate_photos(tagger, shop, by="seller")


def test_the_worst_group_is_one_with_enough_photos(tagger: Tagger, shop: Path) -> None:
    rows = ["file,label,seller", *["left/0.png,left,good"] * 20, "RIGHT/4.png,right,small"]
    rows += [*["left/0.png,left,bad"] * 15, *["RIGHT/4.png,right,bad"] * 5]
    (shop / "more.csv").write_text("\n".join(rows))
    photos = evaluate_photos(tagger, shop / "more.csv", by="seller").photos
    assert photos is not None and (photos.worst, photos.worst_accepted) == ("bad", "bad")


def test_labels_match_by_name_or_number_and_near_misses_are_named() -> None:
    names = ("T-shirt/top", "Trouser", "Dress", "Sneaker", "Shirt")
    found = match_labels(
        ["t-shirt-top", "TROUSER", "2", "-1", "tshirts", "dresses", "sneeker", "skirt", "5"], names
    )
    assert list(found.numbers.values()) == [0, 1, 2, -1, -1, -1, -1, -1, -1]
    assert found.near == {"tshirts": "T-shirt/top", "dresses": "Dress", "sneeker": "Sneaker"}


def test_files_may_be_relative_to_the_folder_above(tagger: Tagger, shop: Path) -> None:
    (shop / "above.csv").write_text("file,label\nshop/left/0.png,left\n")
    assert evaluate_photos(tagger, shop / "above.csv").accuracy == 1


@pytest.mark.parametrize(
    ("text", "by", "words"),
    [
        ("file,label\nleft/0.png,lefts\n", None, 'Is "lefts" left?'),
        ("file,label\nnone.png,left\n", None, "none.png: no such file."),
        ("file,price\nleft/0.png,3\n", None, "Call them file and label"),
        ("file,label,shop\nleft/0.png,left,a\n", "shops", 'Did you mean "shop"?'),
        ("file,label\nleft/0.png\n", None, "row 2 has 1 fields; expected 2"),
    ],
)
def test_tables_that_cannot_be_judged_on(
    tagger: Tagger, shop: Path, text: str, by: str | None, words: str
) -> None:
    (shop / "odd.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        evaluate_photos(tagger, shop / "odd.csv", by=by)
    assert words in str(caught.value)


def test_a_folder_of_other_labels_points_to_the_table_in_it(tagger: Tagger, shop: Path) -> None:
    for name in ("left", "RIGHT"):
        (shop / name).rename(shop / f"shop of {name}")
    with pytest.raises(DataError, match="none of its labels is one of the model's classes") as caught:
        evaluate_photos(tagger, shop)
    assert f"--data {shop / 'labels.csv'}" in caught.value.hint


def test_test_photos_are_judged_where_they_lie_apart(tagger: Tagger, shop: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no test photos apart"):
        evaluate_photos(tagger, shop, test=True)
    shop.rename(tmp_path / "test")
    (tmp_path / "set").mkdir()
    (tmp_path / "test").rename(tmp_path / "set" / "test")
    (tmp_path / "set" / "train" / "left").mkdir(parents=True)
    Image.fromarray(bright("left")).save(tmp_path / "set" / "train" / "left" / "0.png")
    assert evaluate_photos(tagger, tmp_path / "set", test=True).pictures == 5
    assert evaluate_photos(tagger, tmp_path / "set").pictures == 1


def test_the_verb_prints_them_and_writes_the_page(model: Path, shop: Path, tmp_path: Path) -> None:
    data = ["evaluate", str(model), "--data", str(shop / "labels.csv"), "--by", "seller"]
    result = CliRunner().invoke(lapel, [*data, "--report", str(tmp_path / "page")], catch_exceptions=False)
    words = " ".join(result.stdout.split())
    for expected in ("5 labelled pictures of shop", "accepted 80.0%", "right among accepted 75.0%", "south"):
        assert expected in words, expected
    page = (tmp_path / "page" / "index.html").read_text()
    for expected in ("What it accepts", "By seller", "Other things", "I don&#39;t know", "is other"):
        assert expected in page, expected
    assert "75.0" in (tmp_path / "page" / "report.md").read_text()
    found = json.loads(CliRunner().invoke(lapel, [*data, "--json"]).stdout)
    assert found["accuracy"] == 0.8 and found["photos"]["groups"][1]["name"] == "south"


def test_a_model_is_judged_on_what_was_held_out_of_its_own_training(tmp_path: Path) -> None:
    card = replace(CARD, made={"dataset": "shop", "seed": 0})
    model = write_model(tmp_path / "own.onnx", card)
    for label in card.class_names:
        (tmp_path / "shop" / label).mkdir(parents=True)
        for number in range(10):
            picture = bright(label)
            picture[0, 0] = number  # not all alike
            Image.fromarray(picture).save(tmp_path / "shop" / label / f"{number}.png")
    data = ["evaluate", str(model), "--data", str(tmp_path / "shop"), "--json"]
    found = json.loads(CliRunner().invoke(lapel, data, catch_exceptions=False).stdout)
    assert (found["split"], found["pictures"], found["accuracy"]) == ("validation", 3, 1.0)
