"""Pictures made worse: each way does what it says, more of it with each severity, and the same for a seed."""

from __future__ import annotations

import numpy as np
import pytest
from garments import garments
from PIL import Image
from scipy import ndimage

from lapel.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from lapel.data.synthetic.draw import synthetic_dataset
from lapel.errors import LapelError

GREY = garments().train.pictures[:40]
COLOUR = synthetic_dataset(20, 10, seed=3, size=40, channels=3).train.pictures

WITH_SEVERITIES = [name for name, way in CORRUPTIONS.items() if way.levels]
ALIKE = [name for name, way in CORRUPTIONS.items() if not way.levels]


def distance(worse: np.ndarray, given: np.ndarray) -> float:
    return float(np.abs(worse.astype(float) - given).mean())


def test_there_are_fifteen_and_five_of_them_know_no_severity() -> None:
    assert len(CORRUPTIONS) == 15
    assert ALIKE == ["inverse", "mirror", "upside-down", "turn-left", "turn-right"]


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("pictures", [GREY, COLOUR, GREY[:, :20]], ids=["grey", "colour", "not square"])
def test_a_picture_stays_a_picture_and_changes(name: str, pictures: np.ndarray) -> None:
    before = pictures.copy()
    worse = corrupt(pictures, name, 4)
    assert (worse.dtype, worse.shape) == (np.uint8, pictures.shape)
    np.testing.assert_array_equal(pictures, before)
    if name != "saturate" or pictures.shape[3] == 1:  # drawn garments have no colour to be stronger
        assert distance(worse, pictures) > 0.5


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_seed_is_the_same_way(name: str) -> None:
    np.testing.assert_array_equal(corrupt(GREY, name, 2, seed=5), corrupt(GREY, name, 2, seed=5))


@pytest.mark.parametrize("name", ["shot-noise", "impulse-noise", "glass-blur", "motion-blur", "rotate"])
def test_another_seed_is_another_way(name: str) -> None:
    assert not np.array_equal(corrupt(GREY, name, 2, seed=5), corrupt(GREY, name, 2, seed=6))


@pytest.mark.parametrize("name", WITH_SEVERITIES)
def test_each_severity_is_worse_than_the_one_before(name: str) -> None:
    away = [distance(corrupt(GREY, name, severity), GREY) for severity in SEVERITIES]
    assert away == sorted(away)
    assert away[-1] > 1.3 * away[0]


@pytest.mark.parametrize("name", ALIKE)
def test_what_knows_no_severity_is_the_same_at_each(name: str) -> None:
    np.testing.assert_array_equal(corrupt(GREY, name, 1), corrupt(GREY, name, 5))


def test_flips_turns_and_the_inverse_are_those_of_pillow() -> None:
    moves = {
        "mirror": Image.Transpose.FLIP_LEFT_RIGHT,
        "upside-down": Image.Transpose.FLIP_TOP_BOTTOM,
        "turn-left": Image.Transpose.ROTATE_90,
        "turn-right": Image.Transpose.ROTATE_270,
    }
    for name, move in moves.items():
        expected = np.asarray(Image.fromarray(COLOUR[0]).transpose(move))
        np.testing.assert_array_equal(corrupt(COLOUR[:1], name)[0], expected)
    np.testing.assert_array_equal(corrupt(GREY, "inverse"), 255 - GREY)


def test_scaling_is_that_of_scipy() -> None:
    """Half as large, about the middle, between pixels on straight lines."""
    middle = np.full(2, 13.5)
    expected = ndimage.affine_transform(
        GREY[0, ..., 0].astype(float), np.eye(2) * 2, middle - 2 * middle, order=1
    )
    np.testing.assert_allclose(corrupt(GREY[:1], "scale", 5)[0, ..., 0], expected, atol=0.51)


