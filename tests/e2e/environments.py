"""Virtual environments that have the pytest of these tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from world import DEADLINE


def environment(folder: Path) -> dict[str, str]:
    """Makes an environment with a module of its own; returns the variables that activate it."""
    make = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(make, check=True, timeout=DEADLINE, capture_output=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "pytest.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    (packages / f"only_{folder.name}.py").write_text("")
    path = os.pathsep.join([str(folder / "bin"), os.environ.get("PATH", os.defpath)])
    return {"VIRTUAL_ENV": str(folder), "PATH": path}
