"""The scripts that make the shipped models, with drawn garments and photos alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from garments import garments
from numpy.typing import NDArray
from PIL import Image

import lapel
from lapel.data.synthetic.draw import draw
from lapel.engines.load import load_engine
from lapel.picture import PictureSpec, read_picture
from lapel.recipes.load import parse
from lapel.runs import Run
from lapel.training.objective import Agreement

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "models"))

import backgrounds
import fashion_mnist
import photo_small
import rejection
import robustness
import scenes
import shoes
import training

Pictures = NDArray[np.uint8]


def channels_first(pictures: Pictures) -> torch.Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


# Grounds, and what is no garment


@pytest.mark.parametrize("of", [backgrounds.grounds, backgrounds.nothings])
def test_drawn_things_follow_from_their_seed(of: Callable[..., Pictures]) -> None:
    drawn = of(12, 40, seed=3)
    assert (drawn.shape, drawn.dtype) == ((12, 40, 40, 3), np.uint8)
    assert (of(12, 40, seed=3) == drawn).all()
    assert (of(12, 40, seed=4) != drawn).mean() > 0.5


@pytest.mark.parametrize("kind", backgrounds.KINDS)
def test_things_of_every_kind(kind: str) -> None:
    drawn = backgrounds.nothings(8, 28, 1, kind)
    assert (drawn.shape, drawn.dtype) == ((8, 28, 28, 3), np.uint8)
    assert (backgrounds.nothings(8, 28, 1, kind) == drawn).all()
    assert len({picture.tobytes() for picture in drawn}) == 8
    flat = drawn.reshape(8, -1).std(1)
    assert (flat < 6).all() if kind == "blank" else flat.mean() > 6


def test_things_come_small_or_wide_or_tall_as_well() -> None:
    slope = np.add.outer(np.arange(40), np.arange(40)).astype(np.uint8)
    drawn = np.broadcast_to(slope[:, :, None], (60, 40, 40, 3))
    given = backgrounds.as_given(drawn, 2)
    assert (given.shape, given.dtype) == (drawn.shape, np.uint8)
    assert (backgrounds.as_given(drawn, 2) == given).all()
    unchanged = (given == drawn).all((1, 2, 3))
    padded = (np.ptp(given[:, :, 0], axis=1) == 0).all(1) | (np.ptp(given[:, 0], axis=1) == 0).all(1)
    assert 10 < unchanged.sum() < 30
    assert 10 < padded.sum() < 30
    assert not (unchanged & padded).any()


# Shoes


def test_pairs_of_shoes_follow_from_their_seed() -> None:
    drawn, labels = shoes.shoes(40, 32, seed=3)
    assert (drawn.shape, drawn.dtype) == ((40, 32, 32, 4), np.uint8)
    assert set(labels) == {scenes.SANDAL, scenes.SNEAKER, scenes.ANKLE_BOOT, scenes.OTHER}
    again, same = shoes.shoes(40, 32, seed=3)
    assert (again == drawn).all()
    assert (same == labels).all()
    assert (shoes.shoes(40, 32, seed=4)[0] != drawn).mean() > 0.2


@pytest.mark.long
def test_shoes_come_in_twos() -> None:
    stencils = shoes.shoes(200, 32, seed=1)[0][..., 3] > 127
    covered = stencils.mean((1, 2))
    assert covered.min() > 0.03
    assert covered.max() < 0.9
    columns = np.pad(stencils.any(1), ((0, 0), (1, 1))).astype(int)
    parts = (np.diff(columns, axis=1) == 1).sum(1)
    assert (parts == 2).mean() > 0.1  # the others touch, or one lies before the other
    assert (parts <= 2).mean() > 0.95


def test_shoes_are_seen_from_above_their_toes() -> None:
    camera = shoes._camera(0, 0.7)
    toes, leg = camera @ (0, 1, 0), camera @ (0, 0, 1)
    assert toes[1] < 0 < leg[1]
    assert toes[2] > 0
    assert leg[2] > 0
    assert (camera @ (1, 0, 0)).tolist() == [1, 0, 0]
    assert np.allclose(shoes._camera(0, np.pi / 2) @ (0, 0, 1), (0, 0, 1))


def test_what_is_nearer_covers_what_is_farther() -> None:
    """A leg hides the foot behind it, and its own far wall shows the lining."""
    random = np.random.default_rng(0)
    red, green, blue = np.eye(3)
    shoe = shoes.Shoe(random)
    leg = shoes.Leg(low=0, high=0.5, wide=(0.2, 0.2), lean=(0, 0), sag=(0, 0))
    shoe.on_leg(leg, red, green)
    points, facing, outside, inside = shoe.sheets[0].seen()
    assert (facing[points[:, 0] > 0.1][:, 0] > 0).all()
    below = points - (0, 0, 0.4)
    seen = shoes._looked_at(
        np.concatenate([points, below]),
        np.concatenate([facing, facing]),
        np.concatenate([outside, np.broadcast_to(blue, outside.shape)]),
        np.concatenate([inside, np.broadcast_to(blue, outside.shape)]),
        64,
        random,
    )
    middle = seen[seen[:, 32, 3] == 255, 32, :3].argmax(1)
    runs = middle[np.flatnonzero(np.diff(middle, prepend=-1))]
    # Down the picture: the lining, what is below through the leg, the near wall, what is below.
    assert runs.tolist() == [1, 2, 0, 2]


def test_shoes_are_laid_in_their_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes.Scenes, "light", lambda _, pictures: pictures)
    monkeypatch.setattr(scenes.Scenes, "_shadow", lambda _, pictures, __: pictures)
    monkeypatch.setattr(scenes.Scenes, "_any_ground", lambda _, count: torch.zeros(count, 3, 64, 64))
    green = torch.zeros(30, 4, 32, 32)
    green[:, 1, 8:24, 8:24] = green[:, 3, 8:24, 8:24] = 1
    pictures, masks = scenes_of(1).lay(green)
    assert (pictures.shape, masks.shape) == ((30, 3, 64, 64), (30, 1, 64, 64))
    inside = (masks == 1).expand(-1, 3, -1, -1)
    assert (pictures[:, 1:2][masks == 1] > 0.99).all()
    assert (pictures[:, [0, 2]] == 0).all()
    assert (pictures[~inside & (masks == 0).expand(-1, 3, -1, -1)] == 0).all()
    assert 0.02 < masks.mean() < 0.5


# Scenes


@pytest.fixture
def clothes() -> tuple[torch.Tensor, torch.Tensor]:
    """Forty garments (n, 28, 28; 0 to 1) and their labels."""
    train = garments().train
    pictures, labels = train.pictures[:40, :, :, 0].copy(), train.labels[:40].astype(np.int64)
    return torch.from_numpy(pictures).float() / 255, torch.from_numpy(labels)


def scenes_of(seed: int, level: int = 0) -> scenes.Scenes:
    """Scenes on grounds of one grey."""
    return scenes.Scenes(torch.full((3, 3, 96, 96), level, dtype=torch.uint8), 64, seed)


def test_garments_are_laid_where_the_masks_say(
    clothes: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without another light afterwards, all that differs from a white ground is garment or its shadow.
    monkeypatch.setattr(scenes.Scenes, "light", lambda _, pictures: pictures)
    monkeypatch.setattr(scenes.Scenes, "_any_ground", scenes.Scenes._ground)
    pictures, masks = scenes_of(1, 255).compose(*clothes)
    assert (pictures.shape, masks.shape) == ((40, 3, 64, 64), (40, 1, 64, 64))
    assert masks.min() == 0
    assert masks.max() == 1
    assert 0.1 < masks.mean() < 0.6
    assert masks.mean((1, 2, 3)).min() > 0.02
    near = torch.nn.functional.max_pool2d(masks, 13, 1, 6) > 0  # shadows fall three pixels off, and are soft
    near[:, :, :7] = near[:, :, -7:] = near[:, :, :, :7] = near[:, :, :, -7:] = True  # or come in at the rim
    far = (~near).expand_as(pictures)
    assert far.float().mean() > 0.1
    assert (pictures[far] == 1).all()
    inside = (masks == 1).expand_as(pictures)
    assert (pictures[inside] < 0.99).float().mean() > 0.5


def test_scenes_follow_from_their_seed(clothes: tuple[torch.Tensor, torch.Tensor]) -> None:
    first, again, other = (scenes_of(seed).compose(*clothes) for seed in (1, 1, 2))
    for one, same, another in zip(first, again, other, strict=True):
        assert one.min() >= 0
        assert one.max() <= 1
        assert torch.equal(one, same)
        assert not torch.equal(one, another)


def test_only_shoes_come_in_pairs(clothes: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Half of the shoes do; a garment that is laid twice lies in two parts beside each other."""
    dot = torch.zeros(64, 28, 28)
    dot[:, 12:16, 12:16] = 1
    pairs = []
    for label in (scenes.SNEAKER, scenes.DRESS):
        _, masks = scenes_of(3).compose(dot, torch.full((64,), label))
        columns = (masks[:, 0] > 0.5).any(1).float()
        starts = (columns.diff(dim=1) == 1).sum(1) + columns[:, 0]
        pairs.append(float((starts == 2).float().mean()))
    assert 0.2 < pairs[0] < 0.7
    assert pairs[1] == 0


