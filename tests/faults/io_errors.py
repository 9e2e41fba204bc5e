"""Injects an I/O error at the n-th system call on the engine's files: no outcome is lost by it.

`python tests/faults/io_errors.py [--files history|worker] [--step N] [--seed N]`, with strace
installed. For each kind of system call, a command runs the tests while the n-th call of a process
fails, for n = 1 to the last. It must have the outcomes and the exit status that it has without;
where the worker's files and caches are hit, it may instead run nothing and say why in a sentence.
The next command works, and finds the history sound.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

import lab  # noqa: F401 (it makes the helpers importable)
from world import World, binary

# The calls that read or change a file, and the errors that they get in turn.
CALLS = ["openat", "read", "pread64", "write", "pwrite64", "fdatasync", "fsync", "ftruncate"]
CALLS += ["unlink", "rename", "mkdir", "fcntl", "fstat", "newfstatat", "mmap"]
ERRORS = ["EIO", "ENOSPC"]
FOLDERS = ["state", "cache"]
TEST = """\
import pytest

@pytest.mark.parametrize("number", range(5))
def test_it(number):
    assert number != 3
"""


class Bench:
    """A project with a history of two runs."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "suite"
        self.root.mkdir()
        (self.root / "test_it.py").write_text(TEST)
        self.world = World(folder / "home")
        self._start = folder / "start"
        self.run([])
        self.file = self._history()
        for name in FOLDERS:
            shutil.copytree(self.world.home / name, self._start / name)
        self.usual = self.run([])

    def _history(self) -> Path:
        files = [path for path in (self.world.home / "state").rglob("*") if path.is_file()]
        (found,) = [path for path in files if path.read_bytes()[:15] == b"SQLite format 3"]
        return found

    def run(self, before: list[str]) -> str:
        """The outcomes of a run with its exit status."""
        command = [*before, str(binary()), "run", "-q", "--color=no"]
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.world.env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        summary = [line for line in done.stdout.splitlines() if " passed" in line]
        self.said = done.stderr
        return f"{done.returncode} {[line.split(' in ')[0] for line in summary]}"

    def is_explained(self) -> bool:
        """Whether the last command said in one sentence why it ran nothing."""
        lines = [line for line in self.said.splitlines() if line]
        return len(lines) == 1 and lines[0].startswith("pytest-lens: ")

    def names(self, files: str) -> list[str]:
        """The files of the history, or those of the worker and the caches, with their folders."""
        if files == "history":
            names = [str(self.file) + end for end in ("", "-wal", "-shm", "-journal")]
            return [*names, str(self.file.parent)]
        return [str(path) for path in (self.world.home / "cache").rglob("*")]

    def trace(self, names: list[str], log: Path, call: str, *inject: str) -> list[str]:
        """The start of a command under strace, which sees these files only."""
        paths = [word for name in names for word in ("-P", name)]
        return ["strace", "-f", "-qq", "-o", str(log), *paths, "-e", f"trace={call}", *inject]

    def reset(self) -> None:
        """History and caches as they were after the first run."""
        for name in FOLDERS:
            shutil.rmtree(self.world.home / name)
            shutil.copytree(self._start / name, self.world.home / name)

    def check(self) -> str:
        """A fault of the next command or the history after it; none if it is sound."""
        outcome = self.run([])
        if outcome != self.usual:
            return f"the next: {outcome} {self.said}"
        with sqlite3.connect(f"file:{self._history()}?mode=ro", uri=True) as connection:
            (sound,) = connection.execute("PRAGMA quick_check").fetchone()
            (runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
            doubled = connection.execute(
                "SELECT count(*) - count(DISTINCT uid) FROM runs"
            ).fetchone()[0]
        connection.close()
        if sound != "ok":
            return str(sound)
        return "" if runs >= 1 and not doubled else f"{runs} runs, {doubled} of them doubled"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", choices=["history", "worker"], default="history")
    parser.add_argument("--step", type=int, default=1, help="only about every n-th case")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("strace is not installed: no I/O errors were injected", file=sys.stderr)
        return 1
    random, cases, wrong = Random(options.seed), 0, []
    with tempfile.TemporaryDirectory(prefix="lens-io-", ignore_cleanup_errors=True) as folder:
        bench, log = Bench(Path(folder)), Path(folder) / "log"
        names = bench.names(options.files)
        for call in CALLS:
            bench.reset()
            bench.run(bench.trace(names, log, call))
            seen = Counter(
                line.split()[0] for line in log.read_text().splitlines() if f" {call}(" in line
            )
            # Each process counts its own calls.
            count = max(seen.values(), default=0)
            for number in range(1, count + 1):
                if random.randrange(options.step):
                    continue
                error = random.choice(ERRORS)
                bench.reset()
                inject = ["-e", f"inject={call}:error={error}:when={number}"]
                outcome = bench.run(bench.trace(names, log, call, *inject))
                explained = options.files == "worker" and bench.is_explained()
                said, fault = bench.said, bench.check()
                cases += 1
                if (outcome != bench.usual and not explained) or fault:
                    wrong.append(f"{call} {number} of {count}, {error}: {outcome} {said} {fault}")
                    print(wrong[-1], file=sys.stderr, flush=True)
                elif explained and outcome != bench.usual:
                    print(f"{call} {number}, {error}: {said.strip()}", flush=True)
            print(f"{call}: {count} calls", flush=True)
    usual = bench.usual
    print(f"{cases} errors, seed {options.seed}: {len(wrong)} wrong; usual: {usual}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
