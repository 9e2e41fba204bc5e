"""Measures `pytest --lens -n`: the time until the first test starts, with 1 and with 8 runners.

Run it with an interpreter that has the wheel: `python tests/package/first_test.py [ROUNDS]`. It
prints both medians, their ratio, and the number of collections of the run with 8 runners.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = 50
MODULE = """
import os, time
import pytest

COLLECTOR = os.readlink("/proc/self")

@pytest.mark.parametrize("n", range(20))
def test_it(n):
    now = time.time()
    with open(f"ran-{COLLECTOR}-{os.getpid()}", "a") as file:
        file.write(f"{now}\\n")
"""
DEADLINE = 120


def first_test(root: Path, runners: int) -> tuple[float, int, int]:
    """Seconds to the first test, the number of collections, and that of runners that had a test."""
    for old in root.glob("ran-*"):
        old.unlink()
    start = time.time()
    command = [sys.executable, "-m", "pytest", "-q", "--lens", "-n", str(runners)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=DEADLINE)
    ran = {path.name: path.read_text().split() for path in root.glob("ran-*")}
    began = min(float(time) for times in ran.values() for time in times)
    return began - start, len({name.split("-")[1] for name in ran}), len(ran)


def main() -> None:
    """Measure by turns and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "pytest.ini").write_text("[pytest]\n")
        for number in range(FILES):
            (root / f"test_{number}.py").write_text(MODULE)
        first_test(root, 1)
        one, eight = [], []
        for _ in range(rounds):
            one.append(first_test(root, 1)[0])
            seconds, collections, used = first_test(root, 8)
            eight.append(seconds)
    alone, together = statistics.median(one), statistics.median(eight)
    print(f"first test with 1 runner:  {alone:.3f} s")
    print(f"first test with 8 runners: {together:.3f} s, {together / alone:.2f} times (<= 1.2)")
    print(f"collections with 8 runners: {collections}; {used} of them had tests")


if __name__ == "__main__":
    main()