def test_enlarged_pictures_are_what_a_model_is_given(
    clothes: tuple[torch.Tensor, torch.Tensor],
) -> None:
    large = (scenes.enlarged(clothes[0], 64) * 255).round().permute(0, 2, 3, 1).numpy()
    grey = (clothes[0] * 255).round().byte().numpy()
    wanted = np.stack([read_picture(picture, PictureSpec(size=64, channels=3)) for picture in grey])
    apart = np.abs(large - wanted.astype(np.float32))
    # Pillow rounds and clips after each of the two directions, so that a few pixels at hard edges differ.
    assert (apart <= 2).mean() > 0.99
    assert apart.max() < 24
    assert apart.mean() < 0.3


def test_garments_are_negated_and_surfaces_keep_their_border() -> None:
    dark = torch.full((200, 3, 8, 8), 0.25)
    negated = scenes_of(0).negate(dark, 0.3).mean((1, 2, 3))
    assert set(negated.tolist()) == {0.25, 0.75}
    assert 0.15 < float((negated == 0.75).float().mean()) < 0.45
    stripes = torch.zeros(40, 3, 64, 64)
    stripes[:, :, ::8] = 1  # what comes in at the edge must not be black where the surface is white
    drawn_scenes = scenes_of(0)
    moved = drawn_scenes.move(torch.ones(40, 3, 64, 64), 4, beyond="border")
    assert (moved > 0.99).all()
    laid = drawn_scenes.surfaces(stripes)
    assert laid.shape == stripes.shape
    assert laid.min() >= 0
    assert laid.max() <= 1
    across = (laid.std(3).mean((1, 2)) > laid.std(2).mean((1, 2))).float().mean()
    assert 0.2 < across < 0.8  # half of them lie on their side


