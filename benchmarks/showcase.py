"""The picture that README opens with: photos as the shipped model labels them.

    python benchmarks/showcase.py docs/images/photos.png

The first garments of one seed are drawn as photos, none of them chosen (no model has learned from drawings of
this kind); behind them a page of text and a photo of nothing but noise.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import lapel
from lapel.data.registry import FASHION_CLASSES
from lapel.data.synthetic.draw import draw
from lapel.files import write_atomic
from lapel.report.style import INK, MUTED, RIGHT, WRONG, png
from lapel.report.tiles import Tile, mosaic

SIDE = 400
SEED = 1


def page() -> NDArray[np.uint8]:
    """A page of text."""
    image = Image.new("RGB", (SIDE, SIDE), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=22)
    for row in range(12):
        pen.text((24, 20 + 31 * row), "this is a page of text and no garment", fill="black", font=font)
    return np.asarray(image)


def main() -> None:
    """Label the photos and draw them with their labels."""
    photos, labels = draw(10, size=SIDE, channels=3, style="photo", seed=SEED)
    noise = np.random.default_rng(SEED).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    names = [FASHION_CLASSES[label] for label in labels] + ["a page of text", "noise"]
    tagger, tiles = lapel.load_tagger("photo"), []
    for photo, name in zip([*photos, page(), noise], names, strict=True):
        tag = tagger.tag(photo)
        hue = MUTED if not tag.accepted else RIGHT if tag.label == name else WRONG
        told = tag.label if tag.accepted else tag.reason
        sure = f"{tag.confidence:.0%}" if tag.accepted else f"if at all, {tag.label}"
        lines = ((told, INK if hue == RIGHT else hue), (sure, MUTED), (f"is: {name}", MUTED))
        tiles.append(Tile(photo, lines, bar=min(tag.score, 1.0), hue=hue))
    write_atomic(Path(sys.argv[1]), png(mosaic(tiles, columns=6)))


if __name__ == "__main__":
    main()
