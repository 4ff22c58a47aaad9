"""Names, texts and numbers as C writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

_WIDTH = 100  # characters of a line


def c_name(name: str) -> str:
    """A name as C takes it.

    >>> c_name("fashion-mnist")
    'fashion_mnist'
    """
    plain = re.sub(r"\W", "_", name, flags=re.ASCII).lower()
    return f"model_{plain}" if plain[0].isdigit() else plain


def c_float(value: float) -> str:
    """A number as C reads it, to the same bits.

    >>> c_float(1.0), c_float(0.1)
    ('1.0f', '0.1f')
    """
    text = np.format_float_scientific(np.float32(value), trim="0") if abs(value) < 1e-4 else ""
    text = text or np.format_float_positional(np.float32(value), trim="0")
    return f"{text}f"


def c_array(kind: str, name: str, items: Sequence[str]) -> str:
    """A constant array of these items."""
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return "\n".join([f"{kind} {name}[{len(items)}] = {{", *lines, line, "};\n"])


def c_string(text: str) -> str:
    """A text as C reads it."""
    escaped = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return f'"{escaped}"'
