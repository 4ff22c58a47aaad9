from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import lapel
from lapel.data.synthetic.draw import draw
from lapel.heat import heat_map, overlay
from lapel.tagger import Tagger, discount_rejects

Pictures = NDArray[np.uint8]
Shares = NDArray[np.floating]


def two(shares: Any) -> Shares:
    """The probabilities of two classes, of which the second has these."""
    return np.stack([1 - shares, shares], axis=1).astype(np.float32)


def by_corner(pictures: Pictures) -> Shares:
    """The brighter the lower right quarter, the more probable."""
    rows, columns = pictures.shape[1] // 2, pictures.shape[2] // 2
    return two(pictures[:, rows:, columns:].mean((1, 2, 3)) / 255)


def noise(*shape: int) -> Pictures:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def framed(height: int, width: int, channels: int) -> Pictures:
    """Bright, on a black border."""
    picture = np.zeros((height, width, channels), np.uint8)
    picture[1:-1, 1:-1] = 200
    return picture


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 64, 3), (40, 21, 3), (224, 224, 3)])
def test_it_finds_the_place_that_matters(shape: tuple[int, int, int]) -> None:
    found = heat_map(by_corner, framed(*shape), 1)
    height, width = shape[:2]
    assert found.heat.shape == (height, width)
    assert found.heat.dtype == np.float32
    assert (found.heat.min(), found.heat.max()) == (0, 1)
    row, column = np.unravel_index(found.heat.argmax(), found.heat.shape)
    assert row >= height // 2
    assert column >= width // 2
    # A patch that reaches over the edge of the quarter warms what it covers on the other side.
    assert found.heat[height // 2 :, width // 2 :].sum() > 0.85 * found.heat.sum()
    assert (found.heat[: height // 5] == 0).all()
    # A patch of 2/9 of a side covers 4/81 of the picture, and 16/81 of the quarter.
    assert found.fall == pytest.approx(200 / 255 * 16 / 81, rel=0.15)


def test_the_largest_fall_is_that_of_the_patch_that_covers_all_that_counts() -> None:
    picture = np.zeros((28, 28, 1), np.uint8)
    picture[8:12, 16:20] = 255  # just a patch of the small size

    def ask(pictures: Pictures) -> Shares:
        return two(pictures[:, 8:12, 16:20].mean((1, 2, 3)) / 255 * 0.9)

    found = heat_map(ask, picture, 1)
    assert found.fall == pytest.approx(0.9)
    assert found.heat[8:12, 16:20].min() > 0.5
    assert found.heat[:, :8].max() == 0
    # What is bad for one class is good for the other, so that covering it does not cost that one anything.
    assert heat_map(ask, picture, 0).fall == 0


def test_it_asks_once_for_a_hundred_pictures_at_most_of_which_the_first_is_as_it_was() -> None:
    picture = noise(28, 28, 3)
    before, asked = picture.copy(), []

    def ask(pictures: Pictures) -> Shares:
        asked.append(pictures)
        return by_corner(pictures)

    heat_map(ask, picture, 1)
    assert (picture == before).all()
    [pictures] = asked
    assert pictures.dtype == np.uint8
    assert 50 < len(pictures) <= 100
    assert (pictures[0] == picture).all()
    assert all((other != picture).any() for other in pictures[1:])


def test_patches_have_the_colour_of_the_ground() -> None:
    picture = np.full((30, 30, 3), (10, 120, 250), np.uint8)
    picture[10:20, 10:20] = noise(10, 10, 3)
    picture[0, :8] = 255  # a part of the border is something else
    asked: list[Pictures] = []

    def ask(pictures: Pictures) -> Shares:
        asked.append(pictures)
        return by_corner(pictures)

    heat_map(ask, picture, 1)
    middle = np.stack([other[14:16, 14:16].reshape(-1, 3) for other in asked[0][1:]])
    assert (middle == (10, 120, 250)).all((1, 2)).any()


@pytest.mark.parametrize(
    "answer",
    [
        lambda pictures: two(np.full(len(pictures), 0.7)),
        lambda pictures: two(0.7 + np.linspace(0, 0.009, len(pictures))),  # hardly anything
        lambda pictures: two(0.7 + 0.3 * (np.arange(len(pictures)) > 0)),  # covering anything helps
    ],
)
def test_where_nothing_matters_there_is_no_heat(answer: Any) -> None:
    found = heat_map(answer, noise(28, 28, 1), 1)
    assert found.fall < 0.01
    assert not found.heat.any()
    assert not overlay(found.heat)[..., 3].any()


def test_one_patch_that_hurts_among_many_that_help() -> None:
    def ask(pictures: Pictures) -> Shares:
        shares = np.full(len(pictures), 0.9)
        shares[0], shares[1 + 49 + 24] = 0.5, 0.4
        return two(shares)

    found = heat_map(ask, noise(28, 28, 1), 1)
    assert found.fall == pytest.approx(0.1)
    assert np.isfinite(found.heat).all()


def test_the_smallest_pictures() -> None:
    found = heat_map(by_corner, framed(4, 4, 1), 1)
    assert np.isfinite(found.heat).all()
    assert found.heat[2:, 2:].max() == 1


# The shipped models


def scenes(count: int, size: int, channels: int) -> tuple[Pictures, NDArray[np.bool_]]:
    """Drawn garments on plain grounds of many colours, and where each is; black where there is no colour."""
    garments, _ = draw(count, size=size, channels=channels, seed=7)
    inside = garments.max(axis=3) > 10
    if channels == 3:
        random = np.random.default_rng(7)
        grounds = random.integers(60, 240, (count, 1, 1, 3)) + random.normal(0, 4, (count, size, size, 1))
        garments = np.where(inside[..., None], garments, grounds.clip(0, 255)).astype(np.uint8)
    return garments, inside


def kept(tagger: Tagger, pictures: Pictures) -> Shares:
    """The probabilities, less what the network would rather refuse."""
    return discount_rejects(*tagger.answers(pictures))


@pytest.mark.parametrize(
    ("model", "count"),
    [
        ("fashion-mnist", 12),
        *(pytest.param(*case, marks=pytest.mark.long) for case in (("photo", 6), ("photo-small", 40))),
    ],
)
def test_shipped_models_look_at_the_garment(model: str, count: int) -> None:
    """Garments cover a third of these pictures: so often would a pixel lie on one by chance."""
    tagger = lapel.load_tagger(model)
    pictures, inside = scenes(count, tagger.card.picture.size, tagger.card.picture.channels)
    labels = kept(tagger, pictures).argmax(axis=1)
    hits, mattered, shares = [], [], []
    for picture, mask, label in zip(pictures, inside, labels, strict=True):
        found = heat_map(lambda asked: kept(tagger, asked), picture, int(label))
        hits.append(mask[np.unravel_index(found.heat.argmax(), mask.shape)])
        mattered.append(found.fall >= 0.01)
        shares.append(found.heat[mask].sum() / max(found.heat.sum(), 1e-9) / mask.mean())
    assert np.mean(mattered) > 0.9
    assert np.mean(hits) > 0.8
    assert np.mean(shares) > 1.5  # times as hot as where the heat lay anywhere


def test_the_same_picture_gives_the_same_heat() -> None:
    tagger = lapel.load_tagger("photo")
    [picture], _ = scenes(1, tagger.card.picture.size, 3)
    first, again = (heat_map(tagger.probabilities, picture, 3) for _ in range(2))
    assert first.fall == again.fall
    assert (first.heat == again.heat).all()


# The overlay


def test_the_overlay_is_clear_where_it_is_cold_and_never_hides_the_picture() -> None:
    heat = np.linspace(0, 1, 256, dtype=np.float32)[None]
    [row] = overlay(heat)
    assert (row.dtype, row.shape) == (np.uint8, (256, 4))
    assert row[0, 3] == 0
    assert 128 < row[-1, 3] < 230
    assert (np.diff(row[:, 3].astype(int)) >= 0).all()


def test_the_ramp_grows_lighter_evenly() -> None:
    row = overlay(np.linspace(0, 1, 9, dtype=np.float32)[None])[0, :, :3] / 255
    linear = np.where(row <= 0.04045, row / 12.92, ((row + 0.055) / 1.055) ** 2.4)
    light = 116 * np.cbrt(linear @ (0.2126, 0.7152, 0.0722)) - 16  # CIE L*
    assert (np.diff(light) > 5).all()
    assert np.diff(light).max() < 15


def test_the_ramp_is_that_of_matplotlib() -> None:
    colormaps = pytest.importorskip("matplotlib", reason="matplotlib is not installed").colormaps
    steps = np.linspace(0, 1, 65, dtype=np.float32)
    wanted = colormaps["plasma"](steps)[:, :3] * 255
    assert np.abs(overlay(steps[None])[0, :, :3] - wanted).max() < 6
