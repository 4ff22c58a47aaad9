"""The header of a program: what is asked and answered, and the card as a comment, which takes no memory."""

from __future__ import annotations

from ...card import Card
from .literals import c_float, c_name
from .program import Program

_SCORE = "the largest probability"
_SCORE_OF_REJECTS = "the largest probability, times what is left of 1 without all of rejected"


def header_of(card: Card, program: Program) -> str:
    """The text of the header."""
    name = c_name(card.name)
    upper, takes = name.upper(), program.arguments
    height, width, channels = card.picture.shape
    defined = {
        "HEIGHT": height,
        "WIDTH": width,
        "CHANNELS": channels,
        "CLASSES": len(card.class_names),
        "REJECTS": len(card.rejects),
    }
    as_floats = f"{program.kernel_numbers * 4} bytes as floats"
    kernels = f"int8 with a scale for each filter ({as_floats})" if program.int8 else f"floats ({as_floats})"
    names = [f"extern const char *const {name}_{words}[];" for words in program.names]
    score = _SCORE_OF_REJECTS if card.rejects else _SCORE
    said = card.to_json().replace("*/", "*\\/").replace("/*", "\\/*")
    return "\n".join(
        [
            f"/* {name}: {program.kernel_numbers} numbers in kernels, as {kernels}.",
            f"   Static memory: {program.numbers * 4} bytes beside these, so one caller at a time. */",
            f"#ifndef {upper}_H",
            f"#define {upper}_H\n",
            "#include <stdint.h>\n",
            *[f"#define {upper}_{word} {number}" for word, number in defined.items()],
            f"/* The least score at which a label is accepted: {score}. */",
            f"#define {upper}_ACCEPT {c_float(card.accept)}\n",
            *names,
            "\n/* A picture is levels from 0 to 255: row by row, pixel by pixel, channel by channel. */",
            f"void {name}_ask(const uint8_t *picture, {takes});\n",
            "#endif\n",
            f"/* lapel.card: {said} */\n",
        ]
    )
