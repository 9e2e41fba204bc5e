"""Reads outcomes from the lines of `run --json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


def outcomes_of(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Return the outcomes in events, a line each."""
    for line in lines:
        event = json.loads(line)
        if event["event"] == "testOutcome":
            yield from event["outcomes"]
