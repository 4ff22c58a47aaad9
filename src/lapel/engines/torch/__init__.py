"""The PyTorch engine: the fast one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray

from ...recipes.plan import plan
from ...recipes.schema import Recipe
from .. import Shape
from .fitting import Fitting as fit  # noqa: N813
from .fitting import probabilities, weights
from .network import Chain
from .pth import read_pth, to_pth

__all__ = ["build", "fit", "probabilities", "read_pth", "to_pth", "version", "weights"]


def version() -> str:
    """PyTorch's version."""
    return str(torch.__version__)


def build(recipe: Recipe, shape: Shape, classes: int, weights: Mapping[str, NDArray[Any]]) -> Chain:
    """Make the recipe's network, with these weights."""
    with torch.random.fork_rng(devices=[]):  # modules draw weights of their own as they are made
        network = Chain(plan(recipe, shape, classes))
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name in weights:
                value.copy_(torch.from_numpy(weights[name]))
    return network
