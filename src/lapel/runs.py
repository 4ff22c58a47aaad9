"""Run folders: everything about one training. Only this file knows the names inside one."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from .data import Progress
from .data.dataset import Dataset
from .data.reference import load_reference
from .engines.backend import any_backend
from .engines.load import load_engine
from .engines.protocol import Engine, Epoch, Weights
from .engines.weights import packed, read_weights
from .errors import LapelError, RunError, did_you_mean
from .files import Locked, file_errors, is_locked, locked, make_folder, remove_partials, write_atomic
from .recipes.load import load_recipe, to_toml
from .recipes.schema import Recipe

_RECIPE = "recipe.toml"
_ENVIRONMENT = "environment.json"
_HISTORY = "history.jsonl"
_TIMINGS = "timings.jsonl"
_WEIGHTS = {"torch": "weights.safetensors", "keras": "weights.keras"}  # by engine
_CHECKPOINT = "checkpoint/last.safetensors"
_PREDICTIONS = "predictions.npz"
_LOOKS = "looks.jsonl"
_DONE = "done.json"
_LOCK = ".lock"
_COPY = "Copy the run to a folder that you may write to; LAPEL_RUNS says where runs lie."
_ELSEWHERE = "Set LAPEL_RUNS to a folder that you may write to: runs are made there."


class Run:
    """One training in its folder. Make one with `new_run`, find one with `open_run` or `list_runs`."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.name = self.path.resolve().name

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def recipe(self) -> Recipe:
        """The recipe, with every default filled in."""
        return load_recipe(self.path / _RECIPE)

    @property
    def environment(self) -> dict[str, Any]:
        """Where and on what the run was made: versions, device, commit, dataset, seed."""
        return dict(self._json(_ENVIRONMENT))

    @property
    def split_seed(self) -> int:
        """What decided which pictures the run held out: its own seed, or that of its study."""
        environment = self.environment
        return int(environment.get("split_seed", environment["seed"]))

    @property
    def fold(self) -> tuple[int, int] | None:
        """Which fold, of how many, the run held out; None where it held out a share."""
        fold = self.environment.get("fold")
        return None if fold is None else (int(fold[0]), int(fold[1]))

    @property
    def left_out(self) -> NDArray[np.intp] | None:
        """The places of the training pictures that the run did not learn from, since they were doubtful."""
        left_out = self.environment.get("left_out")
        return None if left_out is None else np.array(left_out["pictures"].split(), np.intp)

    @property
    def history(self) -> list[Epoch]:
        """What every epoch came to, the first first."""
        return [Epoch(**line) for line in self._lines(_HISTORY)]

    @property
    def timings(self) -> list[float]:
        """How many seconds each epoch took."""
        return [line["seconds"] for line in self._lines(_TIMINGS)]

    @property
    def looks(self) -> list[dict[str, Any]]:
        """Every time the run was judged: split, accuracy, pictures and when."""
        return list(self._lines(_LOOKS))

    @property
    def test_accuracies(self) -> list[float]:
        """What each look at the test pictures came to."""
        return [look["accuracy"] for look in self.looks if look["split"] == "test"]

    @property
    def done(self) -> dict[str, Any] | None:
        """How the training ended, or None while it has not."""
        return dict(self._json(_DONE)) if (self.path / _DONE).exists() else None

    @property
    def running(self) -> bool:
        """Whether a process is training in the run right now."""
        return is_locked(self.path / _LOCK)

    @property
    def weights_path(self) -> Path:
        """The best weights so far, or the last where the recipe keeps those."""
        return self.path / _WEIGHTS[self.environment["engine"]["name"]]

    @property
    def model_path(self) -> Path:
        """Where `lapel export` puts the model."""
        return self.path / "model.onnx"

    @property
    def report_folder(self) -> Path:
        """Where the report lies."""
        return self.path / "report"

    @property
    def tensorboard_folder(self) -> Path:
        """Where TensorBoard finds its files."""
        return self.path / "tensorboard"

    @property
    def pictures_folder(self) -> Path:
        """Where `lapel demo` puts pictures to try the run on."""
        return self.path / "pictures"

    def weights(self) -> Weights:
        """The weights that the run keeps. Raises RunError before the first epoch has ended."""
        if not self.weights_path.exists():
            raise RunError(
                f"{self.path}: no epoch has ended yet, so there are no weights.",
                f"Go on with: lapel train --resume {self.path}",
            )
        dataset = self.environment["dataset"]
        shape, classes = tuple(dataset["shape"]), len(dataset["class_names"])
        return self.engine().unpack(self.weights_path, self.recipe, shape, classes)

    def engine(self) -> Engine:
        """The engine that made the run: Keras on the run's backend, or on what is at work already."""
        made = self.environment["engine"]
        return load_engine(made["name"], any_backend(made.get("backend")))

    def keep(
        self,
        history: Sequence[Epoch],
        timings: Sequence[float],
        weights: bytes | None,
        state: Mapping[str, NDArray[Any]],
    ) -> None:
        """Keep what an epoch came to: its weights if given (as a file), its history, the state to go on from.

        The state goes last: whatever is cut off before it is done again, to the same bytes.
        """
        if weights is not None:
            self._write(self.weights_path.name, weights)
            (self.path / _PREDICTIONS).unlink(missing_ok=True)  # they were those of other weights
        self._write_lines(_HISTORY, [asdict(epoch) for epoch in history])
        self._write_lines(_TIMINGS, [{"seconds": round(seconds, 3)} for seconds in timings])
        self._write(_CHECKPOINT, packed(state))

    def adopt(self, weights: bytes) -> None:
        """Take weights that were trained elsewhere (as the engine's file) for the run's own."""
        write_atomic(self.weights_path, weights, elsewhere=_COPY)

    def state(self) -> Weights | None:
        """The state that the last whole epoch left, or None where no epoch has ended."""
        checkpoint = self.path / _CHECKPOINT
        return read_weights(checkpoint)[0] if checkpoint.exists() else None

    def finish(self, done: Mapping[str, Any]) -> None:
        """Say how the training ended: the mark that the run is complete, so it is written last."""
        self._write(_DONE, json.dumps(dict(done), indent=2) + "\n")

    def record_look(self, split: str, accuracy: float, pictures: int) -> None:
        """Note that the run was judged on a split."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        look = {"split": split, "when": now, "accuracy": accuracy, "pictures": pictures}
        self._write_lines(_LOOKS, [*self.looks, look])

    def save_predictions(
        self, split: str, probabilities: NDArray[np.float32], labels: NDArray[np.int64]
    ) -> None:
        """Keep what the run answered, so that comparing and reporting need no engine."""
        kept = self._predictions()
        kept |= {f"{split}_probabilities": probabilities, f"{split}_labels": labels}
        buffer = BytesIO()
        np.savez(buffer, allow_pickle=False, **kept)
        write_atomic(self.path / _PREDICTIONS, buffer.getvalue(), elsewhere=_COPY)

    def predictions(self, split: str) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
        """What the run answered on a split when it was last judged on it: (probabilities, labels)."""
        kept = self._predictions()
        if f"{split}_probabilities" not in kept:
            return None
        return kept[f"{split}_probabilities"], kept[f"{split}_labels"]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run while training in it. Raises RunError where another process does."""
        try:
            with locked(self.path / _LOCK, wait=False, elsewhere=_COPY):
                remove_partials(self.path)
                remove_partials(self.path / "checkpoint")
                yield
        except Locked as error:
            raise RunError(
                f"{self.path}: another process is training in this run.",
                "Wait for it or stop it, or start a run of your own.",
            ) from error

    def _predictions(self) -> dict[str, NDArray[Any]]:
        path = self.path / _PREDICTIONS
        if not path.exists():
            return {}
        try:
            with file_errors(path), path.open("rb") as file:
                return dict(np.load(file, allow_pickle=False))
        except (ValueError, EOFError, BadZipFile) as error:
            raise RunError(f"{path}: not whole.", "Delete it and evaluate the run again.") from error

    def _json(self, name: str) -> Any:
        return read_json(self.path / name, "The run folder was changed by hand; restore it.")

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        path = self.path / name
        if not path.exists():
            return
        try:
            with file_errors(path):
                yield from map(json.loads, path.read_text().splitlines())
        except ValueError as error:
            raise RunError(f"{path}: not valid JSON lines.", "The run folder was changed by hand.") from error

    def _write_lines(self, name: str, lines: Sequence[Mapping[str, Any]]) -> None:
        self._write(name, "".join(json.dumps(dict(line)) + "\n" for line in lines))

    def _write(self, name: str, content: bytes | str) -> None:
        no_room = f"Free some space, then go on with: lapel train --resume {self.path}"
        write_atomic(self.path / name, content, elsewhere=_COPY, no_room=no_room)


