"""Two garments beside each other: what the rules find, question by question, and their score by all of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .garment import Garment
from .harmony import Finding, judge_colours, judge_contrast
from .rules import DAYS, OCCASIONS, Role, Rules

Taste = Callable[[Garment, Garment], float]  # how probably somebody likes two garments together, from 0 to 1

_HEIGHTS: dict[Role, int] = {"hat": 5, "outer": 4, "top": 3, "dress": 3, "bottom": 2, "shoes": 1}
_SIDES = {"bag", "hat"}  # neither over nor under anything


@dataclass(frozen=True)
class Pair:
    """How well two garments go together, from 0 to 1, and why."""

    first: Garment
    second: Garment
    score: float
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, in words: each finding that has any."""
        return tuple(found.reason for found in self.findings if found.reason)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "first": self.first.source,
            "second": self.second.source,
            "score": round(self.score, 3),
            "reasons": list(self.reasons),
            "findings": {found.question: round(found.score, 3) for found in self.findings},
        }


def judge_pair(first: Garment, second: Garment, rules: Rules, taste: Taste | None = None) -> Pair:
    """How well two garments go together by all questions that can be asked of them.

    What is not known is not asked: a garment without colours is judged by its kind. `taste` is what was
    learned of somebody's likes. Both kinds must be known to the rules.
    """
    kinds = rules.kinds[first.kind], rules.kinds[second.kind]
    over = _over(kinds[0].roles, kinds[1].roles)
    found = [
        judge_colours(first.tones, second.tones, rules),
        judge_contrast(first.lightness, second.lightness, over, rules)
        if first.tones and second.tones
        else None,
        _judge_pattern(first, second, rules),
        _judge_steps("occasion", first, second, (kinds[0].occasions, kinds[1].occasions), OCCASIONS, rules),
        _judge_steps("season", first, second, (kinds[0].days, kinds[1].days), DAYS, rules),
    ]
    if taste is not None:
        liked = taste(first, second)
        found.append(Finding("likes", liked, f"you would like them together: {liked:.0%} (learned)"))
    findings = tuple(one for one in found if one is not None)
    weights = [getattr(rules.weights, one.question) for one in findings]
    score = _mean([one.score for one in findings], weights)
    bound = rules.bounds.get(frozenset((first.kind, second.kind)))
    if bound is not None and bound.most < score:
        return Pair(first, second, bound.most, (Finding("kinds", bound.most, bound.reason), *findings))
    return Pair(first, second, score, findings)


def _mean(scores: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted geometric mean: what does not go at all is not outweighed by what does."""
    asked = [(score, weight) for score, weight in zip(scores, weights, strict=True) if weight]
    if any(not score for score, _ in asked):
        return 0.0
    whole = sum(weight for _, weight in asked)
    return math.exp(sum(weight * math.log(score) for score, weight in asked) / whole) if whole else 1.0


def _over(first: Sequence[Role], second: Sequence[Role]) -> bool | None:
    """Whether a garment of these roles is worn above one of those."""
    if _SIDES.intersection((*first, *second)):
        return None
    heights = _HEIGHTS[first[-1]], _HEIGHTS[second[-1]]
    return None if heights[0] == heights[1] else heights[0] > heights[1]


def _judge_pattern(first: Garment, second: Garment, rules: Rules) -> Finding | None:
    if first.patterned is None or second.patterned is None:
        return None
    if first.patterned and second.patterned:
        return Finding("pattern", rules.patterns.both, "two patterns beside each other")
    if first.patterned or second.patterned:
        return Finding("pattern", rules.patterns.one, "one pattern, and a plain piece")
    return Finding("pattern", rules.patterns.none, "")


def _judge_steps(
    question: str,
    first: Garment,
    second: Garment,
    ranges: tuple[Sequence[str], Sequence[str]],
    order: Sequence[str],
    rules: Rules,
) -> Finding:
    """How far apart what two kinds are for lies; only what does not suit is worth a word."""
    one, two = ([order.index(word) for word in some] for some in ranges)
    gap = min(abs(left - right) for left in one for right in two)
    if not gap:
        return Finding(question, rules.steps.common, "")
    what = "days" if question == "season" else "wear"
    words = [
        f"{garment.title} for {_listed(some)} {what}"
        for garment, some in zip((first, second), ranges, strict=True)
    ]
    return Finding(question, rules.steps.one if gap == 1 else rules.steps.more, ", ".join(words))


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


@dataclass
class Pairs:
    """Judges pairs of garments by the same rules and the same taste, each pair once."""

    rules: Rules
    taste: Taste | None = None
    _judged: dict[tuple[str, str], Pair] = field(default_factory=dict)

    def of(self, first: Garment, second: Garment) -> Pair:
        """How well these go together."""
        key = first.id, second.id
        if key not in self._judged:
            self._judged[key] = judge_pair(first, second, self.rules, self.taste)
        return self._judged[key]
