"""The PyTorch engine: the fast one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from ...recipes.plan import plan
from ...recipes.schema import Recipe
from ...training.normalise import check_normalise
from ..protocol import Shape, Weights
from ..weights import fitted, packed, read_weights
from .fitting import Fitting as fit  # noqa: N813
from .fitting import probabilities, weights
from .network import Chain
from .pth import read_pth, to_pth

__all__ = ["about", "build", "fit", "pack", "probabilities", "read_pth", "to_pth", "unpack", "weights"]


def about() -> dict[str, str]:
    """PyTorch's version."""
    return {"version": str(torch.__version__)}


def build(recipe: Recipe, shape: Shape, classes: int, weights: Mapping[str, NDArray[Any]]) -> Chain:
    """Make the recipe's network, with these weights."""
    check_normalise(recipe.normalise, shape[2])
    with torch.random.fork_rng(devices=[]):  # modules draw weights of their own as they are made
        network = Chain(plan(recipe, shape, classes), recipe.normalise)
    # As it lies while it is fitted, so that the same weights answer the same there and here.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name in weights:
                value.copy_(torch.from_numpy(weights[name]))
    return network


def pack(recipe: Recipe, shape: Shape, classes: int, weights: Weights) -> bytes:  # noqa: ARG001
    """Weights as the bytes of a safetensors file."""
    return packed(weights)


def unpack(path: Path, recipe: Recipe, shape: Shape, classes: int) -> Weights:
    """The weights in a safetensors file. Raises ModelError where they are not the recipe's network's."""
    return fitted(read_weights(path)[0], plan(recipe, shape, classes), str(path))
