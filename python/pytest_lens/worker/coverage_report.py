"""Combines the coverage data of several processes into one data file and one JSON report.

The engine runs it in the project's interpreter and root after a run with coverage.
"""

from __future__ import annotations

import importlib
import json
import os
from typing import Any


def main(folder: str, config: str | None = None) -> None:
    """Combine the data in `folder`; leaves ``.coverage`` and ``coverage.json`` there."""
    coverage: Any = importlib.import_module("coverage")
    kept: Any = coverage.Coverage(
        data_file=os.path.join(folder, ".coverage"), config_file=config or True
    )
    report = os.path.join(folder, "coverage.json")
    try:
        kept.combine([folder])
        kept.save()
        contexts = any(context for context in kept.get_data().measured_contexts())
        kept.json_report(outfile=report, show_contexts=contexts, ignore_errors=True)
    except coverage.CoverageException:  # nothing was measured
        if not os.path.exists(report):
            with open(report, "w", encoding="utf-8") as file:
                json.dump({"files": {}, "totals": {}}, file)
