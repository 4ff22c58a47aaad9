"""PyTorch modules that layers need beside PyTorch's own. Imported late: this loads PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function


class QuickDropout(nn.Module):
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


class UnevenConv2d(nn.Conv2d):
    """A Conv2d whose sides get different numbers of zeros: `pads` are left, right, top and bottom."""

    def __init__(self, *sizes: Any, pads: tuple[int, int, int, int], **settings: Any) -> None:
        super().__init__(*sizes, **settings)
        self._pads = pads

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, filters, height, width)."""
        return super().forward(functional.pad(x, self._pads))


class StridedPointwise(nn.Conv2d):
    """A kernel of one with a stride, which reads only some pixels: those are taken first.

    The same numbers as `nn.Conv2d`, but safe: on processors with AVX2 and no AVX-512, oneDNN 3.12's gradient
    of such a kernel writes past the end of its buffers where there are fewer than eight channels.
    """

    def __init__(self, channels: int, filters: int, kernel: int, stride: int, **settings: Any) -> None:
        super().__init__(channels, filters, kernel, **settings)
        self._step = stride

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, filters, height / stride, width / stride), rounded up."""
        return super().forward(x[:, :, :: self._step, :: self._step])
