"""The outfits that a person keeps: a small file beside the photos, written as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import DataError, LapelError
from ..files import file_errors, write_atomic
from ..matching.outfit import Outfit
from ..matching.rules import Role

MOST = 1000  # outfits
_LARGEST = 4 * 1024 * 1024  # bytes of the file


class FullWardrobe(LapelError):
    """There is no room for another photo, or another outfit."""


class KeptOutfit(BaseModel):
    """An outfit: the ids of its garments by their roles, and what was said of it when it was kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    garments: dict[Role, str]
    reasons: tuple[str, ...]
    occasions: tuple[str, ...]
    days: tuple[str, ...]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    outfits: list[KeptOutfit] = []


@dataclass(frozen=True)
class OutfitFile:
    """The kept outfits in the file at `path`. Whoever changes them holds a lock meanwhile."""

    path: Path

    def read(self) -> list[KeptOutfit]:
        """All of them, in the order in which they were kept. Raises DataError where the file is damaged."""
        if not self.path.exists():
            return []
        with file_errors(self.path), self.path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        try:
            return _File.model_validate_json(data).outfits
        except ValidationError as error:
            raise DataError(
                f"{self.path}: no file of kept outfits ({error.errors()[0]['msg']}).",
                "Move it away; outfits are then kept in a new one.",
            ) from error

    def keep(self, outfit: Outfit) -> KeptOutfit:
        """Keep an outfit; one of the same garments is kept once. Raises FullWardrobe beyond MOST."""
        garments = {role: garment.id for role, garment in outfit.garments.items()}
        kept = KeptOutfit(
            id=outfit_id(garments),
            garments=garments,
            reasons=outfit.reasons,
            occasions=outfit.occasions,
            days=outfit.days,
        )
        others = [one for one in self.read() if one.id != kept.id]
        if len(others) >= MOST:
            raise FullWardrobe(f"{MOST:,} outfits are kept already.", "Drop some that you do not wear.")
        self._write([*others, kept])
        return kept

    def drop(self, identity: str) -> bool:
        """Keep an outfit no longer; whether there was one of this id."""
        return self._drop(lambda one: one.id == identity)

    def drop_garment(self, garment: str) -> None:
        """Keep no longer the outfits that this garment is part of."""
        self._drop(lambda one: garment in one.garments.values())

    def _drop(self, goes: Callable[[KeptOutfit], bool]) -> bool:
        outfits = self.read()
        left = [one for one in outfits if not goes(one)]
        if len(left) < len(outfits):
            self._write(left)
        return len(left) < len(outfits)

    def _write(self, outfits: list[KeptOutfit]) -> None:
        write_atomic(self.path, _File(outfits=outfits).model_dump_json(indent=1))


def outfit_id(garments: Mapping[Role, str]) -> str:
    """What an outfit of these garments is called."""
    return hashlib.sha256("\0".join(sorted(garments.values())).encode()).hexdigest()[:16]
