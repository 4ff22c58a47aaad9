"""What deserves to be said of a person's own pictures before a network learns from them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .near import near_across

_UNEVEN = 5  # times as many pictures of one class as of another, from which on it is said
_SHOWN = 3  # pairs


def remarks(dataset: Dataset, held: NDArray[np.bool_], *, weighed: bool) -> Iterator[str]:
    """A line each: files left out, classes of uneven size unless they are `weighed`, copies across the split.

    `held` says which training pictures are for validation. Nothing is said of pictures that were no photos.
    """
    if dataset.files is None:
        return
    if dataset.skipped:
        yield left_out(dataset)
    if not weighed and (words := uneven(dataset)):
        yield f"{words} --set training.class_weights=balanced gives all classes the same weight."
    pairs = near_across(dataset, held)
    if len(pairs):
        shown = "; ".join(f"{dataset.files[a]} and {dataset.files[b]}" for a, b in pairs[:_SHOWN])
        more = "; …" if len(pairs) > _SHOWN else ""
        yield (
            f"{len(pairs):,} pictures to learn from are nearly the same as one to validate on, so that the "
            f"figures will be too good: {shown}{more}. --group keeps what belongs together on one side."
        )


def left_out(dataset: Dataset) -> str:
    """How many files were left out, and where they are listed."""
    count = len(dataset.skipped)
    what = "1 file was" if count == 1 else f"{count:,} files were"
    return f"{what} left out; `lapel data check {dataset.origin or dataset.name}` says which and why."


def uneven(dataset: Dataset) -> str:
    """How many pictures the largest and the smallest class have; "" where that is no wide gap."""
    counts = np.bincount(dataset.train.labels, minlength=len(dataset.class_names))
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[most] <= _UNEVEN * counts[least]:
        return ""
    return (
        f"Class {dataset.class_names[most]!r} has {counts[most]:,} pictures, "
        f"{dataset.class_names[least]!r} has {counts[least]:,}."
    )
