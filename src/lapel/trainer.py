"""A recipe and a dataset -> a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .choice import kept_epoch, leader
from .data import load_data
from .data.dataset import Dataset, Split
from .data.findings import read_doubtful
from .engines.learn import FitArguments, begin
from .engines.load import load_engine
from .engines.protocol import Fitting, Weights
from .engines.weights import draw
from .environment import environment, now
from .errors import LapelError, RecipeError, RunError
from .photographs import load_for
from .picture import PictureSpec
from .recipes.load import load_recipe
from .recipes.plan import plan
from .recipes.schema import Recipe
from .runs import Run, dataset_of, new_run, same_data
from .start import Start, load_start
from .training.objective import Objective
from .training.validation import beats_chance, chance
from .training.watch import Beginning, Epoch, Watch, Watches

_HIGH = 0.03  # a learning rate above it is the first suspect where nothing is learned


def train(
    recipe: Recipe | str | Path,
    dataset: Dataset | str | Path = "fashion-mnist",
    *,
    engine: str = "torch",
    backend: str | None = None,
    seed: int = 0,
    split_seed: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    objective: Objective | None = None,
    start: str | Path | Run | None = None,
    picture: PictureSpec | None = None,
    fold: tuple[int, int] | None = None,
    drop_doubtful: str | Path | None = None,
    path: str | Path | None = None,
    watches: Sequence[Watch] = (),
) -> Run:
    """Train a recipe on a dataset, in a new run folder.

    `recipe` and `dataset` are objects, names or paths; `path` is the new run's folder (by default the next
    free `runs/<recipe>-<number>`). `engine` is "torch" or "keras", `backend` what Keras computes with:
    "tensorflow", "jax" or "torch" (by default what KERAS_BACKEND says). `seed` decides the validation
    split, the first weights and everything drawn while training. A step is timed to choose the `threads` of
    the CPU; the same bits again need the same number, which the run's environment tells. `objective` is
    minimised instead of the recipe's cross-entropy, `watches` look on. With `split_seed` another seed
    decides the validation split; with `fold` (2, 5), validation is the second of five folds. Ctrl-C leaves a
    run that `resume` goes on with.

    With `start` (a run, a model, or a pretrained network by its name) the weights whose names and shapes are
    those of the recipe's network are taken from there; the last layer is drawn anew where the classes are
    others. The run's environment says which. Without it the recipe's own `start` counts.

    With `drop_doubtful` (the folder of an audit, or its audit.csv) the run does not learn from pictures whose
    label that doubts; it is validated and tested on them all the same.

    Photographs, where `dataset` is a path, become what `picture` says, else what the recipe says, else what
    suits them; ready pictures stay as they are.

    Raises LapelError: an unknown name, a network that does not fit the pictures, a start of which no kernel
    fits, a loss that is no longer a number, a full disk.

    >>> run = train("cnn")
    >>> run.history[-1].validation_accuracy
    0.91
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    if isinstance(dataset, Dataset):
        if picture is not None:
            raise LapelError(
                f"{dataset.name} holds pictures already; none are made of photographs.",
                "Give the path of the photographs, or leave `picture` out.",
            )
        pictures = dataset
    elif picture is not None:
        pictures = load_data(dataset, picture=picture)
    else:
        pictures, _ = load_for(recipe, dataset)
    builder = load_engine(engine, backend)
    left_out = None if drop_doubtful is None else read_doubtful(Path(drop_doubtful), pictures)
    split_seed = seed if split_seed is None else split_seed
    learned, held = pictures.split(recipe.training.validation, split_seed, fold, left_out)
    start = start or recipe.start or None
    if start is None and recipe.training.learn != "all":
        raise RecipeError(
            f'recipe "{recipe.name}": only its head is to learn at first, but nothing has learned before.',
            "Say what to start from, such as --from efficientnet-lite0 or --from RUN.",
        )
    first, started = _first(recipe, pictures, seed, None if start is None else load_start(start))
    arguments = FitArguments(
        *(builder, recipe, pictures.shape, len(pictures.class_names), learned, held, seed),
        device=device,
        precision=precision,
        threads=threads,
        objective=objective,
    )
    fitting = begin(arguments, first, Watches(watches).prepare)
    if threads not in (None, fitting.threads):
        raise LapelError(
            f"{threads} threads were asked for, but the framework began with {fitting.threads}.",
            "Set its own variable before it begins: TF_NUM_INTRAOP_THREADS for TensorFlow.",
        )
    facts = environment(
        recipe,
        pictures,
        held,
        engine={"name": engine, **builder.about()},
        device=fitting.device,
        precision=fitting.precision,
        threads=fitting.threads,
        seed=seed,
        split_seed=split_seed,
    )
    if objective is not None:
        facts["objective"] = repr(objective)
    if started:
        facts["start"] = started
    if fold is not None:
        facts["fold"] = list(fold)
    if left_out is not None:
        facts["left_out"] = {
            "by": str(drop_doubtful),
            "count": len(pictures.train) - len(held) - len(learned),
            "pictures": " ".join(map(str, left_out)),  # those that are validated on among them
        }
        facts["dataset"]["train"] = len(learned)
    run = new_run(recipe, facts, Path(path) if path else None)
    return _go_on(run, fitting, held, watches)


