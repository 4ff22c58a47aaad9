"""More kinds of garments than ten, and which of them a photograph may show, by what its source says of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scenes import NOTHING, OTHER

KINDS = (
    "T-shirt",
    "Polo",
    "Undershirt",
    "Long sleeve",
    "Shirt",
    "Hoodie",
    "Blazer",
    "Jacket",
    "Dress",
    "Skirt",
    "Shorts",
    "Trousers",
    "Hat",
    "Bag",
    "Sneaker",
    "Boot",
    "Sandal",
    "Other shoe",
)
# After the kinds come two answers more: another garment, and none.
ANSWERS = len(KINDS) + 2
_OTHER, _NOTHING = len(KINDS), len(KINDS) + 1

# The kinds that are meant by the words of clothing-dataset, and those that a class of Fashion-MNIST may hold.
_OF_SOURCE = {
    "T-Shirt": ("T-shirt",),
    "Polo": ("Polo",),
    "Undershirt": ("Undershirt",),
    "Top": ("Undershirt",),
    "Longsleeve": ("Long sleeve",),
    "Shirt": ("Shirt",),
    "Blouse": ("Shirt",),
    "Hoodie": ("Hoodie",),
    "Blazer": ("Blazer",),
    "Outwear": ("Jacket",),
    "Dress": ("Dress",),
    "Skirt": ("Skirt",),
    "Shorts": ("Shorts",),
    "Pants": ("Trousers",),
    "Hat": ("Hat",),
    "Shoes": ("Sneaker", "Boot", "Sandal", "Other shoe"),
}
_OF_CLASS: dict[int, tuple[str, ...]] = {
    0: ("T-shirt", "Polo", "Undershirt"),
    1: ("Trousers",),
    2: ("Long sleeve", "Hoodie"),
    3: ("Dress",),
    4: ("Jacket", "Blazer", "Hoodie"),
    5: ("Sandal",),
    6: ("Shirt",),
    7: ("Sneaker",),
    8: ("Bag",),
    9: ("Boot",),
    OTHER: ("Skirt", "Shorts", "Hat", "Other shoe"),
}


def possible(label: int, source: str = "") -> NDArray[np.bool_]:
    """Which answers may be right for a photograph of this class, or none, whose source calls it so, or not.

    All may where nothing is known.

    >>> [KINDS[place] for place in np.flatnonzero(possible(OTHER, "Shoes"))]
    ['Other shoe']
    """
    if label == NOTHING:
        return _these(_NOTHING)
    of_class = _these(*map(KINDS.index, _OF_CLASS[label])) if label in _OF_CLASS else np.ones(ANSWERS, bool)
    if label == OTHER:
        of_class |= _these(_OTHER, _NOTHING)
    if not source:
        return of_class
    of_source = _these(*map(KINDS.index, _OF_SOURCE[source])) if source in _OF_SOURCE else _these(_OTHER)
    both = of_class & of_source
    # Where the two do not agree, as of a hoodie that has a zip, the source has looked more closely.
    return both if both.any() else of_source


def _these(*places: int) -> NDArray[np.bool_]:
    some = np.zeros(ANSWERS, bool)
    some[list(places)] = True
    return some
