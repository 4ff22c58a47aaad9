"""Engines: what builds and fits a recipe. One package each, all with the same verbs."""
