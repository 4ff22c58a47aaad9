"""What follows from a run's seed and the number of a step: learning rates, and seeds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..recipes.schema import Training


def learning_rates(training: Training, steps: int) -> NDArray[np.float64]:
    """The learning rate of each of `steps` steps."""
    done = (np.arange(steps) + 0.5) / steps
    rise = training.warmup or (0.3 if training.schedule == "one-cycle" else 0.0)
    left = (1 - done) / (1 - rise)
    match training.schedule:
        case "constant":
            share = np.ones(steps)
        case "cosine" | "one-cycle":
            share = (1 - np.cos(np.pi * left)) / 2
        case "linear":
            share = left
    if rise:
        share = np.where(done < rise, done / rise, share)
    return training.learning_rate * share


def mixed_seed(seed: int, epoch: int) -> int:
    """One seed (below 2**63) of a run's seed and an epoch's number."""
    return int(np.random.SeedSequence((seed, epoch & 0xFFFFFFFF)).generate_state(1, np.uint64)[0] >> 1)
