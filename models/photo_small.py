"""Make the shipped model `photo-small`, and measure its making on photographs that it has not seen.

    python models/photo_small.py PHOTOS               # five folds by photographer, then the model
    python models/photo_small.py PHOTOS --folds-only  # the figures of BENCHMARKS.md, and no model

PHOTOS is a folder with labels.csv: file, label (0 to 9, or -1 for other garments), photographer. What was
fitted is kept in the folder `--work`, so that a making that was interrupted goes on. Fashion-MNIST must be
at hand; its test pictures are not touched.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from backgrounds import KINDS, as_given, grounds, nothings
from numpy.typing import NDArray
from robustness import Findings, Pictures, scores, softmax
from scenes import OTHER
from shoes import shoes
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor
from training import (
    ANSWERS,
    EPOCH,
    SECOND_LOOK,
    Mix,
    Seeing,
    Sources,
    fit,
    masks_of,
    shares_of,
    surroundings,
    taught,
)

import lapel
from lapel.calibrate import accept_at, temperature_of, usual_answers
from lapel.card import Card
from lapel.data.dataset import Split
from lapel.data.registry import FASHION_CLASSES
from lapel.data.synthetic.draw import synthetic_dataset
from lapel.decode import Limits, decode
from lapel.engines.load import load_engine
from lapel.engines.onnx import to_onnx
from lapel.engines.torch.fitting import weights
from lapel.engines.weights import draw, packed, read_weights
from lapel.exporting.int8 import quantised
from lapel.files import write_atomic
from lapel.metrics import auroc, wilson_interval
from lapel.picture import PictureSpec, read_picture
from lapel.recipes.load import load_recipe
from lapel.recipes.plan import plan
from lapel.training.watch import Epoch

HERE = Path(__file__).parent
SHIPPED = HERE.parent / "src" / "lapel" / "shipped"
SPEC = PictureSpec(size=64, channels=3)
LARGE = PictureSpec(size=96, channels=3)  # photos to learn from: there is room to zoom in them
REJECTS = ("not one of the classes", "no garment found")
FOLDS = 5
HELD = 1000  # garments to validate on while learning
GOAL = 0.95  # of the accepted, this share is right
_WHOLE = 100_000  # pixels: more than any photo has, so that none is decoded at a smaller scale


@dataclass(frozen=True)
class Stage:
    """A part of the learning."""

    mix: Mix
    steps: int
    rate: float
    seed: int


# Fashion-MNIST alone, as it is and laid on drawn grounds, at first; then photos as well.
FIRST = Stage(Mix(plain=72, laid=112, cropped=16, shoes=24, nothing=32), steps=3600, rate=4e-3, seed=0)
SECOND = Stage(Mix(plain=136, laid=64, cropped=16, shoes=16, nothing=24), steps=2200, rate=3e-3, seed=7)
THIRD = Stage(
    Mix(plain=88, laid=12, cropped=4, shoes=12, nothing=24, photo=43, other=15, draw=False),
    steps=1000,
    rate=2e-3,
    seed=20,
)


@dataclass(frozen=True)
class Photos:
    """Photographs, their labels (OTHER for other garments) and who took them."""

    paths: list[Path]
    labels: NDArray[np.int64]
    people: list[str]

    @classmethod
    def read(cls, folder: Path) -> Photos:
        """Those that labels.csv in a folder lists."""
        with (folder / "labels.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        labels = np.array([int(row["label"]) for row in rows])
        return cls(
            [folder / row["file"] for row in rows],
            np.where(labels < 0, OTHER, labels),
            [row["photographer"] for row in rows],
        )

    @cached_property
    def pictures(self) -> Pictures:
        """What the model sees of them."""
        return np.stack([read_picture(path, SPEC) for path in self.paths])

    @cached_property
    def large(self) -> Tensor:
        """The same with more pixels, (n, 3, large, large)."""
        pictures = np.stack([read_picture(path, LARGE) for path in self.paths])
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()

    def folds(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """To learn from and to judge on, five times: no photographer is on both sides."""
        parts = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
        return list(parts.split(self.labels, self.labels, self.people))


class Making:
    """The making of the model, step by step; what a step gave is kept in a folder.

    A quick one learns next to nothing, of garments that Lapel draws: it is for trying the steps.
    """

    def __init__(self, photos: Photos, work: Path, *, quick: bool = False) -> None:
        self.photos, self._work, self._quick = photos, work, quick
        self.recipe = load_recipe(HERE / "photo-small.toml")
        dataset = synthetic_dataset(600, 10) if quick else lapel.load_data("fashion-mnist")
        # Every tenth picture is kept for validation.
        held = np.arange(0, len(dataset.train), 10)
        learned = np.setdiff1d(np.arange(len(dataset.train)), held)
        self.garments = dataset.train.pictures[learned, :, :, 0]
        self.labels = torch.from_numpy(dataset.train.labels[learned].astype(np.int64))
        self.held = dataset.train.pictures[held], dataset.train.labels[held]

    def some(self, count: int) -> int:
        """How many of this count are taken: all, but in a quick making few."""
        return -(-count // 50) if self._quick else count

    def base(self) -> Seeing:
        """A network that knows garments on drawn grounds and has seen no photo."""
        network = self._blank()
        for name, stage in (("first", FIRST), ("second", SECOND)):
            self._kept(name, network, partial(self._learn, network, stage, None))
        return network

    def fold(self, number: int) -> Seeing:
        """The base and the photos of all folds but one."""
        return self._with_photos(f"fold-{number}", self.photos.folds()[number][0], number)

    def whole(self) -> Seeing:
        """The base and all photos: the shipped network."""
        return self._with_photos("whole", np.arange(len(self.photos.labels)), FOLDS)

    def _with_photos(self, name: str, chosen: NDArray[np.intp], number: int) -> Seeing:
        network = self.base()
        stage = replace(THIRD, seed=THIRD.seed + number)
        self._kept(name, network, partial(self._learn, network, stage, chosen))
        return network

    def _learn(self, network: Seeing, stage: Stage, chosen: NDArray[np.intp] | None) -> None:
        drawn = _channels_first(grounds(self.some(4000), LARGE.size, stage.seed))
        empty = _channels_first(as_given(nothings(self.some(6000), SPEC.size, stage.seed), stage.seed))
        pairs, pair_labels = shoes(self.some(4000), SPEC.size, stage.seed)
        large = torch.zeros(0, 3, LARGE.size, LARGE.size, dtype=torch.uint8)
        masks, labels = large[:, :1], torch.zeros(0, dtype=torch.int64)
        targets = taught(self.labels, self._teacher)
        if chosen is not None:
            large, labels = self.photos.large[chosen], torch.from_numpy(self.photos.labels[chosen])
            masks = masks_of(network, large)
            around = surroundings(large, masks, LARGE.size, stage.seed)
            small = F.interpolate(around.float(), SPEC.shape[:2], mode="bilinear", antialias=True)
            drawn = torch.cat([drawn, around.repeat(2, 1, 1, 1)])
            empty = torch.cat([empty, small.round().byte().repeat(4, 1, 1, 1)])
        garments = torch.from_numpy(self.garments)
        counts = {name: self.some(count) for name, count in vars(stage.mix).items() if name != "draw"}
        sources = Sources(
            garments=garments,
            labels=self.labels,
            targets=targets,
            shoes=_channels_first(pairs),
            shoe_labels=torch.from_numpy(pair_labels),
            grounds=drawn,
            nothings=empty,
            photos=large,
            photo_masks=masks,
            photo_labels=labels,
        )
        fit(
            network,
            self.recipe,
            sources,
            Mix(**counts, draw=stage.mix.draw),
            Split(_prepared(self.held[0][:HELD]), self.held[1][:HELD].astype(np.int64)),
            steps=2 if self._quick else stage.steps,
            rate=stage.rate,
            side=SPEC.size,
            seed=stage.seed,
            watch=_say,
        )

    @cached_property
    def _teacher(self) -> Tensor | None:
        """What the shipped model of Fashion-MNIST says of the garments."""
        if self._quick:
            return None
        tagger = lapel.load_tagger("fashion-mnist")
        parts = np.array_split(self.garments[..., None], 200)
        return torch.from_numpy(np.concatenate([tagger.probabilities(part) for part in parts]))

    def _blank(self) -> Seeing:
        torch.manual_seed(0)
        first = draw(plan(self.recipe, SPEC.shape, ANSWERS), 0)
        chain = load_engine("torch").build(self.recipe, SPEC.shape, ANSWERS, first)
        # mypy knows no overload with a memory format
        network: Seeing = Seeing(chain, SPEC.size).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def _kept(self, name: str, network: Seeing, learn: Callable[[], None]) -> None:
        """Take what a step gave from the folder, or take the step."""
        path = self._work / f"{name}.safetensors"
        if not path.exists():
            print(f"{name}:", flush=True)
            learn()
            state = {key: value.numpy() for key, value in network.state_dict().items()}
            write_atomic(path, packed(state))
        state = {key: torch.from_numpy(value) for key, value in read_weights(path)[0].items()}
        network.load_state_dict(state)


def judged(making: Making, digits: Pictures | None) -> tuple[NDArray[np.float32], Findings]:
    """What the networks of the folds answer for the photos that they have not seen, and more.

    The answers (n, 12) are logarithms of shares.
    """
    photos, findings = making.photos, Findings(SPEC, OTHER)
    logits = np.zeros((len(photos.labels), ANSWERS), np.float32)
    for number, (_, outside) in enumerate(photos.folds()):
        network = making.fold(number)

        def ask(pictures: Pictures, network: Seeing = network) -> NDArray[np.float64]:
            return shares_of(network.chain, pictures)

        logits[outside] = np.log(np.maximum(ask(photos.pictures[outside]), np.finfo(np.float32).tiny))
        known = outside[photos.labels[outside] != OTHER]
        labels, shares = photos.labels[known], softmax(logits[known])
        right = shares[:, :OTHER].argmax(1) == labels
        images = [decode(photos.paths[place], Limits(), side=_WHOLE, longest=_WHOLE) for place in known]
        seen = masks_of(network, photos.large[outside])
        masks = seen[photos.labels[outside] != OTHER].numpy()[:, 0] / 255
        findings.change(ask, [image for image, one in zip(images, right, strict=True) if one], labels[right])
        findings.lay(ask, images, masks, labels, right)
        shop, of_class = _from_the_shop(*making.held, number)
        hits = ask(shop)[:, :OTHER].argmax(1) == of_class
        findings.on_plain("Fashion-MNIST as its shop had it, grey on white", hits, of_class)
        for kind in KINDS:
            things = nothings(making.some(300), SPEC.size, 1000 + number, kind)
            findings.tell_apart(f"drawn {kind}", shares, ask(things))
        around = surroundings(photos.large[outside], seen, SPEC.size, number)
        if len(around):
            surfaces = around.permute(0, 2, 3, 1).numpy()
            findings.tell_apart("floors and cloths in photos", shares, ask(surfaces))
        if digits is not None:
            garments, others = ask(_prepared(making.held[0])), ask(_prepared(digits[number:10_000:FOLDS]))
            findings.tell_apart("digits, from Fashion-MNIST", garments, others)
    return logits, findings


def told(photos: Photos, logits: NDArray[np.float32]) -> str:
    """The figures of the photos themselves, as Markdown."""
    known = photos.labels != OTHER
    shares = softmax(logits)
    predicted, score = shares[:, :OTHER].argmax(1), scores(shares, OTHER)
    right = predicted == photos.labels
    lines = ["| class | photos | right |", "|---|---:|---:|"]
    recalls = []
    for place, name in enumerate(FASHION_CLASSES):
        of_class = photos.labels == place
        if of_class.any():
            recalls.append(right[of_class].mean())
            lines.append(f"| {name} | {of_class.sum()} | {recalls[-1]:.1%} |")
    low, high = wilson_interval(int(right[known].sum()), int(known.sum()))
    apart = auroc(score[known], score[~known])
    lines += [
        f"| all, each class alike | {known.sum():,} | {np.mean(recalls):.1%} |",
        f"| all | {known.sum():,} | {right[known].mean():.1%} ({low:.1%} to {high:.1%}) |",
        "",
        f"AUROC of the score, photos of the classes against other garments: {apart:.3f}",
    ]
    for name, among in (("photos of the classes", known), ("all photos", np.full(len(known), True))):
        kept, hits = _accepted_by_others(photos, score, right, among)
        lines.append(f"Accepted of {name}: {kept:.1%}, of these right: {hits:.1%}")
    return "\n".join(lines)


def _accepted_by_others(
    photos: Photos, score: NDArray[np.floating], right: NDArray[np.bool_], among: NDArray[np.bool_]
) -> tuple[float, float]:
    """The share accepted, and of these right, where each fold's threshold is chosen on the other folds."""
    kept = np.zeros(len(score), bool)
    for _, outside in photos.folds():
        others = np.setdiff1d(np.flatnonzero(among), outside)
        kept[outside] = score[outside] >= accept_at(score[others], right[others], GOAL)
    accepted = kept & among
    return float(kept[among].mean()), float(right[accepted].mean()) if accepted.any() else math.nan


