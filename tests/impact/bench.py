"""Measures whether `run --affected` misses a test that a change breaks: a mutation bench.

For each mutant, plain pytest runs every test; a test that passed before and does not pass now must
be among those that `pytest-lens run --affected` selects. `cargo xtask impact` prepares suites.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from mutants import BODIES, KINDS, Mutant, mutants

OUTCOMES = """
import json, os
outcomes = {}
def pytest_runtest_logreport(report):
    if report.failed or report.nodeid not in outcomes:
        outcomes[report.nodeid] = report.outcome if report.when == "call" else (
            "failed" if report.failed else outcomes.get(report.nodeid, report.outcome))
def pytest_sessionfinish():
    with open(os.environ["IMPACT_OUTCOMES"], "w") as file:
        json.dump(outcomes, file)
"""
LIMIT = 300


class Suite:
    """A copy of a suite with a daemon of its own."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.folder, self.options = folder, options
        self.root = folder / "suite"
        shutil.copytree(
            options.suite, self.root, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__")
        )
        (self.root / "pytest-lens.toml").write_text('runOnSave = "affected"\n')
        plugins = folder / "plugins"
        plugins.mkdir()
        (plugins / "impact_outcomes.py").write_text(OUTCOMES)
        path = [str(self.root / options.path)]
        self.env = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTEST")
        }
        self.env |= {
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_RUNTIME_DIR": str(folder),
            "PYTHONPATH": os.pathsep.join(path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "VIRTUAL_ENV": str(Path(options.python).parents[1]),
            "IMPACT_OUTCOMES": str(folder / "outcomes.json"),
        }
        self.plain_env = {**self.env, "PYTHONPATH": os.pathsep.join([*path, str(plugins)])}
        self._git("init", "-q")
        self._git("add", "-A")
        self._git("-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "x")
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

    def lens(self, *words: str) -> str:
        """The output of `pytest-lens run`."""
        command = [self.options.binary, "run", "--connect", self.socket, *words]
        done = subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, timeout=LIMIT
        )
        if done.returncode not in (0, 1, 2, 5):
            raise SystemExit(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def plain(self) -> dict[str, str]:
        """The outcomes of plain pytest; empty if it could not run."""
        outcomes = self.folder / "outcomes.json"
        outcomes.unlink(missing_ok=True)
        command = [self.options.python, "-m", "pytest", "-q", "--tb=no", "-p", "impact_outcomes"]
        command += ["-p", "no:cacheprovider", "--continue-on-collection-errors"]
        try:
            subprocess.run(
                command, cwd=self.root, env=self.plain_env, capture_output=True, timeout=LIMIT
            )
        except subprocess.TimeoutExpired:
            return {}
        return json.loads(outcomes.read_text()) if outcomes.exists() else {}

    def selected(self) -> list[str]:
        """The ids that a change selects: tests, and files that can't be collected."""
        lines = self.lens("--affected", "--collect-only", "-q").splitlines()
        return [line for line in lines if "::" in line or line.endswith(".py")]

    def close(self) -> None:
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(30)
        self.log.close()


def covered(test: str, selected: set[str]) -> bool:
    """Whether a selection has a test, its file or its class."""
    parts = test.split("[", 1)[0].split("::")
    above = ("::".join(parts[:count]) for count in range(1, len(parts) + 1))
    return test in selected or any(one in selected for one in above)


def broken(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The tests that passed and do not any more."""
    return [test for test, was in before.items() if was == "passed" and after.get(test) != "passed"]


def measure(suite: Suite, chosen: list[Mutant]) -> dict[str, list[tuple[float, int, int]]]:
    """For each kind, the share that was selected, the broken tests and the missed ones."""
    before = suite.plain()
    suite.lens()
    if suite.options.exact:
        for test in before:
            suite.lens(test)
    steady = broken(before, suite.plain())
    results = defaultdict(list)
    for mutant in chosen:
        path = suite.root / mutant.path
        kept = path.read_bytes()
        path.write_bytes(mutant.content)
        try:
            selected = set(suite.selected())
            failing = [test for test in broken(before, suite.plain()) if test not in steady]
        finally:
            path.write_bytes(kept)
        hit = sum(covered(test, selected) for test in before)
        # If nothing can run, everything is broken, and that is seen.
        missed = [test for test in failing if not covered(test, selected)]
        results[mutant.kind].append((hit / len(before), len(failing), len(missed)))
        where = f"{mutant.kind} {mutant.path}:{mutant.line}"
        if missed:
            print(f"MISSED {where}: {len(missed)} of {len(failing)}: {missed[:3]}", flush=True)
        elif suite.options.verbose:
            print(f"{where}: selected {hit}, broken {len(failing)}", flush=True)
    return results


def table(results: dict[str, list[tuple[float, int, int]]]) -> str:
    """A table of the results, in Markdown."""
    lines = [
        "| change | mutants | broke tests | tests missed | selected (mean) |",
        "|---|---|---|---|---|",
    ]

    def row(name: str, found: list[tuple[float, int, int]]) -> None:
        if found:
            share = sum(share for share, _, _ in found) / len(found)
            killed = sum(failing > 0 for _, failing, _ in found)
            missed = sum(missed for _, _, missed in found)
            lines.append(f"| {name} | {len(found)} | {killed} | {missed} | {share:.1%} |")

    for kind in KINDS:
        row(kind, results.get(kind, []))
    row("bodies", [one for kind in BODIES for one in results.get(kind, [])])
    row("all", [one for found in results.values() for one in found])
    return "\n".join(lines)


def main() -> int:
    """Measure one suite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--suite", type=Path, required=True, help="the suite's folder; it is copied"
    )
    parser.add_argument("--sources", default=".", help="the folder with the code to change")
    parser.add_argument("--path", default=".", help="the folder for PYTHONPATH")
    parser.add_argument("--python", required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--exact", action="store_true", help="record each test in a process of its own"
    )
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="impact-") as folder:
        suite = Suite(options, Path(folder))
        try:
            chosen = mutants(suite.root, options.sources, options.count, options.seed)
            results = measure(suite, chosen)
        finally:
            suite.close()
    print(table(results))
    missed = sum(missed for found in results.values() for _, _, missed in found)
    killed = sum(failing > 0 for found in results.values() for _, failing, _ in found)
    return 1 if missed or not killed else 0


if __name__ == "__main__":
    sys.exit(main())
