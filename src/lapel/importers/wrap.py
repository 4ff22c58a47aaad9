"""A imported graph, a layout, a scaling and a card -> a model of Lapel."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._version import __version__
from ..card import KEY, Card
from ..data.dataset import Dataset, Pictures
from ..errors import ModelError, first_line
from ..files import write_atomic
from ..metrics import Probabilities, wilson_interval
from ..picture import PictureSpec
from ..tagger import load_tagger
from .candidates import Candidate
from .network import in_batches
from .onnx_file import inputs_of

if TYPE_CHECKING:
    import onnx

_TOLERANCE = 1e-4  # in probability, as `export` has it
_IR_VERSION = 8  # as our own models have; a graph that asks for a newer one keeps it


def wrap_graph(graph: onnx.ModelProto, candidate: Candidate, card: Card, source: str) -> onnx.ModelProto:
    """The model: pictures (n, height, width, channels; uint8) in, probabilities (n, classes) out.

    The imported graph, which takes any number of pictures at once, lies in the middle as it is; before it
    layout and scaling, after it what makes probabilities of its answers. Raises ModelError where the whole
    is not valid.
    """
    import onnx
    from onnx import compose, helper

    inner = compose.add_prefix(graph, "foreign/")
    before, constants = _before(inputs_of(inner)[0], candidate)
    classes = len(card.class_names)
    proto = helper.make_graph(
        [*before, *inner.graph.node, *_after(inner.graph.output[0].name, candidate)],
        "imported",
        [helper.make_tensor_value_info("pictures", onnx.TensorProto.UINT8, ["n", *card.picture.shape])],
        [helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["n", classes])],
        initializer=[*constants, *inner.graph.initializer],
    )
    proto.sparse_initializer.extend(inner.graph.sparse_initializer)
    model = helper.make_model(
        proto,
        opset_imports=[entry for entry in inner.opset_import if entry.domain in ("", "ai.onnx")],
        ir_version=max(graph.ir_version, _IR_VERSION),
        producer_name="lapel",
    )
    helper.set_model_props(model, {KEY: card.to_json()})
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker, the shapes worked out and protobuf each have their own
        raise ModelError(
            f"{source}: no valid model came of it ({first_line(error)}).",
            "Export it again with a newer library.",
        ) from error
    return model


def card_for(
    source: str,
    form: str,
    names: tuple[str, ...],
    spec: PictureSpec,
    dataset: Dataset,
    chosen: Candidate,
    pictures: int,
) -> Card:
    """What the model of a network from elsewhere says of itself."""
    file = Path(source).resolve()
    stem = file.name if file.is_dir() else file.stem
    right = chosen.accuracy or 0.0
    return Card(
        name="".join(letter for letter in stem if letter.isprintable())[:200] or "imported",
        class_names=names,
        picture=spec,
        measured=(
            {
                "dataset": dataset.name,
                "split": "validation",
                "accuracy": right,
                "interval": list(wilson_interval(round(right * pictures), pictures)),
                "pictures": pictures,
            },
        ),
        made={
            "imported": "".join(letter for letter in file.name if letter.isprintable()),
            "format": form,
            "layout": chosen.layout,
            "scaling": chosen.scaling.name,
            "dataset": dataset.name,
            "fingerprint": dataset.fingerprint,
            "lapel": __version__,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


def write_model(
    model: onnx.ModelProto, target: Path, pictures: Pictures, expected: Probabilities, source: str
) -> None:
    """Write a model that loads as one of Lapel's, and answers as the network that it was made of."""
    data = model.SerializeToString(deterministic=True)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "model.onnx"
        draft.write_bytes(data)
        answers = in_batches(load_tagger(draft).probabilities, pictures)
    difference = float(np.abs(answers - expected).max())
    # Written so that a difference that is no number is refused, too.
    if not difference <= _TOLERANCE:
        raise ModelError(
            f"{source}: the model made of it answers otherwise: probabilities differ by up to "
            f"{difference:.2g} (at most {_TOLERANCE:g} is rounding). Nothing was written.",
            "Does it draw anything at random as it answers? Save it for answering, not for training.",
        )
    write_atomic(target, data, elsewhere="Choose another place with --out.")


def _before(takes: onnx.ValueInfoProto, candidate: Candidate) -> tuple[list[Any], list[Any]]:
    """Nodes from uint8 pictures to the foreign input, and their constants."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("Cast", ["pictures"], ["floats"], to=TensorProto.FLOAT)]
    constants = {
        "zero": np.array(candidate.scaling.zero, np.float32),
        "span": np.array(candidate.scaling.span, np.float32),
    }
    match candidate.layout:
        case "hwc":
            nodes.append(helper.make_node("Identity", ["floats"], ["laid_out"]))
        case "chw":
            nodes.append(helper.make_node("Transpose", ["floats"], ["laid_out"], perm=[0, 3, 1, 2]))
        case "hw" | "flat":
            constants["layout"] = np.array([0, *candidate.shape])
            nodes.append(helper.make_node("Reshape", ["floats", "layout"], ["laid_out"]))
    nodes += [
        helper.make_node("Sub", ["laid_out", "zero"], ["shifted"]),
        helper.make_node("Div", ["shifted", "span"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], [takes.name], to=takes.type.tensor_type.elem_type),
    ]
    return nodes, [numpy_helper.from_array(value, name) for name, value in constants.items()]


def _after(gives: str, candidate: Candidate) -> list[Any]:
    """Nodes from the foreign output to probabilities."""
    from onnx import TensorProto, helper

    cast = helper.make_node("Cast", [gives], ["answers"], to=TensorProto.FLOAT)
    match candidate.ending:
        case "probabilities":
            return [cast, helper.make_node("Identity", ["answers"], ["probabilities"])]
        case "shares":
            return [cast, helper.make_node("LpNormalization", ["answers"], ["probabilities"], axis=1, p=1)]
        case "scores":
            return [cast, helper.make_node("Softmax", ["answers"], ["probabilities"], axis=1)]
