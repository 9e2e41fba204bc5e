"""Changes a project in every way in which stale code could show, and runs tests at once.

`cargo xtask staleness [STEPS] [--seed N] [--busy]`. In each step something in the project, its
environment or its variables changes (`shifting.py`), and a random selection runs in a warm daemon.
The outcomes must be those of the construction, which plain pytest confirms now and then in a fresh
copy. Some runs are those of `--affected` and `--lf`: these may leave out no test that fails now.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

from lab import Lab, RefusedError, WrongError, begin_program
from shifting import OUTSIDE, Project
from world import DEADLINE, binary

# The settings of the parts of the steps.
SETTINGS: list[dict[str, Any]] = [
    {"executionMode": "embedded"},
    {"executionMode": "embedded", "fixtureReuse": {"enabled": True}},
    {"executionMode": "embedded"},
    {"executionMode": "subprocess"},
]
PART = 40
# Steps between two runs of plain pytest.
VERIFY = 12
# A plugin that writes each outcome.
WITNESS = """\
import json, sys

def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        tell([report.nodeid, report.when, report.outcome])

def pytest_collectreport(report):
    if report.failed:
        tell([report.nodeid, "collect", "broken"])

def tell(line):
    with open(SEEN, "a") as file:
        print(json.dumps(line), file=file)
