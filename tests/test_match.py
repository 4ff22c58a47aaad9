"""`lapel match`, as it is used: a wardrobe on disk, photos in it and beside it, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

pytest.importorskip("lancedb", reason="the extra search is not installed")

import lapel as library
from lapel.cli import lapel as command
from lapel.errors import LapelError
from lapel.index.index import Index, create_index

PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"


@pytest.fixture(scope="module")
def wardrobe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example photos as an index; two of them are labelled by hand, as the models are not sure."""
    path = tmp_path_factory.mktemp("wardrobe") / "own.lapel"
    index = library.build_index(sorted(PHOTOS.glob("*.jpg")), path)
    for hit in index.rows():
        known = {"checked-shirt.jpg": "Shirt", "striped-t-shirt.jpg": "T-shirt"}
        if kind := known.get(Path(hit.source).name):
            index.correct(hit.id, kind=kind)
    return path


@pytest.fixture(scope="module")
def index(wardrobe: Path) -> Index:
    """The same, open, so that its models are loaded once."""
    return library.open_index(wardrobe)


def run(*words: str | Path) -> Result:
    """`lapel match` in this process; what it refuses is raised."""
    return CliRunner().invoke(command, ["match", *map(str, words)], catch_exceptions=False)


def names(rows: list[dict]) -> set[str]:
    return {Path(row["source"]).name for row in rows}


def test_a_photo_of_the_wardrobe_is_matched_with_the_rest(wardrobe: Path, index: Index) -> None:
    found = library.match(PHOTOS / "jeans.jpg", wardrobe)
    assert found.garment.title == "blue trousers"
    by_role = {one.role: {Path(pair.second.source).name for pair in one.pairs} for one in found.suggestions}
    assert "white-sneakers.jpg" in by_role["shoes"] and "winter-coat.jpg" in by_role["outer"]
    assert {"checked-shirt.jpg", "striped-t-shirt.jpg"} <= by_role["top"]
    assert "bottom" not in by_role and "dress" not in by_role
    assert {one.role: one.missing for one in found.suggestions}["bag"] == "no bag in this wardrobe"
    best = found.outfits[0]
    assert {"top", "bottom", "shoes"} <= set(best.garments) and best.reasons
    assert found.remarks == ("Photos left out, of which it is not sure what they show: 2.",)
    assert library.match(found.garment.id, index) == found  # by its id, of an open one


def test_a_photo_from_elsewhere_is_matched(index: Index, tmp_path: Path) -> None:
    other = tmp_path / "new.jpg"
    Image.open(PHOTOS / "winter-coat.jpg").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(other)
    found = library.match(other, index, top=1)
    assert (found.garment.kind, found.garment.id) == ("Jacket", str(other)) and found.garment.thumbnail
    assert len(found.outfits) == 1 and all(len(one.pairs) <= 1 for one in found.suggestions)


def test_the_command_prints_json_a_page_or_words(wardrobe: Path, tmp_path: Path) -> None:
    result = run(wardrobe, PHOTOS / "jeans.jpg", "--json")
    answer = json.loads(result.stdout)
    assert answer["garment"]["kind"] == "Trousers"
    shoes = next(one for one in answer["suggestions"] if one["role"] == "shoes")
    assert names(shoes["garments"]) <= {"white-sneakers.jpg", "brown-sandals.jpg", "black-boots.jpg"}
    assert all(0 <= one["score"] <= 1 and one["reasons"] for one in shoes["garments"])
    assert {"score", "reasons", "garments", "occasions", "days", "lacks"} == set(answer["outfits"][0])

    result = run(wardrobe, PHOTOS / "jeans.jpg", "--gallery", tmp_path / "outfits.html")
    assert result.stdout.strip() == str(tmp_path / "outfits.html") and "Photos left out" in result.stderr
    text = (tmp_path / "outfits.html").read_text()
    assert text.count("<img") > 5 and "Outfit 1" in text and "<script" not in text


