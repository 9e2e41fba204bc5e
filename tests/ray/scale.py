"""Measures runs on a cluster whose nodes are processes of this machine.

    python tests/ray/scale.py --nodes 1 2 4 8 --tests 2000

It needs `tests/ray/requirements.txt` and the built binary. Each figure is the median of `--turns`
runs on a warm cluster, after one that is not counted. The tests sleep, so that one machine can pose
as several. An efficiency of 1.0 means that the runners did nothing but sleep. `--xdist PYTHON`
names an interpreter with pytest-xdist: after each run it runs the same tests with as many workers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from daemon import Daemon
from nodes import cluster
from world import Project, World, binary

_SLEEP = 0.02
_FILES = 20


class Bench:
    """A daemon and a project of tests that sleep."""

    def __init__(self, folder: Path, tests: int) -> None:
        self.world = World(folder / "home")
        self.world.home.mkdir()
        self.project = Project(folder / "project", {"lib.py": "value = 1\n"})
        self.project.write("test_edit.py", "import lib\ndef test_edit(): assert lib.value\n")
        body = "import time\n" + "".join(
            f"def test_{number}(): time.sleep({_SLEEP})\n" for number in range(tests // _FILES)
        )
        for number in range(_FILES):
            self.project.write(f"test_{number}.py", body)
        self.tests = tests // _FILES * _FILES
        self.sleepers = [f"test_{number}.py" for number in range(_FILES)]
        self.daemon = Daemon(self.world)

    def run(self, *arguments: str) -> tuple[float, float]:
        """Run tests; returns the seconds to the first outcome, and those of the whole run."""
        began = time.monotonic()
        process = subprocess.Popen(
            [str(binary()), "run", f"--connect={self.daemon.socket}", "--json", *arguments],
            env=self.world.env(),
            cwd=self.project.root,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        first = whole = 0.0
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "testOutcome":
                first = first or time.monotonic() - began
                assert all(outcome["outcome"] == "passed" for outcome in event["outcomes"]), line
            if event["event"] == "runFinished":
                whole = event["durationMs"] / 1000
        assert process.wait() == 0
        return first, whole

    def with_xdist(self, python: str, workers: int) -> float:
        """Run the same tests with pytest-xdist; returns the seconds."""
        command = [python, "-m", "pytest", "-q", "-n", str(workers), "-p", "no:cacheprovider"]
        began = time.monotonic()
        subprocess.run(
            [*command, *self.sleepers], cwd=self.project.root, check=True, capture_output=True
        )
        return time.monotonic() - began

    def after_edit(self, executor: str, turn: int) -> float:
        """Edit a module, run the test that imports it; returns the seconds to its outcome."""
        self.project.write("lib.py", f"value = {turn + 2}\n")
        return self.run(executor, "test_edit.py::test_edit")[0]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--tests", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--xdist", metavar="PYTHON")
    options = parser.parse_args()
    print("nodes  seconds  efficiency  first outcome  after an edit  with xdist")
    for count in options.nodes:
        with tempfile.TemporaryDirectory() as folder, cluster(count) as nodes:
            bench = Bench(Path(folder), options.tests)
            executor = f"--executor=ray={nodes.address}"
            bench.run(executor, *bench.sleepers)
            runs, peers = [], []
            for _ in range(options.turns):
                runs.append(bench.run(executor, *bench.sleepers))
                if options.xdist:
                    peers.append(bench.with_xdist(options.xdist, count))
            bench.after_edit(executor, 0)
            edits = [bench.after_edit(executor, turn + 1) for turn in range(options.turns)]
            bench.daemon.end()
        first, whole = (statistics.median(values) for values in zip(*runs))
        efficiency = bench.tests * _SLEEP / count / whole
        edit = statistics.median(edits)
        peer = f"{statistics.median(peers):8.2f} s" if peers else "-"
        row = (
            f"{count:5}  {whole:7.2f}  {efficiency:10.2f}  {first:11.2f} s  {edit:11.2f} s  {peer}"
        )
        print(row, flush=True)


if __name__ == "__main__":
    main()
