"""The Keras engine: the same recipes, on TensorFlow, JAX or PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Pictures
from ...recipes.plan import plan
from ...recipes.schema import Recipe
from ...training.normalise import check_normalise
from ..protocol import Shape, Weights
from .device import backend
from .files import archive, read_archive
from .fitting import Fitting as fit  # noqa: N813
from .fitting import in_batches
from .network import assign, weights, whole

__all__ = ["about", "build", "fit", "pack", "probabilities", "unpack", "weights"]


def about() -> dict[str, str]:
    """The versions of Keras and of what it computes with."""
    return {
        "version": str(keras.__version__),
        "backend": keras.config.backend(),
        "backend_version": backend().version(),
    }


def build(recipe: Recipe, shape: Shape, classes: int, weights: Mapping[str, NDArray[Any]]) -> keras.Model:
    """Make the recipe's network, with these weights."""
    check_normalise(recipe.normalise, shape[2])
    network = whole(plan(recipe, shape, classes), shape, recipe.name, recipe.normalise)
    assign(network, weights)
    return network


def probabilities(network: keras.Model, pictures: Pictures) -> NDArray[np.float32]:
    """What the network gives each class, for each picture (n, classes), in fp32."""
    return in_batches(backend().asked(network), pictures)


def pack(recipe: Recipe, shape: Shape, classes: int, weights: Mapping[str, NDArray[Any]]) -> bytes:
    """The recipe's network with these weights, as the bytes of a .keras file."""
    return archive(build(recipe, shape, classes, weights))


def unpack(path: Path, recipe: Recipe, shape: Shape, classes: int) -> Weights:
    """The weights in a .keras file that holds the recipe's network. Raises ModelError where it does not."""
    return read_archive(path, plan(recipe, shape, classes), shape)
