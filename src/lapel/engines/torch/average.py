"""A moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Average:
    """A moving average of a network's weights and running figures."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._live = dict(network.state_dict())
        self._decay = decay
        self.values = {name: value.clone() for name, value in self._live.items() if value.is_floating_point()}
        self._pairs = [self._live[name] for name in self.values]

    def update(self, step: int) -> None:
        """Take in what the network holds after this step (0, 1, …)."""
        # The first steps move far: a short memory then, the recipe's own later.
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.values.values()), self._pairs, 1 - decay)

    def restore(self, values: Mapping[str, Tensor]) -> None:
        """Go back to kept values."""
        for name, value in values.items():
            self.values[name].copy_(value)

    def swapped(self) -> _Swap:
        """For a `with` block, in which the network holds the averages."""
        return _Swap(self._pairs, list(self.values.values()))


class _Swap:
    """While it lasts, the network holds the averages."""

    def __init__(self, live: list[Tensor], averages: list[Tensor]) -> None:
        self._live, self._averages = live, averages

    def __enter__(self) -> None:
        self._kept = [value.clone() for value in self._live]
        for value, average in zip(self._live, self._averages, strict=True):
            value.copy_(average)

    def __exit__(self, *_: object) -> None:
        for value, kept in zip(self._live, self._kept, strict=True):
            value.copy_(kept)
