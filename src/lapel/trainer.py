"""A recipe and a dataset -> a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from .data import load_data
from .data.dataset import Dataset, Split
from .engines.load import load_engine
from .engines.protocol import Engine, Epoch, Fitting
from .engines.weights import draw
from .environment import environment, now
from .errors import RunError
from .recipes.load import load_recipe
from .recipes.plan import plan
from .recipes.schema import Recipe
from .runs import Run, dataset_of, new_run, same_data
from .tensorboard import Board


class Watch(Protocol):
    """What wants to know how a training goes."""

    def begin(self, run: Run, recipe: Recipe, fitting: Fitting, history: list[Epoch]) -> None:
        """The training begins, or goes on after the epochs of `history`."""

    def batch(self, done: int, count: int, loss: float) -> None:
        """So many of the epoch's pictures are learned."""

    def epoch(self, epoch: Epoch, seconds: float, best: bool) -> None:
        """An epoch has ended and is kept."""


def train(
    recipe: Recipe | str | Path,
    dataset: Dataset | str | Path = "fashion-mnist",
    *,
    engine: str = "torch",
    backend: str | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    path: str | Path | None = None,
    watch: Watch | None = None,
    tensorboard: bool = False,
) -> Run:
    """Train a recipe on a dataset, in a new run folder.

    `recipe` and `dataset` are objects, names or paths; `path` is the new run's folder (by default the next
    free `runs/<recipe>-<number>`). `engine` is "torch" or "keras", `backend` what Keras computes with:
    "tensorflow", "jax" or "torch" (by default what KERAS_BACKEND says). `seed` decides the validation
    split, the first weights and everything drawn while training. Ctrl-C leaves a run that `resume` goes on
    with.

    Raises LapelError: an unknown name, a network that does not fit the pictures, a loss that is no longer a
    number, a full disk.

    >>> run = train("cnn")
    >>> run.history[-1].validation_accuracy
    0.91
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    pictures = dataset if isinstance(dataset, Dataset) else load_data(dataset)
    builder = load_engine(engine, backend)
    learned, held = pictures.split(recipe.training.validation, seed)
    fitting = _fitting(builder, recipe, pictures, learned, held, seed, device, precision)
    facts = environment(
        recipe,
        pictures,
        held,
        engine={"name": engine, **builder.about()},
        device=fitting.device,
        precision=fitting.precision,
        threads=fitting.threads,
        seed=seed,
    )
    run = new_run(recipe, facts, Path(path) if path else None)
    return _go_on(run, recipe, fitting, watch, tensorboard)


def resume(
    run: Run, dataset: Dataset | None = None, *, watch: Watch | None = None, tensorboard: bool = False
) -> Run:
    """Go on with a run from the end of its last whole epoch.

    On the same machine the weights and the history at the end are those of a run that was never stopped.
    `dataset` is needed only for a run that was trained on a Dataset object. Raises RunError where the run is
    complete, held by another process, or was trained on other pictures.
    """
    if run.done:
        raise RunError(f"{run.path}: this run is complete.", "Start a new one with: lapel train")
    facts, recipe = run.environment, run.recipe
    dataset = dataset_of(run) if dataset is None else same_data(run, dataset)
    builder = load_engine(facts["engine"]["name"], facts["engine"].get("backend"))
    seed, device, precision = (facts[key] for key in ("seed", "device", "precision"))
    learned, held = dataset.split(recipe.training.validation, seed)
    fitting = _fitting(builder, recipe, dataset, learned, held, seed, device, precision)
    return _go_on(run, recipe, fitting, watch, tensorboard)


def _fitting(
    engine: Engine,
    recipe: Recipe,
    dataset: Dataset,
    learned: Split,
    held: Split,
    seed: int,
    device: str,
    precision: str,
) -> Fitting:
    classes = len(dataset.class_names)
    weights = draw(plan(recipe, dataset.shape, classes), seed)
    network = engine.build(recipe, dataset.shape, classes, weights)
    return engine.fit(network, learned, held, recipe, seed=seed, device=device, precision=precision)


def _go_on(run: Run, recipe: Recipe, fitting: Fitting, watch: Watch | None, tensorboard: bool) -> Run:
    with run.locked():
        state = run.state()
        history: list[Epoch] = []
        if state is not None:
            fitting.restore(state)
            # What was kept after the state is done again.
            history = run.history[: int(state["epoch"])]
        timings = run.timings[: len(history)]
        board = Board(run.tensorboard_folder, history) if tensorboard else None
        if watch:
            watch.begin(run, recipe, fitting, history)
        while not _ended(recipe, history):
            began = time.perf_counter()
            epoch = fitting.epoch(watch.batch if watch else None)
            history.append(epoch)
            timings.append(time.perf_counter() - began)
            best = _best(recipe, history) is epoch
            run.keep(history, timings, fitting.saved() if best else None, fitting.state())
            if board:
                board.add(epoch)
            if watch:
                watch.epoch(epoch, timings[-1], best)
        if board:
            board.close()
        best_epoch = _best(recipe, history)
        run.finish(
            {
                "epochs": len(history),
                "stopped": "early" if len(history) < recipe.training.epochs else "at the end",
                "kept_epoch": best_epoch.number,
                "validation_accuracy": best_epoch.validation_accuracy,
                "validation_loss": best_epoch.validation_loss,
                "seconds": round(sum(timings), 3),
                "finished": now(),
            }
        )
    return run


def _ended(recipe: Recipe, history: list[Epoch]) -> bool:
    if not history:
        return False
    patience = recipe.training.patience
    tired = bool(patience) and len(history) - _leader(history).number >= patience
    return len(history) >= recipe.training.epochs or tired


def _best(recipe: Recipe, history: list[Epoch]) -> Epoch:
    return history[-1] if recipe.training.keep == "last" else _leader(history)


def _leader(history: list[Epoch]) -> Epoch:
    # Of equally accurate epochs the first, so that patience is not spent on standing still.
    return max(history, key=lambda epoch: (epoch.validation_accuracy, -epoch.number))
