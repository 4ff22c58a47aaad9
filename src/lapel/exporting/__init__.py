"""A run or a model in any form, proved to answer alike."""

from .export import Exported, export
from .run_card import card_of

__all__ = ["Exported", "card_of", "export"]
