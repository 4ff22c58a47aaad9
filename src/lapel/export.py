"""From a run to a model: one ONNX file that is proved to answer as the run does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from .card import Card
from .data.catalog import picture_spec
from .data.dataset import Dataset, Pictures
from .engines import Weights, load_engine
from .engines.onnx import to_onnx
from .engines.weights import PYTORCH_ENDINGS, from_pytorch, to_pytorch
from .errors import DataError, ModelError, RunError
from .evaluate import held_out
from .files import write_atomic
from .metrics import Probabilities, wilson_interval
from .picture import PictureSpec
from .recipes.plan import plan
from .recipes.schema import Recipe
from .runs import Run, dataset_of, same_data

_TOLERANCE = 1e-4  # in probability; rounding in another order stays two powers of ten below it
_PICTURES = 512


@dataclass(frozen=True)
class Exported:
    """A model file, and how nearly it answers as its run does on `pictures` pictures."""

    path: Path
    bytes: int
    largest_difference: float  # between two probabilities
    agreement: float  # share of pictures with the same label
    pictures: int
    real: bool  # pictures of the run's dataset; drawn at random where that cannot be had


def export(
    run: Run, path: Path | str | None = None, *, overwrite: bool = False, dataset: Dataset | None = None
) -> Exported:
    """Write a run as a model, to `path` or to the run's own `model.onnx`.

    A path that ends in .pth or .pt gets the weights alone, as a PyTorch state dict: in the order and the
    shapes of PyTorch's own layers. One that ends in .keras gets a Keras model, which takes the same pictures
    and gives the same probabilities.

    The model is first held against the run on pictures that it has not learned from: of the run's dataset,
    which is loaded where it is not given, or drawn at random where it cannot be had.

    Raises ModelError, and writes nothing, where model and run answer differently, where `path` exists and
    may not be overwritten, or where the run's pictures are not square; RunError where the run holds no
    weights, or `dataset` is not the one that it was trained on.

    >>> export(open_run("cnn-1")).agreement  # doctest: +SKIP
    1.0
    """
    target = run.model_path if path is None else Path(path)
    if target.is_dir():
        raise ModelError(f"{target}: a folder; a model is a file.", f"Give a name: {target / 'model.onnx'}")
    if path is not None and target.exists() and not overwrite:
        raise ModelError(f"{target} exists already.", "Give another path, or allow it with --overwrite.")
    card = card_of(run)
    weights = run.weights()
    engine = run.engine()
    network = engine.build(run.recipe, card.picture.shape, len(card.class_names), weights)
    pictures, real = _pictures(run, card, dataset)
    expected = engine.probabilities(network, pictures)
    data, answers = _writer(target)(run.recipe, weights, card, pictures)
    difference = float(np.abs(expected - answers).max())
    agreement = float(np.mean(expected.argmax(axis=1) == answers.argmax(axis=1)))
    # Written so that a difference that is no number is refused, too.
    if not difference <= _TOLERANCE or agreement < 1:
        raise ModelError(
            f"{run.name}: the model answers otherwise than the run: probabilities differ by up to "
            f"{difference:.2g} (at most {_TOLERANCE:g} is rounding), labels agree on {agreement:.1%} of "
            f"{len(pictures)} pictures. Nothing was written.",
            "This is a fault of Lapel or of a library; `pip install --upgrade onnxruntime` may help.",
        )
    write_atomic(target, data)
    return Exported(target, len(data), difference, agreement, len(pictures), real)


def card_of(run: Run) -> Card:
    """What the model of a run says of itself, from the run's own records."""
    environment = run.environment
    dataset = environment["dataset"]
    return Card(
        name=run.recipe.name,
        class_names=tuple(dataset["class_names"]),
        picture=_picture_spec(dataset),
        measured=tuple(_measured(dataset["name"], look) for look in _last_looks(run.looks)),
        made={
            "recipe": run.recipe.name,
            "engine": f"{environment['engine']['name']} {environment['engine']['version']}",
            "lapel": environment["lapel"],
            "seed": environment["seed"],
            "dataset": dataset["name"],
            "fingerprint": dataset["fingerprint"],
            "date": environment["started"],
        },
    )


def _picture_spec(dataset: dict[str, Any]) -> PictureSpec:
    """How a photograph becomes a picture like those that the run has learned from."""
    if dataset["picture"]:
        return PictureSpec.from_dict(dataset["picture"])
    return picture_spec(dataset["name"], tuple(dataset["shape"]), tuple(dataset["class_names"]))


def _last_looks(looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The latest look at each split."""
    return list({look["split"]: look for look in looks}.values())


def _measured(dataset: str, look: dict[str, Any]) -> dict[str, Any]:
    right, pictures = round(look["accuracy"] * look["pictures"]), look["pictures"]
    return {
        "dataset": dataset,
        "split": look["split"],
        "accuracy": look["accuracy"],
        "interval": list(wilson_interval(right, pictures)),
        "pictures": pictures,
    }


def _pictures(run: Run, card: Card, dataset: Dataset | None) -> tuple[Pictures, bool]:
    """Pictures to compare on: spread over the validation pictures, or noise where there are none."""
    if dataset is None:
        try:
            dataset = dataset_of(run)
        except (DataError, RunError):
            random = np.random.default_rng(run.environment["seed"])
            return random.integers(0, 256, (_PICTURES, *card.picture.shape), dtype=np.uint8), False
    pictures = held_out(run, same_data(run, dataset), "validation").pictures
    places = np.linspace(0, len(pictures) - 1, min(_PICTURES, len(pictures))).astype(np.intp)
    return pictures[places], True


def _writer(target: Path) -> Callable[[Recipe, Weights, Card, Pictures], tuple[bytes, Probabilities]]:
    if target.suffix == ".keras":
        return _as_keras
    return _as_pytorch if target.suffix in PYTORCH_ENDINGS else _as_onnx


def _as_onnx(recipe: Recipe, weights: Weights, card: Card, pictures: Pictures) -> tuple[bytes, Probabilities]:
    """The model as bytes, and what these bytes answer."""
    import onnxruntime

    data: bytes = to_onnx(recipe, weights, card).SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
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
