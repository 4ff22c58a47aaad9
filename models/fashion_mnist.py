"""Make the shipped model `fashion-mnist`: pictures of Fashion-MNIST labelled, anything else refused.

    python models/fashion_mnist.py [--run RUN]

Trains `fashion-mnist.toml`, or takes a finished run of it. The network is then left as it is, and one answer
is added that refuses: a row of weights on its last features, learned from drawn things that are no garments.
Everything is chosen on validation pictures; the test pictures are not touched.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from backgrounds import KINDS, in_grey, nothings
from numpy.typing import NDArray
from torch import Tensor, nn

import lapel
from lapel.calibrate import temperature_of, threshold, usual_answers
from lapel.card import Card
from lapel.data.registry import FASHION_MNIST
from lapel.engines.load import load_engine
from lapel.engines.onnx import to_onnx
from lapel.engines.protocol import Weights
from lapel.engines.torch.fitting import logits
from lapel.errors import PictureError
from lapel.files import write_atomic
from lapel.metrics import auroc
from lapel.picture import PictureSpec, read_picture
from lapel.runs import Run, dataset_of
from lapel.tagger import scores

HERE = Path(__file__).parent
MODEL = HERE.parent / "src" / "lapel" / "shipped" / "fashion-mnist.onnx"
SPEC = PictureSpec(preparation="garment")
REJECT = "not one of the classes"
GOAL = 0.95


def strange(count: int, seed: int, only: str | None = None) -> NDArray[np.uint8]:
    """Pictures (n, 28, 28, 1) of drawn things: half as they are, half prepared as photos are."""
    found = list(in_grey(nothings(count // 2, 28, seed, only)))
    for photo in nothings(count - len(found), 112, seed + 1, only):
        # What is all of one colour is refused before any model is asked.
        with suppress(PictureError):
            found.append(read_picture(photo, SPEC))
    return np.stack(found)


def jumbled(pictures: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Garments with their quarters in another order: every part is right, and the whole is none."""
    random = np.random.default_rng(seed)
    orders = np.array([(3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 0, 1), (1, 3, 0, 2), (2, 0, 3, 1)])
    order = orders[random.integers(len(orders), size=len(pictures))]
    rows = pictures.reshape(-1, 2, 14, 2, 14, 1).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 4, 14, 14, 1)
    mixed = rows[np.arange(len(rows))[:, None], order].reshape(-1, 2, 2, 14, 14, 1)
    return np.ascontiguousarray(mixed.transpose(0, 1, 3, 2, 4, 5).reshape(-1, 28, 28, 1))


