"""What the Keras engine needs of JAX."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import keras
import numpy as np
from numpy.typing import NDArray

from .device import Shapes

CPU = "cpu:0"  # as `keras.device` takes it
THREADS_CHANGE = False  # the framework keeps those that it began with


def version() -> str:
    """JAX's version."""
    return str(jax.__version__)


def accelerators() -> list[str]:
    """The devices beside the CPU, as `keras.device` takes them."""
    return [f"{device.platform}:{device.id}" for device in jax.devices() if device.platform != "cpu"]


def fast_bf16(device: str, processor: frozenset[str]) -> bool:  # noqa: ARG001
    """Whether bf16 is faster than fp32 on a device; on CPUs it is not, under XLA."""
    if device.startswith("cpu"):
        return False
    capability = getattr(jax.devices()[0], "compute_capability", "8.0")
    return float(capability) >= 8


def using_threads(count: int) -> AbstractContextManager[None]:  # noqa: ARG001
    """While it lasts, so many threads compute; here as many as ever."""
    return nullcontext()


def out_of_memory(error: Exception) -> bool:
    """Whether this is what is raised where the device's memory is too small."""
    return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)


def array(value: Any) -> NDArray[Any]:
    """A copy of what a tensor holds."""
    return np.array(value)


def gradients(network: Any, penalty: Callable[[Any], Any], pictures: Any) -> tuple[Any, Any, list[Any]]:
    """What a network answers while learning, the penalty for it, and the gradient for every weight."""
    learned = [weight.value for weight in network.trainable_variables]
    others = [weight.value for weight in network.non_trainable_variables]

    def judged(values: list[Any]) -> tuple[Any, Any]:
        answers, changed = network.stateless_call(values, others, pictures, training=True)
        return penalty(answers), (answers, changed)

    (loss, (answers, changed)), slopes = jax.value_and_grad(judged, has_aux=True)(learned)
    for variable, value in zip(network.non_trainable_variables, changed, strict=True):
        variable.assign(value)
    return answers, loss, slopes


def asked(network: Any) -> Callable[[Any], Any]:
    """A function from what a network takes to what it answers."""

    @jax.jit
    def pure(learned: list[Any], others: list[Any], x: Any) -> Any:
        return network.stateless_call(learned, others, x, training=False)[0]

    def ask(x: Any) -> Any:
        groups = network.trainable_variables, network.non_trainable_variables
        return pure(*([variable.value for variable in group] for group in groups), x)

    return ask


def looped(
    prepare: Callable[..., tuple[Any, Any]],
    step: Callable[[Any, Any], tuple[Any, Any]],
    variables: list[Any],
    shapes: Shapes,  # noqa: ARG001
) -> Callable[..., tuple[Any, Any]]:
    """A function that learns batch after batch: what `prepare` takes in, sums out.

    A step is one graph, the loop is not: on a CPU, XLA's convolutions are eight times slower in a loop.
    """

    def pure(function: Callable[..., Any]) -> Callable[..., tuple[list[Any], Any]]:
        """What reads and assigns variables, as a compiled function of their values."""

        def call(values: list[Any], *given: Any) -> tuple[list[Any], Any]:
            with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
                result = function(*given)
            return [scope.get_current_value(variable) for variable in variables], result

        return jax.jit(call, donate_argnums=0)

    prepared, stepped = pure(prepare), pure(step)

    def learn(*given: Any) -> tuple[Any, Any]:
        values, batches = prepared([variable.value for variable in variables], *given)
        sums = []
        for one in zip(*batches, strict=True):
            values, result = stepped(values, *one)
            sums.append(result)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        losses, right = zip(*sums, strict=True)
        return sum(losses), sum(right)

    return learn
