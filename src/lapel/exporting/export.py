"""A run or a model in any form, proved to answer alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..card import Card
from ..data import Progress
from ..data.dataset import Dataset, Pictures
from ..engines.weights import PYTORCH_ENDINGS
from ..errors import ModelError
from ..files import write_atomic
from ..metrics import Probabilities
from ..model_file import read_model
from ..place import bytes_of, require_free, staged
from ..runs import Run
from ..tagger import tagger_of
from .form import Form, Source
from .forms import ONNX, form_called
from .from_run import GOAL, ModelOfRun, model_of_run
from .onnx_session import BATCH, ask_onnx, in_batches
from .parity import compare_answers, require_parity
from .pictures import drawn_pictures, pictures_of_model


@dataclass(frozen=True)
class Exported:
    """A model file, and how nearly it answers as its run does on `pictures` pictures.

    Of another form than ONNX: how nearly it answers as the model in ONNX does.
    """

    path: Path
    bytes: int
    largest_difference: float  # between two probabilities
    agreement: float  # share of pictures with the same label
    pictures: int
    real: bool  # pictures of the run's dataset; drawn at random where that cannot be had
    card: Card | None = None  # of a model; weights alone and a Keras model have none


def export(
    source: Run | str | Path,
    path: Path | str | None = None,
    *,
    to: str = ONNX,
    overwrite: bool = False,
    dataset: Dataset | None = None,
    compact: bool = False,
    mirror: bool = False,
    goal: float = GOAL,
    progress: Progress | None = None,
) -> Exported:
    """Write a run as a model, to `path` or to its own `model.onnx`; or a run or a model in another form.

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

    Then it is held against the run on pictures that it has not learned from: all validation pictures, or
    pictures drawn at random without the dataset.

    `to` names another form ("onnx-int8", "openvino", "c", …), made from that model and held against it in
    turn, on the same pictures, or on drawn garments. Then `source` may be a model, too, by its name or path.
    What is not said of `path` is the run's folder, or for a model the current one.

    Raises ModelError, and writes nothing but the picture on which they differ most, where one answers
    otherwise than the other, where the form lacks an operation, where `path` exists and may not be
    overwritten, where `compact`, `mirror` or `goal` is asked for in a form that has none, or where the run's
    pictures are not square; RunError where the run holds no weights, or `dataset` is not the one that it was
    trained on; MissingExtra where the form needs what is not installed.

    >>> export(open_run("cnn-1")).agreement  # doctest: +SKIP
    1.0
    >>> export("fashion-mnist", to="onnx-int8").path  # doctest: +SKIP
    PosixPath('fashion-mnist.int8.onnx')
    """
    if to == ONNX:
        if not isinstance(source, Run):
            raise ModelError(f"{source} is a model in ONNX already.", "Name another form with --to.")
        target = source.model_path if path is None else Path(path)
        require_free(target, overwrite or path is None, folder=False)
        made = model_of_run(source, target, dataset=dataset, compact=compact, mirror=mirror, goal=goal)
        write_atomic(target, made.data, elsewhere="Choose another place with --out.")
        card = None if target.suffix in (*PYTORCH_ENDINGS, ".keras") else made.card
        parity = made.parity
        return Exported(
            target, len(made.data), parity.difference, parity.agreement, len(made.pictures), made.real, card
        )
    form = form_called(to)
    form.require_extra()
    if compact:
        raise ModelError(
            "--compact is for the form onnx: it keeps kernels as 8-bit numbers, and computes in floats.",
            "Leave it out; --to onnx-int8 computes in 8-bit numbers.",
        )
    target = _target(source, form) if path is None else Path(path)
    require_free(target, overwrite, form.folder)
    if isinstance(source, Run):
        model = model_of_run(source, target.with_suffix(".onnx"), dataset=dataset, mirror=mirror, goal=goal)
        basis, real = _source_of_run(source, model), model.real
    else:
        if mirror or goal != GOAL:
            raise ModelError(
                "--mirror and --goal are for a run; a model has what it was exported with.", "Give the run."
            )
        basis, real = source_of_model(source, dataset, progress)
    return write_form(form, basis, target, real, progress)


def write_form(
    form: Form, source: Source, target: Path, real: bool, progress: Progress | None = None
) -> Exported:
    """Write a form to `target`, hold it against the model that it is made from, and only then put it there.

    `real` says whether the pictures are validation pictures. Raises as `export` does.
    """
    count = len(source.pictures)
    tell = progress or _silent
    with staged(target) as made:
        tell(f"Writing {form.name}", 0, None)
        bounds = form.write(source, made) or form.bounds
        expected = _ask(ask_onnx(source.data), source.pictures, "Asking the model", tell)
        answers = _ask(form.open(made), source.pictures, f"Asking {form.name}", tell)
        parity = compare_answers(expected, answers)
        what = f"{source.name}: as {form.name} it answers otherwise than the model"
        require_parity(parity, bounds, source.pictures, target, what, form.hint)
        size = bytes_of(made)
    return Exported(target, size, parity.difference, parity.agreement, count, real, source.card)


def source_of_model(
    model: str | Path, dataset: Dataset | None = None, progress: Progress | None = None
) -> tuple[Source, bool]:
    """A model as the source of other forms, and whether its pictures are validation pictures."""
    file, data = read_model(model)
    tagger = tagger_of(data, str(file))
    pictures, real = pictures_of_model(tagger, dataset, progress)
    return Source(file.stem, data, tagger.card, pictures), real


def _source_of_run(run: Run, model: ModelOfRun) -> Source:
    # Noise serves to hold an engine against another, not to find the ranges of what flows in a network.
    pictures = model.pictures if model.real else drawn_pictures(model.card.picture.shape)
    return Source(run.name, model.data, model.card, pictures)


def _target(source: Run | str | Path, form: Form) -> Path:
    if isinstance(source, Run):
        return source.path / f"model{form.ending}"
    return Path(f"{Path(source).name.removesuffix('.onnx')}{form.ending}")


def _ask(
    ask: Callable[[Pictures], Probabilities], pictures: Pictures, what: str, tell: Progress
) -> Probabilities:
    """Ask about all pictures, and tell how far it is."""
    done = 0

    def counted(part: Pictures) -> Probabilities:
        nonlocal done
        answers = ask(part)
        done += len(part)
        tell(what, done, len(pictures))
        return answers

    return in_batches(counted, pictures, BATCH)


def _silent(what: str, done: int, count: int | None) -> None:
    """Progress that nobody watches."""
