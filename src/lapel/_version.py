"""The version of Lapel."""

__version__ = "0.1.0"