def test_trousers_are_cut_below_and_dresses_above() -> None:
    whole = torch.ones(60, 28, 28)
    labels = torch.tensor([scenes.TROUSER, scenes.DRESS]).repeat(30)
    rows = scenes_of(0).cropped(whole, labels).mean(2)
    assert set(rows.unique().tolist()) == {0, 1}
    kept = rows.sum(1)
    legs, skirts = rows[labels == scenes.TROUSER], rows[labels == scenes.DRESS]
    assert (legs.diff(dim=1) <= 0).all()  # once there is nothing, nothing comes any more
    assert (skirts.diff(dim=1) >= 0).all()
    assert kept[labels == scenes.TROUSER].min() >= 9
    assert kept[labels == scenes.TROUSER].max() <= 15
    assert kept[labels == scenes.DRESS].min() >= 28 - 17
    assert kept[labels == scenes.DRESS].max() <= 28 - 11


def test_photos_vary_and_change_their_colours_only_where_a_garment_is_known() -> None:
    photos = channels_first(draw(30, size=96, channels=3, style="photo", seed=2)[0]).float() / 255
    mask = torch.zeros(30, 1, 96, 96)
    mask[:, :, 24:72, 24:72] = 1
    varied = [scenes_of(5).vary(photos, masks) for masks in (mask, mask, torch.zeros_like(mask))]
    for pictures in varied:
        assert pictures.shape == (30, 3, 64, 64)
        assert pictures.min() >= 0
        assert pictures.max() <= 1
    assert torch.equal(varied[0], varied[1])
    # The same numbers are drawn whatever the masks are: what differs was dyed, or laid on another ground.
    differ = (varied[0] != varied[2]).flatten(1).any(1).float().mean()
    assert 0.2 < differ < 0.95


def test_what_comes_in_beside_a_photo_looks_like_its_rim() -> None:
    photos = torch.zeros(20, 3, 96, 96)
    photos[:, :, 8:-8, 8:-8] = 1
    photos[:, 2] = 0.25
    rim = scenes._rim(photos)
    assert rim.flatten(1).tolist() == [[0, 0, 0.25]] * 20


# Learning