def model(making: Making, logits: NDArray[np.float32]) -> bytes:
    """The network that learned from all photos, calibrated by what the folds answered."""
    photos = making.photos
    temperature = temperature_of(logits, photos.labels)
    score = scores(softmax(logits / temperature), OTHER)
    right = logits[:, :OTHER].argmax(1) == photos.labels
    known = photos.labels != OTHER
    accept = accept_at(score[known], right[known], GOAL)
    card = Card(
        name="photo-small",
        class_names=FASHION_CLASSES,
        picture=SPEC,
        rejects=REJECTS,
        temperature=temperature,
        accept=accept,
        second_look=SECOND_LOOK ** (1 / temperature),  # the same doubt, after the temperature
        usual=usual_answers(FASHION_CLASSES, logits[known, :OTHER].argmax(1), score[known] >= accept),
        measured=(
            {
                "dataset": "phone photos of clothing-dataset",
                "split": f"{FOLDS} folds by photographer",
                "accuracy": float(right[known].mean()),
                "interval": list(wilson_interval(int(right[known].sum()), int(known.sum()))),
                "pictures": int(known.sum()),
            },
        ),
        made={
            "recipe": "photo-small",
            "lapel": lapel.__version__,
            "seed": 0,
            "dataset": "fashion-mnist",
            "date": datetime.now(UTC).date().isoformat(),
            "trained on": "training pictures of Fashion-MNIST and drawn shoes, laid on drawn grounds; "
            f"{len(photos.labels):,} phone photos (clothing-dataset, CC0), "
            f"{(~known).sum()} of them of other garments",
        },
    )
    built = to_onnx(making.recipe, weights(making.whole().chain), card)
    usual = [photos.pictures[::4], _prepared(making.held[0][:200]), nothings(50, SPEC.size, THIRD.seed)]
    return quantised(built, np.concatenate(usual))


