"""What happens, counted; and what the service says of itself."""
