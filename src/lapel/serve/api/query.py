"""Settings in the address of a request."""

from __future__ import annotations

from collections.abc import Mapping

from ..http.messages import HttpError


def read_flag(query: Mapping[str, str], name: str) -> bool:
    """A setting that is 0 or 1; 0 where it is not there. Raises HttpError for anything else."""
    value = query.get(name, "0")
    if value not in ("0", "1"):
        raise HttpError("invalid_query", f"{name} is 0 or 1; this was {value[:50]!r}.")
    return value == "1"


def read_count(query: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    """A whole number from 1 to `most`; more is as good as `most`. Raises HttpError for anything else."""
    text = query.get(name, "")
    if not text:
        return min(default, most)
    if not text.isdecimal() or not text.isascii() or len(text) > 6 or int(text) < 1:
        raise HttpError("invalid_query", f"{name} is a whole number from 1; this was {text[:50]!r}.")
    return min(int(text), most)


def read_place(query: Mapping[str, str], name: str) -> int:
    """A whole number from 0; 0 where it is not there. Raises HttpError for anything else."""
    text = query.get(name, "0")
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise HttpError("invalid_query", f"{name} is a whole number from 0; this was {text[:50]!r}.")
    return int(text)


def read_words(query: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Several values are separated by commas."""
    return tuple(word for word in query.get(name, "").split(",") if word.strip())
