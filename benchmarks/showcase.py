"""The picture that README opens with: the photos of `examples/photos`, as the shipped model labels them.

    python benchmarks/showcase.py docs/images/photos.png

The photos were chosen for what they show before the model had seen these files, one or two of a kind, and
none was exchanged after. They come from the collection that the model learned from, so the picture shows how
an answer looks, and nothing of how often it is right; BENCHMARKS.md does that, with other people's photos.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

import lapel
from lapel.files import write_atomic
from lapel.report.style import INK, MUTED, RIGHT, WRONG, png
from lapel.report.tiles import Tile, mosaic
from lapel.wording import percent

PHOTOS = Path(__file__).resolve().parent.parent / "examples" / "photos"
SIDE = 400
# What each photo shows; what is none of the ten classes has no label.
TRUTH = {
    "black-boots": "Ankle boot",
    "brown-sandals": "Sandal",
    "cable-pullover": "Pullover",
    "cap": None,
    "checked-shirt": "Shirt",
    "checked-shorts": None,
    "jeans": "Trouser",
    "printed-t-shirt": "T-shirt/top",
    "red-dress": "Dress",
    "striped-t-shirt": "T-shirt/top",
    "white-sneakers": "Sneaker",
    "winter-coat": "Coat",
}


def square(path: Path) -> NDArray[np.uint8]:
    """The whole photo on a white square, to stand in a row with others."""
    with Image.open(path) as photo:
        return np.asarray(ImageOps.pad(photo.convert("RGB"), (SIDE, SIDE), color="white"))


def main() -> None:
    """Label the photos and draw them with their labels."""
    tagger, tiles = lapel.load_tagger("photo"), []
    for name, label in TRUTH.items():
        path = PHOTOS / f"{name}.jpg"
        tag = tagger.tag(path)
        hue = MUTED if not tag.accepted else RIGHT if tag.label == label else WRONG
        headline = tag.label if tag.accepted else tag.reason
        sure = percent(tag.score) if tag.accepted else f"closest: {tag.label}"
        shows = f"is: {name.replace('-', ' ').replace('t shirt', 't-shirt')}"
        lines = ((headline, INK if hue == RIGHT else hue), (sure, MUTED), (shows, MUTED))
        tiles.append(Tile(square(path), lines, bar=min(tag.score, 1.0), hue=hue))
    file = io.BytesIO()
    Image.open(io.BytesIO(png(mosaic(tiles, columns=6)))).convert("RGB").quantize(256).save(file, "PNG")
    write_atomic(Path(sys.argv[1]), file.getvalue())


if __name__ == "__main__":
    main()
