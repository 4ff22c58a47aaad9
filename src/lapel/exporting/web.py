"""A folder for any static host: the page with the model inside."""

from __future__ import annotations

from pathlib import Path

from ..web.folder import model_in, site_files, write_site
from .form import Ask, Source
from .onnx_session import ask_onnx


def write_web_form(source: Source, target: Path) -> None:
    """The page, its scripts, what runs the model in a browser, and the model."""
    write_site(site_files(source.data, source.card), target)


def open_web_form(path: Path) -> Ask:
    """The model in the folder, run here. That a browser answers alike is for the tests of the page."""
    return ask_onnx(model_in(path))
