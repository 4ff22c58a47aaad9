"""What a network that has learned from ImageNet already calls a thing: a second opinion on photographs.

Shops that nobody has seen sell bags and shoes like none that is learned from here; among ImageNet's thousand
names there are some for them. Of shirts, coats and whatever else is worn above it knows less than the
photographs teach: all that is one group, so that it only tells these from other things.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from robustness import softmax

# Places in ImageNet's list of names.
_ABOVE = (610, 841, 474, 869, 568, 834, 617, 697)  # jersey to cardigan, coats, suit, lab coat, pyjama
_BELOW = {
    "Trouser": (608,),  # jean
    "Dress": (578, 601, 689),  # gown, hoopskirt, overskirt
    "Skirt": (655,),  # miniskirt
    "Shorts": (842,),  # swimming trunks
    "Hat": (515, 808, 452, 433),  # cowboy hat, sombrero, bonnet, bathing cap
    "Bag": (414, 636, 748),  # backpack, mailbag, purse
    "Sneaker": (770,),  # running shoe
    "Boot": (514,),  # cowboy boot
    "Sandal": (774,),
    "Other shoe": (630, 502),  # loafer, clog
}
_ALSO = {"Trousers": "Trouser", "Ankle boot": "Boot"}


def groups_of(class_names: Sequence[str]) -> list[tuple[int, ...]]:
    """The names that speak for each class."""
    groups = [_BELOW.get(_ALSO.get(name, name), _ABOVE) for name in class_names]
    if "Other shoe" not in class_names:
        place = list(class_names).index("Sneaker")
        groups[place] = (*groups[place], 630)  # where a low shoe is a sneaker, a loafer is one
    return groups


def rows_of(class_names: Sequence[str]) -> list[int]:
    """The names that speak for any of the classes."""
    return sorted({row for group in groups_of(class_names) for row in group})


def grouping(class_names: Sequence[str]) -> NDArray[np.float32]:
    """Which of `rows_of` speaks for which class: (names, classes), ones and zeros."""
    rows = rows_of(class_names)
    groups = np.zeros((len(rows), len(class_names)), np.float32)
    for place, group in enumerate(groups_of(class_names)):
        groups[[rows.index(row) for row in group], place] = 1
    return groups


def opinion_of(names: NDArray[np.float32], class_names: Sequence[str]) -> NDArray[np.float64]:
    """What the thousand names' logits (n, 1000) say of each class: (n, classes)."""
    shares: NDArray[np.float64] = softmax(names[:, rows_of(class_names)]) @ grouping(class_names)
    return shares
