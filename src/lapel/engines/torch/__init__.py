"""The PyTorch engine: the fast one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray

from ...data.dataset import Split
from ...recipes.plan import multiplications, plan
from ...recipes.schema import Recipe
from .. import Shape
from .device import choose_device, choose_precision
from .fit import Fitting, probabilities, weights
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


def fit(
    network: Chain,
    train: Split,
    validation: Split,
    recipe: Recipe,
    *,
    seed: int,
    device: str = "auto",
    precision: str = "auto",
) -> Fitting:
    """Begin to fit `network`; nothing is learned before the first `epoch`."""
    place = choose_device(device)
    work = multiplications(network.steps) * recipe.training.batch
    return Fitting(
        network,
        train,
        validation,
        recipe,
        seed=seed,
        device=str(place),
        precision=choose_precision(precision, place, work),
    )
