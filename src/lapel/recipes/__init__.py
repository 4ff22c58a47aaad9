"""Recipes: networks and how to train them, as data. The named ones lie beside this file in `named/`."""
