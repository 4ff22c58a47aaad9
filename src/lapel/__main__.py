"""`python -m lapel`."""

from .cli import main

main()
