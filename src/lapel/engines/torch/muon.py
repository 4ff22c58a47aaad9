"""Muon in fp32, for processors on which PyTorch's own, in bf16, crawls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .device import fast_bf16


class Muon(torch.optim.Muon):
    """PyTorch's Muon, but that matrices are made orthogonal in fp32 where the hardware is slow at bf16.

    Without instructions for bf16 a product takes sixteen times as long in it as in fp32. State and settings
    are those of PyTorch's.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step."""
        first = self.param_groups[0]["params"][0]
        if closure is not None or fast_bf16(first.device):
            return super().step(closure)  # type: ignore[no-untyped-call]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._step_weight(weight, weight.grad, group)
        return None

    def _step_weight(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, rate, momentum = self.state[weight], group["lr"], group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        buffer = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        update = gradient.lerp(buffer, momentum) if group["nesterov"] else buffer
        weight.mul_(1 - rate * group["weight_decay"])
        step = orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        weight.add_(step, alpha=-rate * 0.2 * max(weight.shape) ** 0.5)  # as large as a step of AdamW


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, least: float) -> Tensor:
    """About the nearest matrix of orthogonal rows or columns, by Newton and Schulz's iteration."""
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=least)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
