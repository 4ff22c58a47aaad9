"""What a training starts from in place of drawn weights: a pretrained network, a run or a model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .engines.onnx_weights import weights_in
from .engines.protocol import Weights
from .engines.weights import moved_name, shapes
from .errors import LapelError, MissingExtra, ModelError, RecipeError, did_you_mean
from .model_file import model_path, shipped_models
from .pretrained.networks import NETWORKS, network_recipe
from .pretrained.weights import read_pretrained
from .recipes.plan import Step, plan, walk
from .recipes.schema import Normalise, Recipe
from .runs import Run, list_runs, open_run
from .tagger import load_tagger

_SHOWN = 3  # kernels in a refusal
_MOVES = (0, 1, -1)  # layers by which a recipe's network may lie further on than the one it starts from


@dataclass(frozen=True)
class Start:
    """Weights to start from, and what they have learned.

    `source` is a name or an absolute path. `class_names` are the labels that the last layer tells apart,
    empty where they are those of no dataset of ours; `normalise` is None where it is not known.
    """

    source: str
    weights: Weights = field(repr=False)
    class_names: tuple[str, ...] = ()
    normalise: Normalise | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all names and numbers."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            digest.update(name.encode() + np.ascontiguousarray(self.weights[name]).tobytes())
        return digest.hexdigest()

    def applied(
        self, recipe: Recipe, shape: tuple[int, int, int], class_names: Sequence[str], drawn: Weights
    ) -> tuple[Weights, dict[str, Any]]:
        """First weights for a recipe: these where name and shape agree, `drawn` ones elsewhere.

        The last layer that has weights stays as it is drawn unless the classes are the same. Also gives what
        a run's environment says of it. Raises ModelError where no kernel fits, RecipeError where the recipe
        makes other numbers of its pictures than these weights have learned from.
        """
        if self.normalise not in (None, recipe.normalise):
            raise RecipeError(
                f'{self.source} has learned from {_describe(self.normalise)}; the recipe "{recipe.name}" '
                f"makes {_describe(recipe.normalise)}.",
                _advice(self.normalise),
            )
        steps = plan(recipe, shape, len(class_names))
        wanted, head = shapes(steps), _head(steps)
        other = tuple(class_names) != self.class_names
        taken = {name: asked for name, asked in wanted.items() if not (other and name in head)}
        # What enlarges pictures, say, stands before a network without being part of it.
        fitting = next(filter(_has_kernel, (self._fitting(taken, places) for places in _MOVES)), None)
        if fitting is None:
            theirs = {name: array.shape for name, array in self.weights.items()}
            raise ModelError(
                f'{self.source}: none of its kernels fits the recipe "{recipe.name}". It holds '
                f"{_list_kernels(theirs)}; the recipe asks for {_list_kernels(wanted)}.",
                "Start from a network with the same layers in the same places.",
            )
        facts = {
            "from": self.source,
            "fingerprint": self.fingerprint,
            "weights": len(fitting),
            "drawn": [name for name in wanted if name not in fitting],
        }
        return {**drawn, **fitting}, facts

    def _fitting(self, wanted: Mapping[str, tuple[int, ...]], places: int) -> Weights:
        """Those that have the name and the shape of a wanted one, moved so many layers further."""
        moved = {moved_name(name, places): array for name, array in self.weights.items()}
        return {
            name: moved[name].astype(np.float32, copy=False)
            for name, asked in wanted.items()
            if name in moved and moved[name].shape == asked
        }


def load_start(source: str | Path | Run) -> Start:
    """A run, a model (.onnx, or one that comes with Lapel by its name), or a pretrained network by its name.

    Raises LapelError where there is none, or it cannot be read.
    """
    if isinstance(source, Run):
        return _of_run(source)
    name = str(source)
    if name in NETWORKS:
        return Start(name, read_pretrained(name), normalise=network_recipe(name).normalise)
    if name in shipped_models() or Path(name).suffix == ".onnx":
        return _of_model(name)
    known = [*NETWORKS, *shipped_models(), *(run.name for run in list_runs())]
    if not Path(name).exists() and name not in known:
        raise LapelError(
            f'There is nothing called "{name}" to start from.',
            f"{did_you_mean(name, known)} Or give the path of a run or of a model.",
        )
    return _of_run(open_run(name))


def _of_run(run: Run) -> Start:
    names = run.environment["dataset"]["class_names"]
    return Start(str(run.path.resolve()), run.weights(), tuple(names), run.recipe.normalise)


def _of_model(name: str) -> Start:
    card = load_tagger(name).card  # which refuses what is no model of ours
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "train") from error
    path = model_path(name)
    source = name if name in shipped_models() else str(path.resolve())
    return Start(source, weights_in(onnx.load(path)), (*card.class_names, *card.rejects))


def _has_kernel(weights: Weights) -> bool:
    """Whether a kernel is among them: a few rows of equal length in the same place say nothing."""
    return any(array.ndim > 1 for array in weights.values())


def _head(steps: Sequence[Step]) -> set[str]:
    """The weights of the last layer that has any."""
    *_, last = (step for step in walk(steps) if step.weights)
    return {f"{last.name}.{word}" for word in last.weights}


def _list_kernels(weights: dict[str, tuple[int, ...]]) -> str:
    kernels = [f'"{name}" {shape}' for name, shape in weights.items() if len(shape) > 1]
    shown, more = kernels[:_SHOWN], len(kernels[_SHOWN:])
    return ", ".join(shown) + (f" and {more} more" if more else "") if shown else "none"


def _describe(normalise: Normalise | None) -> str:
    return f"(level - {normalise.zero}) / {normalise.span}" if normalise else "levels"


def _advice(normalise: Normalise | None) -> str:
    if normalise is None:
        return ""
    zero, span = (list(n) if isinstance(n, tuple) else n for n in (normalise.zero, normalise.span))
    return f"Add --set normalise.zero={zero} --set normalise.span={span}, or say so in the recipe."
