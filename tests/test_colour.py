"""The garment's colours: the right names, of the garment and not of its ground."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from lapel.colour import NAMES, find_colours

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from colours import dyed

RED, WHITE, NAVY = (200, 30, 38), (240, 240, 240), (28, 40, 74)


def laid(ground: tuple[int, ...], garment: tuple[int, ...], size: int = 64) -> np.ndarray:
    picture = np.full((size, size, 3), ground, np.uint8)
    picture[size // 4 : -size // 4, size // 4 : -size // 4] = garment
    return picture


def test_drawn_garments_have_the_names_of_their_dyes() -> None:
    pictures, names = dyed(100, seed=3)
    found = find_colours(pictures)
    assert np.mean([colours[0].name == name for colours, name in zip(found, names, strict=True)]) >= 0.95
    for colours in found:
        shares = [colour.share for colour in colours]
        assert 1 <= len(colours) <= 3 and shares == sorted(shares, reverse=True) and sum(shares) < 1.01


@pytest.mark.parametrize("size", [28, 64, 160, 225])
def test_the_ground_is_no_colour_of_the_garment_at_any_size(size: int) -> None:
    pictures = np.stack([laid(WHITE, NAVY, size), laid(NAVY, WHITE, size), laid((160, 120, 80), RED, size)])
    [navy], [white], [red] = find_colours(pictures)
    assert (navy.name, white.name, red.name) == ("navy", "white", "red")
    assert navy.share > 0.9 and white.share > 0.9


def test_two_colours_stand_with_their_shares_and_means() -> None:
    picture = laid(WHITE, RED)
    picture[32:48, 16:48] = NAVY
    both = {colour.name: colour for colour in find_colours(picture[None])[0]}
    assert set(both) == {"red", "navy"}
    assert both["red"].share == pytest.approx(0.5, abs=0.1)
    assert both["navy"].hex == "#1c284a"
    assert both["navy"].to_dict() == {"name": "navy", "share": both["navy"].share, "hex": "#1c284a"}


def test_light_and_shade_of_one_cloth_are_one_colour() -> None:
    picture = laid(WHITE, NAVY).astype(float)
    picture[:, 24:32] *= 0.85
    assert [colour.name for colour in find_colours(picture.astype(np.uint8)[None])[0]] == ["navy"]


def test_of_grey_pictures_nothing_is_known() -> None:
    assert find_colours(np.zeros((2, 28, 28, 1), np.uint8)) == [(), ()]
    assert find_colours(np.zeros((0, 64, 64, 3), np.uint8)) == []


def test_a_picture_is_answered_alone_as_among_others_and_whatever_it_shows() -> None:
    random = np.random.default_rng(0)
    pictures = np.concatenate([random.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8), dyed(5, 1)[0]])
    pictures[0], pictures[1] = 0, 255
    together = find_colours(pictures)
    assert together == [find_colours(one[None])[0] for one in pictures]
    assert {colour.name for colours in together for colour in colours} <= set(NAMES)
