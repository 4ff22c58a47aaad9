"""A recipe's plan as a PyTorch module whose state dict has the common weight names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...recipes.plan import Step
from ...recipes.schema import (
    Activate,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalPool,
    Normalise,
    Pool,
    Residual,
)

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
}
_RISING = (torch.relu, torch.tanh)


class Chain(nn.Module):
    """Layers one after another, each with an activation or none behind it."""

    def __init__(self, steps: Sequence[Step], normalise: Normalise | None = None) -> None:
        super().__init__()
        self.steps, self.normalise = tuple(steps), normalise or Normalise()
        self._stages: list[tuple[nn.Module, Callable[[Tensor], Tensor] | None]] = []
        for place, step in enumerate(steps):
            module, activation = _module(step)
            self.add_module(str(place), module)
            if isinstance(module, nn.MaxPool2d) and self._stages and self._stages[-1][1] in _RISING:
                # The largest of the activated is the activation of the largest: pool first, less is left.
                before, activation = self._stages[-1]
                self._stages[-1] = (before, None)
            self._stages.append((module, activation))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (n, channels, height, width), normalised, in, one number for each class out."""
        for module, activation in self._stages:
            x = module(x)
            if activation is not None:
                x = activation(x)
        return x


class _Residual(nn.Module):
    def __init__(self, step: Step) -> None:
        super().__init__()
        self.layers = Chain(step.inner)
        self.shortcut = Chain(step.shortcut)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x) + self.shortcut(x)
        return result


class _Dropout(nn.Module):
    """What `nn.Dropout` does, its masks drawn four numbers at a time: a third of the time on a CPU."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self._least = round((rate - 0.5) * 65536)  # of a random int16, for a number to be kept
        self._grow = 65536 / (32768 - self._least)

    def forward(self, x: Tensor) -> Tensor:
        """Drop a share of the numbers and grow the others to make up for it; nothing when not training."""
        if not self.training:
            return x
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        kept = draws.view(torch.int16)[: x.numel()].view(x.shape) >= self._least
        return x * kept.to(x.dtype).mul_(self._grow)


class _Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function


def _module(step: Step) -> tuple[nn.Module, Callable[[Tensor], Tensor] | None]:
    layer, takes, gives = step.layer, step.takes, step.gives
    match layer:
        case Dense():
            return nn.Linear(takes[0], gives[0], bias=layer.bias), _ACTIVATIONS.get(layer.activation)
        case Conv():
            conv = nn.Conv2d(
                takes[0],
                gives[0],
                layer.kernel,
                layer.stride,
                padding=layer.kernel // 2 if layer.padding == "same" else 0,
                bias=layer.bias,
            )
            return conv, _ACTIVATIONS.get(layer.activation)
        case Flatten():
            # Pixel by pixel, channels last: in channels-last memory that is no copy, forwards or backwards.
            return _Function(lambda x: x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x), None
        case Pool():
            return nn.MaxPool2d(layer.size) if layer.by == "max" else nn.AvgPool2d(layer.size), None
        case GlobalPool():
            pool = torch.amax if layer.by == "max" else torch.mean
            return _Function(lambda x: pool(x, dim=(2, 3))), None
        case BatchNorm():
            kind = nn.BatchNorm2d if len(takes) == 3 else nn.BatchNorm1d
            return kind(takes[0], eps=layer.epsilon, momentum=layer.momentum), None
        case Dropout():
            whole = layer.whole_channels and len(takes) == 3
            return nn.Dropout2d(layer.rate) if whole else _Dropout(layer.rate), None
        case Activate():
            return nn.Identity(), _ACTIVATIONS.get(layer.by)
        case Residual():
            return _Residual(step), None
