"""Engines: what builds and fits a recipe. One package each, all with the same verbs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, cast, overload

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Pictures, Split
from ..errors import LapelError, MissingExtra, did_you_mean
from ..recipes.schema import Recipe
from ..training.batches import Source
from ..training.objective import Objective
from ..training.watch import Epoch, Progress
from .backend import load_keras

Weights = dict[str, NDArray[np.floating[Any]]]  # by "<place of the layer>.<weight|bias|running_mean|…>"
Shape = tuple[int, int, int]  # (height, width, channels)
Network = Any  # whatever the engine builds; nobody else looks inside

__all__ = ["Engine", "Epoch", "Fitting", "Network", "Progress", "PyTorch", "Shape", "Weights", "load_engine"]

_ENGINES = ("torch", "keras")


class Fitting(Protocol):
    """A training under way, one epoch at a time."""

    precision: str  # "fp32" or "bf16"
    device: str
    threads: int  # of the CPU; it may change from epoch to epoch

    def epoch(self, progress: Progress | None = None) -> Epoch:
        """Fit one epoch more and judge it on the validation pictures."""

    def weights(self) -> Weights:
        """The weights that were judged: the averaged ones where the recipe averages."""

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


@overload
def load_engine(name: Literal["torch"]) -> PyTorch: ...
@overload
def load_engine(name: str, backend: str | None = None) -> Engine: ...
def load_engine(name: str, backend: str | None = None) -> Engine:
    """The engine of this name, Keras's on the backend that is asked for.

    Raises LapelError where there is none or the backend does not suit, MissingExtra where it is not
    installed.
    """
    if name not in _ENGINES:
        raise LapelError(f'There is no engine "{name}".', did_you_mean(name, _ENGINES))
    if name == "keras":
        load_keras(backend)
    elif backend:
        raise LapelError(
            f"The engine {name} has no backend to choose; {backend} was asked for.",
            "Only Keras has backends: add --engine keras.",
        )
    try:
        return cast(Engine, importlib.import_module(f".{name}", __package__))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("lapel"):
            raise
        raise MissingExtra("PyTorch", "train") from error