def resume(
    run: Run,
    dataset: Dataset | None = None,
    *,
    objective: Objective | None = None,
    watches: Sequence[Watch] = (),
) -> Run:
    """Go on with a run from the end of its last whole epoch.

    On the same machine the weights and the history at the end are those of a run that was never stopped.
    `dataset` is needed only for a run that was trained on a Dataset object, `objective` only for one that was
    given another than its recipe's. Raises RunError where the run is complete, held by another process, or
    was trained on other pictures or with another objective.
    """
    if run.done:
        raise RunError(f"{run.path}: this run is complete.", "Start a new one with: lapel train")
    facts, recipe = run.environment, run.recipe
    _same_objective(run, facts.get("objective"), objective)
    dataset = dataset_of(run) if dataset is None else same_data(run, dataset)
    builder = load_engine(facts["engine"]["name"], facts["engine"].get("backend"))
    learned, held = dataset.split(recipe.training.validation, run.split_seed, run.fold, run.left_out)
    arguments = FitArguments(
        *(builder, recipe, dataset.shape, len(dataset.class_names), learned, held, facts["seed"]),
        device=facts["device"],
        precision=facts["precision"],
        threads=facts["threads"],
        objective=objective,
    )
    fitting = begin(arguments, _first_again(run, dataset), Watches(watches).prepare)
    return _go_on(run, fitting, held, watches)


def _first(
    recipe: Recipe, dataset: Dataset, seed: int, start: Start | None
) -> tuple[Weights, dict[str, Any] | None]:
    """First weights, and what the environment says of where they come from if they are not only drawn."""
    drawn = draw(plan(recipe, dataset.shape, len(dataset.class_names)), seed)
    return start.applied(recipe, dataset.shape, dataset.class_names, drawn) if start else (drawn, None)


def _first_again(run: Run, dataset: Dataset) -> Weights:
    """First weights for a run that goes on: where layers stay as they came, those that it has kept."""
    recipe = run.recipe
    if recipe.training.learn != "all" and run.state() is not None:
        return run.weights()
    return _first(recipe, dataset, run.environment["seed"], _start_of(run))[0]


def _start_of(run: Run) -> Start | None:
    """What a run that is to go on began with; None where its kept state holds all weights anyway."""
    started = run.environment.get("start")
    if started is None or run.state() is not None:
        return None
    start = load_start(started["from"])
    if start.fingerprint != started["fingerprint"]:
        raise RunError(
            f"{run.path}: no epoch has ended yet, and {start.source}, which it starts from, is another now.",
            "Start a new run with: lapel train --from",
        )
    return start


def _same_objective(run: Run, trained: str | None, objective: Objective | None) -> None:
    name = None if objective is None else repr(objective)
    if name != trained:
        raise RunError(
            f"{run.path}: this run minimises {trained or 'the cross-entropy of its recipe'}, "
            f"not {name or 'that'}.",
            "Go on from Python: resume(run, objective=…)." if trained else "Leave the objective out.",
        )


def _go_on(run: Run, fitting: Fitting, held: Split, watches: Sequence[Watch]) -> Run:
    with run.locked():
        recipe, together = run.recipe, Watches(watches)
        state = run.state()
        history: list[Epoch] = []
        if state is not None:
            fitting.restore(state)
            # What was kept after the state is done again.
            history = run.history[: int(state["epoch"])]
        timings = run.timings[: len(history)]
        with together.looking_on(Beginning(run.path, recipe, run.environment, tuple(history))):
            while not _ended(recipe, history):
                began = time.perf_counter()
                epoch = fitting.epoch(together.progress)
                history.append(epoch)
                timings.append(time.perf_counter() - began)
                best = kept_epoch(recipe, history) is epoch
                run.keep(history, timings, fitting.saved() if best else None, fitting.state())
                together.epoch(epoch, timings[-1], best)
        run.finish(_outcome(recipe, history, timings, held))
    return run


def _outcome(recipe: Recipe, history: list[Epoch], timings: list[float], held: Split) -> dict[str, Any]:
    """How the training ended, as `done.json` has it."""
    best = kept_epoch(recipe, history)
    outcome = {
        "epochs": len(history),
        "stopped": "early" if len(history) < recipe.training.epochs else "at the end",
        "kept_epoch": best.number,
        "validation_accuracy": best.validation_accuracy,
        "validation_loss": best.validation_loss,
        "seconds": round(sum(timings), 3),
        "finished": now(),
    }
    most = leader(history).validation_accuracy
    if not beats_chance(most, held.labels):
        outcome["warning"] = (
            f"No epoch was better than chance: {most:.2%} of the validation pictures at best, and who always "
            f"gives the most frequent label has {chance(held.labels):.2%}. {_advice(recipe, history)}"
        )
    return outcome


def _advice(recipe: Recipe, history: list[Epoch]) -> str:
    rate = recipe.training.learning_rate
    if rate > _HIGH or history[-1].loss > history[0].loss:
        return f"Try a smaller learning rate, such as --set training.learning_rate={rate / 10:.1g}."
    return "Try a larger learning rate or more epochs, and look at the labels: lapel data show."


def _ended(recipe: Recipe, history: list[Epoch]) -> bool:
    if not history:
        return False
    patience = recipe.training.patience
    tired = bool(patience) and len(history) - leader(history).number >= patience
    return len(history) >= recipe.training.epochs or tired
