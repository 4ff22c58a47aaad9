"""What forked processes need not import anew."""

from contextlib import suppress

import matplotlib.pyplot  # noqa: F401
import pytest  # noqa: F401

import lapel.exporting
import lapel.importing
import lapel.trainer  # noqa: F401
from lapel.engines.load import load_engine
from lapel.errors import MissingExtra

for engine in ("torch", "keras"):
    with suppress(MissingExtra):
        load_engine(engine)
