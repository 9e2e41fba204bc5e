"""Modules that a base imports before the project does, and how a session gets them."""
