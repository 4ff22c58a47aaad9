"""What the Keras engine needs of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from .device import Shapes

CPU = "cpu:0"  # as `keras.device` takes it
THREADS_CHANGE = False  # the framework keeps those that it began with


def version() -> str:
    """TensorFlow's version."""
    return str(tf.__version__)


def accelerators() -> list[str]:
    """The devices beside the CPU, as `keras.device` takes them."""
    return [f"gpu:{place}" for place in range(len(tf.config.list_physical_devices("GPU")))]


def fast_bf16(device: str, processor: frozenset[str]) -> bool:
    """Whether bf16 is faster than fp32 on a device; `processor` is what the CPU can do."""
    if device.startswith("cpu"):
        return bool(processor & {"amx_bf16", "avx512_bf16"})
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return bool(details.get("compute_capability", (0, 0)) >= (8, 0))


def using_threads(count: int) -> AbstractContextManager[None]:  # noqa: ARG001
    """While it lasts, so many threads compute; here as many as ever."""
    return nullcontext()


def out_of_memory(error: Exception) -> bool:
    """Whether this is what is raised where the device's memory is too small."""
    return isinstance(error, tf.errors.ResourceExhaustedError)


def array(value: Any) -> NDArray[Any]:
    """A copy of what a tensor holds."""
    return np.array(value.numpy())


def gradients(network: Any, penalty: Callable[[Any], Any], pictures: Any) -> tuple[Any, Any, list[Any]]:
    """What a network answers while learning, the penalty for it, and the gradient for every weight."""
    with tf.GradientTape() as tape:
        answers = network(pictures, training=True)
        loss = penalty(answers)
    return answers, loss, tape.gradient(loss, [weight.value for weight in network.trainable_variables])


def asked(network: Any) -> Callable[[Any], Any]:
    """A function from what a network takes to what it answers."""
    takes = tf.TensorSpec(network.inputs[0].shape, network.inputs[0].dtype)
    return _graph(lambda x: network(x, training=False), takes)


def looped(
    prepare: Callable[..., tuple[Any, Any]],
    step: Callable[[Any, Any], tuple[Any, Any]],
    variables: list[Any],  # noqa: ARG001
    shapes: Shapes,
) -> Callable[..., tuple[Any, Any]]:
    """A function that learns batch after batch: what `prepare` takes in, sums out.

    All of it is one graph, so that nothing is sent to and fro between two batches.
    """

    def run(*given: Any) -> tuple[Any, Any]:
        pictures, truth = prepare(*given)

        def go_on(place: Any, loss: Any, right: Any) -> tuple[Any, Any, Any]:
            more, hits = step(pictures[place], truth[place])
            return place + 1, loss + more, right + hits

        nothing = (tf.constant(0), tf.constant(0.0), tf.constant(0))
        _, loss, right = tf.while_loop(lambda place, *_: place < tf.shape(pictures)[0], go_on, nothing)
        return loss, right

    return _graph(run, *(tf.TensorSpec((None, *shape), dtype) for shape, dtype in shapes))


def _graph(function: Callable[..., Any], *takes: tf.TensorSpec) -> Callable[..., Any]:
    # Made once and called as it is: TensorFlow would warn of making the like again for the next network.
    made: Callable[..., Any] = tf.function(function, autograph=False).get_concrete_function(*takes)
    return made
