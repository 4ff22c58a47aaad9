"""Own classes on top of any model, from a few photos of each: features, a new head, a new model."""
