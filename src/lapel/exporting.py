"""From a run to a model: one ONNX file that is proved to answer as the run does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from .calibrate import Floats, threshold, usual_answers
from .card import Card
from .data.dataset import Dataset, Pictures, Split, evenly
from .data.registry import picture_spec
from .engines.load import load_engine
from .engines.onnx import to_onnx
from .engines.protocol import Engine, Network, Weights
from .engines.weights import PYTORCH_ENDINGS, from_pytorch, to_pytorch
from .errors import DataError, ModelError, RunError
from .files import write_atomic
from .metrics import Numbers, Probabilities, check_answers, wilson_interval
from .picture import PictureSpec
from .recipes.plan import plan
from .recipes.schema import Recipe
from .runs import Run, dataset_of, same_data
from .runtime import onnx_runtime
from .scaling import Scaling, fit_scaling
from .splits import split_of_run

_TOLERANCE = 1e-4  # in probability; rounding in another order stays two powers of ten below it
_PICTURES = 512
_GOAL = 0.95


@dataclass(frozen=True)
class _Bounds:
    """What is still the same answer: a difference between probabilities, and a share of the same labels."""

    difference: float
    agreement: float
    cause: str


_EXACT = _Bounds(_TOLERANCE, 1.0, "rounding")
_COMPACT = _Bounds(0.05, 0.99, "kernels of 8 bits")


@dataclass(frozen=True)
class Exported:
    """A model file, and how nearly it answers as its run does on `pictures` pictures."""

    path: Path
    bytes: int
    largest_difference: float  # between two probabilities
    agreement: float  # share of pictures with the same label
    pictures: int
    real: bool  # pictures of the run's dataset; drawn at random where that cannot be had
    card: Card | None = None  # of a model; weights alone and a Keras model have none


def export(
    run: Run,
    path: Path | str | None = None,
    *,
    overwrite: bool = False,
    dataset: Dataset | None = None,
    compact: bool = False,
    mirror: bool = False,
    goal: float = _GOAL,
) -> Exported:
    """Write a run as a model, to `path` or to the run's own `model.onnx`.

    A path that ends in .pth or .pt gets the weights alone, as a PyTorch state dict: in the order and the
    shapes of PyTorch's own layers. One that ends in .keras gets a Keras model, which takes the same pictures
    and gives the same probabilities.

    `compact` keeps kernels as int8, in a quarter of the size; with `mirror` the model asks the network about
    each picture and its mirror image, which takes twice as long, and is more often right where the network
    has learned from mirrored pictures (`augmentation.flip`), but less often where it has not. As such a model
    answers otherwise than the run, its card does not take over what the run reached.

    The model's confidence is first brought in line with how often it is right on validation pictures (by a
    temperature, or by a scale for each class where that is better), and the least score found from which at
    least the share `goal` of the labels is right; tags below it are not accepted, nor are those less sure
    than 99 % of the validation pictures, unless they are sure enough.
    What the model answers on these goes into its card, so that a service can tell when its photos are others.
    Without the run's dataset, which is loaded where it is not given, none of this is done.

    Then it is held against the run on pictures that it has not learned from: validation pictures, or
    pictures drawn at random without the dataset.

    Raises ModelError, and writes nothing, where model and run answer differently, where `path` exists and
    may not be overwritten, where `compact`, `mirror` or `goal` is asked for in another form than ONNX, or
    where the run's pictures are not square; RunError where the run holds no weights, or `dataset` is not the
    one that it was trained on.

    >>> export(open_run("cnn-1")).agreement  # doctest: +SKIP
    1.0
    """
    target = run.model_path if path is None else Path(path)
    if target.is_dir():
        raise ModelError(f"{target}: a folder; a model is a file.", f"Give a name: {target / 'model.onnx'}")
    if path is not None and target.exists() and not overwrite:
        raise ModelError(f"{target} exists already.", "Give another path, or allow it with --overwrite.")
    as_model = target.suffix not in (*PYTORCH_ENDINGS, ".keras")
    if not as_model and (compact or mirror or goal != _GOAL):
        raise ModelError(
            f"{target}: only a model in ONNX is made compact, asks about mirror images, or has a goal.",
            "Leave --compact, --mirror and --goal out, or give a path that ends in .onnx.",
        )
    card = card_of(run)
    if compact or mirror:
        card = replace(card, measured=())
    weights = run.weights()
    engine = run.engine()
    network = engine.build(run.recipe, card.picture.shape, len(card.class_names), weights)
    held = _held(run, dataset)
    scaling = Scaling()
    if as_model and held is not None:
        logarithms = _logarithms(engine, network, held.pictures, mirror)
        check_answers(np.exp(logarithms[0]), held.labels)
        scaling = fit_scaling(logarithms, held.labels)
        card = _calibrated(card, scaling, scaling.apply(logarithms), held.labels, goal)
    pictures = _noise(run, card) if held is None else held.pictures[evenly(len(held), _PICTURES)]
    expected = scaling.apply(_logarithms(engine, network, pictures, mirror))
    data, answers = _writer(target, mirror, compact)(run.recipe, weights, card, pictures)
    difference = float(np.abs(expected - answers).max())
    agreement = float(np.mean(expected.argmax(axis=1) == answers.argmax(axis=1)))
    bounds = _COMPACT if compact else _EXACT
    # Written so that a difference that is no number is refused, too.
    if not difference <= bounds.difference or agreement < bounds.agreement:
        raise ModelError(
            f"{run.name}: the model answers otherwise than the run: probabilities differ by up to "
            f"{difference:.2g} (at most {bounds.difference:g} is {bounds.cause}), labels agree on "
            f"{agreement:.1%} of {len(pictures)} pictures (at least {bounds.agreement:.0%} are asked for). "
            "Nothing was written.",
            "Export it without --compact."
            if compact
            else "This is a fault of Lapel or of a library; `pip install --upgrade onnxruntime` may help.",
        )
    write_atomic(target, data, elsewhere="Choose another place with --out.")
    shown = card if as_model else None
    return Exported(target, len(data), difference, agreement, len(pictures), held is not None, shown)


def card_of(run: Run) -> Card:
    """What the model of a run says of itself, from the run's own records."""
    environment = run.environment
    dataset = environment["dataset"]
    return Card(
        name=run.recipe.name,
        class_names=tuple(dataset["class_names"]),
        picture=_picture_spec(dataset),
        measured=tuple(_result(dataset["name"], look) for look in _last_looks(run.looks)),
        made={
            "recipe": run.recipe.name,
            "engine": f"{environment['engine']['name']} {environment['engine']['version']}",
            "lapel": environment["lapel"],
            "seed": environment["seed"],
            "split_seed": run.split_seed,
            "dataset": dataset["name"],
            "fingerprint": dataset["fingerprint"],
            "date": environment["started"],
            **_start(environment),
        },
    )


