"""Tables that fit the terminal: the least important columns go first, and else each row becomes a block.

What stands in a cell is never cut, and but for sentences never broken: it is a name that is typed again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_GAP = 2  # characters between columns
_SENTENCE = 24  # characters below which a sentence is not readable
_PIPE = 10_000  # characters of a line that a program reads: a row a line, however long


@dataclass(frozen=True)
class Column:
    """One column. Those of the highest `rank` go first where there is no room for all; 0 stays."""

    title: str
    rank: int = 0
    number: bool = False  # set to the right
    sentence: bool = False  # may go over several lines


def print_table(
    columns: Sequence[Column], rows: Iterable[Sequence[str | Text]], *, err: bool = False
) -> None:
    """Print rows, a cell for each column, as a table, or as a block each where the terminal is too narrow.

    Where a program reads, every row is one line with all columns.
    """
    from rich.text import Text

    console = console_on(err=err)
    cells = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    places = _fitting(columns, cells, console.width)
    if places is None:
        print_blocks([column.title for column in columns], cells, err=err)
        return
    _print_lines(
        console, [columns[place] for place in places], [[row[place] for place in places] for row in cells]
    )
    left_out = [column.title for place, column in enumerate(columns) if place not in places]
    if left_out:
        print(f"Left out for want of room: {', '.join(left_out)}.", file=sys.stderr)


def print_blocks(titles: Sequence[str], rows: Iterable[Sequence[str | Text]], *, err: bool = False) -> None:
    """Print a block for each row: its first cell, and below it the others, each behind its title."""
    from rich.text import Text

    console = console_on(err=err)
    for number, (head, *cells) in enumerate(rows):
        if number:
            console.print()
        console.print(head, soft_wrap=True, markup=False)
        named = [(title, cell) for title, cell in zip(titles[1:], cells, strict=True) if str(cell)]
        print_pairs(
            [(f"  {title}", Text(cell) if isinstance(cell, str) else cell) for title, cell in named], err=err
        )


def print_pairs(pairs: Sequence[tuple[str, str | Text]], *, err: bool = False) -> None:
    """Print a line for each title and what stands behind it."""
    columns = [Column("", sentence=False), Column("", sentence=True)]
    from rich.text import Text

    rows = [[Text(title), Text(cell) if isinstance(cell, str) else cell] for title, cell in pairs]
    _print_lines(console_on(err=err), columns, rows)


def print_sentence(text: str, *, err: bool = False) -> None:
    """Print a sentence, wrapped between words where the terminal is narrower."""
    from rich.text import Text

    console_on(err=err).print(Text(text))


def typed_path(source: str) -> str:
    """The path of a photo as it is typed from here."""
    from pathlib import Path

    from ..decode import source_name

    path = Path(source)
    near = path.is_absolute() and path.is_relative_to(Path.cwd())
    return source_name(path.relative_to(Path.cwd()) if near else path)


def console_on(*, err: bool = False) -> Console:
    """A console as wide as the terminal, or as wide as it takes where a program reads."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    return Console(width=None if stream.isatty() else _PIPE, stderr=err, highlight=False)


def _fitting(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> list[int] | None:
    """The places of the columns that there is room for, or None where not even the lasting ones have any."""
    needs = [
        min(_SENTENCE, widest) if column.sentence else widest
        for column, widest in zip(columns, _widths(columns, rows), strict=True)
    ]
    for rank in sorted({column.rank for column in columns}, reverse=True):
        places = [place for place, column in enumerate(columns) if column.rank <= rank]
        if sum(needs[place] + _GAP for place in places) - _GAP <= width:
            return places
    return None


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> list[int]:
    titles = [len(column.title) for column in columns]
    return [max([title, *(row[place].cell_len for row in rows)]) for place, title in enumerate(titles)]


def _print_lines(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> None:
    from rich.table import Table

    headed = any(column.title for column in columns)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=headed)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.number else "left"
        table.add_column(column.title, justify=justify, no_wrap=not column.sentence, overflow="fold")
    for row in rows:
        table.add_row(*row)
    with console.capture() as captured:
        console.print(table)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
