"""From a recipe and its weights to an ONNX graph: the one file format of every engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..card import KEY, Card
from ..errors import MissingExtra
from ..layers.composite import Composite
from ..layers.graph import Graph
from ..recipes.plan import Step, plan
from ..recipes.schema import Normalise, Recipe
from ..training.normalise import check_normalise, inverse
from .protocol import Weights
from .weights import fitted

if TYPE_CHECKING:
    import onnx

# Old enough for the runtimes on phones, new enough for every operator used here.
_OPSET = 17
_IR_VERSION = 8


def to_onnx(
    recipe: Recipe,
    weights: Weights,
    card: Card,
    *,
    mirror: bool = False,
    compact: bool = False,
) -> onnx.ModelProto:
    """Build the model: pictures (n, height, width, channels; uint8) in, probabilities (n, classes) out.

    Normalisation, layout, network, calibration and softmax lie in the graph, so that nobody who uses the
    model can prepare its input otherwise. The same arguments give the same bytes.

    Where the card has rejects, the network gives one number more for each of them. The probabilities are
    then those among the classes, and a second output, `rejected` (n, rejects), is the share that each
    reject has of all. With `mirror` each picture is asked about with its mirror image, and the answers are
    averaged. With `compact` kernels are kept as int8 with a scale a filter: a quarter of the size.

    Raises RecipeError where the recipe does not suit the card's pictures and classes, ModelError where the
    weights do not suit the recipe, MissingExtra without onnx.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "train") from error

    shape = card.picture.shape
    classes, rejects = len(card.class_names), len(card.rejects)
    steps = plan(recipe, shape, classes + rejects)
    graph = Graph(fitted(weights, steps, f'recipe "{recipe.name}"'), compact)
    pictures = "pictures"
    if mirror:
        mirrored = graph.add("Slice", pictures, *graph.part(-1, -shape[1] - 1, axis=2, step=-1))
        pictures = graph.add("Concat", pictures, mirrored, axis=0)
    logits = _network(graph, steps, _scaled(graph, pictures, recipe.normalise, shape[2]))
    if card.temperature != 1.0:
        logits = graph.add("Div", logits, graph.number(card.temperature))
    among = graph.add("Slice", logits, *graph.part(0, classes, axis=1)) if rejects else logits
    if "scale" in card.calibration:
        among = _scaled_by_class(graph, among, card.calibration)
    outputs = {"probabilities": classes}
    _averaged(graph, graph.add("Softmax", among, axis=1), "probabilities", classes, mirror)
    if rejects:
        outputs["rejected"] = rejects
        shares = graph.add("Softmax", logits, axis=1)
        last = graph.add("Slice", shares, *graph.part(classes, classes + rejects, axis=1))
        _averaged(graph, last, "rejected", rejects, mirror)

    model = _model(graph, recipe.name, shape, outputs)
    onnx.helper.set_model_props(model, {KEY: card.to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


def features_onnx(
    recipe: Recipe, weights: Weights, shape: tuple[int, int, int], classes: int, count: int
) -> onnx.ModelProto:
    """The recipe's first `count` layers: pictures (n, height, width, channels; uint8) in, `features` out.

    Raises RecipeError, ModelError and MissingExtra as `to_onnx` does.
    """
    try:
        import onnx  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "train") from error
    steps = plan(recipe, shape, classes)[:count]
    graph = Graph(fitted(weights, steps, f'recipe "{recipe.name}"'), compact=False)
    row = _network(graph, steps, _scaled(graph, "pictures", recipe.normalise, shape[2]))
    graph.add("Identity", row, gives="features")
    return _model(graph, recipe.name, shape, {"features": steps[-1].gives[0]})


def _scaled_by_class(graph: Graph, logits: str, calibration: dict[str, Any]) -> str:
    """x * (scale - curve * x) + bias of the logarithms x of probabilities, as `Scaling` has it."""
    logarithms = graph.add("LogSoftmax", logits, axis=1)
    scale = graph.constant(tuple(calibration["scale"]))
    if calibration["curve"]:
        bent = graph.add("Mul", logarithms, graph.number(calibration["curve"]))
        scale = graph.add("Sub", scale, bent)
    scaled = graph.add("Mul", logarithms, scale)
    return graph.add("Add", scaled, graph.constant(tuple(calibration["bias"])))


def _scaled(graph: Graph, pictures: str, normalise: Normalise, channels: int) -> str:
    """The numbers that the network takes, channels first."""
    from onnx import TensorProto

    check_normalise(normalise, channels)
    pixels = graph.add("Cast", pictures, to=TensorProto.FLOAT)
    if normalise.zero != 0:
        pixels = graph.add("Sub", pixels, graph.constant(normalise.zero))
    scaled = graph.add("Mul", pixels, graph.constant(inverse(normalise.span)))
    return graph.add("Transpose", scaled, perm=[0, 3, 1, 2])


def _model(graph: Graph, name: str, shape: tuple[int, int, int], outputs: dict[str, int]) -> onnx.ModelProto:
    """The graph, which takes `pictures` and gives these outputs (n, numbers), as a model."""
    import onnx

    helper = onnx.helper
    proto = helper.make_graph(
        graph.nodes,
        name,
        [helper.make_tensor_value_info("pictures", onnx.TensorProto.UINT8, ["n", *shape])],
        [
            helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, ["n", count])
            for output, count in outputs.items()
        ],
        initializer=[onnx.numpy_helper.from_array(array, key) for key, array in graph.constants.items()],
    )
    return helper.make_model(
        proto, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION, producer_name="lapel"
    )


def _averaged(graph: Graph, value: str, name: str, columns: int, mirror: bool) -> None:
    """Give an output its name: the mean of pictures and mirror images, where there are both."""
    if mirror:
        pairs = graph.add("Reshape", value, graph.numbers(2, -1, columns))
        graph.add("ReduceMean", pairs, gives=name, axes=[0], keepdims=0)
    else:
        graph.add("Identity", value, gives=name)


def _network(graph: Graph, steps: Sequence[Step], value: str) -> str:
    for step in steps:
        if isinstance(step.layer, Composite):
            ends = [_network(graph, branch, value) for branch in step.branches.values()]
            value = step.layer.join_onnx(graph, ends)
        else:
            value = step.layer.build_onnx(step, graph, value)
    return value
