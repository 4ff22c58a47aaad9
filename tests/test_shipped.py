"""The models that come with Lapel."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import lapel
from lapel.data.registry import FASHION_CLASSES
from lapel.data.synthetic.draw import draw
from lapel.errors import ModelError
from lapel.model_file import model_path, shipped_models
from lapel.picture import PictureSpec
from lapel.tagger import Tagger, tagger_of

LARGEST = {  # bytes
    "fashion-mnist": 1_500_000,
    "photo": 8_000_000,
    "photo-small": 2_000_000,
    "wardrobe": 6_000_000,
}
PICTURES = {
    "fashion-mnist": PictureSpec(preparation="garment"),
    "photo": PictureSpec(224, 3),
    "photo-small": PictureSpec(64, 3),
    "wardrobe": PictureSpec(224, 3),
}


KINDS = (
    "T-shirt",
    "Polo",
    "Undershirt",
    "Long sleeve",
    "Shirt",
    "Hoodie",
    "Blazer",
    "Jacket",
    "Dress",
    "Skirt",
    "Shorts",
    "Trousers",
    "Hat",
    "Bag",
    "Sneaker",
    "Boot",
    "Sandal",
    "Other shoe",
)


@pytest.fixture(params=LARGEST)
def tagger(request: pytest.FixtureRequest) -> Tagger:
    return lapel.load_tagger(request.param)


def test_it_loads_by_its_name_and_is_small(tagger: Tagger) -> None:
    name = tagger.card.name
    assert model_path(name).stat().st_size <= LARGEST[name]


def test_its_card_says_what_it_was_made_of(tagger: Tagger) -> None:
    card = tagger.card
    assert card.class_names == (KINDS if card.name == "wardrobe" else FASHION_CLASSES)
    assert "not one of the classes" in card.rejects
    assert 0 < card.accept < 1
    assert 0 < card.temperature != 1
    assert card.made["dataset"] == "fashion-mnist"
    assert "training pictures of Fashion-MNIST" in str(card.made["trained on"])
    assert card.picture == PICTURES[card.name]


def test_noise_is_refused(tagger: Tagger) -> None:
    random, size = np.random.default_rng(0), tagger.card.picture.size
    for _ in range(20):
        tag = tagger.tag(random.integers(0, 256, (size, size), dtype=np.uint8))
        assert (tag.accepted, tag.reason in tagger.card.rejects) == (False, True)


def test_a_photo_of_noise_is_refused_by_the_model_of_fashion_mnist() -> None:
    tagger, random = lapel.load_tagger("fashion-mnist"), np.random.default_rng(0)
    for _ in range(20):
        tag = tagger.tag(random.integers(0, 256, (100, 100, 3), dtype=np.uint8))
        assert (tag.accepted, tag.reason) == (False, "not one of the classes")


def test_drawn_garments_are_labelled_by_the_model_of_fashion_mnist() -> None:
    """It has seen none: most are right, and nearly all of those whose shape is like no other."""
    pictures, labels = draw(500, seed=3)
    shares, rejected = lapel.load_tagger("fashion-mnist").answers(pictures)
    right = shares.argmax(1) == labels
    assert right.mean() > 0.7
    for name in ("Trouser", "Sandal", "Bag", "Ankle boot"):
        assert right[labels == FASHION_CLASSES.index(name)].mean() > 0.9
    assert (rejected < 0.5).mean() > 0.7


@pytest.mark.long
@pytest.mark.usefixtures("fashion_mnist")
def test_the_model_of_fashion_mnist_is_as_good_as_it_should_be() -> None:
    """On the validation pictures, which it has not learned from."""
    assert lapel.evaluate("fashion-mnist").accuracy >= 0.945


def test_nothing_else_lies_beside_the_models() -> None:
    assert set(shipped_models()) == set(LARGEST)
    folder = model_path("photo").parent
    assert {path.name for path in folder.iterdir()} == {f"{name}.onnx" for name in LARGEST} | {"CREDITS.md"}


def test_drawn_photos_are_labelled_and_what_is_no_garment_refused() -> None:
    """No model has learned from drawn garments: two of three are right, and of the accepted more."""
    tagger = lapel.load_tagger()
    photos, labels = draw(200, size=200, channels=3, style="photo", seed=1)
    tags = [tagger.tag(photo) for photo in photos]
    right = np.array([tag.label == FASHION_CLASSES[label] for tag, label in zip(tags, labels, strict=True)])
    accepted = np.array([tag.accepted for tag in tags])
    assert right.mean() > 0.65
    assert right[accepted].mean() > right.mean()
    noise = [
        np.random.default_rng(seed).integers(0, 256, (300, 200, 3), dtype=np.uint8) for seed in range(40)
    ]
    assert sum(tagger.tag(photo).accepted for photo in noise) <= 4


def test_only_the_photo_model_gives_an_embedding() -> None:
    assert {name: lapel.load_tagger(name).embedding_width for name in LARGEST} == {
        **dict.fromkeys(LARGEST, 0),
        "photo": 128,
    }
    with pytest.raises(ModelError, match="The model photo-small gives no embedding"):
        lapel.load_tagger("photo-small").embed(np.zeros((1, 64, 64, 3), np.uint8))


def test_an_embedding_changes_nothing_of_what_is_answered() -> None:
    """The model without the nodes of the embedding answers the same, bit for bit."""
    tagger = lapel.load_tagger()
    path = model_path("photo")
    model = onnx.load(path)
    for part in (model.graph.node, model.graph.initializer, model.graph.output):
        names = [list(getattr(one, "output", [])) or [one.name] for one in part]
        kept = [one for one, [name] in zip(part, names, strict=True) if not name.startswith("embedding")]
        del part[:]
        part.extend(kept)
    assert len(model.graph.output) == 2
    plain = tagger_of(model.SerializeToString(), "plain")
    assert plain.embedding_width == 0
    pictures = np.stack([tagger.picture(photo) for photo in draw(6, size=200, channels=3, style="photo")[0]])
    for one, other in zip(tagger.answers(pictures), plain.answers(pictures), strict=True):
        assert (one == other).all()
    tags, embeddings = tagger.tag_and_embed(list("abcdef"), list(pictures))
    assert tags == tagger.tag_pictures(list("abcdef"), list(pictures))
    assert (embeddings == tagger.embed(pictures)).all()
    assert embeddings.shape == (6, 128)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-5)
