"""Kills a node of a cluster at a random moment of a run, again and again.

    python tests/ray/kills.py --rounds 200 --seed 1

It needs `tests/ray/requirements.txt` and the built binary. Each test has to pass once, whatever the
moment: while the engine connects, a node collects, a test runs, or the run ends. The round that
fails prints its number; the same seed has the same moments.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from daemon import Daemon
from nodes import Nodes, cluster
from outcomes import outcomes_of
from world import Project, World, binary

_FILES = 6
_TESTS = 40
# The latest kill, in seconds after the start of the command: most runs have ended by then.
_LATEST = 3.0
_DEADLINE = 180.0


def main() -> int:
    """Run the rounds; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder, cluster(4) as nodes:
        world = World(Path(folder, "home"))
        world.home.mkdir()
        project = Project(Path(folder, "project"), {"lib.py": "value = 0\n"})
        for file in range(_FILES):
            body = "".join(f"def test_{number}(): time.sleep(0.02)\n" for number in range(_TESTS))
            project.write(f"test_{file}.py", f"import lib, time\n{body}")
        daemon = Daemon(world)
        faults, moments = 0, []
        for round_number in range(options.rounds):
            # Half of the rounds have new code, so that nodes collect.
            if chance.random() < 0.5:
                project.write("lib.py", f"value = {round_number + 1}\n")
            moment = chance.uniform(0, _LATEST)
            doomed = chance.choice(nodes.others())
            fault, done = _round(world, project, daemon, nodes, moment, doomed)
            moments.append(done)
            if fault:
                faults += 1
                print(f"seed {options.seed}, round {round_number}, {moment:.3f} s: {fault}")
        daemon.end()
    inside = sum(0 < done < _FILES * _TESTS for done in moments)
    print(
        f"{options.rounds} kills, seed {options.seed}: {faults} faults; {inside} came after the "
        f"first outcome and before the last, {moments.count(0)} before, the others after"
    )
    return min(faults, 1)


def _round(
    world: World, project: Project, daemon: Daemon, nodes: Nodes, moment: float, doomed: str
) -> tuple[str, int]:
    """Kill a node so many seconds after a run has been requested, and start another one.

    Returns the fault, or nothing, and the number of outcomes that had been printed at the kill.
    """
    log = world.home / "outcomes"
    command = [str(binary()), "run", f"--connect={daemon.socket}", "--json", "-n4"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, f"--executor=ray={nodes.address}"],
            env=world.env(),
            cwd=project.root,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(moment)
        done = len(_outcomes(log))
        nodes.kill(doomed)
        nodes.add()
        try:
            _, errors = process.communicate(timeout=_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"no end within {_DEADLINE} s", done
    found = Counter(_outcomes(log))
    wanted = {
        (f"test_{file}.py::test_{number}", "passed"): 1
        for file in range(_FILES)
        for number in range(_TESTS)
    }
    if found != wanted or process.returncode != 0:
        wrong = {key: count for key, count in found.items() if wanted.get(key) != count}
        missing = [key for key in wanted if key not in found]
        return f"exit {process.returncode}, {wrong=}, {missing=}, {errors}", done
    return "", done


def _outcomes(log: Path) -> list[tuple[str, str]]:
    """Return the tests with an outcome in whole lines."""
    lines = [line for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [(outcome["id"], outcome["outcome"]) for outcome in outcomes_of(lines)]


if __name__ == "__main__":
    sys.exit(main())
