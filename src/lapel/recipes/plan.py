"""What a network comes to on given pictures: the shape after every layer, its parameters, its work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from ..errors import RecipeError
from .schema import BatchNorm, Conv, Dense, Flatten, GlobalPool, Layer, Pool, Recipe, Residual

Shape = tuple[int, ...]  # (channels, height, width), or (numbers,) once flattened


@dataclass(frozen=True)
class Step:
    """One layer in its place.

    `name` is the layer's place in the recipe ("3", or "3.layers.0" inside a residual), under which its
    weights are kept; `weights` gives the shape of each by its last word.
    """

    name: str
    layer: Layer
    takes: Shape
    gives: Shape
    weights: dict[str, Shape]
    inner: tuple[Step, ...] = ()
    shortcut: tuple[Step, ...] = ()

    @property
    def parameters(self) -> int:
        """How many numbers of this layer are learned."""
        learned = sum(prod(shape) for word, shape in self.weights.items() if not word.startswith("running"))
        return learned + sum(step.parameters for step in (*self.inner, *self.shortcut))

    @property
    def multiplications(self) -> int:
        """How many multiplications one picture costs, batch norm and pooling left out."""
        own = prod(self.weights["weight"]) if isinstance(self.layer, Dense | Conv) else 0
        if isinstance(self.layer, Conv):
            own *= prod(self.gives[1:])
        return own + sum(step.multiplications for step in (*self.inner, *self.shortcut))


def plan(recipe: Recipe, shape: tuple[int, int, int] = (28, 28, 1), classes: int = 10) -> tuple[Step, ...]:
    """Follow a picture of `shape` (height, width, channels) through the recipe's layers.

    Raises RecipeError where a layer cannot take what the one before it gives, or the last does not give
    one number for each class.
    """
    height, width, channels = shape
    steps = _walk(recipe.layers, (channels, height, width), classes, "", recipe.name)
    if steps[-1].gives != (classes,):
        raise RecipeError(
            f'recipe "{recipe.name}": the last layer gives {_told(steps[-1].gives)}, '
            f"but {classes} classes need {classes} numbers.",
            'End with { kind = "dense" }, which gives one number for each class.',
        )
    return steps


def walk(steps: Sequence[Step]) -> Iterator[Step]:
    """Every step, those inside residuals too."""
    for step in steps:
        yield step
        yield from walk(step.inner)
        yield from walk(step.shortcut)


def parameters(steps: Sequence[Step]) -> int:
    """How many numbers the network learns."""
    return sum(step.parameters for step in steps)


def multiplications(steps: Sequence[Step]) -> int:
    """How many multiplications one picture costs on its way through."""
    return sum(step.multiplications for step in steps)


def _walk(layers: Sequence[Layer], takes: Shape, classes: int, prefix: str, recipe: str) -> tuple[Step, ...]:
    steps = []
    for place, layer in enumerate(layers):
        step = _step(f"{prefix}{place}", layer, takes, classes, recipe)
        steps.append(step)
        takes = step.gives
    return tuple(steps)


def _step(name: str, layer: Layer, takes: Shape, classes: int, recipe: str) -> Step:
    def refuse(why: str, hint: str) -> RecipeError:
        return RecipeError(f'recipe "{recipe}": layer {name} ({layer.kind}) {why}.', hint)

    flat = len(takes) == 1
    if isinstance(layer, Conv | Pool | GlobalPool) and flat:
        raise refuse(f"needs a picture, but gets {_told(takes)}", "Move it before flatten.")
    match layer:
        case Flatten():
            return Step(name, layer, takes, (prod(takes),), {})
        case Dense():
            if not flat:
                raise refuse(
                    f"needs a row of numbers, but gets {_told(takes)}", 'Put { kind = "flatten" } before it.'
                )
            units = layer.units or classes
            return Step(
                name, layer, takes, (units,), _with_bias({"weight": (units, takes[0])}, layer.bias, units)
            )
        case Conv():
            rim = 2 * (layer.kernel // 2) if layer.padding == "same" else 0
            height, width = ((side + rim - layer.kernel) // layer.stride + 1 for side in takes[1:])
            if min(height, width) < 1:
                raise refuse(
                    f"is larger than what it gets, {_told(takes)}", "Use a smaller kernel or fewer pools."
                )
            weights = _with_bias(
                {"weight": (layer.filters, takes[0], layer.kernel, layer.kernel)}, layer.bias, layer.filters
            )
            return Step(name, layer, takes, (layer.filters, height, width), weights)
        case Pool():
            height, width = (side // layer.size for side in takes[1:])
            if min(height, width) < 1:
                raise refuse(f"is larger than what it gets, {_told(takes)}", "Use fewer or smaller pools.")
            return Step(name, layer, takes, (takes[0], height, width), {})
        case GlobalPool():
            return Step(name, layer, takes, (takes[0],), {})
        case BatchNorm():
            words = ("weight", "bias", "running_mean", "running_var")
            return Step(name, layer, takes, takes, dict.fromkeys(words, (takes[0],)))
        case Residual():
            inner = _walk(layer.layers, takes, classes, f"{name}.layers.", recipe)
            shortcut = _walk(layer.shortcut, takes, classes, f"{name}.shortcut.", recipe)
            around = shortcut[-1].gives if shortcut else takes
            if inner[-1].gives != around:
                raise refuse(
                    f"adds {_told(inner[-1].gives)} to {_told(around)}",
                    "Make both alike: give it a shortcut with a conv of the same filters and stride.",
                )
            return Step(name, layer, takes, around, {}, inner, shortcut)
        case _:
            return Step(name, layer, takes, takes, {})


def _with_bias(weights: dict[str, Shape], bias: bool, units: int) -> dict[str, Shape]:
    return {**weights, "bias": (units,)} if bias else weights


def _told(shape: Shape) -> str:
    if len(shape) == 1:
        return f"{shape[0]} numbers"
    channels, height, width = shape
    return f"{channels} channel{'s' if channels > 1 else ''} of {height}×{width}"
