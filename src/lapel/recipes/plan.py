"""What a network comes to on given pictures: the shape after every layer, its parameters, its work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import RecipeError
from ..layers.composite import Composite
from ..layers.layer import Layer, Shape, ShapeError, Step, describe_shape
from .schema import Recipe

__all__ = ["Step", "multiplications", "parameters", "plan", "walk"]


def plan(recipe: Recipe, shape: tuple[int, int, int] = (28, 28, 1), classes: int = 10) -> tuple[Step, ...]:
    """Follow a picture of `shape` (height, width, channels) through the recipe's layers.

    Raises RecipeError where a layer cannot take what the one before it gives, or the last does not give
    one number for each class.
    """
    height, width, channels = shape
    steps = _steps(recipe.layers, (channels, height, width), classes, "", recipe.name)
    if steps[-1].gives != (classes,):
        raise RecipeError(
            f'recipe "{recipe.name}": the last layer gives {describe_shape(steps[-1].gives)}, '
            f"but {classes} classes need {classes} numbers.",
            'End with { kind = "dense" }, which gives one number for each class.',
        )
    return steps


def walk(steps: Sequence[Step]) -> Iterator[Step]:
    """Every step, those inside composites too."""
    for step in steps:
        yield step
        for branch in step.branches.values():
            yield from walk(branch)


def parameters(steps: Sequence[Step]) -> int:
    """How many numbers the network learns."""
    return sum(step.parameters for step in steps)


def multiplications(steps: Sequence[Step]) -> int:
    """How many multiplications one picture costs on its way through."""
    return sum(step.multiplications for step in steps)


def _steps(layers: Sequence[Layer], takes: Shape, classes: int, prefix: str, recipe: str) -> tuple[Step, ...]:
    steps = []
    for place, layer in enumerate(layers):
        step = _step(f"{prefix}{place}", layer, takes, classes, recipe)
        steps.append(step)
        takes = step.gives
    return tuple(steps)


def _step(name: str, layer: Layer, takes: Shape, classes: int, recipe: str) -> Step:
    if not isinstance(layer, Layer):
        raise RecipeError(
            f'recipe "{recipe}": layer {name} is of the type {type(layer).__name__}, which is no layer.',
            "Layers are subclasses of lapel.layers.layer.Layer.",
        )
    try:
        if not isinstance(layer, Composite):
            gives = layer.output_shape(takes, classes)
            return Step(name, layer, takes, gives, layer.weight_shapes(takes, gives))
        branches = {
            word: _steps(inner, takes, classes, f"{name}.{word}.", recipe)
            for word, inner in layer.branches(takes).items()
        }
        gives = layer.joined_shape([steps[-1].gives if steps else takes for steps in branches.values()])
        return Step(name, layer, takes, gives, {}, branches)
    except ShapeError as error:
        raise RecipeError(
            f'recipe "{recipe}": layer {name} ({layer.kind}) {error.message}.', error.hint
        ) from error
