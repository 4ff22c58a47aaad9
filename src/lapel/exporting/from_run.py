"""From a run to a model: calibrated on validation pictures, written, and held against the run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..calibrate import Floats, threshold, usual_answers
from ..card import Card
from ..data.dataset import Dataset, Pictures, Split
from ..engines.load import load_engine
from ..engines.onnx import to_onnx
from ..engines.protocol import Engine, Network, Weights
from ..engines.weights import PYTORCH_ENDINGS, from_pytorch, to_pytorch
from ..errors import DataError, ModelError, RunError
from ..metrics import Numbers, Probabilities, check_answers
from ..recipes.plan import plan
from ..recipes.schema import Recipe
from ..runs import Run, dataset_of, same_data
from ..scaling import Scaling, fit_scaling
from ..splits import split_of_run
from .onnx_session import ask_onnx, in_batches
from .parity import COMPACT, EXACT, Parity, compare_answers, require_parity
from .run_card import card_of, result_of

GOAL = 0.95
_NOISE = 512  # pictures, where there are no others

# The file as bytes, and what a network answers that was made from these bytes.
_Write: TypeAlias = Callable[[Recipe, Weights, Card, Pictures], tuple[bytes, Probabilities]]


@dataclass(frozen=True)
class ModelOfRun:
    """A run's model as bytes, how nearly it answers as the run does, and on which pictures."""

    data: bytes
    card: Card
    parity: Parity
    pictures: Pictures
    real: bool  # of the run's own dataset; drawn at random where that cannot be had


def model_of_run(
    run: Run,
    target: Path,
    *,
    dataset: Dataset | None = None,
    compact: bool = False,
    mirror: bool = False,
    goal: float = GOAL,
) -> ModelOfRun:
    """The bytes of a run's model, which may be written to `target`. Raises as `export` does."""
    as_model = target.suffix not in (*PYTORCH_ENDINGS, ".keras")
    if not as_model and (compact or mirror or goal != GOAL):
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
    pictures = _noise(run, card) if held is None else held.pictures
    logarithms = _logarithms(engine, network, pictures, mirror)
    scaling = Scaling()
    if as_model and held is not None:
        check_answers(np.exp(logarithms[0]), held.labels)
        scaling = fit_scaling(logarithms, held.labels)
        card = _calibrated(card, scaling, scaling.apply(logarithms), held.labels, goal)
    data, answers = _writer(target, mirror, compact)(run.recipe, weights, card, pictures)
    parity = compare_answers(scaling.apply(logarithms), answers)
    require_parity(
        parity,
        COMPACT if compact else EXACT,
        pictures,
        target,
        f"{run.name}: the model answers otherwise than the run",
        "Export it without --compact."
        if compact
        else "This is a fault of Lapel or of a library; `pip install --upgrade onnxruntime` may help.",
    )
    return ModelOfRun(data, card, parity, pictures, held is not None)


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
    return random.integers(0, 256, (_NOISE, *card.picture.shape), dtype=np.uint8)


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
        measured = (result_of(str(card.made["dataset"]), look),)
    return replace(
        card,
        measured=measured,
        temperature=scaling.temperature,
        accept=accept,
        usual=usual_answers(card.class_names, answers, scores >= accept),
        calibration=scaling.to_dict(),
    )


def _writer(target: Path, mirror: bool, compact: bool) -> _Write:
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
    return data, in_batches(ask_onnx(data), pictures)


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
