"""What the first layers of a network make of pictures, whatever engine it learned on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.dataset import Pictures
from ..data.feature_cache import FeatureCache, Features, mark
from ..recipes.schema import Recipe
from ..runtime import onnx_runtime
from .onnx import features_onnx
from .protocol import Shape, Weights

_AT_ONCE = 16  # pictures of which features are computed together
_KEPT_AT_ONCE = 4096  # so many are computed again, at most, where a process is killed


class FeatureMaker:
    """Computes features (n, width) of pictures, some at a time, by the recipe's first `count` layers.

    With `kept`, those of a picture that these layers were asked about before are taken from the cache, and at
    the end of a `with` block what was computed is kept there. Raises RecipeError, ModelError and MissingExtra
    as `features_onnx` does.
    """

    def __init__(
        self, recipe: Recipe, weights: Weights, shape: Shape, classes: int, count: int, *, kept: bool = False
    ) -> None:
        first = {name: value for name, value in weights.items() if int(name.partition(".")[0]) < count}
        self._graph = features_onnx(recipe, first, shape, classes, count).SerializeToString()
        # Another version of ONNX Runtime may round otherwise.
        self._network = hashlib.sha256(self._graph + onnx_runtime().__version__.encode()).hexdigest()[:32]
        self._cache = FeatureCache() if kept else None
        self._known = self._cache.read(self._network) if self._cache else Features()
        self._new = Features()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._keep()

    def __call__(self, pictures: Pictures) -> Iterator[NDArray[np.float32]]:
        """The features of pictures (n, height, width, channels), in order."""
        for start in range(0, len(pictures), _AT_ONCE):
            some = np.ascontiguousarray(pictures[start : start + _AT_ONCE])
            yield self._kept_or_made(some) if self._cache else self._make(some)

    def _kept_or_made(self, pictures: Pictures) -> NDArray[np.float32]:
        marks = [mark(picture) for picture in pictures]
        missing = [place for place, name in enumerate(marks) if name not in self._known]
        if missing:
            rows = self._make(pictures[missing])
            new = {marks[place]: row for place, row in zip(missing, rows, strict=True)}
            self._known |= new
            self._new |= new
            if len(self._new) >= _KEPT_AT_ONCE:
                self._keep()
        return np.stack([self._known[name] for name in marks])

    def _make(self, pictures: Pictures) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = self._session.run(["features"], {"pictures": pictures})[0]
        return rows

    def _keep(self) -> None:
        if self._cache and self._new:
            self._cache.keep(self._network, self._new)
            self._new = Features()

    @cached_property
    def _session(self) -> Any:
        # ONNX Runtime takes a third of the engines' own time for it, and gives the same to all of them.
        return onnx_runtime().InferenceSession(self._graph, providers=["CPUExecutionProvider"])
