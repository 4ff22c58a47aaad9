"""The PyTorch engine: the fast one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from ...data.dataset import Pictures, Split
from ...recipes.plan import plan
from ...recipes.schema import Recipe
from ...training.batches import Source
from ...training.normalise import check_normalise
from ...training.objective import Objective
from ..protocol import Shape, Weights
from ..weights import fitted, packed, read_weights
from . import pth
from .fitting import Fitting, probabilities, weights
from .network import Chain


class TorchEngine:
    """The verbs of an engine, and what PyTorch can do besides."""

    def __repr__(self) -> str:
        return f"TorchEngine(PyTorch {torch.__version__})"

    def about(self) -> dict[str, str]:
        """PyTorch's version."""
        return {"version": str(torch.__version__)}

    def build(self, recipe: Recipe, shape: Shape, classes: int, weights: Mapping[str, NDArray[Any]]) -> Chain:
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

    def fit(
        self,
        network: Chain,
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

    def probabilities(self, network: Chain, pictures: Pictures) -> NDArray[np.float32]:
        """What the network gives each class, for each picture (n, classes), in fp32."""
        return probabilities(network, pictures)

    def weights(self, network: Chain) -> Weights:
        """The network's weights by their common names."""
        return weights(network)

    def pack(self, recipe: Recipe, shape: Shape, classes: int, weights: Weights) -> bytes:  # noqa: ARG002
        """Weights as the bytes of a safetensors file."""
        return packed(weights)

    def unpack(self, path: Path, recipe: Recipe, shape: Shape, classes: int) -> Weights:
        """The weights in a safetensors file. Raises ModelError where they are not the recipe's network's."""
        return fitted(read_weights(path)[0], plan(recipe, shape, classes), str(path))

    def to_pth(self, weights: Weights) -> bytes:
        """Weights as the bytes of a state dict."""
        return pth.to_pth(weights)

    def read_pth(self, file: BinaryIO, name: str) -> Weights:
        """Read a state dict. Never runs code that the file holds."""
        return pth.read_pth(file, name)
