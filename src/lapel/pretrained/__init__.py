"""Networks that have learned from ImageNet, and the installed packages that hold their weights."""
