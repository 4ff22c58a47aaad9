"""LiteRT, which was TensorFlow Lite: a folder with model.tflite and card.json, in floats or in 8-bit numbers.

The graph becomes TensorFlow's operations one by one, and its converter does the rest. A picture at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data.dataset import Pictures, evenly
from ..engines.backend import quiet
from ..metrics import Probabilities
from .form import Ask, Source
from .graph import fold_batch_norm, load_graph, without_kept_int8
from .steps import Step, Steps, steps_of

_MODEL, _CARD = "model.tflite", "card.json"
_SIGNATURE = "serving_default"
_PICTURES = 256  # by which the ranges of what flows between layers are found


def write_litert(source: Source, target: Path) -> None:
    """Write a model that computes in floats. Raises ModelError where LiteRT lacks an operation."""
    _write(source, target, int8=False)


def write_litert_int8(source: Source, target: Path) -> None:
    """Write a model all of whose layers compute in int8; it takes the pixels' bytes as they are."""
    _write(source, target, int8=True)


def open_litert(path: Path) -> Ask:
    """Ask LiteRT's interpreter picture by picture."""
    with quiet():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path / _MODEL))
        interpreter.allocate_tensors()  # here, where it may say so to nobody
        ask_one = interpreter.get_signature_runner(_SIGNATURE)

    def ask(pictures: Pictures) -> Probabilities:
        return np.concatenate([ask_one(pictures=one[None])["probabilities"] for one in pictures])

    return ask


def _write(source: Source, target: Path, *, int8: bool) -> None:
    card = source.card
    outputs = ["probabilities", *["rejected"] * bool(card.rejects)]
    model = fold_batch_norm(without_kept_int8(load_graph(source.data)))
    steps = steps_of(model, outputs, card.picture.shape)
    some = source.pictures[evenly(len(source.pictures), _PICTURES)]
    with quiet():
        data = _converted(steps, outputs, card.picture.shape, some if int8 else None)
    target.mkdir()
    (target / _MODEL).write_bytes(data)
    (target / _CARD).write_text(card.to_json(), encoding="utf-8")


def _converted(
    steps: Steps, outputs: list[str], shape: tuple[int, int, int], pictures: Pictures | None
) -> bytes:
    """The model as bytes; in int8 where there are pictures to find ranges by."""
    import tensorflow as tf

    # Of what computes in int8 the input is made bytes by the converter, of other models here.
    takes = tf.TensorSpec((1, *shape), tf.uint8 if pictures is None else tf.float32, name="pictures")

    @tf.function(input_signature=[takes], autograph=False)  # type: ignore[untyped-decorator]
    def answer(pictures: Any) -> dict[str, Any]:
        return _run(steps, outputs, pictures)

    module = tf.Module()
    module.answer = answer
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={_SIGNATURE: answer})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[_SIGNATURE])
        if pictures is not None:

            def examples() -> Iterator[dict[str, Any]]:
                for one in pictures:
                    yield {"pictures": one[None].astype(np.float32)}

            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = examples
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
        data: bytes = converter.convert()
    return data


def _run(steps: Steps, outputs: list[str], pictures: Any) -> dict[str, Any]:
    """The steps as TensorFlow's operations, on a picture (1, height, width, channels)."""
    import tensorflow as tf

    functions = _functions(tf)
    values: dict[str, Any] = {"pictures": pictures}

    def read(name: str, shape: tuple[int, ...]) -> Any:
        value = values[name]
        return value if tuple(value.shape[1:]) == shape else tf.reshape(value, (1, *shape))

    for step in steps.steps:
        reads = [read(value.name, value.shape) for value in step.reads]
        values[step.writes.name] = functions[step.function](step, *reads)
    named = {name: steps.values[name] for name in outputs}
    return {name: tf.identity(read(value.name, value.shape), name) for name, value in named.items()}


def _functions(tf: Any) -> Mapping[str, Callable[..., Any]]:
    """TensorFlow's operation for each function of a step: the step and what it reads -> what it writes."""

    def conv(step: Step, x: Any) -> Any:
        height, width, _, rows, columns, _, *window, groups = map(int, step.numbers)
        assert step.kernel is not None
        x = _padded(tf, x, height, width, rows, columns, *window)
        parts = tf.split(x, groups, axis=3) if groups > 1 else [x]
        made = [
            tf.nn.conv2d(part, kernel, window[2], "VALID")
            for part, kernel in zip(parts, step.kernel, strict=True)
        ]
        return (tf.concat(made, 3) if groups > 1 else made[0]) + step.rows[0]

    def depthwise(step: Step, x: Any) -> Any:
        height, width, channels, rows, columns, *window = map(int, step.numbers)
        assert step.kernel is not None
        x = _padded(tf, x, height, width, rows, columns, *window)
        kernel = step.kernel.reshape(*step.kernel.shape[:2], channels, 1)
        strides = [1, window[2], window[2], 1]
        return tf.nn.depthwise_conv2d(x, kernel, strides, "VALID") + step.rows[0]

    def clip(step: Step, x: Any) -> Any:
        low, high = step.numbers[1:]
        return tf.nn.relu6(x) if (low, high) == (0, 6) else tf.clip_by_value(x, low, high)

    def pool(operation: Callable[..., Any]) -> Callable[..., Any]:
        return lambda step, x: operation(x, step.numbers[4], step.numbers[5], "VALID")

    def plain(operation: Callable[..., Any]) -> Callable[..., Any]:
        return lambda _, *reads: operation(*reads)

    return {
        "levels": lambda _, x: tf.cast(x, tf.float32),
        "affine": lambda step, x: x * step.rows[0] + step.rows[1],
        "dense": lambda step, x: tf.matmul(x, step.kernel) + step.rows[0],
        "conv": conv,
        "depthwise": depthwise,
        "clip": clip,
        "max_pool": pool(tf.nn.max_pool2d),
        "average_pool": pool(tf.nn.avg_pool2d),
        "global_max": lambda _, x: tf.reduce_max(x, (1, 2), keepdims=True),
        "global_average": lambda _, x: tf.reduce_mean(x, (1, 2), keepdims=True),
        "copy": lambda step, x: x[:, step.offset : step.offset + int(step.numbers[0])],
        "gate": plain(tf.multiply),
        "add": plain(tf.add),
        "subtract": plain(tf.subtract),
        "multiply": plain(tf.multiply),
        "divide": plain(tf.divide),
        "relu": plain(tf.nn.relu),
        "sigmoid": plain(tf.sigmoid),
        "tangent": plain(tf.tanh),
        "error": plain(tf.math.erf),
        "hard_swish": lambda _, x: x * tf.nn.relu6(x + 3.0) / 6.0,
        "softmax": plain(tf.nn.softmax),
        "log_softmax": plain(tf.nn.log_softmax),
    }


def _padded(
    tf: Any, x: Any, height: int, width: int, rows: int, columns: int,
    tall: int, wide: int, stride: int, top: int, left: int,
) -> Any:  # fmt: skip
    """With zeros around, so many that a window without padding gives these rows and columns."""
    below = max(0, (rows - 1) * stride + tall - height - top)
    right = max(0, (columns - 1) * stride + wide - width - left)
    around = ((0, 0), (top, below), (left, right), (0, 0))
    return tf.pad(x, around) if any(map(any, around)) else x
