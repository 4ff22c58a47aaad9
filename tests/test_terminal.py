from __future__ import annotations

import io
import re

import numpy as np
import pytest

from lapel.terminal import beside, can_draw, draw


class Screen(io.TextIOWrapper):
    """A terminal of this encoding."""

    def __init__(self, encoding: str = "utf-8", tty: bool = True) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


def colours(line: str) -> list[tuple[int, ...]]:
    """The upper and the lower colour of every character of a drawn line."""
    return [
        tuple(map(int, code)) for code in re.findall(r"38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀", line)
    ]


def test_two_rows_of_pixels_make_one_line() -> None:
    lines = draw(np.array([[1, 2], [3, 4], [5, 6], [7, 8]], np.uint8)).split("\n")
    assert colours(lines[0]) == [(1, 1, 1, 3, 3, 3), (2, 2, 2, 4, 4, 4)]
    assert colours(lines[1]) == [(5, 5, 5, 7, 7, 7), (6, 6, 6, 8, 8, 8)]
    assert all(line.endswith("\x1b[0m") for line in lines)


def test_an_odd_row_stands_on_black_and_colour_is_kept() -> None:
    pixels = np.array([[[9, 8, 7]]], np.uint8)
    assert colours(draw(pixels)) == [(9, 8, 7, 0, 0, 0)]


def test_a_wide_picture_is_averaged_to_fit() -> None:
    pixels = np.array([[0, 10, 50, 50, 99], [20, 30, 50, 50, 99], [0] * 5, [0] * 5], np.uint8)[
        :, :, np.newaxis
    ]
    drawing = draw(pixels, columns=3)
    assert [colour[0] for colour in colours(drawing)] == [15, 50, 99]


@pytest.mark.parametrize(
    ("screen", "environment", "able"),
    [
        (Screen(), {}, True),
        (Screen(), {"NO_COLOR": "1"}, False),
        (Screen(), {"TERM": "dumb"}, False),
        (Screen(tty=False), {}, False),
        (Screen("ascii"), {}, False),
    ],
)
def test_where_pictures_can_be_drawn(screen: Screen, environment: dict[str, str], able: bool) -> None:
    assert can_draw(screen, environment) is able


def test_text_stands_beside_a_drawing_of_either_length() -> None:
    assert beside("AA\nBB", 2, ["one"]) == "AA  one\nBB"
    assert beside("AA", 2, ["one", "two"]) == "AA  one\n    two"
