"""The drawn garments: the ten classes of Fashion-MNIST, drawn at any size and number without any data."""
