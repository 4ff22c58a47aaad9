"""A model without its last dense layer: pictures in, features out, and room for another head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..card import KEY, Card
from ..errors import MissingExtra, ModelError, first_line
from ..model_file import open_session
from ..runtime import cores

if TYPE_CHECKING:
    import onnx
    import onnxruntime

_DENSE = ("Gemm", "MatMul")
_NEW_MEAN = 18  # the opset from which ReduceMean takes its axes as an input
_MOST_THREADS = 4
_HINT = "Teach on top of a model whose network ends in a dense layer, such as one that comes with Lapel."


class Trunk:
    """What a model sees in pictures, before it decides. Cut at the last dense layer before `probabilities`.

    `views` is 2 where the model asks about each picture with its mirror image by itself, else 1; `width` is
    the number of features. Raises ModelError where the network does not end in a dense layer, MissingExtra
    without onnx.
    """

    def __init__(self, data: bytes, card: Card, source: str) -> None:
        try:
            import onnx
        except ModuleNotFoundError as error:
            raise MissingExtra("onnx, which own classes are taught with,", "teach") from error
        self._source = source
        self._base = onnx.load_from_string(data)
        dense = _last_dense(self._base.graph)
        if dense is None:
            raise ModelError(f"{source}: its network does not end in a dense layer.", _HINT)
        features, logits = dense
        self._names = _names(self._base.graph)
        self._nodes = _needed(self._base.graph, features)
        self._features = self._fresh("features")
        flat = self._fresh("flat")
        self._nodes += [
            onnx.helper.make_node("Flatten", [features], [flat], axis=1),
            onnx.helper.make_node("Cast", [flat], [self._features], to=onnx.TensorProto.FLOAT),
        ]
        self._logits = logits
        self._layer = [node for node in _needed(self._base.graph, logits) if node not in self._nodes]
        self.width, self.views = self._probe(card)
        self._session = open_session(self._model([], [(self._features, self.width)]), _threads())
        self._decides: onnxruntime.InferenceSession | None = None

    def features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The features of pictures (n, size, size, channels) in two views each: float32 (2, n, width).

        The second view is the mirror image. Raises ModelError where the model fails.
        """
        if self.views == 2:
            return self._look(pictures).reshape(2, len(pictures), self.width)
        return np.stack([self._look(pictures), self._look(pictures[:, :, ::-1])])

    def decides(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The features (views, n, width), and what the last dense layer makes of them (views, n, answers).

        The views are the model's own: one, or two. Raises ModelError as `features` does.
        """
        if self._decides is None:
            outputs = [(self._features, self.width), (self._logits, None)]
            self._decides = open_session(self._model(self._layer, outputs), _threads())
        features, logits = self._run(self._decides, pictures)
        return self._in_views(features), self._in_views(logits)

    def with_head(self, weights: NDArray[Any], bias: NDArray[Any], card: Card) -> bytes:
        """The model file with another head: weights (classes, width) and bias (classes), and its card."""
        from onnx import helper

        logits, warm, shares = map(self._fresh, ("logits", "warm", "shares"))
        arrays = {
            self._fresh("head.weight"): np.asarray(weights, np.float32),
            self._fresh("head.bias"): np.asarray(bias, np.float32),
            self._fresh("head.temperature"): np.array(card.temperature, np.float32),
        }
        weight, offset, temperature = arrays
        nodes = [
            helper.make_node("Gemm", [self._features, weight, offset], [logits], transB=1),
            helper.make_node("Div", [logits, temperature], [warm]),
            helper.make_node("Softmax", [warm], [shares], axis=1),
        ]
        if self.views == 2:
            pairs, shape = self._fresh("pairs"), self._fresh("head.pairs")
            arrays[shape] = np.array([2, -1, len(bias)], np.int64)
            nodes += [helper.make_node("Reshape", [shares, shape], [pairs]), self._mean(pairs, arrays)]
        else:
            nodes.append(helper.make_node("Identity", [shares], ["probabilities"]))
        return self._model(nodes, [("probabilities", len(bias))], arrays, card)

    def _mean(self, pairs: str, arrays: dict[str, NDArray[Any]]) -> onnx.NodeProto:
        from onnx import helper

        opset = max(entry.version for entry in self._base.opset_import if entry.domain in ("", "ai.onnx"))
        if opset < _NEW_MEAN:
            return helper.make_node("ReduceMean", [pairs], ["probabilities"], axes=[0], keepdims=0)
        axes = self._fresh("head.axes")
        arrays[axes] = np.array([0], np.int64)
        return helper.make_node("ReduceMean", [pairs, axes], ["probabilities"], keepdims=0)

    def _fresh(self, word: str) -> str:
        """A name that nothing in the model has: it may have been taught before."""
        number = 1
        while (name := f"{word}.{number}") in self._names:
            number += 1
        self._names.add(name)
        return name

    def _in_views(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return rows.reshape(self.views, len(rows) // self.views, -1)

    def _probe(self, card: Card) -> tuple[int, int]:
        """The number of features, and of views. Raises where another layer than the one we cut at decides."""
        session = open_session(self._model(self._layer, [(self._features, None), (self._logits, None)]))
        pictures = np.zeros((2, *card.picture.shape), np.uint8)
        features, decided = self._run(session, pictures)
        views, rest = divmod(len(features), 2)
        answers = len(card.class_names) + len(card.rejects)
        if rest or views not in (1, 2) or decided.shape[-1] != answers:
            raise ModelError(
                f"{self._source}: its last dense layer gives {decided.shape[-1]} numbers for "
                f"{views or 1} views of a picture; expected {answers}, for one or two.",
                _HINT,
            )
        return features.shape[1], views

    def _look(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        [features] = self._run(self._session, pictures)
        if not np.isfinite(features).all():
            raise ModelError(f"{self._source}: sees something other than numbers in a picture.", _HINT)
        return features

    def _run(
        self, session: onnxruntime.InferenceSession, pictures: NDArray[np.uint8]
    ) -> list[NDArray[np.float32]]:
        try:
            answers: list[NDArray[np.float32]]
            answers = session.run(None, {"pictures": np.ascontiguousarray(pictures)})
        except Exception as error:  # ONNX Runtime has no public base class for what it raises
            raise ModelError(f"{self._source}: fails on a picture ({first_line(error)}).") from error
        return answers

    def _model(
        self,
        nodes: Iterable[onnx.NodeProto],
        outputs: Iterable[tuple[str, int | None]],
        arrays: dict[str, NDArray[Any]] | None = None,
        card: Card | None = None,
    ) -> bytes:
        """The trunk with these nodes after it, as a file: what else the base held is left out."""
        import onnx
        from onnx import helper, numpy_helper

        model = onnx.ModelProto()
        model.CopyFrom(self._base)
        graph = model.graph
        for part in (graph.node, graph.output, graph.value_info, graph.quantization_annotation):
            del part[:]
        graph.node.extend([*self._nodes, *nodes])
        used = {name for node in graph.node for name in _inputs(node)}
        kept = [one for one in graph.initializer if one.name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        graph.initializer.extend(numpy_helper.from_array(a, name) for name, a in (arrays or {}).items())
        graph.output.extend(
            helper.make_tensor_value_info(
                name, onnx.TensorProto.FLOAT, None if width is None else ["n", width]
            )
            for name, width in outputs
        )
        del model.metadata_props[:]
        if card:
            graph.name, model.producer_name, model.producer_version = "taught", "lapel", ""
            helper.set_model_props(model, {KEY: card.to_json()})
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def _last_dense(graph: onnx.GraphProto) -> tuple[str, str] | None:
    """What goes into the last dense layer on the way to the probabilities, and what comes out of it."""
    fixed = {one.name for one in graph.initializer}
    for node in graph.node:
        if all(name in fixed for name in _inputs(node)):
            fixed.update(node.output)  # such as kernels that are kept in eight bits
    for node in reversed(_needed(graph, "probabilities")):
        if node.op_type in _DENSE:
            moving = [name for name in node.input[:2] if name not in fixed]
            if len(moving) == 1:
                return moving[0], node.output[0]
    return None


def _needed(graph: onnx.GraphProto, value: str) -> list[Any]:
    """The nodes that a value is made by, in their order."""
    wanted, kept = {value}, []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(_inputs(node))
    return kept[::-1]


def _inputs(node: onnx.NodeProto) -> Iterator[str]:
    """All that a node takes; what the graphs within it take of the one around them, too."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _inputs(inner)


def _names(graph: onnx.GraphProto) -> set[str]:
    return {one.name for one in graph.initializer} | {name for node in graph.node for name in node.output}


def _threads() -> int:
    return min(_MOST_THREADS, cores())
