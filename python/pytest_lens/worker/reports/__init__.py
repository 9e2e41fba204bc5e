"""Makes verdicts, tracebacks and diffs from pytest's reports."""
