"""A garment and a wardrobe -> what goes with it in each role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .garment import Garment, garment_row
from .outfit import NAMES
from .pairs import Pair, Pairs
from .rules import ROLES, Role, Rules, Shape


@dataclass(frozen=True)
class Suggestions:
    """What goes with a garment in one role, the best first; `missing` says why where there is nothing."""

    role: Role
    pairs: tuple[Pair, ...]
    missing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "role": self.role,
            "garments": [_suggested(pair) for pair in self.pairs],
            "missing": self.missing or None,
        }


def suggest(
    garment: Garment, wardrobe: Mapping[Role, Sequence[Garment]], pairs: Pairs, top: int
) -> list[Suggestions]:
    """What goes with a garment in each role that it does not take itself, at most `top` of each."""
    rules, own = pairs.rules, set(pairs.rules.kinds[garment.kind].roles)
    found = []
    for role in ROLES:
        if own == {role} or not _worn_together(own, role, rules.shapes):
            continue
        judged = sorted(
            (pairs.of(garment, other) for other in wardrobe.get(role, ()) if other.id != garment.id),
            key=lambda pair: -pair.score,
        )
        going = _varied([pair for pair in judged if pair.score >= rules.limits.goes], top, rules)
        missing = ""
        if not judged:
            missing = f"no {NAMES[role]} in this wardrobe"
        elif not going:
            missing = f"no {NAMES[role]} in this wardrobe to go with it; the nearest: {_nearest(judged[0])}"
        found.append(Suggestions(role, going, missing))
    return found


def _varied(ranked: Sequence[Pair], top: int, rules: Rules) -> tuple[Pair, ...]:
    """The best; those of a kind and a colour that were chosen already stand back a little."""
    seen: Counter[str] = Counter()
    left, chosen = list(ranked), list[Pair]()
    while left and len(chosen) < top:
        best = max(left, key=lambda pair: pair.score - rules.outfits.repeated * seen[pair.second.title])
        seen[best.second.title] += 1
        chosen.append(best)
        left.remove(best)
    return tuple(chosen)


def _suggested(pair: Pair) -> dict[str, Any]:
    row = pair.to_dict()
    return {**garment_row(pair.second), **{key: row[key] for key in ("score", "reasons", "findings")}}


def _nearest(pair: Pair) -> str:
    """The best of those that do not go, and what is most against it."""
    said = [found for found in pair.findings if found.reason]
    why = f" ({min(said, key=lambda found: found.score).reason})" if said else ""
    return f"{pair.second.title}{why}"


def _worn_together(own: Iterable[Role], role: Role, shapes: Iterable[Shape]) -> bool:
    """Whether any outfit has one of these roles and that one."""
    return any(
        role in roles and any(one in roles and one != role for one in own)
        for roles in ((*shape.needs, *shape.may) for shape in shapes)
    )
