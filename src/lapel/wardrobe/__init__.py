"""A wardrobe: photos that a person adds, an index of them, and the outfits that were kept."""
