"""How training pictures are changed, as far as every engine does it alike: which ways, in which order."""

from __future__ import annotations

from ..recipes.schema import Augmentation

SHARP = 0.3  # pixels: a bell so narrow leaves a picture almost as it is


def ways_of(how: Augmentation) -> list[str]:
    """The ways that are asked for, in their order.

    >>> ways_of(Augmentation(flip=True, shift=2))
    ['mirror', 'shift']
    """
    turns = bool(how.rotate or how.scale or how.shear)
    asked = {
        "quarter": how.quarter,
        "turn": turns,
        "mirror": how.flip and not turns and not how.alone,  # turning mirrors, too
        "shift": how.shift,
        "blur": how.blur,
        "light": how.brightness or how.contrast,
        "invert": how.invert,
        "noise": how.noise,
        "specks": how.specks,
        "erase": how.erase,
    }
    return [way for way, value in asked.items() if value]
