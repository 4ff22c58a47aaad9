"""A garment and a wardrobe -> whole outfits, the best that differ from each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .garment import Garment
from .outfit import Outfit, judge_outfit, score_outfit
from .pairs import Pairs
from .rules import ROLES, Role, Rules, Shape

_LIKELY = 10  # garments of a role that outfits are made of, the best first
_WIDE = 60  # outfits in the making that are gone on with
_CHOICE = 400  # finished ones that the shown are chosen from
_MORE = 0.01  # what a garment more is worth


def compose(
    garment: Garment, wardrobe: Mapping[Role, Sequence[Garment]], pairs: Pairs, top: int
) -> list[Outfit]:
    """The best outfits around a garment, at most `top`, that differ from each other.

    Those that lack what they need are shown only where there is none that lacks nothing.
    """
    found: dict[frozenset[str], Outfit] = {}
    for shape in pairs.rules.shapes:
        for role in pairs.rules.kinds[garment.kind].roles:
            if role in (*shape.needs, *shape.may):
                for outfit in _of_shape(garment, role, shape, wardrobe, pairs):
                    key = frozenset(one.id for one in outfit.garments.values())
                    if key not in found or found[key].score < outfit.score:
                        found[key] = outfit
    going = [outfit for outfit in found.values() if outfit.score >= pairs.rules.limits.goes]
    whole = [outfit for outfit in going if not outfit.lacks]
    ranked = sorted(whole or going, key=lambda one: -_standing(one, pairs.rules))
    return _diverse(ranked[:_CHOICE], garment, top, pairs.rules)


def _of_shape(
    garment: Garment, own: Role, shape: Shape, wardrobe: Mapping[Role, Sequence[Garment]], pairs: Pairs
) -> list[Outfit]:
    """The best outfits of one shape: needed roles are filled first, then those that it may have."""
    begun: list[dict[Role, Garment]] = [{own: garment}]
    for role in (*shape.needs, *shape.may):
        if role == own:
            continue
        candidates = [one for one in wardrobe.get(role, ()) if one.id != garment.id]
        likely = sorted(candidates, key=lambda one: -pairs.of(garment, one).score)[:_LIKELY]
        likely = [one for one in likely if pairs.of(garment, one).score >= pairs.rules.limits.goes]
        grown = [
            {**outfit, role: one}
            for outfit in begun
            for one in likely
            if role in shape.needs or _adds(outfit, one, pairs)
        ]
        kept = [*grown, *begun]
        kept.sort(key=lambda outfit: -_rank(outfit, shape, pairs))
        begun = kept[:_WIDE]
    return [_finish(outfit, shape, pairs) for outfit in begun if len(outfit) > 1]


def _adds(outfit: Mapping[Role, Garment], one: Garment, pairs: Pairs) -> bool:
    """Whether a garment that need not be there goes with all of an outfit."""
    return all(pairs.of(other, one).score >= pairs.rules.limits.goes for other in outfit.values())


def _rank(outfit: Mapping[Role, Garment], shape: Shape, pairs: Pairs) -> float:
    """What outfits of several sizes are compared by: of two alike, the one with more to wear."""
    lacking = sum(1 for role in shape.needs if role not in outfit)
    score = score_outfit(list(outfit.values()), pairs)[0] if len(outfit) > 1 else 1.0
    return score - pairs.rules.outfits.lacking * lacking + _MORE * len(outfit)


def _standing(outfit: Outfit, rules: Rules) -> float:
    """The same for outfits that are done."""
    return outfit.score - rules.outfits.lacking * len(outfit.lacks) + _MORE * len(outfit.garments)


def _finish(outfit: Mapping[Role, Garment], shape: Shape, pairs: Pairs) -> Outfit:
    pieces = [(role, outfit[role]) for role in ROLES if role in outfit]
    return judge_outfit(pieces, pairs, tuple(role for role in shape.needs if role not in outfit))


def _diverse(ranked: Sequence[Outfit], garment: Garment, top: int, rules: Rules) -> list[Outfit]:
    """The best, and then always the best of those that share little with the ones that were chosen."""
    chosen: list[Outfit] = []
    left = list(ranked)
    while left and len(chosen) < top:
        best = max(left, key=lambda one: _standing(one, rules) - _shared(one, chosen, garment, rules))
        chosen.append(best)
        left.remove(best)
    return chosen


def _shared(outfit: Outfit, chosen: Sequence[Outfit], garment: Garment, rules: Rules) -> float:
    """What an outfit loses for garments that were shown in another already."""
    own = {one.id for one in outfit.garments.values()} - {garment.id}
    shares = [len(own & {one.id for one in other.garments.values()}) / max(1, len(own)) for other in chosen]
    return rules.outfits.variety * max(shares, default=0.0)