def read_json(path: Path, hint: str = "The folder was changed by hand; restore it.") -> Any:
    """What a file of a run, a study or a sweep holds. Raises RunError where it is damaged."""
    try:
        with file_errors(path):
            return json.loads(path.read_text())
    except ValueError as error:
        raise RunError(f"{path}: not valid JSON.", hint) from error


def runs_folder() -> Path:
    """Where runs lie: LAPEL_RUNS, or `runs` in the working folder."""
    return Path(os.environ.get("LAPEL_RUNS") or "runs")


def places_of(name_or_path: str | Path) -> tuple[Path, Path]:
    """Where a run, a study or a sweep of this name or path may lie."""
    return Path(name_or_path), runs_folder() / name_or_path


def folders_with(name: str) -> list[Path]:
    """The folders among the runs that hold a file of this name."""
    folder = runs_folder()
    return [path for path in sorted(folder.iterdir()) if (path / name).is_file()] if folder.is_dir() else []


def new_run(recipe: Recipe, environment: Mapping[str, Any], path: Path | None = None) -> Run:
    """Make a run folder, at `path` or as the next free `runs/<recipe>-<number>`.

    The folder appears with recipe and environment in it or not at all. Raises RunError where `path` is taken.
    """
    folder = path.parent if path else runs_folder()
    elsewhere = "Choose another folder for the run." if path else _ELSEWHERE
    make_folder(folder, elsewhere=elsewhere)
    with file_errors(folder, elsewhere=elsewhere):
        draft = Path(tempfile.mkdtemp(dir=folder, prefix=".new-run-"))
    try:
        write_atomic(draft / _RECIPE, to_toml(recipe))
        write_atomic(draft / _ENVIRONMENT, json.dumps(dict(environment), indent=2) + "\n")
        draft.chmod(0o755)
        for target in [path] if path else free_names(folder, recipe.name):
            if target.exists():
                continue
            with file_errors(target):
                try:
                    return Run(draft.rename(target))
                except FileExistsError:
                    continue  # somebody else was faster
                except OSError:
                    if not target.exists():
                        raise
        raise RunError(
            f"{path}: already there.", "Choose another name, or go on with: lapel train --resume …"
        )
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def open_run(name_or_path: str | Path) -> Run:
    """The run of this name (in the runs folder) or at this path. Raises RunError where there is none."""
    for path in places_of(name_or_path):
        if _is_run(path):
            return Run(path)
    if Path(name_or_path).is_dir():
        raise RunError(
            f"{name_or_path}: a folder, but not a run: no {_RECIPE} in it.", "`lapel runs` lists the runs."
        )
    names = [run.name for run in list_runs()]
    hint = (
        did_you_mean(str(name_or_path), names) if names else "There is none yet; `lapel train cnn` makes one."
    )
    raise RunError(f'There is no run "{name_or_path}".', hint)


