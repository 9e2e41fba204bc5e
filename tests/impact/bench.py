"""Measures whether `run --affected` misses a test that a change breaks: a mutation bench.

For each mutant, plain pytest runs every test; a test that passed before and does not pass now must
be among those that `pytest-lens run --affected` selects. Where every test is selected none can be
missed, and nothing runs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import suites
from mutants import BODIES, KINDS, mutants

# The longest time for one call, in seconds.
LIMIT = 300
# A run of plain pytest may take this many times as long as the first, and this many seconds more.
PATIENCE, GRACE_S = 10, 10
# The command fails if a file can't be collected, and names it.
UNCOLLECTED = "!"
ERROR = re.compile(r"^pytest-lens: ([^:\n]+\.py):", re.MULTILINE)
ERROR_OF_RUN = re.compile(r"^ERROR \S+\.py", re.MULTILINE)
# Selects every test.
EVERYTHING = "*"


class CanNotRunError(Exception):
    """No test can run, which nobody takes for a pass."""


class Suite:
    """A copy of a suite with a daemon of its own."""

    def __init__(self, options: argparse.Namespace, folder: Path, record: str = "run") -> None:
        self.folder, self.options = folder, options
        folder.mkdir()
        self.root = folder / "suite"
        left_out = shutil.ignore_patterns(".git", ".venv", "__pycache__")
        shutil.copytree(options.suite, self.root, ignore=left_out)
        settings = f'runOnSave = "affected"\n[impact]\nrecord = "{record}"\n'
        (self.root / "pytest-lens.toml").write_text(settings)
        (self.root / ".gitignore").write_text("__pycache__\n")
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
        self._git("init", "-q")
        self._git("add", "-A")
        self._git("-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "x")
        self._clock = int(time.time()) - 10_000_000
        self.socket = str(folder / "s")
        self.log = open(folder / "daemon.log", "w")  # noqa: SIM115 (until the end)
        daemon = [options.binary, "daemon", "--socket", self.socket]
        self.daemon = subprocess.Popen(daemon, env=self.env, cwd=self.root, stderr=self.log)
        deadline = time.monotonic() + LIMIT
        while not Path(self.socket).exists():
            if time.monotonic() > deadline:
                raise SystemExit("the daemon does not start")
            time.sleep(0.05)

    def _git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.root, check=True, capture_output=True)

    def write(self, path: str, content: bytes) -> None:
        """Write a file with a time that no other version of it has: no old bytecode fits."""
        self._clock += 2
        (self.root / path).write_bytes(content)
        os.utime(self.root / path, (self._clock, self._clock))

    def lens(self, *words: str) -> str:
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
            lines = self.lens("--affected", "--collect-only", "-q").splitlines()
        except CanNotRunError:
            return {EVERYTHING}
        return {line for line in lines if "::" in line or line.endswith((".py", UNCOLLECTED))}

    def close(self) -> None:
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(30)
        self.log.close()


class Plain:
    """Plain pytest over a suite, each run in a fork of a process that has imported pytest."""

    def __init__(self, suite: Suite) -> None:
        program = Path(__file__).with_name("plain.py")
        self._process = subprocess.Popen(
            [suite.options.python, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=suite.root,
            env=suite.env,
        )
        self._limit = float(LIMIT)
        begin = time.monotonic()
        self.before = self.run()
        self._limit = PATIENCE * (time.monotonic() - begin) + GRACE_S
        # Tests that fail by themselves, or now and then.
        self.steady = set(self.before) - set(broken(self.before, self.run()))
        self.steady -= set(broken(self.before, self.run()))
        self.steady &= {test for test, outcome in self.before.items() if outcome == "passed"}

    def run(self) -> dict[str, str]:
        """The outcome of each test; those that did not begin before a time-out count as before."""
        assert self._process.stdin and self._process.stdout
        print(self._limit, file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        outcomes: dict[str, str] = answer["outcomes"]
        if answer["is_empty"]:
            outcomes = {"": "no tests"}
        if answer["timed_out"]:
            outcomes = {test: outcomes.get(test, "passed") for test in self.before} | outcomes
        return outcomes

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


def covered(test: str, selected: set[str]) -> bool:
    """Whether a selection has a test, its file or its class."""
    parts = test.split("[", 1)[0].split("::")
    above = ("::".join(parts[:count]) for count in range(1, len(parts) + 1))
    return EVERYTHING in selected or test in selected or any(one in selected for one in above)


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


def is_missed(test: str, after: dict[str, str], selected: set[str]) -> bool:
    """Whether nobody learns that a broken test is broken."""
    return not covered(test, selected) and not (test not in after and UNCOLLECTED in selected)


@dataclass(frozen=True)
class Result:
    """The outcome of one mutant."""

    suite: str
    seed: int
    kind: str
    where: str
    # Shares of all tests.
    selected: float
    by_imports: float | None
    # The number of tests that it breaks; None if every test was selected.
    broken: int | None
    missed: list[str]


def measure(options: argparse.Namespace, folder: Path) -> Iterator[Result]:
    """Change the suite, one place at a time."""
    suite = Suite(options, folder / "a")
    imports = Suite(options, folder / "b", "off") if options.imports else None
    plain = Plain(suite)
    suites = [one for one in (suite, imports) if one]
    try:
        for one in suites:
            one.lens()
        tests = plain.steady
        if not tests:
            raise SystemExit(f"no test of {options.suite} passes")
        for mutant in mutants(suite.root, options.sources, options.count, options.seed):
            kept = (suite.root / mutant.path).read_bytes()
            for one in suites:
                one.write(mutant.path, mutant.content)
            try:
                selected = suite.selected()
                failing, missed = None, []
                if not all(covered(test, selected) for test in tests):
                    after = plain.run()
                    failing = [test for test in broken(plain.before, after) if test in tests]
                    missed = [test for test in failing if is_missed(test, after, selected)]
                by_imports = share(tests, imports.selected()) if imports else None
                if options.run and EVERYTHING not in selected:
                    suite.lens("--affected")
            finally:
                for one in suites:
                    one.write(mutant.path, kept)
            if options.run:
                suite.lens("--affected")
            yield Result(
                suite=options.real or options.suite.name,
                seed=options.seed,
                kind=mutant.kind,
                where=f"{mutant.path}:{mutant.line}",
                selected=share(tests, selected),
                by_imports=by_imports,
                broken=None if failing is None else len(failing),
                missed=missed,
            )
    finally:
        plain.close()
        for one in suites:
            one.close()


def share(tests: set[str], selected: set[str]) -> float:
    """The share of tests that are selected."""
    return sum(covered(test, selected) for test in tests) / len(tests)


def table(results: list[Result]) -> str:
    """A table of the results, in Markdown."""
    rows = [(kind, [one for one in results if one.kind == kind]) for kind in KINDS]
    rows.append(("all changes in bodies", [one for one in results if one.kind in BODIES]))
    suites = sorted({one.suite for one in results})
    if len(suites) > 1:
        rows += [(suite, [one for one in results if one.suite == suite]) for suite in suites]
    rows.append(("all", results))
    lines = [
        "| change | seeds | mutants | all selected | broke tests | tests missed"
        " | selected (mean) | by imports |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in rows:
        if not found:
            continue
        whole = sum(one.broken is None for one in found)
        killed = sum(bool(one.broken) for one in found)
        missed = sum(len(one.missed) for one in found)
        mean = sum(one.selected for one in found) / len(found)
        known = [one.by_imports for one in found if one.by_imports is not None]
        by_imports = f"{sum(known) / len(known):.1%}" if known else ""
        seeds = ", ".join(str(seed) for seed in sorted({one.seed for one in found}))
        row = [
            name,
            seeds,
            f"{len(found):,}",
            f"{whole:,}",
            f"{killed:,}",
            str(missed),
            f"{mean:.1%}",
            by_imports,
        ]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def is_wrong(result: Result) -> bool:
    """Whether a test is missed, or more is selected than by imports alone."""
    return bool(result.missed) or (result.by_imports or 1) < result.selected


def main() -> int:
    """Measure one suite, or make a table of earlier results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", type=Path, help="the suite's folder; it is copied")
    parser.add_argument("--real", choices=suites.CODE, help="a real suite, made ready if need be")
    parser.add_argument("--sources", default=".", help="the folder with the code to change")
    parser.add_argument("--path", default=".", help="the folder for PYTHONPATH")
    parser.add_argument("--python", type=os.path.abspath)
    parser.add_argument("--binary", type=os.path.abspath)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--imports", action="store_true", help="compare with imports alone")
    parser.add_argument(
        "--run", action="store_true", help="run the selected tests, so that records follow"
    )
    parser.add_argument("--results", type=Path, help="a file to which each result is added")
    parser.add_argument("--table", type=Path, nargs="+", help="print the table of these results")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if options.table:
        lines = [line for path in options.table for line in path.read_text().splitlines()]
        print(table([Result(**json.loads(line)) for line in lines]))
        return 0
    if options.real:
        real = suites.ready(options.real)
        options.suite, options.python = real.root, str(real.python)
        options.sources, options.path = real.sources, real.path
    results = []
    with tempfile.TemporaryDirectory(prefix="impact-") as folder:
        for result in measure(options, Path(folder)):
            results.append(result)
            if options.results:
                with options.results.open("a") as file:
                    print(json.dumps(asdict(result)), file=file)
            if is_wrong(result):
                print(f"WRONG {result}", flush=True)
            elif options.verbose:
                print(result, flush=True)
    print(table(results))
    is_good = not any(map(is_wrong, results)) and any(one.broken for one in results)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
