"""How well a model tells the test pictures of Fashion-MNIST from what is no garment.

    python models/rejection.py MODEL [--digits mnist]

Looks at the test pictures of Fashion-MNIST, and at MNIST's digits, none of which the models have learned
from. MODEL is `photo`, `fashion-mnist` or a file.
"""

from __future__ import annotations

import argparse

import numpy as np
from backgrounds import KINDS, in_grey, nothings
from numpy.typing import NDArray

import lapel
from lapel.errors import PictureError
from lapel.metrics import auroc
from lapel.tagger import scores

DRAWN = 2000
SEED = 4711  # none that anything was learned from


def scored(tagger: lapel.Tagger, given: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The score of each picture, prepared as a photo is; what is all of one colour is refused before."""
    reads = map(tagger.read, given)
    pictures = [read for read in reads if not isinstance(read, PictureError)]
    parts = np.array_split(np.stack(pictures), max(1, len(pictures) // 500))
    return np.concatenate([scores(*tagger.answers(part)) for part in parts])


def drawn(tagger: lapel.Tagger, kind: str) -> NDArray[np.uint8]:
    """Drawn things of a kind, as the model's pictures are: in colour or in grey."""
    spec = tagger.card.picture
    pictures = nothings(DRAWN, spec.size, SEED, kind)
    return in_grey(pictures) if spec.channels == 1 else pictures


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument(
        "--data", default="fashion-mnist", help="other garments: the name of a dataset, or a path"
    )
    parser.add_argument("--digits", metavar="DATA", help="MNIST, of which the training pictures are taken")
    arguments = parser.parse_args()
    tagger = lapel.load_tagger(arguments.model)
    data = lapel.load_data(arguments.data)
    if data.test is None:
        raise SystemExit(f"{data.name} has no test pictures.")
    inside, accept = scored(tagger, data.test.pictures), tagger.card.accept
    print(f"{tagger.card.name}: {(inside >= accept).mean():.1%} of {len(inside):,} test pictures accepted")
    print(f"\n| test pictures of {data.name} against | pictures | AUROC | of them accepted |")
    print("|---|---:|---:|---:|")
    others = {"MNIST's digits": lapel.load_data(arguments.digits).train.pictures} if arguments.digits else {}
    others |= {f"drawn {kind}": drawn(tagger, kind) for kind in KINDS}
    for name, pictures in others.items():
        outside = scored(tagger, pictures)
        share, told = (outside >= accept).mean(), auroc(inside, outside)
        print(f"| {name} | {len(outside):,} | {told:.4f} | {share:.2%} |")


if __name__ == "__main__":
    main()
