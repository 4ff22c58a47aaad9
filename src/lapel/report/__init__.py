"""Figures and pages. What lies here needs matplotlib and Jinja2; both are loaded when first used."""