def test_turning_is_that_of_scipy_to_either_side() -> None:
    picture = np.zeros((1, 29, 29, 1), np.uint8)
    picture[0, 8:20, 12:16] = 200
    sides = set()
    for seed in range(6):
        turned = corrupt(picture, "rotate", 5, seed)[0, ..., 0].astype(float)
        for side in (-42, 42):
            expected = ndimage.rotate(picture[0, ..., 0].astype(float), side, reshape=False, order=1)
            if np.abs(turned - expected).max() < 1:
                sides.add(side)
    assert sides == {-42, 42}


def test_what_comes_in_from_outside_is_the_ground() -> None:
    white = np.full((1, 28, 28, 1), 255, np.uint8)
    white[0, 8:20, 8:20] = 30
    assert corrupt(white, "scale", 5)[0, 0, 0, 0] == 255


def test_noise_is_as_strong_as_it_is_said_to_be() -> None:
    flat = np.full((20, 28, 28, 1), 128, np.uint8)
    impulses = corrupt(flat, "impulse-noise", 5)
    assert np.isin(impulses, (0, 128, 255)).all()
    assert (impulses != 128).mean() == pytest.approx(0.27, abs=0.02)
    shots = corrupt(flat, "shot-noise", 1) / 255
    assert shots.mean() == pytest.approx(128 / 255, abs=0.01)
    assert shots.std() == pytest.approx(np.sqrt(128 / 255 / 60), rel=0.1)


def test_light_contrast_and_colour_by_hand() -> None:
    flat = np.full((1, 28, 28, 1), 100, np.uint8)
    assert corrupt(flat, "brightness", 5).max() == round(100 + 0.5 * 255)
    assert corrupt(flat, "saturate", 3).max() == 200
    half = np.zeros((1, 28, 28, 1), np.uint8)
    half[:, :14] = 200
    assert np.unique(corrupt(half, "contrast", 4)).tolist() == [90, 110]
    red = np.full((1, 28, 28, 3), (120, 100, 100), np.uint8)
    assert corrupt(red, "saturate", 5)[0, 0, 0].tolist() == [
        176,
        76,
        76,
    ]  # grey 105.98, five times away from it


def test_a_motion_keeps_the_light_and_blurs_one_way() -> None:
    dots = np.zeros((8, 28, 28, 1), np.uint8)
    dots[:, 14, 14] = 255
    moved = corrupt(dots, "motion-blur", 5).astype(float)
    np.testing.assert_allclose(moved.sum((1, 2, 3)), 255, atol=12)
    for one in moved[..., 0]:
        places = np.argwhere(one > 0)
        assert np.ptp(places, axis=0).max() >= 6
        assert np.linalg.svd(places - places.mean(0), compute_uv=False)[1] < 2.5  # on a line


@pytest.mark.parametrize(
    ("pictures", "name", "severity", "words"),
    [
        (GREY, "shot-nois", 1, "shot-noise"),
        (GREY, "scale", 0, "1 to 5"),
        (GREY, "scale", 6, "1 to 5"),
        (GREY.astype(float), "scale", 1, "uint8"),
        (GREY[0], "scale", 1, "shape"),
        (np.repeat(GREY, 2, axis=3), "scale", 1, "1 or 3"),
    ],
)
def test_what_cannot_be_corrupted_is_said(pictures: np.ndarray, name: str, severity: int, words: str) -> None:
    with pytest.raises(LapelError, match=words):
        corrupt(pictures, name, severity)


def test_no_pictures_are_no_trouble() -> None:
    assert corrupt(GREY[:0], "motion-blur").shape == (0, 28, 28, 1)


def test_the_figure_shows_each_way() -> None:
    from lapel.report.corruption_figure import corruption_grid

    figure = corruption_grid(GREY[:3])
    [axes] = figure.axes
    assert len(axes.images) == 10 * 6 + 5 * 2
    assert {name.replace("-", " ") for name in CORRUPTIONS} <= {text.get_text() for text in axes.texts}
