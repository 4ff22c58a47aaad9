"""Give the shipped model `photo` an embedding, and measure how well it finds the same product again.

    python models/embedding.py WARDROBE SHOP                # five folds, then the output in the model
    python models/embedding.py WARDROBE SHOP --folds-only   # the figures of BENCHMARKS.md, and no model

What the model's own eyes see, in whole numbers of eight bits, becomes 128 numbers by one matrix: the features
of the network as ImageNet left it, which know products better than those that have learned labels, and those
of the part that is shared. The matrix holds principal components, nearly white: one that learned which
pictures are views of one product did no better in shops left out. What the model answers stays the
same to the bit.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from eyes import SPEC
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import Extractor
from photo_small import SHIPPED
from photographs import Photographs
from views import kept

from lapel.files import write_atomic
from lapel.metrics import wilson_interval
from lapel.model_file import open_session
from lapel.picture import read_picture
from lapel.tagger import EMBEDDING

WIDTH = 128
FOLDS = 5
PHONES_EVERY = 4  # of the phone photos, one in so many counts in the principal components
_BEFORE = "opinion/3.weight"  # the kernel behind the features of the network as it was
_SHARED = "0.layers.15.layers.0.weight"  # the kernel behind the last map that is shared
_SHARE = 0.5  # how much the shared map counts beside the features
_WHITE = 0.7  # the power of a component's spread that it is divided by
_ROOTS, _MAP, _ALL = f"{EMBEDDING}.roots", f"{EMBEDDING}.map", f"{EMBEDDING}.features"

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Products:
    """Pictures of shops: what the eyes see in each, and which show the same product."""

    features: Vectors
    groups: NDArray[np.intp]
    sources: NDArray[np.intp]  # collections, those that share pictures as one
    learned: NDArray[np.bool_]  # whether it may be learned from

    def folds(self) -> NDArray[np.intp]:
        """The fold in which each picture is judged: whole sources, those of most queries first."""
        load, fold = np.zeros(FOLDS), np.zeros(self.sources.max() + 1, np.intp)
        queries = np.bincount(self.sources[self.queries()], minlength=len(fold))
        for source in np.argsort(-queries, kind="stable"):
            fold[source] = load.argmin()
            load[fold[source]] += queries[source] + 0.1 * (self.sources == source).sum()
        found: NDArray[np.intp] = fold[self.sources]
        return found

    def queries(self) -> NDArray[np.intp]:
        """The pictures of whose product there is another view."""
        return np.flatnonzero(np.bincount(self.groups)[self.groups] > 1)


def main() -> None:
    """Judge by folds, fit on all, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wardrobe", type=Path)
    parser.add_argument("shop", type=Path)
    parser.add_argument("--work", type=Path, default=Path("work"), help="what was computed is kept here")
    parser.add_argument("--folds-only", action="store_true", help="judge, and write no model")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    path = SHIPPED / "photo.onnx"
    plain = with_features(without_embedding(onnx.load(path)))
    photographs = Photographs.read(arguments.wardrobe, arguments.shop)
    phones = [path for path, one in zip(photographs.paths, photographs.phone, strict=True) if one]
    shops = photographs.paths[len(phones) :]
    phone = kept(arguments.work / "embedding-phone.npy", lambda: see(plain, phones[::PHONES_EVERY]))
    shop = kept(arguments.work / "embedding-shop.npy", lambda: see(plain, shops))
    products = read_products(arguments.shop, np.array(shop, np.float32))
    judge(products, np.array(phone, np.float32))
    weight, bias = fit(np.concatenate([products.features[products.learned], phone]))
    if not arguments.folds_only:
        data = with_embedding(plain, weight, bias).SerializeToString(deterministic=True)
        write_atomic(path, data)
        print(f"{path.name}: {len(data):,} bytes")


def see(model: onnx.ModelProto, paths: list[Path]) -> NDArray[np.float16]:
    """The features (n, 1472) of photos, as the model with the output `_ALL` sees them."""
    session = open_session(Extractor(model).extract_model(["pictures"], [_ALL]).SerializeToString())
    parts = [
        session.run(None, {"pictures": np.stack([read_picture(path, SPEC) for path in paths[at : at + 32]])})
        for at in range(0, len(paths), 32)
    ]
    return np.concatenate([part for [part] in parts]).astype(np.float16)


