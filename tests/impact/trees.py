"""Two copies of a suite: one with a daemon of pytest-lens, one for plain pytest.

They are apart, so that neither sees what the other writes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

# The longest time for one call, in seconds.
LIMIT = 300
# A test of pytest-lens, and a collection, may take this long.
TEST_MS = 20_000
# Such a run of a mutant ends after this many failures, each of which may be a time-out.
FAILURES = 3
# The command fails if a file can't be collected, and names it.
UNCOLLECTED = "!"
ERROR = re.compile(r"^pytest-lens: ([^:\n]+\.py):", re.MULTILINE)
# After so many seconds without a new record, idle time has no test left: it begins after 20.
QUIET = 60
# Selects every test.
EVERYTHING = "*"


def count_of_records(path: Path) -> int:
    """The number of tests in a file of records."""
    with contextlib.closing(sqlite3.connect(path)) as records:
        [(count,)] = records.execute("SELECT count(*) FROM tests")
    return int(count)


class CanNotRunError(Exception):
    """No test can run, which nobody takes for a pass."""


class Tree:
    """A copy of a suite."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.folder, self.options = folder, options
        folder.mkdir()
        self.root = folder / "suite"
        left_out = shutil.ignore_patterns(".git", ".venv", "__pycache__")
        shutil.copytree(options.suite, self.root, ignore=left_out)
        self.env = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTEST")
        }
        self.env |= {
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_RUNTIME_DIR": str(folder),
            "PYTHONPATH": str(self.root / options.path),
            "PYTHONHASHSEED": "0",
            "VIRTUAL_ENV": str(Path(options.python).parents[1]),
        }
        self._clock = int(time.time()) - 10_000_000

    def write(self, path: str, content: bytes) -> None:
        """Write a file with a time that no other version of it has: no old bytecode fits."""
        self._clock += 2
        (self.root / path).write_bytes(content)
        os.utime(self.root / path, (self._clock, self._clock))


class Lens(Tree):
    """One with a daemon of its own."""

    def __init__(self, options: argparse.Namespace, folder: Path, record: str = "run") -> None:
        super().__init__(options, folder)
        settings = f'runOnSave = "affected"\ntimeoutMs = {TEST_MS}\ncollectTimeoutMs = {TEST_MS}\n'
        settings += f'[impact]\nrecord = "{record}"\n'
        (self.root / "pytest-lens.toml").write_text(settings)
        (self.root / ".gitignore").write_text("__pycache__\n")
        self._git("init", "-q")
        self._commit()
        self.socket = str(folder / "s")
        self.log = open(folder / "daemon.log", "w")  # noqa: SIM115 (until the end)
        daemon = [options.binary, "daemon", "--socket", self.socket]
        self.daemon = subprocess.Popen(daemon, env=self.env, cwd=self.root, stderr=self.log)
        deadline = time.monotonic() + LIMIT
        while not Path(self.socket).exists():
            if time.monotonic() > deadline:
                raise SystemExit("the daemon does not start")
            time.sleep(0.05)

    def run_all(self) -> None:
        """Have every test recorded. Files that tests leave behind are no changes."""
        for _ in range(2):
            self.run()
            self._commit()

    def wait_for_records(self) -> None:
        """Wait until idle time has recorded all that it records."""
        recorded, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET:
            time.sleep(1)
            count = sum(map(count_of_records, (self.folder / "state").rglob("*.inputs")))
            if count != recorded:
                recorded, since = count, time.monotonic()

    def _commit(self) -> None:
        self._git("add", "-A")
        user = ["-c", "user.name=x", "-c", "user.email=x@x"]
        self._git(*user, "commit", "-q", "--allow-empty", "-m", "x")

    def _git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.root, check=True, capture_output=True)

    def run(self, *words: str) -> str:
        """The output of `pytest-lens run`; if files could not be collected, with a line on that."""
        command = [self.options.binary, "run", "--connect", self.socket, *words]
        done = subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, timeout=LIMIT
        )
        if done.returncode == 4 or (done.returncode == 2 and not ERROR.search(done.stderr)):
            raise CanNotRunError(done.stderr[-2000:])
        if done.returncode not in (0, 1, 2, 5):
            raise SystemExit(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout + (f"{UNCOLLECTED}\n" if done.returncode == 2 else "")

    def selected(self) -> set[str]:
        """The ids that a change selects: tests, and files that can't be collected."""
        try:
            lines = self.run("--affected", "--collect-only", "-q").splitlines()
        except CanNotRunError:
            return {EVERYTHING}
        return {line for line in lines if "::" in line or line.endswith((".py", UNCOLLECTED))}

    def close(self) -> None:
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(30)
        self.log.close()


class Plain(Tree):
    """One for plain pytest, each run in a fork of a process that has imported pytest."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        super().__init__(options, folder)
        program = Path(__file__).with_name("plain.py")
        self._process = subprocess.Popen(
            [options.python, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=self.root,
            env=self.env,
        )
        self.before = self.run()
        # Tests that fail by themselves, or now and then.
        self.steady = set(self.before) - set(broken(self.before, self.run()))
        self.steady -= set(broken(self.before, self.run()))
        self.steady &= {test for test, outcome in self.before.items() if outcome == "passed"}

    def run(self, left_out: Collection[str] = ()) -> dict[str, str]:
        """The outcome of each test; those that did not begin before a time-out count as before."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps(sorted(left_out)), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        outcomes: dict[str, str] = answer["outcomes"]
        if answer["is_empty"]:
            outcomes = {"": "no tests"}
        if answer["timed_out"] and outcomes:
            outcomes = {test: outcomes.get(test, "passed") for test in self.before} | outcomes
        return outcomes

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


def broken(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The tests that passed, and do not pass any more or can't be collected.

    A test that is gone fails nowhere.
    """

    def is_broken(test: str) -> bool:
        if test in after:
            return after[test] != "passed"
        return not after or any(test.startswith(one) for one in uncollected)

    uncollected = [one for one, outcome in after.items() if outcome == "uncollected"]
    return [test for test, was in before.items() if was == "passed" and is_broken(test)]
