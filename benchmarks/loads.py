"""What servers are asked in benchmarks: a small model, photos, and pictures as JSON."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

import lapel
from lapel.data.synthetic.draw import draw, synthetic_dataset
from lapel.picture import PictureSpec

NAME = "model"  # as it is called under /v2
WIDTH, HEIGHT = 400, 533


def small_model(folder: Path) -> Path:
    """A model made in seconds that takes 0.15 ms of one core for a picture, alone or among others.

    `cnn-fast` is asked about each picture and its mirror image. How often it is right does not matter here.
    A photo becomes grey and small and no more, which is what the others make of it, too.
    """
    drawn = synthetic_dataset(train=600, test=100)
    dataset = replace(drawn, picture=PictureSpec(size=28, channels=1, preparation="plain"))
    run = lapel.train(lapel.load_recipe("cnn-fast", ["training.epochs=1"]), dataset, path=folder / "run")
    return lapel.export(run, folder / "model.onnx", dataset=dataset, mirror=True).path


def photos_of(given: Path | None, folder: Path) -> list[Path]:
    """The photos of a folder, in an order of no meaning; drawn garments where none is given."""
    paths = sorted(given.rglob("*.jpg")) if given else drawn_photos(folder)
    random.Random(0).shuffle(paths)
    return paths


def drawn_photos(folder: Path, count: int = 100) -> list[Path]:
    """Drawn garments, about as large as photos that a phone's app sends: 400×533, 20 KB."""
    pictures, _ = draw(count, size=HEIGHT, channels=3, style="photo", seed=1)
    side = (HEIGHT - WIDTH) // 2
    paths = []
    for number, picture in enumerate(pictures):
        paths.append(folder / f"drawn-{number}.jpg")
        Image.fromarray(picture[:, side : side + WIDTH]).save(paths[-1], quality=80)
    return paths


def tensors(folder: Path, v2: bool, count: int = 100) -> list[Path]:
    """Files of JSON, each with the pixels of one drawn garment."""
    pictures, _ = draw(count, seed=1)
    paths = []
    for number, picture in enumerate(pictures):
        paths.append(folder / f"{'v2' if v2 else 'data'}-{number}.json")
        paths[-1].write_text(
            json.dumps(v2_body(picture.ravel().tolist()) if v2 else {"data": picture.ravel().tolist()})
        )
    return paths


def v2_body(pixels: Sequence[int]) -> dict[str, object]:
    """One picture as the Open Inference Protocol has it."""
    tensor = {"name": "image", "shape": [1, 28, 28, 1], "datatype": "UINT8", "data": list(pixels)}
    return {"inputs": [tensor]}


def encoded(image: Image.Image, form: str) -> bytes:
    """The bytes of an image in a format."""
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()
