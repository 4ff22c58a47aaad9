"""A remark where a table shows test figures of several: they are not to choose by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import click


def remark_on_test(looks: Iterable[tuple[str, int]]) -> None:
    """Say on stderr, in one line, which data several rows have looked at the test pictures of.

    `looks` has the dataset and the number of looks of each row.
    """
    seen = Counter(dataset for dataset, count in looks if count)
    for dataset, rows in seen.items():
        if rows > 1:
            click.echo(
                f"{rows} here have looked at the test pictures of {dataset}. Choose among them by "
                "validation: who chooses by test figures fits to them, and the best one flatters.",
                err=True,
            )
