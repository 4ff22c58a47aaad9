"""What the first layers of a network make of pictures, whatever engine it learned on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Pictures
from ..recipes.schema import Recipe
from ..runtime import onnx_runtime
from .onnx import features_onnx
from .protocol import Shape, Weights

AT_ONCE = 16  # pictures of which features are computed together

Compute = Callable[[Pictures], Iterator[NDArray[np.float32]]]


def features_by(recipe: Recipe, weights: Weights, shape: Shape, classes: int, count: int) -> Compute:
    """What computes features (n, width) of pictures, some at a time, by the recipe's first `count` layers.

    Raises RecipeError, ModelError and MissingExtra as `features_onnx` does.
    """
    first = {name: value for name, value in weights.items() if int(name.partition(".")[0]) < count}
    graph = features_onnx(recipe, first, shape, classes, count)
    # ONNX Runtime takes a third of the engines' own time for it.
    session = onnx_runtime().InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])

    def compute(pictures: Pictures) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(pictures), AT_ONCE):
            some = np.ascontiguousarray(pictures[start : start + AT_ONCE])
            yield session.run(["features"], {"pictures": some})[0]

    return compute