def test_answers_to_the_same_photo_lie_apart() -> None:
    first, second = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 1.0]])
    shares = [logits.softmax(1) for logits in (first, second)]
    both_ways = sum(float((one * (one / other).log()).sum()) for one, other in (shares, shares[::-1]))
    unseen = torch.tensor([[7.0, 0.0]])
    agreement = Agreement(1)
    assert float(agreement.torch(torch.cat([unseen, first, second]), None)) == pytest.approx(both_ways)
    assert float(agreement.torch(torch.cat([unseen, first, first]), None)) == 0


def test_the_teachers_word_is_half() -> None:
    labels = torch.tensor([2, 0])
    sure = training.taught(labels)
    assert sure[0, 2] == pytest.approx(0.9 + 0.1 / 12)
    assert sure.sum(1).tolist() == pytest.approx([1, 1])
    teacher = torch.eye(10)[[3, 0]]
    half = training.taught(labels, teacher)
    assert half[0, 3] == pytest.approx(0.5 + 0.05 / 12)
    assert half[0, 2] == pytest.approx((0.9 + 0.1 / 12) / 2)
    assert half[1, 0] == pytest.approx((1 + 0.9 + 0.1 / 12) / 2)


def test_surroundings_have_no_garment_in_them() -> None:
    noise = np.random.default_rng(0).integers(0, 100, (20, 3, 96, 96), dtype=np.uint8)
    photos, masks = torch.from_numpy(noise), torch.zeros(20, 1, 96, 96, dtype=torch.uint8)
    masks[:, :, :, 40:] = 255
    photos[:, :, :, 40:] += 150
    pieces = training.surroundings(photos, masks, 64, 0)
    assert pieces.shape[1:] == (3, 64, 64)
    assert len(pieces) > 5
    # Of a piece at most three hundredths may be garment: a column of the 32 that it has.
    assert (pieces > 120).float().mean((1, 2, 3)).max() < 0.05
    assert torch.equal(training.surroundings(photos, masks, 64, 0), pieces)
    assert training.surroundings(photos, torch.full_like(masks, 255), 64, 0).shape == (0, 3, 64, 64)
    assert len(training.surroundings(torch.full_like(photos, 7), torch.zeros_like(masks), 64, 0)) == 0


def test_a_second_look_counts_as_much_as_the_first() -> None:
    recipe = parse({"name": "sided", "layers": [{"kind": "flatten"}, {"kind": "dense"}]}, "here")
    weights = {"1.weight": np.random.default_rng(1).normal(size=(12, 192)) / 6, "1.bias": np.zeros(12)}
    chain: Any = load_engine("torch").build(
        recipe, (8, 8, 3), 12, {name: value.astype(np.float32) for name, value in weights.items()}
    )
    pictures = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    first = robustness.softmax(training.answers(chain, pictures))
    mirrored = robustness.softmax(training.answers(chain, np.ascontiguousarray(pictures[:, :, ::-1])))
    found = training.shares_of(chain, pictures)
    best = np.sort(first[:, :10], 1)
    doubtful = best[:, -2] > 0.5 * best[:, -1]
    assert 0 < doubtful.sum() < 40
    assert (found[~doubtful] == first[~doubtful]).all()
    assert found.sum(1) == pytest.approx(np.ones(40))
    assert found[doubtful, 10:] == pytest.approx((first + mirrored)[doubtful, 10:] / 2)


# Judging


def by_brightness(pictures: Pictures) -> NDArray[np.float64]:
    """Two classes, dark and bright, and a share for what is neither."""
    light = pictures.mean((1, 2, 3)) / 255
    return np.stack([1 - light, light, np.zeros_like(light)], 1)


def test_findings_count_what_changes() -> None:
    findings = robustness.Findings(PictureSpec(size=16, channels=3), 2)
    dark, light = Image.new("RGB", (40, 40), (30,) * 3), Image.new("RGB", (40, 40), (140,) * 3)
    findings.change(by_brightness, [dark, light], np.array([0, 1]))
    findings.change(by_brightness, [light], np.array([1]))
    findings.change(by_brightness, [], np.zeros(0, int))  # a part of which none was labelled right
    assert findings.changed["mirrored"] == (0, 3)
    assert findings.changed["half as bright"] == (2, 3)  # light ones become dark
    assert findings.changed["half again as bright"] == (0, 3)
    assert findings.changed["12 megapixels"] == (0, 2)  # one in eight, and of each call the first


