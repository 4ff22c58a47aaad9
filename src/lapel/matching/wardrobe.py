"""What somebody has, as matching takes it: garments by role, of which the likeliest get a closer look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..decode import Source
from .garment import Garment
from .pairs import Pairs
from .pattern import has_pattern
from .rules import Role, Rules

if TYPE_CHECKING:
    from ..index.rows import Hit

_LOOKED_AT = 12  # garments of a role of which it is measured whether they have a pattern
_CLOTHES = {"top", "bottom", "dress", "outer"}  # seams, laces and straps are as fine as any pattern


@dataclass
class Wardrobe:
    """Garments by the roles that they may have, and how many of all photos are none that can be matched."""

    roles: dict[Role, list[Garment]] = field(default_factory=dict)
    names: dict[str, Garment] = field(default_factory=dict)  # by id, by path, and by the name of the file
    unsure: int = 0  # whose kind is not sure
    unknown: int = 0  # of kinds of which the rules say nothing
    beyond: int = 0  # more of a role than are looked at

    @property
    def count(self) -> int:
        """Garments that can be matched."""
        return len({garment.id for some in self.roles.values() for garment in some})

    @property
    def remarks(self) -> list[str]:
        """What was left out, and why."""
        said = []
        if self.unsure:
            said.append(f"Photos left out, of which it is not sure what they show: {self.unsure:,}.")
        if self.unknown:
            said.append(f"Photos left out, of whose kinds the rules say nothing: {self.unknown:,}.")
        if self.beyond:
            said.append(f"Garments not looked at, beyond limits.garments of the rules: {self.beyond:,}.")
        return said

    def find(self, name: str) -> Garment | None:
        """A garment by its id, its path, or the name of its file; None where there is none."""
        return self.names.get(name) or self.names.get(str(Path(name).resolve()))


def garment_of(row: Hit) -> Garment:
    """A row of an index as a garment."""
    return Garment(row.id, row.source, row.kind, row.colours, None, row.thumbnail)


def is_sure(row: Hit, accept: float) -> bool:
    """Whether the kind of a photo is to be relied on."""
    return row.kind_score >= accept or "kind" in row.corrected


def read_wardrobe(rows: Iterable[Hit], rules: Rules, accept: float) -> Wardrobe:
    """The garments of an index's rows that can be matched, by role; `accept` is the least score of a kind."""
    wardrobe = Wardrobe()
    for row in rows:
        if not is_sure(row, accept):
            wardrobe.unsure += 1
        elif row.kind not in rules.kinds:
            wardrobe.unknown += 1
        else:
            _put(wardrobe, garment_of(row), rules)
    return wardrobe


def look_closer(garment: Garment, wardrobe: Wardrobe, pairs: Pairs) -> Mapping[Role, Sequence[Garment]]:
    """The garments of each role, the likeliest first, with what is measured of their pictures."""
    seen: dict[str, Garment] = {}
    roles: dict[Role, list[Garment]] = {}
    for role, garments in wardrobe.roles.items():
        ranked = sorted(garments, key=lambda one: -pairs.of(garment, one).score)
        near = [_looked_at(one, seen, pairs.rules) for one in ranked[:_LOOKED_AT]]
        roles[role] = [*near, *ranked[_LOOKED_AT:]]
    return roles


def with_pattern(garment: Garment, photo: Source, rules: Rules) -> Garment:
    """The garment, with whether its photo shows a pattern; of shoes, bags and hats that is not judged."""
    if not _CLOTHES.intersection(rules.kinds[garment.kind].roles):
        return garment
    return replace(garment, patterned=has_pattern(photo))


def _looked_at(garment: Garment, seen: dict[str, Garment], rules: Rules) -> Garment:
    if garment.id not in seen:
        seen[garment.id] = with_pattern(garment, garment.thumbnail, rules) if garment.thumbnail else garment
    return seen[garment.id]


def _put(wardrobe: Wardrobe, garment: Garment, rules: Rules) -> None:
    placed = False
    for role in rules.kinds[garment.kind].roles:
        held = wardrobe.roles.setdefault(role, [])
        if len(held) < rules.limits.garments:
            held.append(garment)
            placed = True
    wardrobe.beyond += not placed
    if placed:
        for name in _names(garment):
            wardrobe.names.setdefault(name, garment)


def _names(garment: Garment) -> Iterator[str]:
    yield garment.id
    yield garment.source
    yield str(Path(garment.source).resolve())
    yield Path(garment.source).name
