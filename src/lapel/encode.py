"""Picture -> image, file and data URI."""

from __future__ import annotations

import io
from base64 import b64encode

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def to_image(picture: NDArray[np.uint8]) -> Image.Image:
    """An image of a picture (height, width, 1 or 3), grey or in colour."""
    return Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)


def encode(image: Image.Image, form: str = "png", *, optimize: bool = False) -> bytes:
    """The bytes of an image file; `form` is png or jpeg."""
    file = io.BytesIO()
    image.save(file, form, optimize=optimize)
    return file.getvalue()


def image_uri(image: Image.Image, form: str = "png", *, optimize: bool = False) -> str:
    """An image as the address of itself, for a page of one file."""
    return data_uri(encode(image, form, optimize=optimize), form)


def data_uri(content: bytes, form: str) -> str:
    """The same of an image file that is there already."""
    return f"data:image/{form};base64,{b64encode(content).decode()}"