def _prepared(pictures: Pictures) -> Pictures:
    """Grey pictures as the model is given them."""
    return np.stack([read_picture(picture, SPEC) for picture in pictures])


def _from_the_shop(
    pictures: Pictures, labels: NDArray[np.integer], number: int
) -> tuple[Pictures, NDArray[np.integer]]:
    """A fifth of Fashion-MNIST's pictures, prepared: before they were made dark, they were grey on white."""
    return _prepared(255 - pictures[number::FOLDS]), labels[number::FOLDS]


def _channels_first(pictures: Pictures) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def _say(epoch: Epoch) -> None:
    steps, held = epoch.number * EPOCH, epoch.validation_accuracy
    now = time.strftime("%H:%M:%S")
    print(f"  step {steps:,}, loss {epoch.loss:.3f}, validation {held:.1%}, {now}", flush=True)


PARTS: dict[str, Callable[[Making], Seeing]] = {
    "base": Making.base,
    **{f"fold-{number}": partial(Making.fold, number=number) for number in range(FOLDS)},
    "whole": Making.whole,
}


def main() -> None:
    """Fit, judge, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--work", type=Path, default=Path("work"), help="what was fitted is kept here")
    parser.add_argument(
        "--fit", nargs="+", choices=PARTS, metavar="PART", help=f"only fit: {', '.join(PARTS)}"
    )
    parser.add_argument("--folds-only", action="store_true", help="judge, and write no model")
    parser.add_argument("--digits", metavar="FOLDER", help="MNIST, to be told apart from Fashion-MNIST")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    making = Making(Photos.read(arguments.photos), arguments.work)
    if arguments.fit:
        for part in arguments.fit:
            PARTS[part](making)
        return
    digits = lapel.load_data(arguments.digits).train.pictures if arguments.digits else None
    logits, findings = judged(making, digits)
    print(told(making.photos, logits), findings.table(), sep="\n\n")
    if not arguments.folds_only:
        data = model(making, logits)
        write_atomic(SHIPPED / "photo-small.onnx", data)
        print(f"\nphoto-small.onnx: {len(data):,} bytes")


if __name__ == "__main__":
    main()