def _start(environment: dict[str, Any]) -> dict[str, str]:
    """What the run started from, by its name alone: a model goes where its maker's folders do not."""
    return {"start": Path(environment["start"]["from"]).name} if "start" in environment else {}


def _picture_spec(dataset: dict[str, Any]) -> PictureSpec:
    """How a photograph becomes a picture like those that the run has learned from."""
    if dataset["picture"]:
        return PictureSpec.from_dict(dataset["picture"])
    return picture_spec(dataset["name"], tuple(dataset["shape"]), tuple(dataset["class_names"]))


def _last_looks(looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The latest look at each split."""
    return list({look["split"]: look for look in looks}.values())


def _result(dataset: str, look: dict[str, Any]) -> dict[str, Any]:
    right, pictures = round(look["accuracy"] * look["pictures"]), look["pictures"]
    return {
        "dataset": dataset,
        "split": look["split"],
        "accuracy": look["accuracy"],
        "interval": list(wilson_interval(right, pictures)),
        "pictures": pictures,
    }


def _held(run: Run, dataset: Dataset | None) -> Split | None:
    """The validation pictures, where they can be had."""
    if dataset is None:
        try:
            dataset = dataset_of(run)
        except (DataError, RunError):
            return None
    return split_of_run(run, same_data(run, dataset), "validation")


def _noise(run: Run, card: Card) -> Pictures:
    random = np.random.default_rng(run.environment["seed"])
    return random.integers(0, 256, (_PICTURES, *card.picture.shape), dtype=np.uint8)


def _logarithms(engine: Engine, network: Network, pictures: Pictures, mirror: bool) -> Floats:
    """What the run answers as logarithms (views, n, classes): to the pictures, and to their mirror images."""
    views = [pictures, np.ascontiguousarray(pictures[:, :, ::-1])] if mirror else [pictures]
    answers = np.stack([engine.probabilities(network, view) for view in views])
    # Not below the smallest number, and so that what is no number stays none.
    return np.log(np.maximum(answers, np.finfo(np.float32).tiny))


def _calibrated(card: Card, scaling: Scaling, shares: Probabilities, labels: Numbers, goal: float) -> Card:
    """The card with the scaling and the least accepted score that validation pictures ask for.

    And with what the model answers on them: `shares` (n, classes).
    """
    scores, answers = shares.max(axis=1), shares.argmax(axis=1)
    accept = threshold(scores, answers == labels, goal)
    measured = card.measured
    if scaling.method.startswith("vector"):
        # Where classes are scaled by themselves the likeliest may be another one than the run's.
        accuracy = float(np.mean(answers == labels))
        look = {"split": "validation", "accuracy": accuracy, "pictures": len(labels)}
        measured = (_result(str(card.made["dataset"]), look),)
    return replace(
        card,
        measured=measured,
        temperature=scaling.temperature,
        accept=accept,
        usual=usual_answers(card.class_names, answers, scores >= accept),
        calibration=scaling.to_dict(),
    )


def _writer(
    target: Path, mirror: bool, compact: bool
) -> Callable[[Recipe, Weights, Card, Pictures], tuple[bytes, Probabilities]]:
    if target.suffix == ".keras":
        return _as_keras
    if target.suffix in PYTORCH_ENDINGS:
        return _as_pytorch
    return partial(_as_onnx, mirror=mirror, compact=compact)


def _as_onnx(
    recipe: Recipe, weights: Weights, card: Card, pictures: Pictures, *, mirror: bool, compact: bool
) -> tuple[bytes, Probabilities]:
    """The model as bytes, and what these bytes answer."""
    model = to_onnx(recipe, weights, card, mirror=mirror, compact=compact)
    data: bytes = model.SerializeToString(deterministic=True)
    session = onnx_runtime().InferenceSession(data, providers=["CPUExecutionProvider"])
    (answers,) = session.run(["probabilities"], {"pictures": np.ascontiguousarray(pictures)})
    return data, answers


def _as_pytorch(
    recipe: Recipe, weights: Weights, card: Card, pictures: Pictures
) -> tuple[bytes, Probabilities]:
    """The state dict as bytes, and what a network answers that was given these bytes."""
    torch = load_engine("torch")
    shape, classes = card.picture.shape, len(card.class_names)
    steps = plan(recipe, shape, classes)
    data = torch.to_pth(to_pytorch(weights, steps))
    again = from_pytorch(torch.read_pth(BytesIO(data), "the state dict"), steps, "the state dict")
    return data, torch.probabilities(torch.build(recipe, shape, classes, again), pictures)


def _as_keras(
    recipe: Recipe, weights: Weights, card: Card, pictures: Pictures
) -> tuple[bytes, Probabilities]:
    """The Keras model as bytes, and what a network answers that was given these bytes."""
    keras = load_engine("keras")
    shape, classes = card.picture.shape, len(card.class_names)
    data = keras.pack(recipe, shape, classes, weights)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(data)
        again = keras.unpack(path, recipe, shape, classes)
    return data, keras.probabilities(keras.build(recipe, shape, classes, again), pictures)
