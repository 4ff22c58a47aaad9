"""How an answer is put into words for people: the same on the command line, in figures, on every page.

The number beside a label is always the score: what is left of the confidence beside all that the model would
rather refuse, and what decides whether the label is accepted. The page has the same words in JavaScript
(page/answer.js), which a test holds to these.
"""

from __future__ import annotations

UNKNOWN = "I don't know"


def percent(share: float) -> str:
    """A share as people read it; rounding makes no certainty of doubt, and no nothing of little.

    >>> percent(0.9996), percent(1.0), percent(0.953), percent(0.0002)
    ('>99.9%', '100.0%', '95.3%', '<0.1%')
    """
    if 0.9995 <= share < 1:
        return ">99.9%"
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def describe_doubt(label: str, score: float, reason: str) -> str:
    """Why an answer is not accepted and what comes closest; empty where it is accepted.

    >>> describe_doubt("Shirt", 0.2, "unsure")
    'unsure (closest: Shirt 20.0%)'
    """
    return f"{reason} (closest: {label} {percent(score)})" if reason else ""


def describe_answer(label: str, score: float, reason: str) -> str:
    """An answer in a line.

    >>> describe_answer("Shirt", 0.9996, "")
    'Shirt >99.9%'
    """
    return f"{UNKNOWN}: {describe_doubt(label, score, reason)}" if reason else f"{label} {percent(score)}"


def how_often(count: int) -> str:
    """A number of times.

    >>> how_often(1), how_often(3)
    ('once', '3 times')
    """
    return {0: "never", 1: "once"}.get(count, f"{count} times")
