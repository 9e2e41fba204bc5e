"""Verdicts, tracebacks and diffs, made from pytest's reports."""
