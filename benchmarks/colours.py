"""How often the main colour of a garment has the name that people would give it.

    python benchmarks/colours.py [FOLDER]

Drawn garments of known dye, laid on grounds of other colours, plain, shaded and striped; and, where FOLDER
holds them, photographs whose colours somebody judged by eye. colours.csv lists their files, the names that
were thought right for the main colour before any answer was seen, and whether a photo served to tune or only
to judge.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import lapel
from lapel.colour import NAMES, find_colours
from lapel.data.synthetic.draw import draw
from lapel.metrics import wilson_interval
from lapel.tagger import Tag

LABELS = Path(__file__).with_suffix(".csv")
# One dye a name, as a dyer would mix it; they are not those of Lapel's own table.
DYES = {
    "black": (22, 22, 24),
    "grey": (128, 129, 131),
    "white": (243, 243, 241),
    "cream": (240, 229, 207),
    "beige": (211, 192, 164),
    "tan": (192, 148, 100),
    "brown": (104, 66, 42),
    "khaki": (158, 145, 112),
    "olive": (98, 98, 58),
    "green": (38, 132, 66),
    "mint": (173, 221, 200),
    "teal": (22, 116, 120),
    "turquoise": (58, 190, 202),
    "light blue": (160, 194, 228),
    "blue": (36, 88, 196),
    "navy": (28, 40, 74),
    "purple": (100, 52, 146),
    "lilac": (190, 168, 218),
    "pink": (232, 110, 165),
    "red": (200, 30, 38),
    "burgundy": (112, 26, 42),
    "coral": (240, 122, 110),
    "orange": (238, 128, 32),
    "mustard": (200, 154, 36),
    "yellow": (244, 216, 54),
}


def dyed(count: int, seed: int, size: int = 64) -> tuple[NDArray[np.uint8], list[str]]:
    """Drawn garments on grounds (count, size, size, 3), and the name of each one's dye."""
    random = np.random.default_rng(seed)
    drawn = draw(count, size=size, seed=seed)[0][..., 0] / 255
    names = [NAMES[place] for place in np.arange(count) % len(NAMES)]
    pictures = [
        _scene(garment, np.array(DYES[name]), random) for garment, name in zip(drawn, names, strict=True)
    ]
    return np.stack(pictures), names


def _scene(
    garment: NDArray[np.float64], dye: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.uint8]:
    """One garment (height, width; 0 to 1), dyed, on a ground, in some light."""
    inside = (garment > 0.05)[..., None]
    relief = 0.85 + 0.3 * (garment[..., None] - np.median(garment[inside[..., 0]]))
    ground = _ground(garment.shape, dye, random)
    picture = np.where(inside, dye * np.clip(relief + 0.12, 0.55, 1.1), ground)
    light = random.uniform(0.85, 1.1) * random.uniform(0.96, 1.04, 3)
    return np.clip(picture * light + random.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def _ground(
    shape: tuple[int, ...], dye: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.float64]:
    """A ground that is unlike the dye: plain, shaded from one side, or striped in two colours."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] / shape[0]
    first, second = (_unlike(dye, random) for _ in range(2))
    turn = random.uniform(0, np.pi)
    along = rows * np.cos(turn) + columns * np.sin(turn)
    kind = random.integers(3)
    if kind == 0:
        return np.broadcast_to(first, (*shape, 3)).astype(float)
    if kind == 1:
        shaded: NDArray[np.float64] = first * (0.75 + 0.4 * (along - along.min()))[..., None]
        return shaded
    stripe = np.sin(along * random.uniform(10, 40)) > 0
    striped: NDArray[np.float64] = np.where(stripe[..., None], first, second)
    return striped


def _unlike(dye: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.float64]:
    while True:
        colour: NDArray[np.float64] = random.uniform(20, 250) + random.normal(0, 25, 3)
        if np.abs(colour - dye).max() > 70 and colour.min() > 0 and colour.max() < 256:
            return colour


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    arguments = parser.parse_args()
    print("| pictures | n | main colour right |\n|---|---:|---:|")
    pictures, names = dyed(1000, seed=1)
    right = [found[0].name == name for found, name in zip(find_colours(pictures), names, strict=True)]
    print(_row("drawn garments of known dye on other grounds", right))
    if arguments.folder:
        with LABELS.open(newline="") as file:
            rows = list(csv.DictReader(file))
        tags = lapel.load_tagger().tag_many([arguments.folder / row["file"] for row in rows])
        answered: dict[str, list[bool]] = {}
        for row, tag in zip(rows, tags, strict=True):
            if isinstance(tag, Tag):
                good = tag.colours[0].name in row["colours"].split("|")
                for group in ("photographs", f"of them, {row['use']}"):
                    answered.setdefault(group, []).append(good)
        for group, goods in answered.items():
            print(_row(group, goods))


def _row(name: str, right: list[bool]) -> str:
    low, high = wilson_interval(sum(right), len(right))
    return f"| {name} | {len(right):,} | {np.mean(right):.1%} ({low:.1%} to {high:.1%}) |"


if __name__ == "__main__":
    main()
