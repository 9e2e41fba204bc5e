"""A project whose outcomes are known by construction, however it is edited."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

# The body of a test by its outcome. Each takes a moment, so that faults find it running.
BODIES = {
    "passed": "print('said')",
    "failed": "assert total == -1",
    "skipped": "pytest.skip('not now')",
    "xfailed": "pytest.xfail('known')",
    "error": "pass",
}
# An unchanged module that all test files import. Its value decides outcomes: stale code would show.
SHARED = "shared.py"
VALUES = 3
FEWEST, MOST = 4, 9


class Suite:
    """The files, and the outcome of each of their tests."""

    def __init__(self, root: Path, random: Random) -> None:
        self.root, self._random = root, random
        self._value = 0
        self._number = 0
        # For each file the outcomes of its tests, and the shared value at which one more passes.
        self._files: dict[str, tuple[list[str], int]] = {}
        root.mkdir(parents=True)
        self._write("pytest.ini", "[pytest]\naddopts = -p no:cacheprovider\n")
        self._write(SHARED, self._shared())
        self._write("conftest.py", FIXTURES)
        while len(self._files) < FEWEST:
            self._add()

    def expected(self, paths: list[str]) -> dict[str, str]:
        """The outcome of each test in these files; in all, if there are none."""
        found = {}
        for path in paths or self._files:
            outcomes, value = self._files[path]
            for number, outcome in enumerate(outcomes):
                found[f"{path}::test_{number}"] = outcome
            found[f"{path}::test_shared"] = "passed" if value == self._value else "failed"
        return found

    def some(self) -> list[str]:
        """Some of the files; none stands for all."""
        if self._random.random() < 0.5:
            return []
        return self._random.sample(sorted(self._files), self._random.randint(1, 2))

    def edit(self) -> str:
        """Changes something; returns what."""
        kinds = ["test", "test", "shared", "add", "remove"]
        kind = self._random.choice(kinds)
        if kind == "shared":
            self._value = (self._value + 1) % VALUES
            self._write(SHARED, self._shared())
            return SHARED
        if kind == "add" and len(self._files) < MOST:
            return self._add()
        path = self._random.choice(sorted(self._files))
        if kind == "remove" and len(self._files) > FEWEST:
            del self._files[path]
            (self.root / path).unlink()
        else:
            self._fill(path)
        return path

    def _shared(self) -> str:
        return f"VALUE = {self._value}\n"

    def _add(self) -> str:
        self._number += 1
        folder = self._random.choice(["", "sub/", "sub/deep/"])
        path = f"{folder}test_{self._number}.py"
        self._fill(path)
        return path

    def _fill(self, path: str) -> None:
        random = self._random
        outcomes = random.choices(list(BODIES), [8, 2, 1, 1, 1], k=random.randint(1, 8))
        value = random.randrange(VALUES)
        self._files[path] = (outcomes, value)
        lines = ["import time", "import pytest", "import shared", ""]
        for number, outcome in enumerate(outcomes):
            argument = "broken" if outcome == "error" else "total"
            pause = random.choice([0, 0.001, 0.01, 0.03])
            lines += [f"def test_{number}({argument}):", f"    time.sleep({pause})"]
            lines += [f"    {BODIES[outcome]}", ""]
        lines += ["def test_shared():", f"    assert shared.VALUE == {value}", ""]
        self._write(path, "\n".join(lines))

    def _write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # Editors do both.
        if self._random.random() < 0.5:
            file.write_text(text)
        else:
            beside = file.with_name(f"{file.name}.tmp")
            beside.write_text(text)
            os.replace(beside, file)


FIXTURES = """\
import sys
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def total():
    return 1


@pytest.fixture
def broken():
    raise LookupError("it never works")
"""
