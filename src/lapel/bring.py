"""Weights trained elsewhere -> a run."""

from __future__ import annotations

from pathlib import Path

from .data import load_data
from .data.dataset import Dataset
from .engines import Weights, load_engine
from .engines.weights import PYTORCH_ENDINGS, fitted, from_pytorch, read_weights
from .environment import environment, now
from .errors import ModelError
from .files import told_kindly
from .recipes import load_recipe
from .recipes.plan import plan
from .recipes.schema import Recipe
from .runs import Run, new_run


def import_weights(
    file: str | Path,
    recipe: Recipe | str | Path,
    dataset: Dataset | str | Path = "fashion-mnist",
    *,
    path: str | Path | None = None,
) -> Run:
    """Make a run of a PyTorch state dict (.pth, .pt) or of safetensors, for the network of `recipe`.

    Weights are matched by name where the names agree, else in their order. Nothing in the file is run.
    Raises ModelError where the file holds code or does not fit the recipe.
    """
    file = Path(file)
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    pictures = dataset if isinstance(dataset, Dataset) else load_data(dataset)
    engine = load_engine("torch")
    steps = plan(recipe, pictures.shape, len(pictures.class_names))
    given = _read(file)
    weights = fitted(
        from_pytorch(given, steps, str(file)) if file.suffix in PYTORCH_ENDINGS else given, steps, str(file)
    )
    held = pictures.split(recipe.training.validation, 0)[1]
    network = engine.build(recipe, pictures.shape, len(pictures.class_names), weights)
    right = float((engine.probabilities(network, held.pictures).argmax(1) == held.labels).mean())
    facts = environment(
        recipe,
        pictures,
        held,
        engine="torch",
        version=engine.version(),
        device="cpu",
        precision="fp32",
        threads=1,
        seed=0,
    )
    run = new_run(recipe, {**facts, "imported": file.name}, Path(path) if path else None)
    run.adopt(weights)
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
    if file.suffix == ".safetensors":
        return read_weights(file)[0]
    if file.suffix in PYTORCH_ENDINGS:
        with told_kindly(file), file.open("rb") as opened:
            return load_engine("torch").read_pth(opened, str(file))
    raise ModelError(
        f"{file}: expected a PyTorch state dict (.pth, .pt) or .safetensors, not "
        f"{file.suffix or 'a file without an ending'}.",
        "Save one with torch.save(model.state_dict(), …).",
    )