def test_findings_on_plain_ground() -> None:
    findings = robustness.Findings(PictureSpec(size=16, channels=3), 2)
    image, mask = Image.new("RGB", (40, 40), (30,) * 3), np.zeros((1, 10, 10))
    # Nothing is cut out, so that the ground alone is judged: white is bright, black is dark.
    findings.lay(by_brightness, [image], mask, np.array([0]), np.array([True]))
    findings.lay(by_brightness, [image], mask, np.array([1]), np.array([False]))
    assert findings.changed == {"on white ground": (1, 1), "on black ground": (0, 1)}
    assert findings.plain["photos cut out, on white"].tolist() == [[0, 1], [1, 1]]
    assert findings.plain["photos cut out, on black"].tolist() == [[1, 1], [0, 1]]
    findings.on_plain("grey on white", np.array([True, True, False]), np.array([0, 0, 1]))
    shares = np.array([[0.9, 0.0, 0.1], [0.2, 0.7, 0.1]])
    findings.tell_apart("others", shares, np.array([[0.1, 0.1, 0.8], [0.1, 0.8, 0.1]]))
    assert findings.apart == {"others": [0.75]}
    table = findings.table()
    assert "| on white ground | 100.0% of 1 |" in table
    assert "| photos cut out, on white | 50.0% | 50.0% |" in table
    assert "| grey on white | 50.0% | 66.7% |" in table
    assert "| others | 0.750 | 0.750 |" in table


def test_a_garment_on_another_ground() -> None:
    """The mask is that of the squared picture, so of a tall photo its middle columns count."""
    mask = np.zeros((20, 20))
    mask[:10] = 1
    laid = np.asarray(robustness.on_ground(Image.new("RGB", (30, 60), (200, 0, 0)), mask, 255))
    assert (laid[:25] == (200, 0, 0)).all()
    assert (laid[35:] == 255).all()


# The photo model


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> photo_small.Photos:
    """Photos of seven photographers, each of two of the classes and of something else."""
    folder = tmp_path_factory.mktemp("photos")
    pictures, labels = draw(100, size=80, channels=3, style="photo", seed=5)
    rows = ["file,label,class,photographer"]
    for person in range(7):
        for label in (1, 9, -1):
            of_class = pictures[labels == (4 if label < 0 else label)]
            Image.fromarray(of_class[person]).save(folder / f"{person}{label}.png")
            rows.append(f"{person}{label}.png,{label},any,p{person}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return photo_small.Photos.read(folder)


def test_no_photographer_is_on_both_sides_of_a_fold(photos: photo_small.Photos) -> None:
    assert photos.labels.tolist() == [1, 9, scenes.OTHER] * 7
    people, judged = np.array(photos.people), []
    for learned, outside in photos.folds():
        assert not set(people[learned]) & set(people[outside])
        judged += outside.tolist()
    assert sorted(judged) == list(range(21))


@pytest.mark.long
def test_the_making_of_the_photo_model(
    photos: photo_small.Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1), dtype=np.uint8)
    making = photo_small.Making(photos, tmp_path, quick=True)
    logits, findings = photo_small.judged(making, digits)
    assert logits.shape == (21, 12)
    assert len(findings.apart["drawn noise"]) == photo_small.FOLDS
    assert "| Trouser | 7 |" in photo_small.told(photos, logits)
    assert "drawn noise" in findings.table()
    path = tmp_path / "photo.onnx"
    path.write_bytes(photo_small.model(making, logits))
    kept = ["first", "second", *(f"fold-{number}" for number in range(5)), "whole"]
    assert sorted(file.stem for file in tmp_path.glob("*.safetensors")) == sorted(kept)
    tagger = lapel.load_tagger(path)
    assert tagger.card.rejects == ("not one of the classes", "no garment found")
    assert "21 phone photos" in str(tagger.card.made["trained on"])
    shares, rejected = tagger.answers(photos.pictures)
    assert tagger.card.second_look == pytest.approx(training.SECOND_LOOK ** (1 / tagger.card.temperature))
    # So little is known that it looks twice at everything.
    both = [photos.pictures, np.ascontiguousarray(photos.pictures[:, :, ::-1])]
    views = np.stack([training.answers(making.whole().chain, pictures) for pictures in both])
    wanted = robustness.softmax(views / tagger.card.temperature).mean(0)
    told = np.concatenate([shares * (1 - rejected.sum(1, keepdims=True)), rejected], 1)
    # It has learned next to nothing: its answers lie 0.003 apart, and from those of eight bits 0.001.
    assert np.abs(told - wanted).max() < 0.01
    assert np.abs(told - wanted).mean() < wanted.std(0).mean() / 3

    def fit(*_: Any, **__: Any) -> None:
        raise AssertionError("what is kept is fitted again")

    monkeypatch.setattr(photo_small, "fit", fit)
    again = photo_small.Making(photos, tmp_path, quick=True)
    assert photo_small.judged(again, None)[0] == pytest.approx(logits)
    assert len(photo_small.model(again, logits)) == path.stat().st_size
    (tmp_path / "fold-3.safetensors").unlink()
    with pytest.raises(AssertionError, match="fitted again"):
        photo_small.PARTS["fold-3"](again)


