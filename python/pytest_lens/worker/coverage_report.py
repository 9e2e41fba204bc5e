"""``python -m … coverage_report``: one data file, and one JSON report, of what several processes have measured.

Run by the engine, in the project's interpreter, when a run with coverage is over.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def write(folder: str, config: str | None, root: str) -> None:
    """Combine the data in `folder`; leaves ``.coverage`` and ``coverage.json`` there."""
    import coverage

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


def main(arguments: list[str]) -> None:
    """The folder, the root, and perhaps the configuration file."""
    folder, root = arguments[:2]
    write(folder, arguments[2] if len(arguments) > 2 else None, root)


if __name__ == "__main__":
    main(sys.argv[1:])
