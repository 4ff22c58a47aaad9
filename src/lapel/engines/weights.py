"""Weights as every engine names them: drawn, checked, written and read, in numpy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtra, ModelError
from ..files import file_errors
from ..recipes.plan import Step, walk
from .protocol import Weights

PYTORCH_ENDINGS = (".pth", ".pt")


def shapes(steps: Sequence[Step]) -> dict[str, tuple[int, ...]]:
    """The shape of every weight of a network, by name."""
    return {f"{step.name}.{word}": shape for step in walk(steps) for word, shape in step.weights.items()}


def moved_name(name: str, places: int) -> str:
    """The name of a weight or layer that lies so many layers further on.

    >>> moved_name("3.layers.0.weight", -3)
    '0.layers.0.weight'
    """
    layer, dot, rest = name.partition(".")
    return f"{int(layer) + places}{dot}{rest}"


def draw(steps: Sequence[Step], seed: int) -> Weights:
    """First weights, as each layer draws or reads them.

    Drawn by numpy, so that every engine on every device starts from the same numbers. Raises ModelError
    where a layer cannot have the weights that it asks for.
    """
    random = np.random.default_rng((seed, 0x1A9E1))
    return {
        f"{step.name}.{word}": array
        for step in walk(steps)
        for word, array in step.layer.first_weights(step, random).items()
    }


def fitted(weights: Mapping[str, NDArray[Any]], steps: Sequence[Step], source: str) -> Weights:
    """These weights, checked against the network they are meant for.

    Where every name is there, names decide; else the order does (a network written elsewhere names its
    layers as it likes), and each weight must have the shape that its place asks for. Raises ModelError that
    names the first weight that does not fit.
    """
    wanted = shapes(steps)
    given = {name: array for name, array in weights.items() if not name.endswith("num_batches_tracked")}
    if len(given) != len(wanted):
        raise ModelError(
            f"{source}: holds {len(given)} weights, but the recipe's network has {len(wanted)}.",
            f"It holds {_list_weights(given)}. Give the recipe that it was trained with.",
        )
    if set(given) != set(wanted):
        given = dict(zip(wanted, given.values(), strict=True))
    for name, shape in wanted.items():
        if given[name].shape != shape:
            raise ModelError(
                f'{source}: the weight "{name}" has shape {given[name].shape}; the recipe asks for {shape}.',
                "Give the recipe that it was trained with.",
            )
    return {name: np.ascontiguousarray(given[name], dtype=np.float32) for name in wanted}


def from_pytorch(weights: Mapping[str, NDArray[Any]], steps: Sequence[Step], source: str) -> Weights:
    """Weights as PyTorch's own layers keep them -> ours, by name or in order (see `fitted`)."""
    return _reorder_rows(fitted(weights, steps, source), steps, channels_last=True)


def to_pytorch(weights: Weights, steps: Sequence[Step]) -> Weights:
    """Our weights as PyTorch's own layers keep them: for a state dict that `nn.Sequential` can load."""
    return _reorder_rows(weights, steps, channels_last=False)


def packed(weights: Mapping[str, NDArray[Any]], metadata: dict[str, str] | None = None) -> bytes:
    """Arrays as the bytes of a safetensors file."""
    try:
        from safetensors.numpy import save
    except ModuleNotFoundError as error:
        raise MissingExtra("safetensors", "train") from error
    content: bytes = save({name: np.asarray(array, order="C") for name, array in weights.items()}, metadata)
    return content


def read_weights(path: Path) -> tuple[Weights, dict[str, str]]:
    """Read a safetensors file: its arrays and its metadata. Raises ModelError where it is not one."""
    try:
        from safetensors import SafetensorError, safe_open
    except ModuleNotFoundError as error:
        raise MissingExtra("safetensors", "train") from error
    try:
        with file_errors(path), safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ModelError(
            f"{path}: not a whole safetensors file ({error}).", "Is this the right file?"
        ) from error


def _reorder_rows(weights: Weights, steps: Sequence[Step], *, channels_last: bool) -> Weights:
    """The same network with its flatten in the other order.

    Ours lays a picture out pixel by pixel, PyTorch's channel by channel; what reads the flattened numbers
    (up to and with the first layer that mixes them) is put in the new order.
    """
    result = {name: weights[name] for name in shapes(steps)}  # in the order of the layers
    order: NDArray[np.intp] | None = None
    for step in steps:
        if step.layer.flattens and len(step.takes) == 3:
            order = _row_order(step.takes, channels_last=channels_last)
        elif order is not None:
            words = step.layer.row_weights
            if step.branches or (step.weights and words is None):
                raise ModelError(
                    f"Layer {step.name} ({step.layer.kind}) comes straight after flatten; such weights are "
                    "not carried to or from PyTorch's order.",
                    "Put a dense layer between the two.",
                )
            for word in words or ():
                name = f"{step.name}.{word}"
                result[name] = np.ascontiguousarray(result[name][..., order])
            if step.layer.mixes_row:
                order = None
    return result


def _row_order(picture: tuple[int, ...], *, channels_last: bool) -> NDArray[np.intp]:
    """Where each number of a flattened picture (channels, height, width) lies in the other order."""
    channels, height, width = picture
    places = np.arange(channels * height * width)
    if channels_last:
        return places.reshape(channels, height, width).transpose(1, 2, 0).ravel()
    return places.reshape(height, width, channels).transpose(2, 0, 1).ravel()


def _list_weights(weights: Mapping[str, NDArray[Any]]) -> str:
    names = [f"{name} {array.shape}" for name, array in list(weights.items())[:6]]
    return ", ".join(names) + (", …" if len(weights) > 6 else "")
