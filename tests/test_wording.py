"""One wording for people, wherever an answer is read."""

from __future__ import annotations

import pytest

from lapel.wording import percent


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "0.0%"),
        (0.0002, "<0.1%"),
        (0.0005, "0.1%"),
        (0.914, "91.4%"),
        (0.9994, "99.9%"),
        (0.9996, ">99.9%"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_to_certainty(share: float, words: str) -> None:
    assert percent(share) == words
