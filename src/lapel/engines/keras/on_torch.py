"""What the Keras engine needs of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..torch import device as places
from ..torch.device import using_threads
from .device import Shapes

__all__ = ["using_threads"]

CPU = "cpu"  # as `keras.device` takes it
THREADS_CHANGE = True


def version() -> str:
    """PyTorch's version."""
    return str(torch.__version__)


def accelerators() -> list[str]:
    """The devices beside the CPU, as `keras.device` takes them."""
    mps = ["mps:0"] * torch.backends.mps.is_available()
    return [f"cuda:{place}" for place in range(torch.cuda.device_count())] + mps


def fast_bf16(device: str, processor: frozenset[str]) -> bool:  # noqa: ARG001
    """Whether bf16 is faster than fp32 on a device."""
    return places.fast_bf16(torch.device(device))


def out_of_memory(error: Exception) -> bool:
    """Whether this is what is raised where the device's memory is too small."""
    return isinstance(error, torch.OutOfMemoryError)


def array(value: Any) -> NDArray[Any]:
    """A copy of what a tensor holds."""
    return np.array(value.detach().cpu().numpy())


def gradients(network: Any, penalty: Callable[[Any], Any], pictures: Any) -> tuple[Any, Any, list[Any]]:
    """What a network answers while learning, the penalty for it, and the gradient for every weight."""
    with torch.enable_grad():
        answers = network(pictures, training=True)
        loss = penalty(answers)
        slopes = torch.autograd.grad(loss, [weight.value for weight in network.trainable_variables])
    return answers.detach(), loss.detach(), list(slopes)


def asked(network: Any) -> Callable[[Any], Any]:
    """A function from what a network takes to what it answers."""

    @torch.inference_mode()
    def ask(x: Any) -> Any:
        return network(x, training=False)

    return ask


def looped(
    prepare: Callable[..., tuple[Any, Any]],
    step: Callable[[Any, Any], tuple[Any, Any]],
    variables: list[Any],  # noqa: ARG001
    shapes: Shapes,  # noqa: ARG001
) -> Callable[..., tuple[Any, Any]]:
    """A function that learns batch after batch: what `prepare` takes in, sums out."""

    @torch.no_grad()
    def run(*given: Any) -> tuple[Any, Any]:
        parts = [step(*batch) for batch in zip(*prepare(*given), strict=True)]
        return sum(loss for loss, _ in parts), sum(right for _, right in parts)

    return run
