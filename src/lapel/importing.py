"""What was trained elsewhere -> a run or a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from .card import Card
from .data import Progress, load_data
from .data.dataset import Dataset, Split, evenly
from .data.registry import picture_spec
from .engines.load import load_engine
from .engines.onnx import to_onnx
from .engines.protocol import Weights
from .engines.weights import PYTORCH_ENDINGS, fitted, from_pytorch, read_weights
from .environment import environment, now
from .errors import ModelError
from .files import file_errors
from .importers import candidates as ways
from .importers.candidates import PIXELS, SCALINGS, UNIT, Candidate, Scaling
from .importers.network import ImportedNetwork, in_batches
from .importers.onnx_file import free_batch, open_session
from .importers.read import read_network
from .importers.wrap import card_for, wrap_graph, write_model
from .metrics import Numbers, Probabilities
from .picture import PictureSpec
from .recipes.load import load_recipe
from .recipes.plan import plan
from .recipes.schema import Normalise, Recipe
from .runs import Run, new_run

_WEIGHTS = (*PYTORCH_ENDINGS, ".safetensors")
_VALIDATION = 0.1  # of the training pictures, as the recipes have it
_PICTURES = 2000  # more would take longer and say hardly more


@dataclass(frozen=True)
class Imported:
    """What became of a file: a run, or a model (then `run` is None), at `path`.

    `candidates` are the ways of handing pictures over that were tried on `pictures` validation pictures of
    `dataset`; `chosen` is one of them. `test` says whether the dataset has test pictures, too.
    """

    path: Path
    run: Run | None
    candidates: tuple[Candidate, ...]
    chosen: Candidate
    pictures: int
    dataset: str
    test: bool


def import_model(
    file: str | Path,
    recipe: Recipe | str | Path | None = None,
    dataset: Dataset | str | Path = "fashion-mnist",
    *,
    path: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    layout: str | None = None,
    scaling: str | None = None,
    size: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Make a run or a model of what was trained elsewhere. Nothing in the file is run.

    A whole network (.keras, .h5, .onnx, the folder of a SavedModel) becomes a model. The weights in a .pth,
    .pt or .safetensors file become a run of `recipe`; where they want pictures scaled otherwise than 0 to 1,
    as only a model can, or where `path` ends in .onnx, a model too. Weights are matched by name where the
    names agree, else in their order.

    `layout` (hw, hwc, chw, flat) and `scaling` (0-255, 0-1, MEAN/STD) are found by trying them on the
    validation pictures of `dataset`, where they are not given. `class_names` are the network's own, in its
    order; they are the dataset's if not given.

    Where `dataset` is a path to photographs, they become pictures of the size and the colours that the file
    asks for; `size` says so where it takes any. `progress` is called as `load_data` says.

    Raises ModelError where the file could run code, does not fit the pictures, the classes or the recipe,
    or answers no better than by guessing; also where `path` exists and may not be overwritten.

    >>> import_model("tutorial.keras").path  # doctest: +SKIP
    PosixPath('tutorial.onnx')
    """
    file = Path(file)
    target = Path(path) if path is not None else None
    asked = [ways.read_scaling(scaling)] if scaling is not None else None
    if file.suffix.casefold() in _WEIGHTS:
        if recipe is None:
            raise ModelError(
                f"{file}: holds weights alone, and does not say of which network.",
                "Name the recipe with the same layers: --recipe cnn. `lapel recipes` lists them.",
            )
        if class_names is not None or layout is not None:
            raise ModelError(
                "With a recipe, the recipe says the layout and the dataset names the classes.",
                "Leave --layout and --classes out.",
            )
        chosen_recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
        given = _read(file)
        pictures = _load(dataset, PictureSpec(size or PictureSpec().size, _channels(given)), progress)
        return _of_weights(file, given, chosen_recipe, pictures, target, asked, overwrite)
    if recipe is not None:
        raise ModelError(
            f"{file}: a recipe goes with weights alone ({', '.join(_WEIGHTS)}).",
            "Leave --recipe out: this file says its network itself.",
        )
    target = _model_path(file, target, overwrite)
    network = read_network(file)
    said = ways.read_layout(layout) if layout is not None else None
    spec = ways.picture_of(network, size)
    pictures = _load(dataset, spec or PictureSpec(), progress)
    if spec is None and not isinstance(dataset, Dataset) and pictures.picture is not None:
        raise ModelError(
            f"{file}: takes pictures of any size, and {pictures.name}'s photographs can become any.",
            "Say the size of those that it has learned from, such as --size 64.",
        )
    return _of_network(network, pictures, target, class_names, said, asked)


