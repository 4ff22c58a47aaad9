"""How colours go together: neutrals, tone in tone, neighbours, opposites, and light with dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .garment import Tone
from .rules import Rules


@dataclass(frozen=True)
class Finding:
    """How well two garments go together by one question, from 0 to 1, and why, in words."""

    question: str
    score: float
    reason: str


def is_neutral(tone: Tone, rules: Rules) -> bool:
    """Whether a colour goes with everything: by its name, or because there is hardly any colour in it."""
    return tone.name in rules.neutrals.names or tone.chroma < rules.neutrals.chroma


def judge_colours(first: Sequence[Tone], second: Sequence[Tone], rules: Rules) -> Finding | None:
    """How the colours of two garments go together, each pair by its share; None where some are not known.

    What is said is about the pair that covers most; and about the worst one where that does not go.
    """
    if not first or not second:
        return None
    pairs = [(one.share * two.share, *_judge(one, two, rules)) for one in first for two in second]
    score = sum(weight * found for weight, found, _ in pairs) / max(sum(weight for weight, *_ in pairs), 1e-9)
    _, _, reason = max(pairs, key=lambda pair: pair[0])
    _, worst, but = min(pairs, key=lambda pair: pair[1])
    if worst < rules.limits.goes <= score and but != reason:
        reason = f"{reason}; but {but}"
    return Finding("colour", score, reason)


def judge_contrast(first: float, second: float, over: bool | None, rules: Rules) -> Finding:
    """How two garments of this lightness go together.

    `over` says whether the first is worn above the second, below it (False), or neither.
    """
    apart = abs(first - second)
    if apart >= rules.lightness.apart:
        if over is None:
            reason = "light with dark"
        else:
            reason = "light over dark" if (first > second) == over else "dark over light"
        return Finding("contrast", rules.contrast.apart, reason)
    if apart <= rules.lightness.alike:
        return Finding("contrast", rules.contrast.alike, "equally light")
    return Finding("contrast", rules.contrast.between, "")


def _judge(one: Tone, two: Tone, rules: Rules) -> tuple[float, str]:
    scores, alike = rules.colours, abs(one.lightness - two.lightness) <= rules.lightness.alike
    both = one.name if one.name == two.name else f"{one.name} and {two.name}"
    neutral = is_neutral(one, rules), is_neutral(two, rules)
    if all(neutral):
        if one.name == two.name:
            return (scores.same, f"{both} with {both}") if alike else (scores.tones, f"{both}: tone in tone")
        return scores.neutrals, f"{both}: two neutrals"
    if any(neutral):
        return scores.neutral, f"{both}: a neutral with a colour"
    turn = abs(one.hue - two.hue)
    turn = min(turn, 360 - turn)
    if turn <= rules.hues.same:
        if alike:
            return (
                scores.same,
                f"{both}: the same colour" if one.name == two.name else f"{both}: nearly the same",
            )
        return scores.tones, f"{both}: tone in tone"
    if turn <= rules.hues.near:
        score, words = scores.neighbours, "neighbours on the colour circle"
    elif turn >= rules.hues.opposite:
        score, words = scores.opposites, "opposites on the colour circle"
    else:
        score, words = scores.others, "neither near on the colour circle nor opposite"
    if min(one.chroma, two.chroma) < scores.muted_below:
        return min(1.0, score + scores.muted), f"{both}: {words}, but muted"
    if min(one.chroma, two.chroma) > scores.vivid:
        return max(0.0, score - scores.loud), f"{both}: {words}, both loud"
    return score, f"{both}: {words}"
