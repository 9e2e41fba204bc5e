"""Runs the items of a session: the run loop, and the resident that serves run after run."""