"""


class Steps:
    """The steps over one project."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Random(seed)
        self.folder = folder
        self.project = Project(folder, self.random)
        self.lab = Lab(folder, self.project, self._settings(0), self.project.venv)
        self.seen: Counter[str] = Counter()
        #: The last changes, for the reader of a failure.
        self.changes: list[str] = []
        self.lab.check_all()

    def _settings(self, step: int) -> dict[str, Any]:
        return {**SETTINGS[step // PART % len(SETTINGS)], "envFile": ".env"}

    def play(self, step: int) -> None:
        """One step."""
        lab, random = self.lab, self.random
        if step % PART == 0:
            lab.settings = self._settings(step)
            lab.expect("config_ack", "configure_context", settings=lab.settings)
        for _ in range(random.choice([1, 1, 1, 2, 3])):
            self.changes = [*self.changes[-11:], f"{step}: {self.project.change()}"]
        kind = random.random()
        if kind < 0.1:
            self._broken_conftest()
        elif kind < 0.2:
            self._command("--affected")
        elif kind < 0.27:
            self._command("--lf")
        else:
            self._run()
        if random.random() < 0.05:
            # Work in a pause must not make anything older.
            lab.read(random.choice([100, 500, 2500]))
        if step % VERIFY == VERIFY - 1:
            self.verify()

    def _run(self) -> None:
        project, random = self.project, self.random
        paths: list[str] = []
        if random.random() < 0.7:
            tests = sorted(project.expected([]))
            choices = [*tests, *project.tests(), *project.tests()]
            paths = sorted(set(random.sample(choices, random.randint(1, 3))))
        self.seen["run"] += 1
        broken = project.broken(paths)
        try:
            run = self.lab.end(self.lab.begin(paths, random.choice([None, None, 2])))
        except RefusedError as error:
            # As it is if nothing of the selection can be imported; the sentence says why.
            if not project.expected(paths) and _tells(str(error), broken.values()):
                return
            raise WrongError(f"{paths}: {error}") from error
        self.lab.check_run(paths, run)
        if set(run.broken) != set(broken) or not all(
            _tells(message, [broken[path]]) for path, message in run.broken.items()
        ):
            raise WrongError(f"can't be imported: {broken}, run: {run.broken}")
        good = set(run.finals.values()) <= {"passed", "skipped"} and not broken
        if (run.status == "passed") != good:
            raise WrongError(f"{run.status}: {run.messages}")

    def _broken_conftest(self) -> None:
        """A conftest that can't be imported lets nothing pass, and no longer than it is there."""
        self.seen["broken conftest"] += 1
        file = self.project.root / "conftest.py"
        text = file.read_text()
        file.write_text(text.replace("import pytest", "import pytes7"))
        try:
            run = self.lab.end(self.lab.begin([]))
            if run.status == "passed" or "passed" in run.finals.values():
                raise WrongError(f"with a broken conftest: {run.status} {run.messages}")
        except RefusedError:
            pass
        file.write_text(text)
        self._run()

    def _command(self, option: str) -> None:
        """A run of the command line over the same daemon."""
        self.seen[option] += 1
        words = ["run", "--connect", self.lab.daemon.socket, "--json", option]
        env = self.lab.world.env(VIRTUAL_ENV=str(self.project.venv))
        done = subprocess.run(
            [str(binary()), *words],
            cwd=self.project.root,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        outcomes = {}
        for line in done.stdout.splitlines():
            event = json.loads(line)
            for one in event.get("outcomes", ()):
                outcomes[one["id"]] = one["outcome"]
        expected = self.project.expected([])
        wrong = {
            test: (outcome, expected.get(test))
            for test, outcome in outcomes.items()
            if outcome != expected.get(test)
        }
        must = self._must_run(expected) if option == "--affected" else set()
        if wrong or must - set(outcomes) or done.returncode not in (0, 1, 2, 5):
            said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            raise WrongError(
                f"{option}: wrong {wrong}, left out {must - set(outcomes)}, "
                f"{done.returncode}:\n{said}"
            )

    def _must_run(self, expected: dict[str, str]) -> set[str]:
        """Tests that fail now, and did not in the last commit, by something in the repository."""
        before = self.folder / "before"
        shutil.rmtree(before, ignore_errors=True)
        before.mkdir()
        archive = subprocess.run(
            ["git", "archive", "HEAD"], cwd=self.project.root, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x"], cwd=before, input=archive.stdout, check=True)
        committed = self.project.at(before)
        known = committed.expected([])
        return {
            test
            for test, outcome in expected.items()
            if outcome == "failed"
            and known.get(test) != "failed"
            and self.project.source(test) not in OUTSIDE
        }

    def verify(self) -> None:
        """Plain pytest agrees with the construction, in a fresh copy."""
        self.seen["verified"] += 1
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        left_out = shutil.ignore_patterns("__pycache__", ".git")
        shutil.copytree(self.project.root, copy, symlinks=True, ignore=left_out)
        witness, seen = self.folder / "witness", self.folder / "seen"
        witness.mkdir(exist_ok=True)
        (witness / "witness.py").write_text(f"SEEN = {str(seen)!r}\n{WITNESS}")
        seen.write_text("")
        env = {name: value for name, value in os.environ.items() if not name.startswith("PY")}
        env |= {
            **self.project.variables(),
            "PYTHONPATH": str(witness),
            "PYTHONPYCACHEPREFIX": str(self.folder / "nowhere"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        command = [str(self.project.python), "-m", "pytest", "-q", "-p", "witness"]
        command += ["-p", "no:cacheprovider", "--continue-on-collection-errors"]
        done = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True)
        lines = [json.loads(line) for line in seen.read_text().splitlines()]
        broken = {name for name, _, outcome in lines if outcome == "broken"}
        found = {name: outcome for name, when, outcome in lines if when != "collect"}
        expected = self.project.expected([])
        if found != expected or broken != set(self.project.broken([])):
            differ = {test for test, _ in found.items() ^ expected.items()}
            pairs = {test: (found.get(test), expected.get(test)) for test in differ}
            raise WrongError(f"plain pytest: {pairs} {broken}:\n{done.stdout[-3000:]}{done.stderr}")


def _tells(message: str, reasons: Iterable[str]) -> bool:
    """Whether a message has the reason, and not another that held before."""
    return any(reason in message for reason in reasons)


@contextlib.contextmanager
def load(count: int) -> Any:
    """This many processes that never rest."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def main() -> int:
    options = begin_program(__doc__, "steps", 2000, busy="while all processors are in use")
    count, seed = options.count, options.seed
    begin, step = time.monotonic(), -1
    cores = (os.cpu_count() or 1) if options.busy else 0
    with tempfile.TemporaryDirectory(prefix="lens-stale-", ignore_cleanup_errors=True) as name:
        steps = Steps(Path(name), seed)
        try:
            with load(cores):
                for step in range(count):
                    steps.play(step)
                    if step % 100 == 99:
                        print(f"{step + 1} steps, {time.monotonic() - begin:.0f} s", flush=True)
            steps.verify()
            steps.lab.finish()
        except WrongError as error:
            print(f"step {step}, seed {seed}: {error}", *steps.changes, sep="\n", file=sys.stderr)
            return 1
        finally:
            for pid in steps.lab.world.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    took = time.monotonic() - begin
    print(f"{count} steps, {took:.0f} s, seed {seed}: nothing stale; {dict(steps.seen)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
