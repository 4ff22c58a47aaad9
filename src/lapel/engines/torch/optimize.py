"""Optimizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ...recipes.schema import Training
from ...training.groups import Rates, rate_share
from .muon import Muon

_Group: TypeAlias = dict[str, Any]


class Optimizer:
    """The recipe's optimizer over a network's parameters: kernels decay, biases and norms do not.

    Muon takes the matrices of the hidden layers and leaves the rest (biases, norms, the last layer) to
    AdamW, its own steps scaled to the size of AdamW's.
    """

    def __init__(self, network: nn.Module, training: Training, rates: Rates) -> None:
        named = dict(network.named_parameters())
        *_, last = (weight for weight in named.values() if weight.ndim > 1)
        shares = {name: rate_share(name, rates) for name in named}
        for name, weight in named.items():
            weight.requires_grad_(shares[name] > 0)
        self._weights = [weight for weight in named.values() if weight.requires_grad]
        kernels = {name: weight for name, weight in named.items() if weight.ndim > 1}
        others = {name: weight for name, weight in named.items() if weight.ndim <= 1}
        fused = last.device.type in ("cpu", "cuda", "mps")
        momentum = training.momentum
        self._matrices: list[tuple[Tensor, nn.Parameter]] = []
        parts: list[torch.optim.Optimizer]

        def groups(kernels: dict[str, nn.Parameter]) -> list[_Group]:
            return _groups(kernels, others, shares, training.weight_decay)

        match training.optimizer:
            case "adam":
                parts = [torch.optim.Adam(groups(kernels), fused=fused)]
            case "adamw":
                parts = [torch.optim.AdamW(groups(kernels), fused=fused)]
            case "sgd":
                nesterov = momentum > 0
                parts = [
                    torch.optim.SGD(
                        groups(kernels), lr=1.0, momentum=momentum, nesterov=nesterov, fused=fused
                    )
                ]
            case "muon":
                hidden = {name: weight for name, weight in kernels.items() if weight is not last}
                rest = groups({name: weight for name, weight in kernels.items() if weight is last})
                views = {name: nn.Parameter(_matrix(weight.detach())) for name, weight in hidden.items()}
                parts = [torch.optim.AdamW(rest, fused=fused)] if rest else []
                if matrices := _groups(views, {}, shares, training.weight_decay):
                    self._matrices = [(hidden[name], views[name]) for name in hidden if shares[name] > 0]
                    parts.append(Muon(matrices, momentum=momentum, adjust_lr_fn="match_rms_adamw"))
        self._optimizers = parts

    def step(self, rate: float) -> None:
        """Take one step at this learning rate and forget the gradients."""
        for weight, view in self._matrices:
            assert weight.grad is not None
            view.grad = _matrix(weight.grad)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
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
            for weight, held in optimizer.state.items():
                for word, value in held.items():
                    if value.shape == weight.shape:
                        # Laid out as the weight is: a fused step goes through the memory of both.
                        held[word] = torch.empty_like(weight).copy_(value)


def _groups(
    kernels: Mapping[str, nn.Parameter],
    others: Mapping[str, nn.Parameter],
    shares: Mapping[str, float],
    decay: float,
) -> list[_Group]:
    """Weights that learn, together where they do so at the same rate and decay alike."""
    # One group is one fused call: where nothing decays, kernels and others need not be apart.
    parts = [(decay, kernels), (0.0, others)] if decay else [(0.0, {**kernels, **others})]
    groups: list[_Group] = []
    for share in dict.fromkeys(shares.values()):
        for amount, weights in parts:
            params = [weight for name, weight in weights.items() if shares[name] == share > 0]
            if params:
                groups.append({"params": params, "weight_decay": amount, "share": share})
    return groups


def _matrix(weight: Tensor) -> Tensor:
    # Filters as rows: in channels-last memory a view, so that a step on it is a step on the filters.
    return weight if weight.ndim == 2 else weight.permute(0, 2, 3, 1).flatten(1)
