"""An .onnx file from elsewhere: read as data, of standard operators alone, freed of its batch size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..card import KEY
from ..errors import MissingExtra, ModelError, first_line
from ..files import file_errors
from ..runtime import onnx_runtime
from .network import LARGEST, ImportedNetwork, in_batches

if TYPE_CHECKING:
    import onnx

_HINT = "Only whole networks of standard operators are taken: one file, as torch.onnx.export writes it."
_OLDEST_OPSET = 7  # before it, numbers were spread over arrays by other rules
_ROUNDING = 1e-4


def read_onnx(path: Path) -> ImportedNetwork:
    """Read an .onnx file, and the one file beside it that may hold its weights.

    Raises ModelError where it is too large, broken, or holds anything but standard operators.
    """
    model = _load(path)
    if any(entry.key == KEY for entry in model.metadata_props):
        raise ModelError(f"{path}: a model of Lapel already.", f"Label with: lapel tag PHOTO --model {path}")
    _check(model, str(path))
    return of_model(model, str(path), "ONNX")


def of_model(model: onnx.ModelProto, source: str, form: str) -> ImportedNetwork:
    """A checked ONNX graph as an imported network. Raises ModelError where it cannot be run."""
    takes, number = _takes(model, source)
    session = open_session(model, source)
    name = session.get_inputs()[0].name

    def answers(inputs: NDArray[Any]) -> NDArray[Any]:
        result: NDArray[Any] = session.run(None, {name: inputs})[0]
        return result

    return ImportedNetwork(
        source, form, takes, number, answers, lambda shape: free_batch(model, shape, source)
    )


def open_session(model: onnx.ModelProto, source: str) -> Any:
    """ONNX Runtime's session for a graph, on one thread. Raises ModelError where it does not take it."""
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has no public base class for what it raises
        raise ModelError(f"{source}: ONNX Runtime does not take it ({first_line(error)}).", _HINT) from error


def free_batch(model: onnx.ModelProto, shape: tuple[int, ...], source: str) -> onnx.ModelProto:
    """The same graph for any number of pictures of `shape` at once.

    Where the number was fixed, the graph is held against itself as it was. Raises ModelError where it
    answers otherwise: then the number is built in too deep.
    """
    (given,) = inputs_of(model)
    dims = given.type.tensor_type.shape.dim
    batch = dims[0].dim_value if dims and dims[0].HasField("dim_value") else None
    freed = type(model)()
    freed.CopyFrom(model)
    (given,) = inputs_of(freed)
    _set_shape(given, ["n", *shape])
    # What was worked out for another number of pictures is worked out anew.
    del freed.graph.value_info[:]
    for output in freed.graph.output:
        output.type.tensor_type.ClearField("shape")
    if batch is None:
        return freed
    _free_reshapes(freed, batch)
    number = _number(given)
    random = np.random.default_rng(0)
    inputs = random.uniform(0, 1, (2 * batch + 1, *shape)).astype(number)
    try:
        expected = _ask(model, inputs, batch, source)
        came = _ask(freed, inputs, None, source)
    except Exception as error:
        raise _fixed_batch_error(source, batch) from error
    if (
        came.shape != expected.shape
        or not np.abs(came - expected).max() <= _ROUNDING * np.abs(expected).max()
    ):
        raise _fixed_batch_error(source, batch)
    return freed


def inputs_of(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """A graph's true inputs: older files list their weights among them."""
    kept = {weight.name for weight in model.graph.initializer}
    return [given for given in model.graph.input if given.name not in kept]


def _load(path: Path) -> onnx.ModelProto:
    try:
        import onnx
        from onnx import inliner
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "train") from error
    from google.protobuf.message import DecodeError

    with file_errors(path), path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ModelError(f"{path}: more than {LARGEST:,} bytes; larger models are not loaded.")
    try:
        model = onnx.load_model_from_string(data)
        if model.functions:
            model = inliner.inline_local_functions(model)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{path}: not an ONNX file ({first_line(error)}).", "Is this the right file?"
        ) from error
    if not model.graph.node:
        raise ModelError(f"{path}: an ONNX file without a network in it.", "Is this the right file?")
    _check_beside(model, path)
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx raises its own checker's errors and what the file system does
        raise ModelError(
            f"{path}: its weights, kept in another file, cannot be read ({first_line(error)}).",
            "Bring both files, or export again into one: torch.onnx.export(…, external_data=False).",
        ) from error
    return model


