"""A model whose answers are known beforehand: it says which part of a picture is bright."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapel.card import Card
from lapel.engines.onnx import to_onnx
from lapel.picture import PictureSpec
from lapel.recipes.load import parse

CLASSES = ("left", "right", "nothing")
CARD = Card("halves", CLASSES, PictureSpec(size=8), made={"recipe": "halves", "seed": 0})
# Of the same network, whose third answer is now a reason to refuse.
DOUBTING = replace(CARD, class_names=CLASSES[:2], rejects=("no garment found",), accept=0.6)


def write_model(path: Path, card: Card = CARD) -> Path:
    """Write the model to `path`, with this card."""
    recipe = parse({"name": "halves", "layers": [{"kind": "flatten"}, {"kind": "dense"}]}, "halves")
    sides = np.zeros((3, 8, 8), np.float32)
    sides[0, :, :4], sides[1, :, 4:] = 0.2, 0.2
    weights = {"1.weight": sides.reshape(3, 64), "1.bias": np.array([0, 0, 0.5], np.float32)}
    path.write_bytes(to_onnx(recipe, weights, card).SerializeToString())
    return path


def bright(side: str) -> NDArray[np.uint8]:
    """An 8×8 picture that is bright on this side, or on both."""
    picture = np.zeros((8, 8), np.uint8)
    if side in ("left", "both"):
        picture[:, :4] = 255
    if side in ("right", "both"):
        picture[:, 4:] = 255
    return picture
