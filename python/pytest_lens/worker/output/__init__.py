"""Captured output, warnings and coverage of the tests that run."""