def _of_network(
    network: ImportedNetwork,
    dataset: Dataset,
    target: Path,
    class_names: Sequence[str] | None,
    layout: ways.Layout | None,
    asked: list[Scaling] | None,
) -> Imported:
    """A whole network -> a model."""
    names = _names(class_names, dataset)
    held = dataset.split(_VALIDATION, 0)[1]
    pictures = held.take(evenly(len(held), _PICTURES))
    labels = _labels(pictures.labels, dataset.class_names, names)
    spec = dataset.picture or picture_spec(dataset.name, dataset.shape, dataset.class_names)
    if network.whole_numbers and asked and asked != [PIXELS]:
        raise ModelError(
            f"{network.source}: takes whole numbers ({network.number}), so no scaling but 0-255 goes.",
            "Leave --scaling out.",
        )
    scalings = asked or ([PIXELS] if network.whole_numbers else SCALINGS)

    def ask(layout: ways.Layout, scaling: Scaling) -> Probabilities:
        return network.ask(scaling(ways.lay_out(pictures.pictures, layout)))

    found = ways.try_ways(
        ask,
        list(product(ways.layouts(network, dataset.shape, layout), scalings)),
        dataset.shape,
        labels,
        len(names),
        network.source,
    )
    chosen = ways.best(found, len(pictures))
    if asked is None and ways.guesses(chosen, len(names)):
        raise ModelError(
            f"{network.source}: none of the {len(found)} candidates gives more than {chosen.accuracy:.1%} of "
            f"{len(labels):,} validation pictures of {dataset.name}, hardly more than guessing.",
            "Say how its pictures were made with --layout and --scaling, and its classes, in its own order, "
            "with --classes.",
        )
    answers = ask(chosen.layout, chosen.scaling)
    if class_names is None and (order := ways.other_order(answers, labels)):
        raise ModelError(
            f"{network.source}: answers as if its classes were in another order than {dataset.name}'s.",
            f'Name them in its own order: --classes "{",".join(names[place] for place in order)}"',
        )
    card = card_for(network.source, network.form, names, spec, dataset, chosen, len(labels))
    graph = free_batch(network.graph(chosen.shape), chosen.shape, network.source)
    expected = ways.probabilities(answers, chosen.ending)
    write_model(
        wrap_graph(graph, chosen, card, network.source), target, pictures.pictures, expected, network.source
    )
    return Imported(target, None, tuple(found), chosen, len(pictures), dataset.name, dataset.test is not None)


def _of_weights(
    file: Path,
    given: Weights,
    recipe: Recipe,
    dataset: Dataset,
    target: Path | None,
    asked: list[Scaling] | None,
    overwrite: bool,
) -> Imported:
    """Weights and a recipe -> a run, or a model where no run can hold what the weights want."""
    as_model = target is not None and target.suffix == ".onnx"
    if as_model:
        target = _model_path(file, target, overwrite)
    classes = len(dataset.class_names)
    steps = plan(recipe, dataset.shape, classes)
    ours = file.suffix.casefold() not in PYTORCH_ENDINGS
    try:
        weights = fitted(given if ours else from_pytorch(given, steps, str(file)), steps, str(file))
    except ModelError as error:
        if dataset.picture is None:
            raise
        size = dataset.picture.size
        more = f" Or say with --size which pictures they have learned from: these are {size}×{size}."
        raise ModelError(error.message, error.hint + more) from error
    held = dataset.split(recipe.training.validation, 0)[1]
    pictures = held.take(evenly(len(held), _PICTURES))
    spec = dataset.picture or picture_spec(dataset.name, dataset.shape, dataset.class_names)
    bare = Card(recipe.name, dataset.class_names, spec)

    def ask(_: ways.Layout, scaling: Scaling) -> Probabilities:
        model = to_onnx(_scaled_by(recipe, scaling), weights, bare)
        session = open_session(model, str(file))
        return in_batches(lambda part: session.run(None, {"pictures": part})[0], pictures.pictures)

    found = ways.try_ways(
        ask,
        [("chw", scaling) for scaling in asked or SCALINGS],
        dataset.shape,
        pictures.labels,
        classes,
        str(file),
    )
    chosen = ways.best(found, len(pictures))
    if asked is None:
        own = found[SCALINGS.index(UNIT)]
        better = (chosen.accuracy or 0.0) > (own.accuracy or 0.0)
        # The recipe has its pictures 0-1: it takes more than a lower loss to say otherwise.
        if ways.guesses(chosen, classes) or not better:
            chosen = own
    if chosen.scaling == UNIT and not as_model:
        run = _run(file, _scaled_by(recipe, UNIT), dataset, held, weights, target)
        return Imported(
            run.path, run, tuple(found), chosen, len(pictures), dataset.name, dataset.test is not None
        )
    if target is not None and not as_model:
        raise ModelError(
            f"{file}: these weights want pictures scaled {chosen.scaling.name}, but a run's are 0-1.",
            "A model can hold them: give --out FILE.onnx.",
        )
    target = _model_path(file, target, overwrite)
    card = card_for(str(file), "weights", dataset.class_names, spec, dataset, chosen, len(pictures))
    model = to_onnx(_scaled_by(recipe, chosen.scaling), weights, card)
    write_model(model, target, pictures.pictures, ask(chosen.layout, chosen.scaling), str(file))
    return Imported(target, None, tuple(found), chosen, len(pictures), dataset.name, dataset.test is not None)


