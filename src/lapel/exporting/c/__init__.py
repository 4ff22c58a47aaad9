"""A model as a plain C99 program."""
