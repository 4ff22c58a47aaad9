"""A garment as matching sees it: its kind, its colours, and whether it has a pattern where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..colour import Colour, oklab


@dataclass(frozen=True)
class Tone:
    """A colour of a garment in OKLCH, where distances are as people see them: its hue is in degrees."""

    name: str
    share: float
    lightness: float
    chroma: float
    hue: float


@dataclass(frozen=True)
class Garment:
    """A garment. `id` is what it is called in its wardrobe, `source` where its photo lies.

    `patterned` is None where nobody has looked, and `thumbnail` empty where there is none.
    """

    id: str
    source: str
    kind: str
    colours: tuple[Colour, ...] = ()
    patterned: bool | None = None
    thumbnail: bytes = field(default=b"", repr=False)

    @cached_property
    def tones(self) -> tuple[Tone, ...]:
        """Its colours in OKLCH, the largest first."""
        return tones_of(self.colours)

    @cached_property
    def lightness(self) -> float:
        """How light it is as a whole, from 0 to 1; 0.5 where its colours are not known."""
        whole = sum(tone.share for tone in self.tones)
        return sum(tone.share * tone.lightness for tone in self.tones) / whole if whole else 0.5

    @property
    def title(self) -> str:
        """What it is, in words.

        >>> Garment("1", "a.jpg", "Dress", (Colour("navy", 0.9, "#16203f"),)).title
        'navy dress'
        """
        plain = self.kind.removeprefix("Other ")
        kind = plain if plain[1:2] == "-" else plain[:1].lower() + plain[1:]
        return f"{self.colours[0].name} {kind}" if self.colours else kind


def garment_row(garment: Garment) -> dict[str, Any]:
    """A garment as plain data for JSON."""
    return {
        "id": garment.id,
        "source": garment.source,
        "kind": garment.kind,
        "colours": [colour.to_dict() for colour in garment.colours],
        "patterned": garment.patterned,
    }


def tones_of(colours: Sequence[Colour]) -> tuple[Tone, ...]:
    """Colours in OKLCH."""
    if not colours:
        return ()
    levels = np.array([[int(one.hex[at : at + 2], 16) for at in (1, 3, 5)] for one in colours]) / 255
    lab: NDArray[np.float64] = oklab(levels)
    chroma, hue = np.hypot(lab[:, 1], lab[:, 2]), np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) % 360
    rows = zip(colours, lab[:, 0].tolist(), chroma.tolist(), hue.tolist(), strict=True)
    return tuple(Tone(one.name, one.share, light, strength, turn) for one, light, strength, turn in rows)
