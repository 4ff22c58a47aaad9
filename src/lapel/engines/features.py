"""Pictures -> what a network that stays as it is makes of them, computed once and kept."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any, Self, cast

import numpy as np

from ..data.dataset import Pictures
from ..data.feature_cache import FeatureCache, Features, mark
from ..runtime import onnx_runtime
from ..training.watch import Prepare

_AT_ONCE = 16  # pictures of which features are computed together
_KEPT_AT_ONCE = 4096  # so many are computed again, at most, where a process is killed


class FeatureMaker:
    """The features of `count` pictures in all, by an ONNX graph with the output `features`.

    Those of a picture that the same graph was asked about before are taken from the cache. `prepare` is told
    how far it is. At the end, what was computed is kept.
    """

    def __init__(self, graph: bytes, count: int, prepare: Prepare) -> None:
        self._graph, self._count, self._prepare = graph, count, prepare
        # Another version of ONNX Runtime may round otherwise.
        self._network = hashlib.sha256(graph + onnx_runtime().__version__.encode()).hexdigest()[:32]
        self._cache, self._done = FeatureCache(), 0
        self._known, self._new = self._cache.read(self._network), Features()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._keep()

    def features(self, pictures: Pictures) -> Pictures:
        """Rows (n, 1, 1, features) of pictures (n, height, width, channels)."""
        parts = []
        for start in range(0, len(pictures), _AT_ONCE):
            some = np.ascontiguousarray(pictures[start : start + _AT_ONCE])
            marks = [mark(picture) for picture in some]
            self._compute(some, marks)
            parts.append(np.stack([self._known[name] for name in marks]))
            self._done += len(some)
            self._prepare("features", self._done, self._count)
        # Engines take what is no whole number for shares of white, and leave it as it is.
        return cast(Pictures, np.concatenate(parts)[:, None, None])

    def _compute(self, pictures: Pictures, marks: list[bytes]) -> None:
        missing = [place for place, name in enumerate(marks) if name not in self._known]
        if not missing:
            return
        rows = self._session.run(["features"], {"pictures": pictures[missing]})[0]
        new = {marks[place]: row for place, row in zip(missing, rows, strict=True)}
        self._known |= new
        self._new |= new
        if len(self._new) >= _KEPT_AT_ONCE:
            self._keep()

    def _keep(self) -> None:
        if self._new:
            self._cache.keep(self._network, self._new)
            self._new = Features()

    @cached_property
    def _session(self) -> Any:
        # ONNX Runtime takes a third of the engines' own time for it, and gives the same to all of them.
        return onnx_runtime().InferenceSession(self._graph, providers=["CPUExecutionProvider"])
