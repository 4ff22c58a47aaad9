"""State dicts as PyTorch's own users keep them, read without running what a file might hold."""

from __future__ import annotations

import io
import pickle
import re
import warnings
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import ModelError
from ..protocol import Weights

_LARGEST = 4 << 30  # bytes


def to_pth(weights: Mapping[str, NDArray[Any]]) -> bytes:
    """Weights as the bytes of a PyTorch state dict."""
    buffer = io.BytesIO()
    torch.save({name: torch.from_numpy(np.array(value)) for name, value in weights.items()}, buffer)
    return buffer.getvalue()


def read_pth(file: BinaryIO, name: str) -> Weights:
    """Read a PyTorch state dict, or a checkpoint that holds one, from a file called `name`.

    Raises ModelError where the file holds code (a whole pickled model, a TorchScript archive) or anything
    but numbers: nothing in it is ever run.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > _LARGEST:
        raise ModelError(f"{name}: {size:,} bytes; a state dict of at most {_LARGEST:,} is read.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what PyTorch warns of here is refused below
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{name}: holds code ({_callable_name(error)}), not only weights; it is not opened.",
            "Save the weights alone with torch.save(model.state_dict(), …), where you trust the file.",
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{name}: not a whole PyTorch file.", "Is this the right file?") from error
    found = _state_dict(content)
    if not found:
        raise ModelError(
            f"{name}: no state dict in it; it holds {type(content).__name__}.",
            "Save one with torch.save(model.state_dict(), …).",
        )
    return {name: value.detach().to_dense().float().numpy() for name, value in found.items()}


def _state_dict(content: Any) -> dict[str, torch.Tensor]:
    if not isinstance(content, dict):
        return {}
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if tensors and len(tensors) == len(content):
        return tensors
    # Checkpoints keep it under a name of their own, beside the optimizer's state.
    for name in ("state_dict", "model_state_dict", "model", "network", "net", "weights"):
        if found := _state_dict(content.get(name)):
            return found
    return {}


def _callable_name(error: Exception) -> str:
    """The thing that the file wanted to call, out of PyTorch's long message."""
    found = re.search(r"GLOBAL (\w+(?:\.\w+)+)", str(error))
    return found[1] if found else "a pickle"
