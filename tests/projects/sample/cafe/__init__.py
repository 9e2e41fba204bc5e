"""A café's till."""
