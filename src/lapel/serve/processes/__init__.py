"""Workers, and what looks after them."""
