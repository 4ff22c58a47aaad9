"""What goes together: garments beside each other, whole outfits, and why."""
