"""Make the shipped model `photo`, and measure how its making does on photographs that it has not seen.

    python models/photo.py WARDROBE SHOP                # five folds, then the model of all photographs
    python models/photo.py WARDROBE SHOP --folds-only   # the figures of BENCHMARKS.md, and no model

WARDROBE and SHOP are folders with labels.csv (models/README.md says what it holds). The second part of a
network that has learned from ImageNet goes on learning from them and from drawn garments. Beside it the
shipped `photo-small` is asked, which knows Fashion-MNIST better. What was computed is kept in the folder
`--work`, so that a making that was interrupted goes on. Fashion-MNIST must be at hand; its test pictures are
not touched.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from backgrounds import nothings
from eyes import NETWORK, SPEC, Maps, SecondPart
from joined import joined
from judging import SMALL_SHARE, Judged, asked_small
from numpy.typing import NDArray
from photo_small import REJECTS, SHIPPED
from photographs import FOLDS, UNKNOWN, Photographs
from quantise import quantised
from scenes import OTHER
from training import ANSWERS, SECOND_LOOK
from views import Views, kept, make_views, seen

import lapel
from lapel.calibrate import usual_answers
from lapel.card import Card
from lapel.data.dataset import Split
from lapel.data.registry import FASHION_CLASSES
from lapel.data.synthetic.draw import synthetic_dataset
from lapel.engines.onnx import to_onnx
from lapel.engines.weights import packed, read_weights
from lapel.files import write_atomic
from lapel.metrics import wilson_interval
from lapel.pretrained.networks import network_recipe

WHOLE = 9  # the number, beside those of the folds, of the network that learns from all photographs
CALIBRATED = 120  # photographs by which the ranges of numbers are found
# How many pictures of a batch come from each source.
MIX = {"phone": 22, "shop": 22, "other": 8, "fm-plain": 5, "fm-laid": 2, "shoes": 2, "nothing": 3}


@dataclass(frozen=True)
class Learning:
    """How the second part goes on learning."""

    steps: int = 300
    rate: float = 3e-4
    head_rate: float = 3e-3
    warmup: float = 0.1
    decay: float = 0.05  # of the weights of the last layers
    average: float = 0.99
    dropout: float = 0.2
    smoothing: float = 0.1
    kinds: float = 0.3  # how much it counts what kind a garment is


class Making:
    """The making of the model, step by step; what a step gave is kept in a folder.

    A quick one learns next to nothing, of garments that Lapel draws: it is for trying the steps.
    """

    def __init__(self, photographs: Photographs, work: Path, *, quick: bool = False) -> None:
        self.photographs, self._work, self._quick = photographs, work, quick
        dataset = synthetic_dataset(600, 10) if quick else lapel.load_data("fashion-mnist")
        # Every tenth picture is kept for validation, as by the making of the small model.
        held = np.arange(0, len(dataset.train), 10)
        self.held = dataset.train.take(held)
        self._garments: Split = dataset.train.take(np.setdiff1d(np.arange(len(dataset.train)), held))

    @cached_property
    def pictures(self) -> NDArray[np.uint8]:
        """What the network sees of the photographs."""
        return kept(self._work / "pictures.npy", lambda: seen(self.photographs.paths))

    @cached_property
    def views(self) -> Views:
        """What is learned from."""
        return make_views(self.pictures, self._garments, self._work, share=20 if self._quick else 1)

    def fitted(self, number: int) -> SecondPart:
        """What has learned from all folds but this one; WHOLE is no fold's number."""
        path = self._work / f"second-{number}.safetensors"
        if not path.exists():
            learning = Learning(steps=2) if self._quick else Learning()
            network = learn(self.views, self.photographs, number, learning)
            state = {name: value.numpy() for name, value in network.state_dict().items()}
            write_atomic(path, packed(state))
        network = SecondPart(ANSWERS, len(self.photographs.kind_names))
        network.load_state_dict(
            {name: torch.from_numpy(value) for name, value in read_weights(path)[0].items()}
        )
        return network.eval()

    def unseen(self) -> NDArray[np.float32]:
        """What the folds' networks answer for the photographs that they have not seen: logits (n, 12)."""
        answers = np.zeros((len(self.photographs), ANSWERS), np.float32)
        folds = self.photographs.fold_of()
        for number in range(FOLDS):
            outside = np.flatnonzero(folds == number)
            answers[outside] = answered(self.fitted(number), self.views.plain[outside, 0])
        return answers


