"""A run or a model and a dataset -> report: how well it answers pictures it has not learned from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from . import metrics
from .by_group import Judged, grouped
from .choice import caution, kept_by
from .data import Progress, load_data
from .data.dataset import Dataset, Pictures, Split
from .errors import DataError, ModelError, RunError
from .judgement import Look, Report, judge
from .model_file import shipped_models
from .runs import Run, dataset_of, open_run, same_data
from .splits import SplitName, dataset_of_model, places_of_run, split_of_model, split_of_run
from .tagger import Tagger, load_tagger

_BATCH = 256  # pictures handed to a model at once


def evaluate(
    judged: Run | Tagger | str | Path,
    *,
    split: SplitName = "validation",
    dataset: Dataset | None = None,
    progress: Progress | None = None,
) -> Report:
    """Judge a run or a model on validation pictures, or on the test pictures.

    `judged` may be the name or path of a run, the path of a model file, or the name of a model that comes
    with Lapel. The validation pictures of a run are those that were held out from its training; those of a
    model the tenth that a training with its seed would hold out. A model that takes pictures of another shape
    sees them as it would see photos. Without `dataset` the run's own is loaded, or that of the model's card.
    The probabilities are kept in the run, so that a comparison or a report needs no engine, and every look is
    written down.

    Raises RunError where the run holds no weights yet, where the dataset is not the one that the run was
    trained on, or where it has no such pictures; ModelError where a model has other classes than the
    dataset; PictureError where a picture of another shape shows nothing; DataError where the dataset cannot
    be had.

    >>> evaluate(open_run("runs/cnn"), split="test").accuracy  # doctest: +SKIP
    0.9121
    """
    if isinstance(judged, str | Path):
        judged = load_tagger(judged) if is_model(judged) else open_run(judged)
    if isinstance(judged, Tagger):
        return _of_model(judged, split, dataset or dataset_of_model(judged, progress))
    return _of_run(judged, split, dataset, progress)


def kept_report(run: Run, split: SplitName) -> Report | None:
    """What a run came to when it was last judged on a split, by the answers that it keeps.

    None where there are none. It needs neither data nor engine, and is no look.
    """
    kept = run.predictions(split)
    return None if kept is None else report_of_run(run, split, *kept)


def with_groups(
    report: Report, run: Run, by: str, dataset: Dataset, progress: Progress | None = None
) -> Report:
    """A report of a run with figures for each group that `by` tells apart: a column, or a pattern on paths.

    They are those of the answers that the run keeps. Raises RunError where it keeps none, and DataError where
    the dataset has no such groups of these pictures.
    """
    kept = run.predictions(report.split)
    if kept is None:
        raise RunError(f"{run.name} holds no answers to its {report.split} pictures.", "Evaluate it first.")
    names = group_names(dataset, by, report.split, progress)
    places = places_of_run(run, same_data(run, dataset), report.split)
    return replace(report, groups=grouped(by, [names[place] for place in places], Judged(kept[1], kept[0])))


def group_names(dataset: Dataset, by: str, split: str, progress: Progress | None = None) -> tuple[str, ...]:
    """The group of each training picture, or of each test picture, that `by` names.

    It need not be what the dataset was divided by: a table has other columns, too. Raises DataError where
    there are no such groups.
    """
    if by != dataset.group:
        if dataset.origin is None:
            raise DataError(
                f"{dataset.name}: its groups are those of {dataset.group!r}, not of {by!r}.",
                "Only what was loaded from a path can be grouped by something else.",
            )
        again = load_data(dataset.origin, picture=dataset.picture, group=by, progress=progress)
        if again.fingerprint != dataset.fingerprint:
            raise DataError(f"{dataset.name}: its pictures are others now.", "Bring them back as they were.")
        dataset = again
    names = dataset.names_of(split)[1]
    if names is None:
        raise DataError(f"{dataset.name}: its {split} pictures have no groups.", "Leave --by out.")
    return names


def is_model(name_or_path: str | Path) -> bool:
    """Whether this is a model, by its path or as one that comes with Lapel, and not a run."""
    path = Path(name_or_path)
    return path.is_file() or path.suffix == ".onnx" or name_or_path in shipped_models()


def answers_of(tagger: Tagger, held: Split, dataset: Dataset) -> metrics.Probabilities:
    """What a model answers, its classes in the dataset's order. Raises as `evaluate` does of a model."""
    names = tagger.card.class_names
    if set(names) != set(dataset.class_names):
        raise ModelError(
            f"{tagger.card.name} tells {len(names)} classes apart ({_some(names)}); {dataset.name} has "
            f"{len(dataset.class_names)} ({_some(dataset.class_names)}).",
            "Judge it on a dataset of its own classes: --data.",
        )
    order = [names.index(name) for name in dataset.class_names]
    starts = range(0, len(held), _BATCH)
    parts = [tagger.probabilities(fitting(tagger, held.pictures[at : at + _BATCH])) for at in starts]
    return np.concatenate(parts)[:, order]


