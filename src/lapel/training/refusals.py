"""What every engine refuses to train, or cannot go on with, and how it says so."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import RecipeError
from ..recipes.plan import Step, walk
from ..recipes.schema import Recipe


def check_batch(recipe: Recipe, steps: Sequence[Step]) -> None:
    """Raise RecipeError where batch norm would learn from batches of one picture."""
    if recipe.training.batch == 1 and any(step.layer.needs_batch for step in walk(steps)):
        raise RecipeError(
            f'recipe "{recipe.name}": batch norm cannot learn from batches of one picture.',
            "Use a larger batch, such as --set training.batch=32, or leave batch-norm out.",
        )


def no_number(epoch: int, done: int, count: int, rate: float) -> RecipeError:
    """What to say of a loss that is no longer a number."""
    return RecipeError(
        f"The loss is no longer a number, in epoch {epoch} after {done:,} of {count:,} pictures "
        f"(learning rate {rate:.3g}).",
        f"Try a smaller learning rate, such as --set training.learning_rate={rate / 10:.1g}, "
        "--set training.clip=1.0, or --precision fp32.",
    )


def no_memory(device: str, batch: int) -> RecipeError:
    """What to say where a device's memory is too small for a batch."""
    return RecipeError(
        f"{device} has not enough memory for batches of {batch}.",
        f"Try a smaller batch, such as --set training.batch={max(1, batch // 2)}, or --device cpu.",
    )
