"""A SavedModel folder -> an imported network. TensorFlow loads it only when every operation in it is known.

A SavedModel is a program: among TensorFlow's operations are some that read and write files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines.backend import load_tensorflow, quiet
from ..errors import ModelError, first_line
from ..files import file_errors
from .convert import convert_function
from .network import LARGEST, ImportedNetwork, words

FILE = "saved_model.pb"

_HINT = "Where you trust it, bring it to ONNX by other means and import that."
_SIGNATURE = "serving_default"

# What a network may do when it answers.
_MATH = words(
    """
    Const Identity IdentityN NoOp Placeholder StopGradient PreventGradient Snapshot VarHandleOp
    ReadVariableOp PartitionedCall StatefulPartitionedCall Add AddV2 AddN Sub Mul Div RealDiv DivNoNan Neg
    Square SquaredDifference Sqrt Rsqrt Reciprocal Exp Expm1 Log Log1p Pow Abs Sign Maximum Minimum
    FloorDiv FloorMod Floor Ceil Round Rint ClipByValue Erf Erfc Tanh Sigmoid Relu Relu6 LeakyRelu Elu
    Selu Softplus Softsign Softmax LogSoftmax MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum
    BiasAdd BiasAddV1 Conv2D DepthwiseConv2dNative Conv2DBackpropInput Conv3D MaxPool MaxPoolV2 AvgPool
    Mean Sum Max Min Prod ArgMax Cumsum L2Loss FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 LRN
    Reshape ExpandDims Squeeze Transpose Shape ShapeN Size Rank Cast Bitcast Pack Unpack Concat ConcatV2
    Split SplitV Slice StridedSlice Gather GatherV2 GatherNd Pad PadV2 MirrorPad Tile BroadcastTo Fill
    Range Reverse ReverseV2 ZerosLike OnesLike OneHot Select SelectV2 Where InvertPermutation
    SpaceToBatchND BatchToSpaceND ResizeBilinear ResizeNearestNeighbor Equal NotEqual Greater GreaterEqual
    Less LessEqual LogicalAnd LogicalOr LogicalNot All Any If StatelessIf While StatelessWhile
    TensorListReserve TensorListFromTensor TensorListGetItem TensorListSetItem TensorListStack
    TensorListElementShape TensorListLength
    """
)
# What may lie beside that, and is never run here: a step of training, saving and bringing back.
_BESIDE = words(
    """
    AssignVariableOp AssignAddVariableOp AssignSubVariableOp VarIsInitializedOp DisableCopyOnRead
    RandomUniform RandomStandardNormal StatelessRandomUniform StatelessRandomUniformV2
    StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomGetKeyCounter StatelessRandomGetAlg
    RandomUniformInt StatelessRandomUniformIntV2 StatelessRandomGetKeyCounterAlg
    ImageProjectiveTransformV2 ImageProjectiveTransformV3 AdjustContrastv2 ReluGrad SigmoidGrad TanhGrad
    SoftplusGrad BroadcastGradientArgs Assert SaveV2 RestoreV2 MergeV2Checkpoints ShardedFilename
    StringJoin StaticRegexFullMatch
    """
)
_OBJECTS = words("user_object variable function bare_concrete_function constant captured_tensor")


def read_saved_model(folder: Path) -> ImportedNetwork:
    """Read a SavedModel, as model.export, tf.saved_model.save and older Keras write it.

    Raises ModelError where it is too large or broken, where an operation or an object in it is not among
    those that are known, or where it does not say what it answers to pictures.
    """
    source = str(folder)
    size = sum(file.lstat().st_size for file in folder.rglob("*"))
    if size > LARGEST:
        raise ModelError(f"{source}: {size:,} bytes; at most {LARGEST:,} are loaded.")
    # TensorFlow follows links, which may lead anywhere.
    for file in folder.rglob("*"):
        if file.is_symlink():
            raise ModelError(f"{source}: {file.name} in it is a link; it is not opened.")
    tensorflow = load_tensorflow()
    with file_errors(folder / FILE):
        data = (folder / FILE).read_bytes()
    _check(data, source)
    with quiet():
        try:
            loaded = tensorflow.saved_model.load(folder)
        except Exception as error:  # TensorFlow raises whatever its parts raise
            raise ModelError(
                f"{source}: TensorFlow {tensorflow.__version__} cannot load it ({first_line(error)}).",
                "Is the folder whole? The weights lie in its folder `variables`.",
            ) from error
    return _network(loaded, source)


def _check(data: bytes, source: str) -> None:
    """Refuse what is not known, by name. Nothing is loaded for it."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel()
    try:
        saved.ParseFromString(data)
    except DecodeError as error:
        raise ModelError(f"{source}: its {FILE} is broken.", "Is the folder whole?") from error
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].HasField("object_graph_def"):
        raise ModelError(
            f"{source}: not a SavedModel of TensorFlow 2.",
            "Save it again with TensorFlow 2, or bring it to ONNX.",
        )
    graph = saved.meta_graphs[0]
    functions = {entry.signature.name: entry for entry in graph.graph_def.library.function}
    nodes = [*graph.graph_def.node, *(node for entry in functions.values() for node in entry.node_def)]
    _refuse_others(nodes, _MATH | _BESIDE, source, _HINT)
    for item in graph.object_graph_def.nodes:
        kind = item.WhichOneof("kind")
        own_saver = item.registered_saver or (kind != "variable" and item.saveable_objects)
        if kind and (kind not in _OBJECTS or own_saver):
            raise ModelError(f'{source}: holds an object of the kind "{kind}", which may open files.', _HINT)
    if _SIGNATURE not in graph.signature_def:
        raise ModelError(
            f'{source}: has no signature "{_SIGNATURE}", so it does not say what it answers to pictures.',
            "Save it with tf.saved_model.save(module, folder, signatures=module.__call__), where __call__ is "
            "a tf.function with an input_signature.",
        )
    signature = graph.signature_def[_SIGNATURE]
    for what, found in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        if len(found) != 1:
            raise ModelError(
                f"{source}: has {len(found)} {what} ({', '.join(sorted(found)) or 'none'}); "
                "a network with one of each is taken.",
                "Save a network that takes pictures alone and gives one answer.",
            )
    _refuse_others(
        _run_by(_entries(graph), functions),
        _MATH,
        source,
        "It draws or changes something when it answers, as networks do that were saved in training mode; "
        "save the network as .keras and import that.",
    )