def features(network: nn.Module, pictures: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """What the last layer is given, and what it answers."""
    kept: list[Tensor] = []
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    hook = last.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    answers = logits(network, torch.from_numpy(pictures))
    hook.remove()
    return torch.cat(kept).clone(), answers.clone()


def refusing_row(
    inside: tuple[Tensor, Tensor], outside: tuple[Tensor, Tensor], labels: Tensor
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weights (1, features) and bias (1) of an answer that beats the others on what is no garment."""
    torch.manual_seed(0)
    given = torch.cat([inside[0], outside[0]])
    known = torch.cat([inside[1], outside[1]])
    classes = known.shape[1]
    truth = torch.cat([labels, torch.full((len(outside[0]),), classes)])
    # Both sides weigh the same, however many pictures each has.
    weight = torch.ones(classes + 1)
    weight[classes] = len(inside[0]) / len(outside[0])
    middle, spread = given.mean(0), given.std(0) + 1e-3
    row = nn.Linear(given.shape[1], 1)
    nn.init.zeros_(row.weight)
    optimizer = torch.optim.AdamW(row.parameters(), lr=0.02, weight_decay=1e-3)
    for step in range(600):
        which = torch.randint(len(given), (4096,))
        answers = torch.cat([known[which], row((given[which] - middle) / spread)], 1)
        loss = F.cross_entropy(answers, truth[which], weight)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / 600)
        optimizer.step()
    kernel = (row.weight / spread).detach()
    bias = row.bias.detach() - (kernel * middle).sum()
    return kernel.numpy(), bias.numpy()


def make(run: Run) -> tuple[bytes, dict[str, float]]:
    """The model of a finished run, and what it reaches on pictures that it has not learned from."""
    dataset = dataset_of(run)
    learned, held = dataset.split(run.recipe.training.validation, run.environment["seed"])
    kept = run.weights()
    network = load_engine("torch").build(run.recipe, dataset.shape, len(dataset.class_names), kept)
    outside = np.concatenate([strange(12_000, 0), jumbled(learned.pictures[:6000], 0)])
    labels = torch.from_numpy(learned.labels.astype(np.int64))
    row, bias = refusing_row(features(network, learned.pictures), features(network, outside), labels)
    *_, kernel, rest = [name for name in kept if name.endswith(("weight", "bias"))]
    weights: Weights = {
        **kept,
        kernel: np.concatenate([kept[kernel], row]),
        rest: np.concatenate([kept[rest], bias]),
    }
    views = np.stack([_logits(network, row, bias, held.pictures[:, :, ::step]) for step in (1, -1)])
    temperature = temperature_of(views[..., :-1], held.labels)
    title = "Fashion-MNIST" if dataset.name == FASHION_MNIST else dataset.name
    card = Card(
        name="fashion-mnist",
        class_names=dataset.class_names,
        picture=SPEC,
        rejects=(REJECT,),
        temperature=temperature,
        made={
            "recipe": run.recipe.name,
            "engine": f"torch {run.environment['engine']['version']}",
            "lapel": lapel.__version__,
            "seed": run.environment["seed"],
            "dataset": dataset.name,
            "fingerprint": dataset.fingerprint,
            "date": datetime.now(UTC).date().isoformat(),
            "trained on": f"{len(learned):,} training pictures of {title}; drawn things that are no garments",
        },
    )
    draft = _tagger(to_onnx(run.recipe, weights, card, mirror=True, compact=True).SerializeToString())
    answers, score = _judged(draft, held.pictures)
    right = answers == held.labels
    accept = threshold(score, right, GOAL)
    accepted = score >= accept
    card = replace(card, accept=accept, usual=usual_answers(card.class_names, answers, accepted))
    data: bytes = to_onnx(run.recipe, weights, card, mirror=True, compact=True).SerializeToString(
        deterministic=True
    )
    found = {
        "validation accuracy": float(right.mean()),
        "accepted": float(accepted.mean()),
        "right among the accepted": float(right[accepted].mean()),
    }
    for kind in KINDS:
        drawn = strange(500, 999, kind)
        found[f"AUROC against {kind}"] = auroc(score, _judged(draft, drawn)[1])
    return data, found


def _logits(
    network: nn.Module, row: NDArray[Any], bias: NDArray[Any], pictures: NDArray[np.uint8]
) -> NDArray[Any]:
    given, known = features(network, np.ascontiguousarray(pictures))
    return np.concatenate([known.numpy(), given.numpy() @ row.T + bias], 1)


def _tagger(data: bytes) -> lapel.Tagger:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(data)
        return lapel.load_tagger(path)


def _judged(
    tagger: lapel.Tagger, pictures: NDArray[np.uint8]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The class that each is given, and its score."""
    parts = [tagger.answers(part) for part in np.array_split(pictures, max(1, len(pictures) // 500))]
    shares, rejected = (np.concatenate(both) for both in zip(*parts, strict=True))
    return shares.argmax(1), scores(shares, rejected)


def main() -> None:
    """Train, add the refusing answer, calibrate, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", help="a finished run of fashion-mnist.toml, which is trained otherwise")
    arguments = parser.parse_args()
    run = lapel.open_run(arguments.run) if arguments.run else lapel.train(HERE / "fashion-mnist.toml", seed=0)
    data, found = make(run)
    MODEL.parent.mkdir(exist_ok=True)
    write_atomic(MODEL, data)
    print(f"{MODEL.name}: {len(data):,} bytes")
    for name, value in found.items():
        print(f"{name}: {value:.4f}")


if __name__ == "__main__":
    main()
