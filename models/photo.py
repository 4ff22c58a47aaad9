"""Make the shipped models `photo` and `wardrobe`, and measure how their making does on photographs unseen.

    python models/photo.py WARDROBE SHOP                # five folds, then the models of all photographs
    python models/photo.py WARDROBE SHOP --folds-only   # the figures of BENCHMARKS.md, and no model

WARDROBE and SHOP are folders with labels.csv (models/README.md says what it holds). The second part of a
network that has learned from ImageNet goes on learning from them and from drawn garments; beside it stays the
part as it was, which gives a second opinion. `photo` answers which class of Fashion-MNIST a garment is, and
asks the shipped `photo-small` as well about grey pictures, which knows these better. `wardrobe` has the same
eyes and answers which of more kinds. What was computed is kept in the folder `--work`, so that a making that
was interrupted goes on. Fashion-MNIST must be at hand; its test pictures are not touched.
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
from eyes import NETWORK, SPEC, SecondPart, as_it_was, names_head, opinion_begins
from joined import joined, second_opinion
from judging import SHARES, Answers, Judged
from kinds import KINDS, possible
from kinds_head import fit_kinds
from numpy.typing import NDArray
from opinion import grouping, rows_of
from photo_small import REJECTS, SHIPPED
from photographs import FOLDS, UNKNOWN, Photographs
from scenes import OTHER
from training import ANSWERS, SECOND_LOOK
from views import Views, kept, make_views, seen

import lapel
from lapel.calibrate import usual_answers
from lapel.card import Card
from lapel.data.dataset import Split
from lapel.data.synthetic.draw import synthetic_dataset
from lapel.engines.onnx import to_onnx
from lapel.engines.weights import packed, read_weights
from lapel.exporting.int8 import quantised
from lapel.files import write_atomic
from lapel.metrics import wilson_interval
from lapel.pretrained.networks import CLASSES, network_recipe
from lapel.pretrained.weights import read_pretrained

WHOLE = 9  # the number, beside those of the folds, of the network that learns from all photographs
CALIBRATED = 120  # photographs by which the ranges of numbers are found
DRAWN_EVERY = 3  # of the drawn garments, one in so many is told its kind
DRAWN_SHARE = 0.1  # how much all of them count beside the photographs
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

    def features(self, number: int) -> NDArray[np.floating]:
        """What this network sees in the photographs as they are, and mirrored: (n, 2, 1280)."""

        def compute() -> NDArray[np.float16]:
            network, plain = self.fitted(number), self.views.plain
            ways = [network.features_of(plain[:, way]) for way in range(2)]
            return np.stack(ways, 1).astype(np.float16)

        return kept(self._work / f"features-{number}.npy", compute)

    def kinds_head(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights and bias by which this network's features are told one of our kinds."""
        photographs, drawn = self.photographs, self.views.drawn[::DRAWN_EVERY]
        some = np.flatnonzero(_inside(photographs, number) & ~photographs.possible.all(1))
        seen, may_be = self.features(number)[some], photographs.possible[some]
        shares = np.concatenate([_shares_of_kinds(may_be, photographs.phone[some])] * 2)
        drawn_kinds = np.stack([possible(label) for label in range(ANSWERS)])
        return fit_kinds(
            np.concatenate([seen[:, 0], seen[:, 1], self.fitted(number).features_of(drawn)]).astype(
                np.float32
            ),
            np.concatenate([may_be, may_be, drawn_kinds[self.views.drawn_labels[::DRAWN_EVERY]]]),
            np.concatenate([shares / 2, np.full(len(drawn), DRAWN_SHARE / len(drawn))]),
        )

    def unseen(self) -> Answers:
        """What the folds' networks answer for the photographs that they have not seen."""
        folds = self.photographs.fold_of()
        classes = np.zeros((len(folds), ANSWERS), np.float32)
        of_kinds = np.zeros((len(folds), len(KINDS) + 2), np.float32)
        names = np.zeros((len(folds), CLASSES), np.float32)
        of_names = names_head()
        for number in range(FOLDS):
            network, outside = self.fitted(number), np.flatnonzero(folds == number)
            seen = self.features(number)[outside, 0].astype(np.float32)
            classes[outside] = _told(seen, *answers_head(network))
            of_kinds[outside] = _told(seen, *self.kinds_head(number))
            before = as_it_was(network).features_of(self.views.plain[outside, 0])
            names[outside] = _told(before, *of_names)
        return Answers(classes, of_kinds, names)


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
    inside = _inside(photographs, number)
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


