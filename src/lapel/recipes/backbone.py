"""A recipe for any network of timm by its name: pretrained, with a last layer for one's own classes."""

from __future__ import annotations

from typing import Any

from ..errors import RecipeError
from ..layers.layer import ShapeError

PREFIX = "timm:"


def backbone_recipe(name: str) -> dict[str, Any]:
    """The recipe of "timm:resnet18" and its like, as plain data: timm's own normalisation, and fine-tuning.

    Raises RecipeError where timm has no such network, MissingExtra where timm is not installed.
    """
    from ..layers.timm_networks import settings_of

    network = name.removeprefix(PREFIX)
    try:
        settings = settings_of(network)
    except ShapeError as error:
        raise RecipeError(f"The recipe {error.message}.", error.hint) from error
    return {
        "name": network.casefold(),
        "about": f"timm's {network}, pretrained, with a last layer of its own",
        "layers": [
            {"kind": "backbone", "name": name},
            {"kind": "dropout", "rate": 0.2},
            {"kind": "dense"},
        ],
        "normalise": {
            "zero": [round(255 * mean, 4) for mean in settings.mean],
            "span": [round(255 * deviation, 4) for deviation in settings.std],
        },
        "training": {
            "epochs": 5,
            "optimizer": "adamw",
            "schedule": "one-cycle",
            "warmup": 0.2,
            "weight_decay": 0.01,
            "rates": {"0": 0.1},
        },
        "augmentation": {"flip": True},
    }
