"""What a browser shows, as a small PNG for the documents."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from lapel.files import write_atomic


def write_shot(shot: bytes, path: Path) -> None:
    """Write a screenshot with 256 colours, which keeps it small."""
    small = io.BytesIO()
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    write_atomic(path, small.getvalue())