def _refuse_others(nodes: Iterable[Any], known: frozenset[str], source: str, hint: str) -> None:
    others = sorted({node.op for node in nodes} - known)
    if others:
        raise ModelError(
            f"{source}: uses the operation{'s' if len(others) > 1 else ''} {', '.join(others)[:200]}, which "
            f"{'are' if len(others) > 1 else 'is'} not among those of a plain network; it is not loaded.",
            hint,
        )


def _entries(graph: Any) -> list[str]:
    """The function that answers, and those that TensorFlow may put in the place of another."""
    items = graph.object_graph_def.nodes
    names = [
        entry.signature.name for entry in graph.graph_def.library.function if "api_implements" in entry.attr
    ]
    for item in items:
        if item.user_object.identifier == "signature_map":
            for child in item.children:
                target = items[child.node_id]
                if child.local_name == _SIGNATURE:
                    names += [
                        target.bare_concrete_function.concrete_function_name,
                        *target.function.concrete_functions,
                    ]
    return names


def _run_by(names: list[str], functions: dict[str, Any]) -> Iterator[Any]:
    """Every node of these functions, and of all that they call."""
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in functions[name].node_def:
            yield node
            for value in node.attr.values():
                waiting += [value.func.name, *(one.name for one in value.list.func)]


def _network(loaded: Any, source: str) -> ImportedNetwork:
    tensorflow = load_tensorflow()
    ((name, given),) = loaded.signatures[_SIGNATURE].structured_input_signature[1].items()
    takes = tuple(given.shape) if given.shape.rank is not None else None
    number = given.dtype.name

    def call(inputs: Any) -> Any:
        # Asked of `loaded`, as the signature alone does not keep its variables alive.
        (answer,) = loaded.signatures[_SIGNATURE](**{name: inputs}).values()
        return answer

    def answers(inputs: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(call(tensorflow.constant(inputs)))

    return ImportedNetwork(
        source,
        "SavedModel",
        takes,
        number,
        answers,
        lambda shape: convert_function(call, (takes[0] if takes else None, *shape), number, source),
    )
