"""Models by name, and the line that photos wait in."""
