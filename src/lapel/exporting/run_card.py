"""What the model of a run says of itself, from the run's own records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..card import Card
from ..data.registry import picture_spec
from ..metrics import wilson_interval
from ..picture import PictureSpec
from ..runs import Run


def card_of(run: Run) -> Card:
    """What the model of a run says of itself, from the run's own records."""
    environment = run.environment
    dataset = environment["dataset"]
    return Card(
        name=run.recipe.name,
        class_names=tuple(dataset["class_names"]),
        picture=_picture_spec(dataset),
        measured=tuple(result_of(dataset["name"], look) for look in _last_looks(run.looks)),
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


def result_of(dataset: str, look: dict[str, Any]) -> dict[str, Any]:
    """A look at a split as a card has it."""
    right, pictures = round(look["accuracy"] * look["pictures"]), look["pictures"]
    return {
        "dataset": dataset,
        "split": look["split"],
        "accuracy": look["accuracy"],
        "interval": list(wilson_interval(right, pictures)),
        "pictures": pictures,
    }