def learn(views: Views, photographs: Photographs, number: int, how: Learning) -> SecondPart:
    """Let the second part learn from every fold but this one. Everything random follows from its number."""
    torch.manual_seed(0)
    network = SecondPart(ANSWERS, len(photographs.kind_names))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    last = [*network.answers.parameters(), *network.kinds.parameters()]
    body = [*network.blocks.parameters(), *network.head.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": body, "lr": how.rate},
            {"params": last, "lr": how.head_rate, "weight_decay": how.decay},
        ],
        weight_decay=0.0,
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    weights = [*body, *last]
    average = [weight.detach().clone() for weight in weights]
    began = time.perf_counter()
    for step, (maps, labels, kinds) in enumerate(_batches(views, photographs, number, how.steps)):
        done = (step + 0.5) / how.steps
        share = min(1.0, done / how.warmup) * (1 + np.cos(np.pi * done)) / 2
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share
        network.train()
        features = F.dropout(network.features(maps), how.dropout)
        known, kind = labels != UNKNOWN, kinds >= 0
        loss = F.cross_entropy(network.answers(features)[known], labels[known], label_smoothing=how.smoothing)
        if kind.any():
            loss = loss + how.kinds * F.cross_entropy(
                network.kinds(features)[kind], kinds[kind], label_smoothing=how.smoothing
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        kept = min(how.average, (1 + step) / (10 + step))
        torch._foreach_lerp_(average, [weight.detach() for weight in weights], 1 - kept)
        if step % 100 == 99:
            seconds = time.perf_counter() - began
            print(f"fold {number}, step {step + 1}, loss {loss.item():.3f}, {seconds:.0f} s", flush=True)
    for weight, mean in zip(weights, average, strict=True):
        weight.data.copy_(mean)
    network.eval()
    return network


def _batches(
    views: Views, photographs: Photographs, number: int, steps: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Maps, labels and kinds: of each source so many as MIX says, rare classes more often than they come."""
    random = np.random.default_rng(number)
    labels, kinds = photographs.labels, photographs.kinds
    inside = photographs.learned & (photographs.fold_of() != number)
    pools = {
        "phone": inside & photographs.phone & (photographs.of_a_class | (labels == UNKNOWN) & (kinds >= 0)),
        "shop": inside & ~photographs.phone & photographs.of_a_class,
        "other": inside & (labels == OTHER),
    }
    places = {name: np.flatnonzero(pool) for name, pool in pools.items()}
    chances = {name: _chances(labels[where]) for name, where in places.items()}
    of_source = {name: np.flatnonzero(views.drawn_from == name) for name in MIX if name not in pools}
    for _ in range(steps):
        maps, truth, kind = [], [], []
        for name, count in MIX.items():
            if name in pools:
                which = random.choice(places[name], count, p=chances[name])
                ways = random.integers(views.ways + 1, size=count)
                maps.append(
                    np.stack(
                        [
                            views.changed[way // 2][place, way % 2]
                            if way < views.ways
                            else views.plain[place, random.integers(2)]
                            for place, way in zip(which, ways, strict=True)
                        ]
                    )
                )
                truth.append(labels[which])
                kind.append(kinds[which])
            else:
                which = random.choice(of_source[name], count)
                maps.append(views.drawn[which])
                truth.append(views.drawn_labels[which])
                kind.append(np.full(count, -1))
        seen = torch.from_numpy(np.concatenate(maps)).float()
        yield (
            seen.contiguous(memory_format=torch.channels_last),
            torch.from_numpy(np.concatenate(truth)),
            torch.from_numpy(np.concatenate(kind)),
        )


def _chances(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """How often each picture is drawn: its class as often as the root of how many it has."""
    classes = np.where(labels == UNKNOWN, ANSWERS - 1, labels)
    counts = np.bincount(classes, minlength=ANSWERS)[classes].astype(np.float64)
    chances = counts**-0.5
    shares: NDArray[np.float64] = chances / chances.sum()
    return shares


def answered(network: SecondPart, maps: Maps) -> NDArray[np.float32]:
    """The twelve answers as logits."""
    with torch.inference_mode():
        parts = [
            network.answers(network.features(torch.from_numpy(np.array(maps[start : start + 64])).float()))
            for start in range(0, len(maps), 64)
        ]
    answers: NDArray[np.float32] = torch.cat(parts).numpy()
    return answers


def model(making: Making, judged: Judged) -> bytes:
    """The network that learned from all photographs and the small model as one, calibrated by the folds."""
    photographs, known = judged.photographs, judged.photographs.of_a_class
    card = Card(
        name="photo",
        class_names=FASHION_CLASSES,
        picture=SPEC,
        rejects=REJECTS,
        temperature=judged.temperature,
        accept=judged.accept,
        second_look=SECOND_LOOK ** (1 / judged.temperature),  # the same doubt, after the temperature
        usual=usual_answers(
            FASHION_CLASSES, judged.logs[known].argmax(1), judged.scores[known] >= judged.accept
        ),
        measured=tuple(
            _measured(judged, name, part & known)
            for name, part in (
                ("phone photos of clothing-dataset", photographs.phone),
                ("pictures of demonstration shops", ~photographs.phone),
            )
        ),
        made={
            "recipe": NETWORK,
            "lapel": lapel.__version__,
            "seed": 0,
            "dataset": "fashion-mnist",
            "date": datetime.now(UTC).date().isoformat(),
            "trained on": f"ImageNet ({NETWORK}, Apache-2.0); {photographs.phone.sum():,} phone photos "
            f"(clothing-dataset, CC0); {(photographs.learned & ~photographs.phone).sum():,} pictures of "
            "demonstration shops (CREDITS.md names them and their licences); training pictures of "
            "Fashion-MNIST; drawn shoes and things that are no garment",
            "weak": "garments worn in a scene, shirts, boots, pullovers",
        },
    )
    recipe = network_recipe(NETWORK)
    built = to_onnx(recipe, making.fitted(WHOLE).joined(), replace(card, temperature=1.0, second_look=1.0))
    # What the ranges of numbers are found by: photographs, garments as they are, and what is none.
    usual = [making.pictures[:: max(1, len(photographs) // CALIBRATED)], seen(making.held.pictures[:60])]
    usual.append(nothings(30, SPEC.size, 20))
    large = onnx.load_from_string(quantised(built, np.concatenate(usual)))
    both = joined(large, onnx.load(SHIPPED / "photo-small.onnx"), card, share=SMALL_SHARE)
    data: bytes = both.SerializeToString(deterministic=True)
    return data


def _measured(judged: Judged, dataset: str, some: NDArray[np.bool_]) -> dict[str, Any]:
    right = int(judged.right[some].sum())
    return {
        "dataset": dataset,
        "split": f"{FOLDS} folds by photographer and collection",
        "accuracy": right / int(some.sum()),
        "interval": list(wilson_interval(right, int(some.sum()))),
        "pictures": int(some.sum()),
    }


def credits_page(shop: Path, photographs: Photographs) -> str:
    """Whose work the model has learned from, as a page."""
    learned = {
        path.parent.name for path, one in zip(photographs.paths, photographs.learned, strict=True) if one
    }
    with (shop / "sources.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["collection"] in learned]
    return "\n".join(
        [
            "# What the model `photo` has learned from",
            "",
            "None of the pictures comes with Lapel; what the model learned from them does.",
            "",
            "- EfficientNet-Lite0, trained on ImageNet: the TPU team of Google, converted for PyTorch by ML "
            "Illustrated (Apache-2.0)",
            "- [clothing-dataset](https://github.com/alexeygrigorev/clothing-dataset): Alexey Grigorev and "
            "contributors (CC0-1.0)",
            "- [Fashion-MNIST](https://github.com/zalandoresearch/fashion-mnist): Zalando Research (MIT)",
            "- pictures of demonstration shops, samples and sewing showcases:",
            "",
            "| repository | at commit | licence of the pictures |",
            "|---|---|---|",
            *(
                f"| [{row['repository']}](https://github.com/{row['repository']}) | {row['commit'][:12]} "
                f"| {row['licence']} |"
                for row in rows
            ),
            "",
        ]
    )


def main() -> None:
    """Fit, judge, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wardrobe", type=Path)
    parser.add_argument("shop", type=Path)
    parser.add_argument("--work", type=Path, default=Path("work"), help="what was computed is kept here")
    parser.add_argument(
        "--fit", nargs="+", type=int, metavar="FOLD", help=f"only fit: 0 to {FOLDS - 1}, or {WHOLE} for all"
    )
    parser.add_argument("--folds-only", action="store_true", help="judge, and write no model")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    making = Making(Photographs.read(arguments.wardrobe, arguments.shop), arguments.work)
    if arguments.fit:
        for number in arguments.fit:
            making.fitted(number)
        return
    judged = Judged.of(making.photographs, making.unseen(), asked_small(making.photographs))
    print(judged.table())
    if not arguments.folds_only:
        data = model(making, judged)
        write_atomic(SHIPPED / "photo.onnx", data)
        write_atomic(SHIPPED / "CREDITS.md", credits_page(arguments.shop, making.photographs).encode())
        print(f"\nphoto.onnx: {len(data):,} bytes")


if __name__ == "__main__":
    main()
