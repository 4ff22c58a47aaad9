"""What every engine can do, and what an epoch of training came to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Pictures, Split
from ..recipes.schema import Recipe
from ..training.batches import Source
from ..training.objective import Objective
from ..training.watch import Epoch, Progress

Weights = dict[str, NDArray[np.floating[Any]]]  # by "<place of the layer>.<weight|bias|running_mean|…>"
Shape = tuple[int, int, int]  # (height, width, channels)
Network = Any  # whatever the engine builds; nobody else looks inside

__all__ = ["Engine", "Epoch", "Fitting", "Network", "Progress", "PyTorch", "Shape", "Weights"]


class Fitting(Protocol):
    """A training under way, one epoch at a time."""

    @property
    def precision(self) -> str:
        """What it computes in: fp32 or bf16."""

    @property
    def device(self) -> str:
        """Where it computes."""

    @property
    def threads(self) -> int:
        """Those of the CPU; they may change from epoch to epoch."""

    def epoch(self, progress: Progress | None = None) -> Epoch:
        """Fit one epoch more and judge it on the validation pictures."""

    def weights(self) -> Weights:
        """The weights that were judged: the averaged ones where the recipe averages."""

    def adopt(self, weights: Weights) -> None:
        """Take these weights for the first ones; only before the first epoch."""

    def saved(self) -> bytes:
        """The same weights, as the file that this engine keeps them in."""

    def state(self) -> Weights:
        """All that is needed to go on from the end of this epoch, and the epoch's number."""

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go back to a kept state."""


class Engine(Protocol):
    """The verbs of an engine. The test pictures are never handed to one."""

    def about(self) -> dict[str, str]:
        """The version of the framework, and what it computes with where that is another."""

    def build(self, recipe: Recipe, shape: Shape, classes: int, weights: Weights) -> Network:
        """Make the recipe's network, with these weights."""

    def fit(
        self,
        network: Network,
        train: Source,
        validation: Split,
        recipe: Recipe,
        *,
        seed: int,
        device: str,
        precision: str,
        threads: int | None = None,
        objective: Objective | None = None,
    ) -> Fitting:
        """Begin to fit `network`; nothing is learned before the first `epoch`.

        `train` is a whole split, or a source of batches. Without `threads` a step is timed to choose them;
        without an `objective` the recipe's cross-entropy is minimised.
        """

    def probabilities(self, network: Network, pictures: Pictures) -> NDArray[np.float32]:
        """What the network gives each class, for each picture (n, classes), in fp32."""

    def weights(self, network: Network) -> Weights:
        """The network's weights by their common names."""

    def pack(self, recipe: Recipe, shape: Shape, classes: int, weights: Weights) -> bytes:
        """Weights as the file that this engine keeps them in."""

    def unpack(self, path: Path, recipe: Recipe, shape: Shape, classes: int) -> Weights:
        """Read such a file. Raises ModelError where it does not hold the recipe's network."""


class PyTorch(Engine, Protocol):
    """What the PyTorch engine can do besides."""

    def to_pth(self, weights: Weights) -> bytes:
        """Weights as the bytes of a state dict."""

    def read_pth(self, file: BinaryIO, name: str) -> Weights:
        """Read a state dict. Never runs code that the file holds."""