def fitting(tagger: Tagger, pictures: Pictures) -> Pictures:
    """Pictures as they are where the model takes such ones, else as it would see photos."""
    if pictures.shape[1:] == tagger.card.picture.shape:
        return pictures
    return np.stack([tagger.picture(picture) for picture in pictures])


def _of_model(tagger: Tagger, split: str, dataset: Dataset) -> Report:
    held = split_of_model(tagger, dataset, split)
    held_out = None
    if split == "test" and _knows_validation(tagger, dataset):
        validation = split_of_model(tagger, dataset, "validation")
        held_out = answers_of(tagger, validation, dataset), validation.labels
    return judge(
        answers_of(tagger, held, dataset),
        held.labels,
        dataset.class_names,
        split=split,
        dataset=dataset.name,
        run=tagger.card.name,
        fingerprint=dataset.fingerprint,
        test_looks=None,
        held_out=held_out,
    )


def _knows_validation(tagger: Tagger, dataset: Dataset) -> bool:
    """Whether a model was trained by Lapel on these data, so that it has not learned from a known tenth."""
    made = tagger.card.made
    return made.get("fingerprint") == dataset.fingerprint and "imported" not in made


def _of_run(run: Run, split: str, dataset: Dataset | None, progress: Progress | None) -> Report:
    dataset = dataset_of(run, progress) if dataset is None else same_data(run, dataset)
    split_of_run(run, dataset, split)  # there is no such split: said before anything is done
    if split == "test" and run.predictions("validation") is None:
        _answer(run, "validation", dataset)
    return report_of_run(run, split, *_answer(run, split, dataset))


def _answer(run: Run, split: str, dataset: Dataset) -> tuple[metrics.Probabilities, metrics.Numbers]:
    """Ask a run about the pictures of a split, write down that it was, and keep what it answered."""
    held = split_of_run(run, dataset, split)
    engine = run.engine()
    network = engine.build(run.recipe, dataset.shape, len(dataset.class_names), run.weights())
    probabilities = engine.probabilities(network, held.pictures)
    metrics.check_answers(probabilities, held.labels)
    right = metrics.accuracy(probabilities.argmax(axis=1), held.labels)
    # The look is written first: a look that was cut short was still a look.
    run.record_look(split, right, len(held))
    run.save_predictions(split, probabilities, held.labels)
    return probabilities, held.labels


def report_of_run(
    run: Run, split: str, probabilities: metrics.Probabilities, labels: metrics.Numbers
) -> Report:
    """The report of what a run has answered on a split, with what is known of how its epoch was chosen."""
    data = run.environment["dataset"]
    report = judge(
        probabilities,
        labels,
        tuple(data["class_names"]),
        split=split,
        dataset=data["name"],
        run=run.name,
        fingerprint=data["fingerprint"],
        test_looks=len(run.test_accuracies),
        held_out=run.predictions("validation") if split == "test" else None,
    )
    epoch = kept_by(run)
    test = None if split == "test" else _test_look(run)
    warning = caution(run, epoch, split, len(labels), has_test=data["test"] > 0)
    return replace(report, epoch=epoch, test=test, caution="" if test else warning)


def _test_look(run: Run) -> Look | None:
    kept = run.predictions("test")
    if kept is None:
        return None
    probabilities, labels = kept
    right = int(np.sum(probabilities.argmax(axis=1) == labels))
    return Look(len(labels), right / len(labels), metrics.wilson_interval(right, len(labels)))


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
