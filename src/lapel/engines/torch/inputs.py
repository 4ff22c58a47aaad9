"""Pictures as a network takes them: (n, channels, height, width), in channels-last memory."""

from __future__ import annotations

import torch
from torch import Tensor

from ...recipes.schema import Normalise
from ...training.normalise import numbers_of, numbers_of_shares


def inputs(pictures: Tensor, normalise: Normalise) -> Tensor:
    """Pictures (n, height, width, channels), levels or shares, as numbers (n, channels, height, width)."""
    if pictures.dtype != torch.uint8:
        return inputs_of_shares(shares_of(pictures), normalise)
    # Seen this way they lie in channels-last memory, and nothing is copied.
    numbers: Tensor = numbers_of(pictures, normalise, lambda value: _constant(value, pictures))
    return numbers.permute(0, 3, 1, 2)


def shares_of(pictures: Tensor) -> Tensor:
    """Pictures, uint8 or from 0 to 1 already, as shares of white (n, channels, height, width)."""
    return (pictures.mul(1 / 255) if pictures.dtype == torch.uint8 else pictures).permute(0, 3, 1, 2)


def inputs_of_shares(shares: Tensor, normalise: Normalise) -> Tensor:
    """Shares of white (n, channels, height, width) as the numbers that `inputs` makes."""

    def constant(value: float | tuple[float, ...]) -> float | Tensor:
        made = _constant(value, shares)
        return made.view(-1, 1, 1) if isinstance(made, Tensor) else made

    numbers: Tensor = numbers_of_shares(shares, normalise, constant)
    return numbers.contiguous(memory_format=torch.channels_last)


def _constant(value: float | tuple[float, ...], like: Tensor) -> float | Tensor:
    return torch.tensor(value, device=like.device) if isinstance(value, tuple) else value
