"""Many trainings of one recipe with other settings each, and the best of them."""
