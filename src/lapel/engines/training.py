"""What every engine's training shares: learning rates, seeds, class weights and refusals, in numpy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Labels
from ..errors import LapelError, RecipeError
from ..recipes.plan import Step, walk
from ..recipes.schema import Recipe, Training

# Pictures are gathered, changed and scaled some batches at a time: at most so many bytes, and so many.
_CHUNK = 1 << 24
_AT_ONCE = 4096
JUDGED = 1024  # pictures judged at a time


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


def batches_at_once(batch: int, numbers: int) -> int:
    """How many batches of pictures (of so many numbers each) are gathered and changed together."""
    return max(1, min(_CHUNK // numbers, _AT_ONCE) // batch)


def class_weights(training: Training, labels: Labels, classes: int) -> NDArray[np.float32] | None:
    """The weight of each class in the loss, or None where all weigh the same.

    Raises LapelError where as many weights are given as there are not classes.
    """
    asked = training.class_weights
    if asked == "none":
        return None
    if asked == "balanced":
        counts = np.bincount(labels, minlength=classes).clip(1)
        asked = tuple(len(labels) / (classes * counts))
    if len(asked) != classes:
        raise LapelError(
            f"{len(asked)} class weights are given for {classes} classes.",
            'Give one for each class, or class_weights = "balanced".',
        )
    return np.array(asked, dtype=np.float32)


def check_batch(recipe: Recipe, steps: Sequence[Step]) -> None:
    """Raise RecipeError where batch norm would learn from batches of one picture."""
    if recipe.training.batch == 1 and any(step.layer.needs_batch for step in walk(steps)):
        raise RecipeError(
            f'recipe "{recipe.name}": batch norm cannot learn from batches of one picture.',
            "Use a larger batch, such as --set training.batch=32, or leave batch-norm out.",
        )


def no_number(epoch: int, done: int, count: int, rate: float) -> LapelError:
    """What to say of a loss that is no longer a number."""
    return LapelError(
        f"The loss is no longer a number, in epoch {epoch} after {done:,} of {count:,} pictures "
        f"(learning rate {rate:.3g}).",
        f"Try a smaller learning rate, such as --set training.learning_rate={rate / 10:.1g}, "
        "--set training.clip=1.0, or --precision fp32.",
    )


def no_memory(device: str, batch: int) -> LapelError:
    """What to say where a device's memory is too small for a batch."""
    return LapelError(
        f"{device} has not enough memory for batches of {batch}.",
        f"Try a smaller batch, such as --set training.batch={max(1, batch // 2)}, or --device cpu.",
    )
