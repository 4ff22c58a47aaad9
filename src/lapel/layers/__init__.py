"""Layers: one file a family, each with the schema, shapes, weights and builders of its layers."""
