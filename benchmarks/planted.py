"""How many planted errors `lapel audit` finds, and what leaving doubtful pictures out is worth by validation.

python benchmarks/planted.py [PICTURES] [--train SEEDS]

Fashion-MNIST's training pictures (all, or PICTURES of them, drawn by seed 0), of which 2 % get a wrong label
at random. With --train, `cnn` learns with and without what is doubtful, and is validated on the labels as
they were.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import lapel
from lapel.data import load_data
from lapel.data.dataset import Dataset, Split

FAMILY = (0, 2, 4, 6)  # T-shirt/top, Pullover, Coat, Shirt


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("pictures", nargs="?", type=int, default=60_000)
    words.add_argument("--train", type=int, default=0, metavar="SEEDS")
    given = words.parse_args()
    real = load_data("fashion-mnist")
    random = np.random.default_rng(0)
    split = real.train.take(np.sort(random.permutation(len(real.train))[: given.pictures]))
    wrong = random.permutation(len(split))[: len(split) // 50]
    labels = split.labels.copy()
    labels[wrong] = (labels[wrong] + random.integers(1, 10, len(wrong))) % 10
    dataset = Dataset("planted", Split(split.pictures, labels), None, real.class_names)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        found = lapel.audit(dataset, Path(folder) / "audit")
        doubts = found.doubts["train"]
        print(
            f"{len(split):,} pictures, {len(wrong):,} errors, {time.process_time() - began:.0f} s of CPU time"
        )
        for share in (0.02, 0.03, 0.05):
            ranked = doubts.rank[wrong] <= share * len(split)
            print(f"in the first {share:.0%}: {ranked.mean():.1%}")
            close = np.isin(labels[wrong], FAMILY) & np.isin(split.labels[wrong], FAMILY)
            print(f"  within the shirts' family {ranked[close].mean():.1%} of {close.sum()}, others ", end="")
            print(f"{ranked[~close].mean():.1%} of {(~close).sum()}")
        print(f"doubtful: {doubts.doubtful.sum():,}, {doubts.doubtful[wrong].mean():.1%} of the errors")
        for seed in range(given.train):
            for audited in (None, Path(folder) / "audit"):
                path = Path(folder) / f"run-{seed}-{audited is not None}"
                run = lapel.train("cnn", dataset, seed=seed, path=path, drop_doubtful=audited)
                lapel.evaluate(run, dataset=dataset)
                answers = run.predictions("validation")
                assert answers is not None
                truth = split.labels[dataset.held(run.recipe.training.validation, seed)]
                right = (answers[0].argmax(axis=1) == truth).mean()
                print(f"seed {seed}, {'without' if audited else 'with'} doubtful pictures: {right:.2%}")


if __name__ == "__main__":
    main()
