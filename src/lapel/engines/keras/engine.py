"""The Keras engine: the same recipes, on TensorFlow, JAX or PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ...data.dataset import Pictures, Split
from ...recipes.plan import plan
from ...recipes.schema import Recipe
from ...training.batches import Source
from ...training.normalise import check_normalise
from ...training.objective import Objective
from ..protocol import Shape, Weights
from .device import backend
from .files import archive, read_archive
from .fitting import Fitting, in_batches
from .network import assign, weights, whole


class KerasEngine:
    """The verbs of an engine, on the backend that Keras runs on in this process."""

    def __init__(self) -> None:
        # What was packed last: a head that learns alone is packed with its whole network, epoch after epoch.
        self._packed: tuple[Any, keras.Model] | None = None

    def __repr__(self) -> str:
        return f"KerasEngine(Keras {keras.__version__}, {keras.config.backend()})"

    def about(self) -> dict[str, str]:
        """The versions of Keras and of what it computes with."""
        return {
            "version": str(keras.__version__),
            "backend": keras.config.backend(),
            "backend_version": backend().version(),
        }

    def build(
        self, recipe: Recipe, shape: Shape, classes: int, weights: Mapping[str, NDArray[Any]]
    ) -> keras.Model:
        """Make the recipe's network, with these weights."""
        check_normalise(recipe.normalise, shape[2])
        network = whole(plan(recipe, shape, classes), shape, recipe.name, recipe.normalise)
        assign(network, weights)
        return network

    def fit(
        self,
        network: keras.Model,
        train: Source,
        validation: Split,
        recipe: Recipe,
        *,
        seed: int,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        objective: Objective | None = None,
    ) -> Fitting:
        """Begin to fit `network`; nothing is learned before the first `epoch`."""
        return Fitting(
            *(network, train, validation, recipe),
            seed=seed,
            device=device,
            precision=precision,
            threads=threads,
            objective=objective,
        )

    def probabilities(self, network: keras.Model, pictures: Pictures) -> NDArray[np.float32]:
        """What the network gives each class, for each picture (n, classes), in fp32."""
        return in_batches(network, backend().asked(network), pictures)

    def weights(self, network: keras.Model) -> Weights:
        """The network's weights by their common names."""
        return weights(network)

    def pack(self, recipe: Recipe, shape: Shape, classes: int, weights: Mapping[str, NDArray[Any]]) -> bytes:
        """The recipe's network with these weights, as the bytes of a .keras file."""
        key = (recipe, shape, classes)
        if self._packed is None or self._packed[0] != key:
            self._packed = key, self.build(recipe, shape, classes, weights)
        network = self._packed[1]
        assign(network, weights)
        return archive(network)

    def unpack(self, path: Path, recipe: Recipe, shape: Shape, classes: int) -> Weights:
        """The weights in a .keras file of the recipe's network. Raises ModelError where it holds another."""
        return read_archive(path, plan(recipe, shape, classes), shape)
