"""Uses one engine at random for a long time: outcomes stay right, and what it takes does not grow.

`cargo xtask soak [MINUTES] [--seed N]`. Edits, runs, stops, kills, collections, clients that come
and go, projects that are closed and opened. Memory, descriptors, processes and threads are measured
at rest; the program fails if they are higher in the last third than in the second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

from lab import Lab, RefusedError, WrongError, begin_program
from suite import Suite

# Steps between two measurements.
STEPS = 5
# Measurements in a third of the time, below which nothing is said about growth.
FEWEST = 8
# How much more the last third may take than the second: this factor, and this much.
FACTOR = 1.1
SLACK = {"daemon_mb": 8.0, "workers_mb": 40.0, "files": 8.0, "threads": 6.0, "processes": 3.0}
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass
class Sample:
    """The engine's use of the machine, at rest."""

    daemon_mb: float
    workers_mb: float
    files: float
    threads: float
    processes: float

    @classmethod
    def of(cls, lab: Lab[Suite]) -> Sample:
        daemon = lab.daemon.process.pid
        workers = [pid for pid in lab.world.processes() if pid != daemon]
        return cls(
            _private_mb(daemon),
            sum(_private_mb(pid) for pid in workers),
            len(os.listdir(f"/proc/{daemon}/fd")),
            len(os.listdir(f"/proc/{daemon}/task")),
            len(workers),
        )


def _private_mb(pid: int) -> float:
    """The memory that it shares with no other process, in megabytes."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0.0  # It has just ended.
    return (int(fields[1]) - int(fields[2])) * PAGE_MB


class Soak:
    """The steps."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        suite = Suite(folder / "suite", self.random)
        self.lab = Lab(folder, suite, {"executionMode": "embedded"})
        self.samples: list[Sample] = []
        self.seen: Counter[str] = Counter()

    def step(self) -> None:
        """One random use."""
        kinds = [self.edit_and_run] * 8 + [self.stop, self.kill, self.collect, self.visit]
        kind = self.random.choice([*kinds, self.reopen] if self.random.random() < 0.2 else kinds)
        kind()
        self.seen[kind.__name__] += 1

    def edit_and_run(self) -> None:
        """As a person does."""
        for _ in range(self.random.choice([0, 1, 1, 2])):
            self.lab.suite.edit()
        paths = self.lab.suite.some()
        self.lab.check_run(
            paths, self.lab.end(self.lab.begin(paths, self.random.choice([None, 2])))
        )

    def stop(self) -> None:
        """A run is stopped at a random moment."""
        self._cancel("stop_run")

    def kill(self) -> None:
        """A run is killed at a random moment."""
        self._cancel("kill_run")

    def _cancel(self, tag: str) -> None:
        lab = self.lab
        run_id = lab.begin([])
        time.sleep(self.random.uniform(0, 0.3))
        lab.client.expect("control_ack", tag, run_id=run_id)
        run = lab.end(run_id)
        expected = lab.suite.expected([])
        wrong = {
            test: outcome
            for test, outcome in run.finals.items()
            if outcome not in (expected.get(test), "not_run")
        }
        if set(run.finals) != set(expected) or wrong:
            raise WrongError(f"after {tag}: {wrong}, {set(expected) ^ set(run.finals)}")

    def collect(self) -> None:
        """Everything is collected again."""
        answer = self.lab.expect("collection_complete", "collect", force=True)
        expected = set(self.lab.suite.expected([]))
        if answer.get("node_count") != len(expected):
            listed = set(self.lab.expect("test_list", "list")["node_ids"])
            raise WrongError(f"collected: {answer} of {len(expected)}; {listed ^ expected}")

    def visit(self) -> None:
        """A client comes and goes without a word."""
        client = self.lab.daemon.client()
        client.open(self.lab.suite.root)
        client.start("list", context_id=self.lab.context)
        client.close()

    def reopen(self) -> None:
        """The project is closed and opened."""
        self.lab.reopen()

    def measure(self) -> None:
        """At rest: a run has just ended, and its processes are there."""
        self.lab.check_all()
        # Often: the history keeps the last 200 outcomes of a test.
        self.lab.check_history()
        self.samples.append(Sample.of(self.lab))

    def table(self) -> list[str]:
        """The curve: first, median and last of each tenth."""
        names = list(SLACK)
        lines = ["tenth  " + "".join(f"{name:>24}" for name in names)]
        size = max(1, len(self.samples) // 10)
        for number, start in enumerate(range(0, len(self.samples), size)):
            part = self.samples[start : start + size]
            cells = []
            for name in names:
                values = [getattr(sample, name) for sample in part]
                shown = [values[0], statistics.median(values), values[-1]]
                cells.append(f"{'  '.join(f'{value:.0f}' for value in shown):>24}")
            lines.append(f"{number + 1:5}  " + "".join(cells))
        return lines

    def growth(self) -> list[str]:
        """Measures that have grown between the second third and the last."""
        third = len(self.samples) // 3
        if third < FEWEST:
            return []  # How many sessions are warm at the moment decides.
        found = []
        for name, slack in SLACK.items():
            values = [getattr(sample, name) for sample in self.samples]
            before = statistics.median(values[third : 2 * third])
            after = statistics.median(values[2 * third :])
            if after > before * FACTOR + slack:
                found.append(f"{name} grows from {before:.0f} to {after:.0f}")
        return found


def main() -> int:
    options = begin_program(__doc__, "minutes", 30.0)
    minutes, seed = options.count, options.seed
    steps = 0
    with tempfile.TemporaryDirectory(prefix="lens-soak-", ignore_cleanup_errors=True) as folder:
        soak = Soak(Path(folder), seed)
        end = time.monotonic() + minutes * 60
        try:
            while time.monotonic() < end or len(soak.samples) < 6:
                for _ in range(STEPS):
                    soak.step()
                    steps += 1
                soak.measure()
            soak.lab.finish()
        except (WrongError, RefusedError) as error:
            print("\n".join(soak.table()))
            print(f"step {steps}, seed {seed}: {error}", file=sys.stderr)
            return 1
        finally:
            for pid in soak.lab.world.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    print("\n".join(soak.table()))
    print(f"{steps} steps, seed {seed}: {dict(soak.seen)}")
    growth = soak.growth()
    print("\n".join(growth), file=sys.stderr)
    return 1 if growth else 0


if __name__ == "__main__":
    sys.exit(main())
