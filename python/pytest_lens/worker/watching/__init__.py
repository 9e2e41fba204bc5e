"""Watches the files, folders, packages and variables that a session depends on."""
