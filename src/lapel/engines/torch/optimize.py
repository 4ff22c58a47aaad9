"""Optimizers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...recipes.schema import Training


class Optimizer:
    """The recipe's optimizer over a network's parameters: kernels decay, biases and norms do not.

    Muon takes the matrices of the hidden layers and leaves the rest (biases, norms, the last layer) to
    AdamW, its own steps scaled to the size of AdamW's.
    """

    def __init__(self, network: nn.Module, training: Training) -> None:
        named = dict(network.named_parameters())
        self._weights = list(named.values())
        kernels = [weight for weight in named.values() if weight.ndim > 1]
        others = [weight for weight in named.values() if weight.ndim <= 1]
        fused = next(iter(named.values())).device.type in ("cpu", "cuda", "mps")
        decay, momentum = training.weight_decay, training.momentum
        groups = [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        self._matrices: list[tuple[Tensor, nn.Parameter]] = []
        parts: list[torch.optim.Optimizer]
        match training.optimizer:
            case "adam":
                parts = [torch.optim.Adam(_joined(groups), fused=fused)]
            case "adamw":
                parts = [torch.optim.AdamW(_joined(groups), fused=fused)]
            case "sgd":
                parts = [
                    torch.optim.SGD(
                        _joined(groups), lr=1.0, momentum=momentum, nesterov=momentum > 0, fused=fused
                    )
                ]
            case "muon":
                *hidden, last = kernels
                self._matrices = [(weight, nn.Parameter(_matrix(weight.detach()))) for weight in hidden]
                rest = [{"params": [last], "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
                parts = [torch.optim.AdamW(_joined(rest), fused=fused)]
                if self._matrices:
                    views = [view for _, view in self._matrices]
                    muon = torch.optim.Muon(
                        views, weight_decay=decay, momentum=momentum, adjust_lr_fn="match_rms_adamw"
                    )
                    parts.append(muon)
        self._optimizers = parts

    def step(self, rate: float) -> None:
        """Take one step at this learning rate and forget the gradients."""
        for weight, view in self._matrices:
            assert weight.grad is not None
            view.grad = _matrix(weight.grad)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        for weight in self._weights:
            weight.grad = None

    def state(self) -> dict[str, Tensor]:
        """What the optimizer remembers, as flat tensors."""
        return {
            f"{part}.{place}.{word}": torch.as_tensor(value)
            for part, optimizer in enumerate(self._optimizers)
            for place, entries in optimizer.state_dict()["state"].items()
            for word, value in entries.items()
            if value is not None
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Remember what `state` says."""
        for part, optimizer in enumerate(self._optimizers):
            whole = optimizer.state_dict()
            whole["state"] = {}
            for name, value in state.items():
                owner, place, word = name.split(".")
                if int(owner) == part:
                    whole["state"].setdefault(int(place), {})[word] = value
            optimizer.load_state_dict(whole)


def _joined(groups: list[dict[str, object]]) -> list[dict[str, object]]:
    # One group is one fused call: where nothing decays, kernels and others need not be apart.
    groups = [group for group in groups if group["params"]]
    if all(group["weight_decay"] == 0 for group in groups):
        return [{"params": [weight for group in groups for weight in group["params"]], "weight_decay": 0.0}]  # type: ignore[attr-defined]
    return groups


def _matrix(weight: Tensor) -> Tensor:
    # Filters as rows: in channels-last memory a view, so that a step on it is a step on the filters.
    return weight if weight.ndim == 2 else weight.permute(0, 2, 3, 1).flatten(1)
