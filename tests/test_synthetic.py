"""The drawn garments: shapes, balance, seeds, and that a class can be told from its pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lapel.data.registry import FASHION_CLASSES
from lapel.data.synthetic.draw import CLASS_NAMES, draw, synthetic_dataset
from lapel.errors import DataError


def test_names_are_those_of_fashion_mnist() -> None:
    assert CLASS_NAMES == FASHION_CLASSES


@pytest.mark.parametrize("style", ["plain", "photo"])
@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (28, 3), (95, 1), (97, 3), (400, 3)])
def test_any_size_in_grey_and_colour(style: Any, size: int, channels: int) -> None:
    pictures, labels = draw(10, size=size, channels=channels, style=style, seed=3)
    assert pictures.shape == (10, size, size, channels)
    assert pictures.dtype == np.uint8
    assert labels.dtype == np.int64
    assert sorted(labels.tolist()) == list(range(10))


def test_classes_are_balanced_and_mixed() -> None:
    _, labels = draw(205, seed=1)
    counts = np.bincount(labels, minlength=10)
    assert counts.max() - counts.min() == 1
    assert (np.diff(labels) != 0).mean() > 0.5
    assert not np.array_equal(labels[:10], np.arange(10))


@pytest.mark.parametrize("style", ["plain", "photo"])
def test_a_seed_gives_the_same_bytes_and_another_seed_others(style: Any) -> None:
    first, labels = draw(60, seed=7, style=style, channels=3)
    again, same_labels = draw(60, seed=7, style=style, channels=3)
    other, other_labels = draw(60, seed=8, style=style, channels=3)
    assert first.tobytes() == again.tobytes()
    assert np.array_equal(labels, same_labels)
    assert not np.array_equal(labels, other_labels)
    assert not np.array_equal(np.sort(first, axis=0), np.sort(other, axis=0))


@pytest.mark.parametrize("style", ["plain", "photo"])
def test_the_same_garment_small_and_large(style: Any) -> None:
    small, labels = draw(40, size=28, seed=5, style=style)
    large, large_labels = draw(40, size=224, seed=5, style=style)
    assert np.array_equal(labels, large_labels)
    shrunk = large.reshape(40, 28, 8, 28, 8).mean(axis=(2, 4))
    assert np.abs(shrunk - small[..., 0]).mean() < 6


def test_plain_pictures_are_grey_garments_on_black() -> None:
    pictures, _ = draw(1000, seed=2)
    covered = (pictures > 20).mean(axis=(1, 2, 3))
    assert covered.min() > 0.03
    assert covered.max() < 0.9
    assert (pictures.max(axis=(1, 2, 3)) > 60).all()
    assert np.median(pictures[:, [0, 0, -1, -1], [0, -1, 0, -1]]) == 0
    colour, _ = draw(20, channels=3, seed=2)
    assert np.array_equal(colour[..., 0], colour[..., 2])


def test_photos_have_contrast_colour_and_both_polarities() -> None:
    pictures, _ = draw(300, seed=2, style="photo", channels=3)
    assert pictures.std(axis=(1, 2, 3)).min() > 8
    spread = pictures.max(axis=3).astype(int) - pictures.min(axis=3)
    assert (spread.max(axis=(1, 2)) > 30).mean() > 0.6
    corner = pictures[:, :2, :2].mean(axis=(1, 2, 3))
    assert (corner < 90).sum() > 50
    assert (corner > 130).sum() > 50
    grey, _ = draw(100, seed=2, style="photo")
    assert grey.std(axis=(1, 2, 3)).min() > 8


@pytest.mark.parametrize("label", range(10), ids=CLASS_NAMES)
def test_no_two_pictures_of_a_class_are_alike(label: int) -> None:
    pictures, labels = draw(400, seed=4)
    own = pictures[labels == label].reshape(40, -1).astype(np.float64)
    apart = np.abs(own[:, None] - own[None]).mean(axis=2) + 1000 * np.eye(40)
    assert apart.min() > 1.5


def test_the_nearest_mean_picture_tells_the_class_far_above_chance() -> None:
    data = synthetic_dataset(1500, 500, seed=9)
    assert data.test is not None
    train = data.train.pictures.reshape(1500, -1) / 255
    test = data.test.pictures.reshape(500, -1) / 255
    means = np.stack([train[data.train.labels == label].mean(axis=0) for label in range(10)])
    nearest = ((test[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == data.test.labels).mean() > 0.5


def test_mean_pictures_show_their_garment() -> None:
    pictures, labels = draw(1000, seed=6)
    means = [pictures[labels == label, :, :, 0].mean(axis=0) for label in range(10)]
    mean = dict(zip(CLASS_NAMES, means, strict=True))

    def width(name: str) -> int:
        return int((mean[name].max(axis=0) > 40).sum())

    def height(name: str) -> int:
        return int((mean[name].max(axis=1) > 40).sum())

    assert height("Trouser") > 1.5 * width("Trouser")
    assert width("Sneaker") > 1.4 * height("Sneaker")
    assert width("Pullover") > width("Dress")
    assert height("Ankle boot") > 1.5 * height("Sneaker")
    # Between the trouser legs, and above the sandal's toes, there is little.
    legs = mean["Trouser"][22]
    assert legs[13:15].mean() < 0.7 * legs.max()
    assert mean["Sandal"][:6].mean() < 10


def test_a_dataset_keeps_training_and_test_pictures_apart() -> None:
    data = synthetic_dataset(80, 40, seed=3)
    assert data.test is not None
    assert (data.name, data.class_names) == ("synthetic", CLASS_NAMES)
    assert data.source == "drawn garments, seed 3"
    assert data.shape == (28, 28, 1)
    assert (len(data.train), len(data.test)) == (80, 40)
    train = {picture.tobytes() for picture in data.train.pictures}
    assert not train & {picture.tobytes() for picture in data.test.pictures}
    assert data.fingerprint == synthetic_dataset(80, 40, seed=3).fingerprint
    assert data.fingerprint != synthetic_dataset(80, 40, seed=4).fingerprint


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"size": 7}, {"channels": 2}, {"seed": -1}, {"style": "painting"}]
)
def test_what_cannot_be_drawn_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"Cannot draw .* garments of size") as raised:
        draw(**({"count": 10} | wrong))
    assert str(next(iter(wrong.values()))) in raised.value.message
    assert "style 'plain' or 'photo'" in raised.value.hint
