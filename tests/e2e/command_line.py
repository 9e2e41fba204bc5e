"""Runs the command line of the tested binary, and reads what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from world import DEADLINE, World, binary

Json = dict[str, Any]

#: A test file with an outcome of every kind.
KINDS = """
    import pytest


    @pytest.fixture
    def basket():
        "The goods."
        return []


    @pytest.fixture
    def broken():
        raise RuntimeError("no set-up")


    def test_good(basket, record_property):
        record_property("size", len(basket))


    def test_bad():
        print("printed before")
        assert {"a": 1} == {"a": 2}


    @pytest.mark.parametrize("number", [1, 2])
    def test_number(number):
        pass


    class TestGroup:
        @pytest.mark.slow
        def test_slow(self):
            pass

        @pytest.mark.skip(reason="not today")
        def test_skipped(self):
            pass


    def test_error(broken):
        pass


    @pytest.mark.xfail(reason="known")
    def test_expected():
        assert False
"""


@dataclass
class Told:
    """The output of a command, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Standard output, line by line."""
        return self.out.splitlines()

    @property
    def json(self) -> list[Json]:
        """Standard output, one object for each line."""
        return [json.loads(line) for line in self.lines]

    @property
    def outcomes(self) -> dict[str, str]:
        """For `run --json`: the final outcome of each test; each has exactly one."""
        told = [line["outcomes"] for line in self.json if line["event"] == "testOutcome"]
        final = [one for outcomes in told for one in outcomes if not one.get("willRerun")]
        found = {one["id"]: one["outcome"] for one in final}
        assert len(found) == len(final), f"a test has several final outcomes: {final}"
        return found

    @property
    def sentence(self) -> str:
        """The error, in one line on standard error and nothing on standard output."""
        assert self.out == "", self.out
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("pytest-lens: "), self.err
        return lines[0].removeprefix("pytest-lens: ")


def lens(world: World, *arguments: str, cwd: Path, env: dict[str, str] | None = None) -> Told:
    """Runs `pytest-lens` with these arguments in a folder."""
    done = subprocess.run(
        [str(binary()), *arguments],
        cwd=cwd,
        env=world.env(**(env or {})),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        stdin=subprocess.DEVNULL,
    )
    return Told(done.returncode, done.stdout, done.stderr)


def plain(world: World, root: Path, *words: str, **env: str) -> Told:
    """Runs pytest itself."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=root,
        env=world.env(PYTHONDONTWRITEBYTECODE="1", **env),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        stdin=subprocess.DEVNULL,
    )
    return Told(done.returncode, done.stdout, done.stderr)