def _check_beside(model: onnx.ModelProto, path: Path) -> None:
    """Refuse weights in any other place than plain files beside the model's own, within the limit."""
    files = set()
    for tensor in _tensors(model.graph):
        for entry in tensor.external_data:
            if entry.key == "location":
                files.add(entry.value)
    total = 0
    for name in sorted(files):
        beside = path.parent / name
        if name != Path(name).name or name in ("", ".", "..") or "\\" in name or beside.is_symlink():
            raise ModelError(
                f'{path}: keeps weights in "{name}", which is not a plain file beside it; it is not opened.',
                "Export it again into one file: torch.onnx.export(…, external_data=False).",
            )
        if not beside.is_file():
            raise ModelError(
                f"{path}: keeps its weights in {name}, which does not lie beside it.",
                "Bring both files, or export again into one: torch.onnx.export(…, external_data=False).",
            )
        total += beside.stat().st_size
    if total > LARGEST:
        raise ModelError(f"{path}: {total:,} bytes of weights; at most {LARGEST:,} are loaded.")


def _check(model: onnx.ModelProto, source: str) -> None:
    for node in _nodes(model.graph):
        if node.domain not in ("", "ai.onnx"):
            raise ModelError(
                f'{source}: uses the operator "{node.op_type}" of {node.domain}, which is no standard one.',
                _HINT,
            )
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < _OLDEST_OPSET:
        raise ModelError(
            f"{source}: written for ONNX's opset {opset}; {_OLDEST_OPSET} is the oldest that is taken.",
            "Export it again with a newer one.",
        )
    inputs, outputs = inputs_of(model), model.graph.output
    for what, found in (("inputs", inputs), ("outputs", outputs)):
        if len(found) != 1:
            names = ", ".join(entry.name for entry in found) or "none"
            raise ModelError(
                f"{source}: has {len(found)} {what} ({names}); a network with one of each is taken.",
                "Export it again with pictures alone going in and one answer coming out.",
            )
        if not found[0].type.HasField("tensor_type"):
            raise ModelError(f"{source}: its {what[:-1]} is not an array of numbers.", _HINT)


def _takes(model: onnx.ModelProto, source: str) -> tuple[tuple[int | None, ...] | None, str]:
    (given,) = inputs_of(model)
    number = _number(given)
    if np.dtype(number).kind not in "fiu":
        raise ModelError(f"{source}: takes {number}, not numbers.", _HINT)
    if not given.type.tensor_type.HasField("shape"):
        return None, number
    dims = given.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims), number


def _number(given: onnx.ValueInfoProto) -> str:
    import onnx

    return str(onnx.helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type))


def _set_shape(given: onnx.ValueInfoProto, shape: list[str | int]) -> None:
    given.type.tensor_type.ClearField("shape")
    for side in shape:
        dim = given.type.tensor_type.shape.dim.add()
        if isinstance(side, str):
            dim.dim_param = side
        else:
            dim.dim_value = side


def _free_reshapes(model: onnx.ModelProto, batch: int) -> None:
    """Let every reshape that names the number of pictures take any number."""
    from onnx import numpy_helper

    weights = {weight.name: weight for weight in model.graph.initializer}
    constants = {
        node.output[0]: entry.t
        for node in model.graph.node
        if node.op_type == "Constant"
        for entry in node.attribute
        if entry.name == "value"
    }
    for place, node in enumerate(model.graph.node):
        if node.op_type != "Reshape" or node.input[1] not in {**weights, **constants}:
            continue
        shape = numpy_helper.to_array({**weights, **constants}[node.input[1]]).copy()
        if not shape.ndim or not len(shape) or shape[0] != batch:
            continue
        shape[0] = 0 if -1 in shape else -1  # 0: as many as came in, unless it is allowed to mean none
        kept = [entry for entry in node.attribute if entry.name != "allowzero"]
        del node.attribute[:]
        node.attribute.extend(kept)
        name = f"freed_shape_{place}"
        model.graph.initializer.append(numpy_helper.from_array(shape, name))
        node.input[1] = name


def _ask(model: onnx.ModelProto, inputs: NDArray[Any], batch: int | None, source: str) -> NDArray[np.float32]:
    session = open_session(model, source)
    name = session.get_inputs()[0].name
    return in_batches(lambda part: session.run(None, {name: part})[0], inputs, batch)


def _fixed_batch_error(source: str, batch: int) -> ModelError:
    return ModelError(
        f"{source}: answers {batch} picture{'s' if batch > 1 else ''} at a time and no other number, "
        "and cannot be changed.",
        'Export it again with a free batch: dynamic_axes={"input": {0: "n"}} or dynamic_shapes=….',
    )


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those of inner graphs too."""
    for node in graph.node:
        yield node
        for entry in node.attribute:
            for inner in (entry.g, *entry.graphs):
                yield from _nodes(inner)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every array that a graph holds, wherever in it."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in _nodes(graph):
        for entry in node.attribute:
            yield from (entry.t, *entry.tensors)
            for inner in (entry.g, *entry.graphs):
                yield from inner.initializer
