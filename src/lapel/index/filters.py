"""What rows are wanted, in words -> a condition for the store; a word that is not known is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..colour import NAMES
from ..errors import LapelError, did_you_mean
from .store import one_of, quoted

Words: TypeAlias = str | Sequence[str]


@dataclass(frozen=True)
class Filter:
    """Of each, any one will do; an empty one asks for nothing. A garment has a colour if some of it has."""

    kind: Words = ()
    colour: Words = ()
    label: Words = ()
    accepted: bool | None = None
    corrected: bool = False

    def condition(self, about: dict[str, Any]) -> str | None:
        """The condition in SQL; None where every row fits. `about` is what the index says of itself.

        Raises LapelError for a kind, colour or label that there is not, with the one that comes nearest.
        """
        parts = []
        if kinds := _known("kind", self.kind, about["kinds"]):
            parts.append(one_of("kind", kinds))
        if labels := _known("label", self.label, about["labels"]):
            parts.append(one_of("label", labels))
        if colours := _known("colour", self.colour, NAMES):
            parts.append(f"array_has_any(colour_names, [{', '.join(map(quoted, colours))}])")
        if self.accepted is not None:
            parts.append(f"accepted = {str(self.accepted).lower()}")
        if self.corrected:
            parts.append("array_length(corrected) > 0")
        return " AND ".join(parts) or None


def _known(what: str, words: Words, names: Sequence[str]) -> list[str]:
    """The words as the index writes them, whatever their case."""
    written = {name.casefold(): name for name in names}
    found = []
    for word in [words] if isinstance(words, str) else words:
        name = written.get(word.strip().casefold())
        if name is None:
            raise LapelError(f'There is no {what} "{word}".', did_you_mean(word.strip().casefold(), written))
        found.append(name)
    return found
