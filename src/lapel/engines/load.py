"""An engine by its name, imported when it is asked for."""

from __future__ import annotations

from typing import Literal, overload

from ..errors import LapelError, MissingExtra, did_you_mean
from .backend import load_keras
from .protocol import Engine, PyTorch

_ENGINES = ("torch", "keras")


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
        from .keras.engine import KerasEngine

        return KerasEngine()
    if backend:
        raise LapelError(
            f"The engine {name} has no backend to choose; {backend} was asked for.",
            "Only Keras has backends: add --engine keras.",
        )
    try:
        from .torch.engine import TorchEngine
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("lapel"):
            raise
        raise MissingExtra("PyTorch", "train") from error
    return TorchEngine()
