"""From a catalogue of photos to rows of tags."""

from .inputs import Catalogue, Photo
from .pipeline import Row, tag_catalogue

__all__ = ["Catalogue", "Photo", "Row", "tag_catalogue"]
