"""Measures what it costs to record the inputs of tests: real suites, by turns with and without.

The time is that of the process that runs the tests, from its first test to its last, on a CPU:
other work on the machine disturbs it least. The engine is the one of the worker's tests, so the
work of the real one does not count. Linux only; it needs Python 3.12 or later.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import statistics
import sys
import tempfile
from pathlib import Path

import suites

sys.path.insert(0, str(Path(__file__).parents[2] / "python/tests"))

import fake_engine


def cpu_seconds(pid: int) -> float:
    """The time that a process has had on a CPU."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def run(real: suites.Real, root: Path, *, record: bool) -> float:
    """Run all tests of a suite, in new processes."""
    engine = fake_engine.Engine(root, python=str(real.python))
    try:
        base = engine.base(env={"PYTHONPATH": str(root / real.path), "PYTHONHASHSEED": "0"})
        base.wait("ready")
        session = engine.fork(base, "collected", **({"record": True} if record else {}))
        session.wait("collected")
        runner = engine.fork(session, "runner")
        runner.wait("runner_ready")
        before = cpu_seconds(runner.pid)
        fake_engine.start(runner, [node["id"] for node in session.nodes()])
        runner.wait("done")
        return cpu_seconds(runner.pid) - before
    finally:
        for host in engine.hosts.values():
            with contextlib.suppress(OSError):
                os.kill(host.pid, signal.SIGKILL)
        engine.close()


def main() -> None:
    """Measure suites, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--limit", type=float, help="fail if the median ratio is above this")
    parser.add_argument(
        "suites", nargs="*", help=f"of {', '.join(suites.CODE)}; all if none is named"
    )
    options = parser.parse_args()
    fake_engine.DEADLINE = 3600
    print("| suite | off | on | ratio of medians |", "|---|---|---|---|", sep="\n")
    ratios = []
    for name in options.suites or suites.CODE:
        real = suites.ready(name)
        with tempfile.TemporaryDirectory(prefix="cost-") as folder:
            root = Path(folder) / "suite"
            shutil.copytree(real.root, root)
            run(real, root, record=False)  # it compiles
            times: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(options.turns):
                for record, taken in times.items():
                    taken.append(run(real, root, record=record))
        off, on = (statistics.median(taken) for taken in times.values())
        ratios.append(on / off)
        print(f"| {name} | {off:.2f} s | {on:.2f} s | {on / off:.2f} |", flush=True)
    median = statistics.median(ratios)
    print(f"\nmedian: {median:.2f}")
    sys.exit(options.limit is not None and median > options.limit)


if __name__ == "__main__":
    main()
