"""Decides whether a collection may be forked for several runs, by its effects."""
