"""A bar in the terminal, on stderr, that is gone when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID


def open_bar(
    title: str,
    share: ProgressColumn,
    text: str,
    *,
    total: int | None,
    fields: dict[str, str],
    titled: bool = False,
) -> tuple[Progress, TaskID]:
    """A bar and its only task; `share` shows how far it is, `text` is built of the `fields`.

    The title stands before the bar only where it is `titled`.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = [BarColumn(), share, TextColumn(text)]
    if titled:
        columns.insert(0, TextColumn("{task.description}"))
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    values: dict[str, Any] = dict(fields)
    task = bar.add_task(title, total=total, **values)
    bar.start()
    return bar, task
