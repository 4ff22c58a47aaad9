"""What every engine's training shares: where pictures come from, what is minimised, who looks on."""