# The model of Fashion-MNIST


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("fashion-mnist")
    data = lapel.save_data(garments(), folder / "garments.npz", "npz")
    recipe = parse(
        {
            "name": "tiny",
            "layers": [
                {"kind": "conv", "filters": 8, "kernel": 3, "stride": 2, "activation": "relu"},
                {"kind": "pool"},
                {"kind": "flatten"},
                {"kind": "dense"},
            ],
            "training": {"epochs": 4, "batch": 32, "learning_rate": 0.01},
        },
        "tiny",
    )
    return lapel.train(recipe, data, path=folder / "run")


@pytest.fixture(scope="module")
def made(run: Run) -> tuple[bytes, dict[str, float]]:
    with pytest.MonkeyPatch.context() as patch:
        strange = fashion_mnist.strange
        patch.setattr(
            fashion_mnist, "strange", lambda count, seed, only=None: strange(count // 20, seed, only)
        )
        return fashion_mnist.make(run)


def test_strange_pictures_are_as_a_model_is_given_them() -> None:
    found = fashion_mnist.strange(20, 0, "shapes")
    assert found.dtype == np.uint8
    assert found.shape[1:] == (28, 28, 1)
    assert 15 <= len(found) <= 20  # without those that are refused before any model is asked


def test_jumbled_garments_have_the_same_quarters_elsewhere() -> None:
    pictures = garments().train.pictures[:30]

    def quarters(picture: Pictures) -> list[bytes]:
        return [picture[i : i + 14, j : j + 14].tobytes() for i in (0, 14) for j in (0, 14)]

    for before, after in zip(pictures, fashion_mnist.jumbled(pictures, 0), strict=True):
        assert sorted(quarters(before)) == sorted(quarters(after))
        assert (before != after).any()


@pytest.mark.long
def test_the_making_of_the_model_of_fashion_mnist(
    run: Run, made: tuple[bytes, dict[str, float]], tmp_path: Path
) -> None:
    data, told = made
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    tagger = lapel.load_tagger(path)
    assert tagger.card.rejects == ("not one of the classes",)
    assert tagger.card.made["trained on"] == (
        "540 training pictures of garments; drawn things that are no garments"
    )
    held = garments().split(run.recipe.training.validation, 0)[1]
    shares, rejected = tagger.answers(held.pictures)
    scores = shares.max(1) * (1 - rejected.sum(1))
    right, accepted = shares.argmax(1) == held.labels, scores >= tagger.card.accept
    assert right.mean() == pytest.approx(told["validation accuracy"])
    assert right.mean() > 0.5
    assert accepted.mean() == pytest.approx(told["accepted"])
    assert right[accepted].mean() == pytest.approx(told["right among the accepted"])
    expected = [(shares.argmax(1) == place).mean() for place in range(10)]
    assert tagger.card.usual["accepted"] == pytest.approx(accepted.mean())
    assert list(tagger.card.usual["labels"].values()) == pytest.approx(expected)
    assert told["AUROC against noise"] > 0.9


def test_what_a_model_knows_is_printed(
    run: Run,
    made: tuple[bytes, dict[str, float]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(made[0])
    origin = str(run.environment["dataset"]["origin"])
    monkeypatch.setattr(sys, "argv", ["rejection.py", str(path), "--data", origin, "--digits", origin])
    monkeypatch.setattr(rejection, "DRAWN", 40)
    rejection.main()
    head, *rows = capsys.readouterr().out.strip().splitlines()
    assert head.endswith("of 200 test pictures accepted")
    names = [row.split(" | ")[0].strip("| ") for row in rows[3:]]
    assert names == ["MNIST's digits", *(f"drawn {kind}" for kind in backgrounds.KINDS)]
    assert all(row.count("|") == 5 for row in rows[1:])
