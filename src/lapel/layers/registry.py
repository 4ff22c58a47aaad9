"""Which layers there are: those of the house, those of installed packages, and those registered by hand.

A package adds a layer with an entry point of the group `lapel.layers` (`kind = "package.module:Class"`);
a notebook or a test with `register`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from ..errors import RecipeError
from .layer import Layer

# One line a layer: its kind, and the file of this folder and the class that hold it.
_HOUSE = {
    "activation": "activation:Activate",
    "backbone": "backbone:Backbone",
    "batch-norm": "norm:BatchNorm",
    "conv": "conv:Conv",
    "dense": "dense:Dense",
    "dropout": "dropout:Dropout",
    "efficientnet-lite": "efficientnet:EfficientNetLite",
    "enlarge": "enlarge:Enlarge",
    "flatten": "shape:Flatten",
    "global-pool": "pool:GlobalPool",
    "mobile-block": "mobile:MobileBlock",
    "pool": "pool:Pool",
    "residual": "residual:Residual",
    "squeeze-excite": "squeeze:SqueezeExcite",
}
_registered: dict[str, type[Layer]] = {}


def register(layer: type[Layer]) -> type[Layer]:
    """Add a kind of layer for this process, as a decorator or a call; the last of a kind counts.

    Raises RecipeError where its kind is missing or belongs to the house.
    """
    kind = layer.model_fields["kind"].default
    if not isinstance(kind, str):
        raise RecipeError(
            f"The layer {layer.__name__} does not say its kind.", 'Add: kind: Literal["abs"] = "abs"'
        )
    if kind in _HOUSE:
        raise RecipeError(f'There is a layer "{kind}" already.', f"Give {layer.__name__} another kind.")
    _registered[kind] = layer
    return layer


def kinds() -> tuple[str, ...]:
    """Every known kind."""
    return tuple(dict.fromkeys((*_HOUSE, *_registered, *_installed())))


def find_layer(kind: str) -> type[Layer] | None:
    """The class of a kind, or None. Raises RecipeError where another package's layer cannot be loaded."""
    if kind in _HOUSE:
        module, _, name = _HOUSE[kind].partition(":")
        layer: type[Layer] = getattr(import_module(f".{module}", __package__), name)
        return layer
    if kind in _registered:
        return _registered[kind]
    return _load(kind, _installed()[kind]) if kind in _installed() else None


@cache
def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="lapel.layers")}


def _load(kind: str, entry: EntryPoint) -> type[Layer]:
    try:
        layer = entry.load()
    except Exception as error:  # whatever a package of somebody else may raise
        raise RecipeError(
            f'The layer "{kind}" of {entry.value} cannot be loaded: {type(error).__name__}: {error}.',
            "Is the package that brings it installed whole?",
        ) from error
    if not (isinstance(layer, type) and issubclass(layer, Layer)):
        raise RecipeError(
            f'The layer "{kind}" of {entry.value} is no layer.',
            "It must be a subclass of lapel.layers.layer.Layer.",
        )
    return layer
