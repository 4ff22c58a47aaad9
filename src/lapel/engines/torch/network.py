"""A recipe's plan as a PyTorch module whose state dict has the common weight names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ...layers.activation import is_rising, torch_activation
from ...layers.composite import Composite
from ...layers.layer import Activation
from ...recipes.plan import Step
from ...recipes.schema import Normalise


class Chain(nn.Module):
    """Layers one after another, each with an activation or none behind it."""

    def __init__(self, steps: Sequence[Step], normalise: Normalise | None = None) -> None:
        super().__init__()
        self.steps, self.normalise = tuple(steps), normalise or Normalise()
        activations: list[Activation] = []
        for place, step in enumerate(steps):
            self.add_module(str(place), _module(step))
            activation = step.layer.output_activation()
            if step.layer.pools_largest() and activations and is_rising(activations[-1]):
                # The largest of the activated is the activation of the largest: pool first, less is left.
                activation, activations[-1] = activations[-1], "linear"
            activations.append(activation)
        self._stages: list[tuple[nn.Module, Callable[[Tensor], Tensor] | None]] = [
            (module, torch_activation(activation))
            for module, activation in zip(self.children(), activations, strict=True)
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (n, channels, height, width), normalised, in, one number for each class out."""
        for module, activation in self._stages:
            x = module(x)
            if activation is not None:
                x = activation(x)
        return x


class _Branches(nn.Module):
    """The inner layers of a composite, a chain a branch."""

    def __init__(self, layer: Composite, branches: dict[str, tuple[Step, ...]]) -> None:
        super().__init__()
        self._join = layer.join_torch
        for name, steps in branches.items():
            self.add_module(name, Chain(steps))

    def forward(self, x: Tensor) -> Tensor:
        """(n, *takes) -> (n, *gives)."""
        return self._join([branch(x) for branch in self.children()])


def _module(step: Step) -> nn.Module:
    if isinstance(step.layer, Composite):
        return _Branches(step.layer, step.branches)
    return step.layer.build_torch(step)
