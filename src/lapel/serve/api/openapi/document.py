"""The OpenAPI document as it is served: written by openapi.py (`make openapi`), read when asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

from ...._version import __version__

FILE = Path(__file__).with_name("openapi.json")


@cache
def load_document() -> dict[str, Any]:
    """The document: OpenAPI 3.1, with this version of Lapel. It is read once; change a copy only."""
    read: dict[str, Any] = orjson.loads(FILE.read_bytes())
    return {**read, "info": {**read["info"], "version": __version__}}


def write_document() -> bytes:
    """The same as JSON."""
    return orjson.dumps(load_document())
