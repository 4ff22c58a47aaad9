"""A network as Keras's own users keep it: a .keras file, read without building what it might hold."""

from __future__ import annotations

import tempfile
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras

from ...errors import ModelError
from ...files import file_errors
from ...recipes.plan import Step
from ..backend import quiet
from ..protocol import Shape, Weights
from .network import weights, whole


def archive(network: keras.Model) -> bytes:
    """A network as the bytes of a .keras file."""
    # Keras looks for TensorFlow when it saves, whatever it computes with.
    with tempfile.TemporaryDirectory() as folder, file_errors(Path(folder)), quiet():
        path = Path(folder) / "weights.keras"
        network.save(path)
        return path.read_bytes()


def read_archive(path: Path, steps: Sequence[Step], shape: Shape) -> Weights:
    """The weights in a .keras file that holds the network of these steps.

    Only its numbers are read, into a network made of the steps: nothing that the file says of layers is
    ever built. Raises ModelError where they do not fit.
    """
    network = whole(steps, shape, "network")
    with file_errors(path):
        path.open("rb").close()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Keras but warns of layers that the file has no numbers for
            network.load_weights(path)
    except (ValueError, KeyError, OSError, RuntimeError, UserWarning, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{path}: does not hold the weights of this run's network.", "Was it changed or cut short?"
        ) from error
    return weights(network)