def list_runs(folder: Path | None = None) -> list[Run]:
    """The runs in a folder (the usual one), the oldest first."""
    folder = folder or runs_folder()
    with file_errors(folder):
        found = [path for path in folder.iterdir() if _is_run(path)] if folder.is_dir() else []
    return [
        Run(path)
        for path in sorted(found, key=lambda path: (path.joinpath(_RECIPE).stat().st_mtime_ns, path))
    ]


def dataset_of(run: Run, progress: Progress | None = None) -> Dataset:
    """Load the dataset that a run was trained on.

    Raises RunError where what is found now is another one, or where only the Python that made it has it.
    """
    trained = run.environment["dataset"]
    if trained["origin"] is None:
        raise RunError(
            f"{run.name} was trained on a Dataset object, which a run folder does not hold.",
            "Judge it from Python: evaluate(run, dataset=…).",
        )
    return same_data(run, load_reference(trained, progress))


def same_data(run: Run, dataset: Dataset) -> Dataset:
    """Give `dataset` back if the run was trained on it. Raises RunError, with both fingerprints, if not."""
    trained: dict[str, Any] = run.environment["dataset"]
    if dataset.fingerprint != trained["fingerprint"]:
        raise RunError(
            f"{run.name} was trained on {trained['name']} of fingerprint {trained['fingerprint'][:12]}; "
            f"{dataset.name} as it is now has {dataset.fingerprint[:12]}.",
            "A run is only judged on its own data: bring them back as they were, or train again.",
        )
    return dataset


def _is_run(path: Path) -> bool:
    return (
        not path.name.startswith(".new-run-")
        and (path / _RECIPE).is_file()
        and (path / _ENVIRONMENT).is_file()
    )


def free_names(folder: Path, stem: str) -> Iterator[Path]:
    """Paths of this name and a number, from 1 on, where nothing lies."""
    for number in range(1, 1_000_000):
        if not (folder / f"{stem}-{number}").exists():
            yield folder / f"{stem}-{number}"
    raise LapelError(f"{folder}: a million runs of {stem} lie here.", "Move some of them away.")