def _scaled_by(recipe: Recipe, scaling: Scaling) -> Recipe:
    return recipe.model_copy(update={"normalise": Normalise(zero=scaling.zero, span=scaling.span)})


def _run(
    file: Path, recipe: Recipe, dataset: Dataset, held: Split, weights: Weights, path: Path | None
) -> Run:
    engine = load_engine("torch")
    shape, classes = dataset.shape, len(dataset.class_names)
    network = engine.build(recipe, shape, classes, weights)
    right = float((engine.probabilities(network, held.pictures).argmax(1) == held.labels).mean())
    facts = environment(
        recipe,
        dataset,
        held,
        engine={"name": "torch", **engine.about()},
        device="cpu",
        precision="fp32",
        threads=1,
        seed=0,
    )
    run = new_run(recipe, {**facts, "imported": file.name}, path)
    run.adopt(engine.pack(recipe, shape, classes, weights))
    run.finish(
        {
            "epochs": 0,
            "stopped": "imported",
            "kept_epoch": 0,
            "validation_accuracy": right,
            "seconds": 0.0,
            "finished": now(),
        }
    )
    return run


def _read(file: Path) -> Weights:
    if file.suffix.casefold() == ".safetensors":
        return read_weights(file)[0]
    with file_errors(file), file.open("rb") as opened:
        return load_engine("torch").read_pth(opened, str(file))


def _load(dataset: Dataset | str | Path, spec: PictureSpec, progress: Progress | None) -> Dataset:
    """The dataset, its photographs made into what `spec` says."""
    if isinstance(dataset, Dataset):
        return dataset
    return load_data(dataset, photographs=spec, progress=progress)


def _channels(weights: Weights) -> int:
    """Of the pictures that a network with these weights takes: its first kernel tells, where that is one."""
    kernels = [array.shape for array in weights.values() if array.ndim == 4]
    return 3 if kernels and kernels[0][1] == 3 else 1


def _names(class_names: Sequence[str] | None, dataset: Dataset) -> tuple[str, ...]:
    if class_names is None:
        return dataset.class_names
    names = tuple(class_names)
    if len(names) != len(dataset.class_names):
        raise ModelError(
            f"{len(names)} class names were given; {dataset.name} has {len(dataset.class_names)} classes.",
            "Name every class, or give the dataset that the network was trained for with --data.",
        )
    if len(set(names)) < len(names) or not all(name.strip() and name.isprintable() for name in names):
        raise ModelError("Every class needs a printable name of its own.", f"Given: {', '.join(names)}")
    return names


def _labels(labels: Numbers, known: tuple[str, ...], names: tuple[str, ...]) -> Numbers:
    """The labels by the network's own order of the classes, where it names the same ones."""
    if set(names) != set(known):
        return labels
    return np.array([names.index(name) for name in known])[labels]


def _model_path(file: Path, target: Path | None, overwrite: bool) -> Path:
    """Where the model goes: as asked, or under the file's own name into the working folder."""
    if target is None:
        name = file.resolve().name if file.is_dir() else file.stem
        target = Path(f"{name}.onnx")
        if target.resolve() == file.resolve():
            target = Path(f"{name}-lapel.onnx")
    if target.suffix != ".onnx" or target.is_dir():
        raise ModelError(
            f"{target}: not a name for a model, which is one .onnx file.", "Give --out FILE.onnx."
        )
    if target.exists() and not overwrite:
        raise ModelError(
            f"{target} exists already.", "Give another name with --out, or allow it with --overwrite."
        )
    return target
