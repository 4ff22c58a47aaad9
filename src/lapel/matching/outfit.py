"""Garments -> an outfit: how well they go together as a whole, what for, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from .garment import Garment, garment_row
from .harmony import is_neutral
from .pairs import Pairs
from .rules import DAYS, OCCASIONS, Day, Occasion, Role, Rules

NAMES: Mapping[Role, str] = {
    "top": "top",
    "bottom": "trousers, skirt or shorts",
    "dress": "dress",
    "shoes": "shoes",
    "outer": "outer layer",
    "bag": "bag",
    "hat": "hat",
}


@dataclass(frozen=True)
class Outfit:
    """Garments that make an outfit, each in its role, how well they go together, and why.

    `lacks` are the roles that it needs and the wardrobe does not have.
    """

    garments: Mapping[Role, Garment]
    score: float
    reasons: tuple[str, ...]
    occasions: tuple[Occasion, ...]
    days: tuple[Day, ...]
    lacks: tuple[Role, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "garments": {role: garment_row(garment) for role, garment in self.garments.items()},
            "score": round(self.score, 3),
            "reasons": list(self.reasons),
            "occasions": list(self.occasions),
            "days": list(self.days),
            "lacks": list(self.lacks),
        }


def judge_outfit(
    pieces: Sequence[tuple[Role, Garment]], pairs: Pairs, lacks: tuple[Role, ...] = ()
) -> Outfit:
    """These garments, two at least, as an outfit; each is called by its role."""
    rules, garments = pairs.rules, [garment for _, garment in pieces]
    score, faults = score_outfit(garments, pairs)
    occasions, days = _occasions(garments, rules), _days(garments, rules)
    reasons = list(pairs.of(*garments[:2]).reasons)
    for role, garment in pieces[2:]:
        colours = [one for one in pairs.of(garments[0], garment).findings if one.question == "colour"]
        reasons += [f"{NAMES[role]} – {found.reason}" for found in colours]
    patterned = [garment for garment in garments if garment.patterned]
    if len(patterned) == 1 and any(garment.patterned is False for garment in garments):
        reasons = [reason for reason in reasons if "pattern" not in reason]
        reasons.append(f"one pattern: the {patterned[0].title}")
    reasons += faults
    if occasions and days:
        reasons.append(f"{' or '.join(occasions)}, for {' or '.join(days)} days")
    return Outfit(dict(pieces), score, tuple(dict.fromkeys(reasons)), occasions, days, lacks)


def score_outfit(garments: Sequence[Garment], pairs: Pairs) -> tuple[float, list[str]]:
    """How well an outfit goes together as a whole, and what is said against it.

    The worst pair counts as much as the mean: what does not go is not outweighed by what does.
    """
    rules = pairs.rules
    scores = [pairs.of(one, two).score for one, two in combinations(garments, 2)]
    score = (sum(scores) / len(scores) + min(scores)) / 2 if scores else 0.0
    faults = []
    colours = {tone.name for one in garments for tone in one.tones if not is_neutral(tone, rules)}
    if len(colours) > rules.outfits.colours:
        score -= rules.outfits.too_many * (len(colours) - rules.outfits.colours)
        faults.append(f"{len(colours)} colours beside the neutrals")
    patterns = sum(1 for one in garments if one.patterned)
    if patterns > 1:
        score -= rules.outfits.patterns * (patterns - 1)
        faults.append(f"{patterns} patterns")
    if not _occasions(garments, rules):
        score -= rules.outfits.torn
        faults.append("for no one occasion")
    if not _days(garments, rules):
        score -= rules.outfits.torn
        faults.append("for no one kind of day")
    return max(0.0, score), faults


def _occasions(garments: Sequence[Garment], rules: Rules) -> tuple[Occasion, ...]:
    """What all garments are for."""
    return tuple(
        one for one in OCCASIONS if all(one in rules.kinds[some.kind].occasions for some in garments)
    )


def _days(garments: Sequence[Garment], rules: Rules) -> tuple[Day, ...]:
    """The days that suit all garments; cold ones only where there are enough layers."""
    suited = [day for day in DAYS if all(day in rules.kinds[one.kind].days for one in garments)]
    layers = sum(1 for one in garments if {"top", "outer"}.intersection(rules.kinds[one.kind].roles))
    worn = any({"top", "dress"}.intersection(rules.kinds[one.kind].roles) for one in garments)
    if worn and layers < rules.outfits.layers and len(suited) > 1:
        suited = [day for day in suited if day != "cold"]
    return tuple(suited)