def read_products(shop: Path, features: Vectors) -> Products:
    """What labels.csv says of the pictures. Collections that share a group count as one."""
    with (shop / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    # A picture of which no product is known is one of its own.
    groups = np.unique([row["group"] or row["file"] for row in rows], return_inverse=True)[1]
    sources = np.unique([row["collection"] for row in rows], return_inverse=True)[1]
    for group in range(groups.max() + 1):
        first, *others = np.unique(sources[groups == group])
        sources[np.isin(sources, others)] = first
    return Products(features, groups, sources, np.array([row["use"] == "train" for row in rows]))


def fit(features: Vectors) -> tuple[Vectors, Vectors]:
    """Weight (1472, 128) and bias: the first principal components of features, nearly white."""
    middle = features.mean(0)
    spread, axes = np.linalg.eigh(np.cov(features - middle, rowvar=False))
    matrix = axes[:, ::-1][:, :WIDTH] / np.sqrt(spread[::-1][:WIDTH]) ** _WHITE
    return matrix.astype(np.float32), (-middle @ matrix).astype(np.float32)


def in_eight_bits(weight: Vectors) -> tuple[NDArray[np.int8], Vectors]:
    """The weight in whole numbers, and what each column of them counts (1, 128)."""
    scale = np.abs(weight).max(0, keepdims=True) / 127
    return np.round(weight / scale).astype(np.int8), scale


def embed(features: Vectors, weight: Vectors, bias: Vectors) -> Vectors:
    """Unit vectors (n, 128)."""
    plain = features @ weight + bias
    unit: Vectors = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    return unit


def judge(products: Products, phone: Vectors) -> None:
    """Print how often the same product is found, by folds, and from when on two pictures are of one."""
    folds, queries = products.folds(), products.queries()
    within, among, half = (np.zeros(len(queries), np.intp) for _ in range(3))
    pairs: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []
    for number in range(FOLDS):
        some = products.learned & (folds != number)
        weight, bias = fit(np.concatenate([products.features[some], phone]))
        mine = folds[queries] == number
        vectors = embed(products.features, weight, bias)
        within[mine], among[mine] = missed(products, vectors, queries[mine])
        whole, scale = in_eight_bits(weight)
        rounded = embed(products.features, whole * scale, bias)
        half[mine] = missed(products, rounded, queries[mine])[0]
        pairs += pairs_of(products, vectors, folds == number)
    print(
        f"| {len(queries)} pictures with another view, sources left out | nearest | one of five |\n"
        "|---|---:|---:|"
    )
    learned = np.isin(products.sources, products.sources[products.learned])[queries]
    for name, wrong in (
        ("among its own source", within),
        (f"the same, of {(~learned).sum()} of sources never learned from", within[~learned]),
        ("the same, the matrix in eight bits", half),
        ("among all", among),
    ):
        print(f"| {name} | {_share(wrong < 1)} | {_share(wrong < 5)} |")
    alike, same = (np.concatenate(column) for column in zip(*pairs, strict=True))
    order = np.argsort(-alike)
    right = np.cumsum(same[order]) / np.arange(1, len(order) + 1)
    for goal in (0.99, 0.95):
        last = np.flatnonzero(right >= goal)
        at = last[-1] if len(last) else 0
        print(
            f"at most {1 - goal:.0%} wrong of {at + 1:,} pairs: from {alike[order[at]]:.3f}, "
            f"{same[order[: at + 1]].sum() / same.sum():.1%} of {same.sum():,} pairs"
        )


def missed(
    products: Products, vectors: Vectors, queries: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """How many pictures of other products are nearer than the same product: of its source, and of all."""
    alike = vectors[queries] @ vectors.T
    other = np.arange(len(vectors)) != queries[:, None]
    same = (products.groups == products.groups[queries][:, None]) & other
    best = np.where(same, alike, -9).max(1, keepdims=True)
    wrong = (alike > best) & ~same & other
    near = products.sources == products.sources[queries][:, None]
    return (wrong & near).sum(1), wrong.sum(1)


def pairs_of(
    products: Products, vectors: Vectors, some: NDArray[np.bool_]
) -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """The similarity of all pairs within each of these sources, and whether they show the same product."""
    found = []
    for source in np.unique(products.sources[some]):
        places = np.flatnonzero(products.sources == source)
        upper = np.triu_indices(len(places), 1)
        groups = products.groups[places]
        found.append(((vectors[places] @ vectors[places].T)[upper], (groups[:, None] == groups)[upper]))
    return found


def _share(right: NDArray[np.bool_]) -> str:
    low, high = wilson_interval(int(right.sum()), len(right))
    return f"{right.mean():.1%} ({low:.1%} to {high:.1%})"


def with_features(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with what an embedding is made of: roots of the features, and the shared map."""
    given = onnx.ModelProto()
    given.CopyFrom(model)
    graph = given.graph
    (features,) = (node.input[0] for node in graph.node if _BEFORE in node.input)
    (shared,) = (
        node.input[0]
        for node in graph.node
        if node.op_type == "Conv" and any(_SHARED in name for name in node.input)
    )
    graph.node.extend(
        [
            helper.make_node("Sqrt", [features], [f"{EMBEDDING}.sqrt"]),
            helper.make_node("LpNormalization", [f"{EMBEDDING}.sqrt"], [_ROOTS], axis=1, p=2),
            helper.make_node("GlobalAveragePool", [shared], [f"{EMBEDDING}.pooled"]),
            helper.make_node("Flatten", [f"{EMBEDDING}.pooled"], [f"{EMBEDDING}.flat"]),
            helper.make_node("LpNormalization", [f"{EMBEDDING}.flat"], [f"{EMBEDDING}.unit"], axis=1, p=2),
            helper.make_node("Mul", [f"{EMBEDDING}.unit", f"{EMBEDDING}.share"], [_MAP]),
            helper.make_node("Concat", [_ROOTS, _MAP], [_ALL], axis=1),
        ]
    )
    graph.initializer.append(numpy_helper.from_array(np.array(_SHARE, np.float32), f"{EMBEDDING}.share"))
    return onnx.shape_inference.infer_shapes(given)


def with_embedding(model: onnx.ModelProto, weight: Vectors, bias: Vectors) -> onnx.ModelProto:
    """The model with the output `embedding`; the matrix is kept in eight bits."""
    given = onnx.ModelProto()
    given.CopyFrom(model)
    graph = given.graph
    words = ("weight", "floats", "scale", "kernel", "bias", "plain")
    stored, floats, scale, kernel, middle, plain = (f"{EMBEDDING}.{word}" for word in words)
    graph.node.extend(
        [
            helper.make_node("Cast", [stored], [floats], to=TensorProto.FLOAT),
            helper.make_node("Mul", [floats, scale], [kernel]),
            helper.make_node("Gemm", [_ALL, kernel, middle], [plain]),
            helper.make_node("LpNormalization", [plain], [EMBEDDING], axis=1, p=2),
        ]
    )
    whole, steps = in_eight_bits(weight)
    arrays: dict[str, NDArray[Any]] = {stored: whole, scale: steps, middle: bias}
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    graph.output.append(helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, ["n", weight.shape[1]]))
    del graph.value_info[:]  # what the types of values in between are, which only makes the file larger
    onnx.checker.check_model(given, full_check=True)
    return given


def without_embedding(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model as it was before it had one."""
    given = onnx.ModelProto()
    given.CopyFrom(model)
    graph = given.graph
    nodes = [node for node in graph.node if not node.output[0].startswith(EMBEDDING)]
    kept_arrays = [one for one in graph.initializer if not one.name.startswith(EMBEDDING)]
    outputs = [one for one in graph.output if one.name != EMBEDDING]
    for part, left in ((graph.node, nodes), (graph.initializer, kept_arrays), (graph.output, outputs)):
        del part[:]
        part.extend(left)
    return given


if __name__ == "__main__":
    main()
