"""How a picture's levels become numbers: said once, in the recipe, for every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import RecipeError
from ..recipes.schema import Normalise

Constant = Callable[[float | tuple[float, ...]], Any]


def check_normalise(normalise: Normalise, channels: int) -> None:
    """Raise RecipeError where there is a value for each channel, but not for each of these."""
    for word in ("zero", "span"):
        value = getattr(normalise, word)
        if isinstance(value, tuple) and len(value) != channels:
            raise RecipeError(
                f'"normalise.{word}" has {len(value)} values; the pictures have {channels} channels.',
                "Give one value for all channels, or one for each.",
            )


def numbers_of(levels: Any, normalise: Normalise, constant: Constant = lambda value: value) -> Any:
    """Levels from 0 to 255 (…, channels) as the numbers that the network takes.

    `levels` may be the array of any framework; `constant` makes one of a value, or of one a channel.
    """
    if normalise.zero != 0:
        levels = levels - constant(normalise.zero)
    return levels * constant(inverse(normalise.span))


def numbers_of_shares(shares: Any, normalise: Normalise, constant: Constant = lambda value: value) -> Any:
    """Shares of white, from 0 to 1, as the numbers that the network takes; in the usual case as they are."""
    return shares if normalise == Normalise() else numbers_of(shares * 255, normalise, constant)


def inverse(span: float | tuple[float, ...]) -> float | tuple[float, ...]:
    """What to multiply with, instead of dividing."""
    return tuple(1 / value for value in span) if isinstance(span, tuple) else 1 / span


def scale_and_offset(
    normalise: Normalise, channels: int
) -> tuple[float, float] | tuple[list[float], list[float]]:
    """The same as level · scale + offset: one of each for all channels, or lists with one for each."""
    zero, span = normalise.zero, normalise.span
    if not isinstance(zero, tuple) and not isinstance(span, tuple):
        return 1 / span, -zero / span if zero else 0.0
    zeros, spans = (value if isinstance(value, tuple) else (value,) * channels for value in (zero, span))
    return [1 / one for one in spans], [-middle / one for middle, one in zip(zeros, spans, strict=True)]
