"""A catalogue that can be searched by picture."""