def test_the_command_says_it_in_words(wardrobe: Path) -> None:
    result = run(wardrobe, PHOTOS / "jeans.jpg", "--top", "2")
    assert result.stdout.startswith("With the blue trousers") and "Outfit 2" in result.stdout
    assert "No bag in this wardrobe." in result.stderr and "– " in result.stdout


def test_photos_are_matched_with_each_other() -> None:
    result = run(PHOTOS / "cable-pullover.jpg", PHOTOS / "jeans.jpg", PHOTOS / "white-sneakers.jpg")
    assert result.stdout.startswith("They go together: 0."), result.stderr
    result = run(PHOTOS / "winter-coat.jpg", PHOTOS / "checked-shorts.jpg", "--json")
    answer = json.loads(result.stdout)
    assert answer["goes"] is False and "for no one kind of day" in answer["reasons"]
    [pair] = answer["pairs"]
    assert "grey jacket for cold or mild days, grey shorts for warm days" in pair["reasons"]


def test_rules_of_ones_own_change_what_goes(index: Index, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[kinds.Trousers]\ndays = ["cold"]\n')
    before, after = (
        {Path(pair.second.source).name for one in found.suggestions for pair in one.pairs}
        for found in (library.match(PHOTOS / "jeans.jpg", index, rules=own) for own in (None, rules))
    )
    assert "brown-sandals.jpg" in before and "brown-sandals.jpg" not in after
    rules.write_text("weights.colours = 3")
    with pytest.raises(LapelError, match=r'Did you mean "colour"\?'):
        library.match(PHOTOS / "jeans.jpg", index, rules=rules)


def test_likes_are_of_the_wardrobe_and_not_too_few(index: Index, tmp_path: Path) -> None:
    likes = tmp_path / "matches.csv"
    likes.write_text("first,second,like\njeans.jpg,checked-shirt.jpg,1\n")
    with pytest.raises(LapelError, match=r"1 pairs of this wardrobe, 1 of them liked: too few"):
        library.match(PHOTOS / "jeans.jpg", index, likes=likes)


def test_the_rules_are_shown() -> None:
    result = run("--show-rules")
    assert result.stdout.startswith("# What goes with what") and "[weights]" in result.stdout


def test_a_photo_that_is_not_sure_can_be_told(index: Index, tmp_path: Path) -> None:
    unsure = tmp_path / "unsure.jpg"
    shutil.copy(PHOTOS / "printed-t-shirt.jpg", unsure)
    with pytest.raises(LapelError, match='such as --kind "T-shirt"'):
        library.match(unsure, index)
    assert library.match(unsure, index, kind="T-shirt").garment.kind == "T-shirt"
    with pytest.raises(LapelError, match=r'Did you mean "T-shirt"\?'):
        library.match(unsure, index, kind="Tshirt")


def test_what_cannot_be_matched_says_so(index: Index, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(blank)
    with pytest.raises(LapelError, match="so nothing is said of what goes with it"):
        library.match(blank, index)
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(LapelError, match="not a picture of a known format"):
        library.match(tmp_path / "text.jpg", index)
    with pytest.raises(LapelError, match=r"It is empty\."):
        library.match(PHOTOS / "jeans.jpg", create_index(tmp_path / "empty.lapel"))
    with pytest.raises(LapelError):
        library.match(PHOTOS / "jeans.jpg", tmp_path / "none.lapel")
    with pytest.raises(LapelError, match="1 photos to be matched with each other; expected 2 to 12"):
        library.match_together([PHOTOS / "jeans.jpg"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["photo.jpg"], "Give an index and a photo, or several photos."),
        (["a.jpg", "b.jpg", "--likes", "m.csv"], "--likes goes with an index and one photo."),
        (["w.lapel", "a.jpg", "b.jpg"], "With an index, one photo is matched; 2 were given."),
        (["w.lapel", "a.jpg", "--json", "--gallery", "p.html"], "cannot be combined"),
    ],
)
def test_wrong_usage(words: list[str], message: str) -> None:
    result = run(*words)
    assert result.exit_code == 2 and message in result.stderr
