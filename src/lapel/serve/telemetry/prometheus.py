"""Numbers as Prometheus reads them: its text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels: TypeAlias = Mapping[str, str]
Kind: TypeAlias = Literal["counter", "gauge", "histogram"]


class Sample(NamedTuple):
    """A number and what it is of; `suffix` is for the parts of a histogram."""

    labels: Labels
    value: float
    suffix: str = ""


def lines(name: str, kind: Kind, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    """A metric, line by line; nothing where there are no samples."""
    head = [f"# HELP {name} {_escape(text, quotes=False)}", f"# TYPE {name} {kind}"]
    for labels, value, suffix in samples:
        yield from head
        head = []
        inside = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
        yield f"{name}{suffix}{{{inside}}} {_number(value)}" if inside else f"{name}{suffix} {_number(value)}"


def histogram(labels: Labels, bounds: Sequence[float], counts: Sequence[float], total: float) -> list[Sample]:
    """The samples of a histogram.

    `counts` are those of the values up to each bound and above the one before it, and of those above the
    last; `total` is the sum of all values.
    """
    count, samples = 0.0, []
    for bound, more in zip((*bounds, float("inf")), counts, strict=True):
        count += more
        samples.append(Sample({**labels, "le": _number(bound)}, count, "_bucket"))
    return [*samples, Sample(labels, total, "_sum"), Sample(labels, count, "_count")]


def _escape(text: str, quotes: bool = True) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == value // 1 else repr(value)
