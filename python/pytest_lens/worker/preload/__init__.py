"""Imports modules before the project does, and hands them to a session that imports them."""