def _inside(photographs: Photographs, number: int) -> NDArray[np.bool_]:
    """Which photographs the network of this number may learn from."""
    inside: NDArray[np.bool_] = photographs.learned & (photographs.fold_of() != number)
    return inside


def _shares_of_kinds(possible: NDArray[np.bool_], phone: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How much each photograph counts: phones and shops alike, and what is rare more than its share."""
    _, place, counts = np.unique(possible, axis=0, return_inverse=True, return_counts=True)
    shares = counts[place].astype(np.float64) ** -0.5
    for some in (phone, ~phone):
        shares[some] /= 2 * shares[some].sum()
    return shares


def answers_head(network: SecondPart) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and bias of the twelve answers."""
    return network.answers.weight.detach().numpy(), network.answers.bias.detach().numpy()


def _told(
    features: NDArray[np.float32], weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    return features @ weight.T + bias


def photo_model(making: Making, judged: Judged) -> bytes:
    """The network that learned from all photographs and the small model as one, calibrated by the folds."""
    card = _card("photo", judged, "garments worn in a scene, shirts, boots and pullovers of shops")
    large = _eyes(making, card, answers_head(making.fitted(WHOLE)))
    return _packed(joined(large, card, SHARES, onnx.load(SHIPPED / "photo-small.onnx")))


def wardrobe_model(making: Making, judged: Judged) -> bytes:
    """The same network with its answers of more kinds."""
    card = _card("wardrobe", judged, "polos, hoodies, blazers, boots; whatever shops show, most of all bags")
    return _packed(joined(_eyes(making, card, making.kinds_head(WHOLE)), card, SHARES))


def _packed(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _eyes(
    making: Making, card: Card, head: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> onnx.ModelProto:
    """The network with a head and a second opinion, in whole numbers, and without a temperature."""
    recipe, rows = network_recipe(NETWORK), rows_of(card.class_names)
    plain = replace(card, temperature=1.0, second_look=1.0)
    network = to_onnx(recipe, making.fitted(WHOLE).joined(*head), plain)
    weights = read_pretrained(NETWORK)
    weights |= {name: weights[name][rows] for name in ("3.weight", "3.bias")}
    names = Card(name="names", class_names=tuple(map(str, rows)), picture=SPEC)
    before = to_onnx(recipe, weights, names)
    begin = opinion_begins(network), opinion_begins(before)
    both = second_opinion(network, before, begin, grouping(card.class_names))
    # What the ranges of numbers are found by: photographs, garments as they are, and what is none.
    usual = [
        making.pictures[:: max(1, len(making.photographs) // CALIBRATED)],
        seen(making.held.pictures[:60]),
    ]
    usual.append(nothings(30, SPEC.size, 20))
    return onnx.load_from_string(quantised(both, np.concatenate(usual)))


def _card(name: str, judged: Judged, weak: str) -> Card:
    photographs, known = judged.photographs, judged.known
    return Card(
        name=name,
        class_names=tuple(judged.class_names),
        picture=SPEC,
        rejects=REJECTS,
        temperature=judged.temperature,
        accept=judged.accept,
        second_look=SECOND_LOOK ** (1 / judged.temperature),  # the same doubt, after the temperature
        usual=usual_answers(
            judged.class_names, judged.logs[known].argmax(1), judged.scores[known] >= judged.accept
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
            "weak": weak,
        },
    )


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
    """Whose work the models have learned from, as a page."""
    learned = {
        path.parent.name for path, one in zip(photographs.paths, photographs.learned, strict=True) if one
    }
    with (shop / "sources.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["collection"] in learned]
    return "\n".join(
        [
            "# What the models `photo` and `wardrobe` have learned from",
            "",
            "None of the pictures comes with Lapel; what the models learned from them does.",
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
    photographs, unseen = making.photographs, making.unseen()
    for name, make, judged in (
        ("photo", photo_model, Judged.of_classes(photographs, unseen)),
        ("wardrobe", wardrobe_model, Judged.of_kinds(photographs, unseen)),
    ):
        print(f"## {name}\n\n{judged.table()}\n", flush=True)
        if not arguments.folds_only:
            data = make(making, judged)
            write_atomic(SHIPPED / f"{name}.onnx", data)
            print(f"{name}.onnx: {len(data):,} bytes\n", flush=True)
    if not arguments.folds_only:
        write_atomic(SHIPPED / "CREDITS.md", credits_page(arguments.shop, photographs).encode())


if __name__ == "__main__":
    main()
