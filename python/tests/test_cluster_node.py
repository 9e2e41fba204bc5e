"""Tests of an actor's work on a node, without Ray.

Real interpreters run, and the calls are those of the driver.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_lens.worker.cluster import environment, packs
from pytest_lens.worker.cluster.home_files import Snapshots
from pytest_lens.worker.cluster.node import Node

DEADLINE = 30.0


class Home:
    """The driver's side of one actor."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.root.mkdir()
        self._node = Node(str(folder / "node"), "actor", str(self.root))
        self._snapshots = Snapshots(str(self.root), folder / "contents")
        self._acknowledged = 0
        self._snapshot = ""
        self._sent = 0
        self.output = folder / "out" / "w0"

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            (self.root / name).write_text(text)

    def bring(self, name: str) -> None:
        tree = {
            path.name: ["file", packs.digest_of(path.read_bytes()), False]
            for path in self.root.iterdir()
        }
        assert self._snapshots.take(name, "", tree, []) == []
        changes, pieces = self._snapshots.changes(name, ""), self._snapshots.pieces(name, "")
        assert self._node.update(name, "", changes, pieces) == set()
        self._snapshot = name

    def start(self, runner: str, **order: Any) -> None:
        self._sent = 0
        self._node.start(
            {
                "runner": runner,
                "snapshot": self._snapshot,
                "node": "here",
                "is_shared": True,
                "options": {"args": [], "no_cov": True},
                "env": {"COLOR": "blue"},
                "preload": [],
                "unfit": [],
                "collect_limit": DEADLINE,
                "environment": environment.describe(str(self.root)),
                "python_path": [],
                "stacks": str(self.output) + ".stacks",
                **order,
            }
        )

    def send(self, runner: str, message: dict[str, Any]) -> None:
        self._sent += 1
        self._node.send(runner, self._sent, json.dumps(message, separators=(",", ":")).encode())

    def kill(self, runner: str) -> None:
        self._node.kill(runner)

    def events(self) -> Iterator[tuple[Any, ...]]:
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            for number, event in self._node.exchange(self._acknowledged, 1.0, 0.1):
                self._acknowledged = number
                yield event
        raise AssertionError("the event did not come")

    def run(self, runner: str, ids: list[str]) -> list[Any]:
        """Run tests; returns the events up to the exit, frames as messages."""
        seen: list[Any] = []
        for event in self.events():
            message = json.loads(event[2]) if event[0] == "frame" else {"t": ""}
            seen.append(message if event[0] == "frame" else event)
            if message["t"] == "runner_ready":
                order = {"t": "run", "ids": ids, "feed": [*range(len(ids))], "end": True}
                self.send(runner, {**order, "basetemp": "x", "output": str(self.output)})
            if event[0] in ("exited", "failed"):
                return seen
        raise AssertionError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def outcomes(seen: list[Any]) -> list[str]:
    finished = [event for event in seen if isinstance(event, dict) and event["t"] == "finished"]
    return [event["outcome"] for event in finished]


TESTS = """
import os

def test_where():
    print("printed")
    assert os.environ["COLOR"] == "blue"
    assert not [name for name in os.environ if name.startswith("RAY_")]

def test_file():
    assert 0, __file__
"""


def test_a_runner_sends_outcomes_output_and_the_paths_of_home(home: Home) -> None:
    home.write({"test_a.py": TESTS})
    home.bring("one")
    home.start("r-1")
    seen = home.run("r-1", ["test_a.py::test_where", "test_a.py::test_file"])
    assert outcomes(seen) == ["passed", "failed"], seen
    assert str(home.root / "test_a.py") in json.dumps(seen[-6:])
    # A file may be read while it is written, and so come in several parts.
    written = b""
    for event in seen:
        if isinstance(event, tuple) and event[:2] == ("file", f"{home.output}.out"):
            assert event[2] == len(written)
            written += event[3]
    assert written == b"printed\n"
    assert seen[-1][:2] == ("exited", "r-1")


def test_the_next_run_has_the_new_code_and_the_same_interpreter(home: Home) -> None:
    home.write({"test_a.py": "def test(): assert False\n"})
    home.bring("one")
    home.start("r-1")
    assert outcomes(home.run("r-1", ["test_a.py::test"])) == ["failed"]
    home.write({"test_a.py": "def test(): assert  True\n"})
    home.bring("two")
    home.start("r-2")
    assert outcomes(home.run("r-2", ["test_a.py::test"])) == ["passed"]


def test_more_modules_to_import_before_need_no_other_session(home: Home) -> None:
    home.write({"test_a.py": "import os\ndef test(): assert 0, f'{os.getppid()} is the session'\n"})
    home.bring("one")

    def session(runner: str, preload: list[str]) -> str:
        home.start(runner, preload=preload)
        text = json.dumps(home.run(runner, ["test_a.py::test"]))
        return str(re.findall(r"(\d+) is the session", text)[0])

    first = session("r-1", [])
    assert session("r-2", ["colorsys"]) == first
    assert session("r-3", []) == first


def test_a_killed_runner_is_reported_with_its_signal(home: Home) -> None:
    home.write({"test_a.py": "import time\ndef test(): time.sleep(600)\n"})
    home.bring("one")
    home.start("r-1")
    for event in home.events():
        if event[0] == "frame" and b'"runner_ready"' in event[2]:
            order = {"ids": ["test_a.py::test"], "feed": [0], "end": True, "basetemp": "x"}
            home.send("r-1", {"t": "run", **order})
        if event[0] == "frame" and b'"started"' in event[2]:
            home.kill("r-1")
        if event[0] == "exited":
            assert event[1:] == ("r-1", None, 9)
            return


def test_a_kill_ends_the_collection_for_a_runner(home: Home, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    hangs = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(600)\n"
    home.write({"conftest.py": hangs, "test_a.py": "def test(): pass\n"})
    home.bring("one")
    home.start("r-1", collect_limit=600)
    until = time.monotonic() + DEADLINE
    while not begun.exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    home.kill("r-1")
    assert home.run("r-1", [])[-1][:2] == ("failed", "r-1")
    home.write({"conftest.py": ""})
    home.bring("two")
    home.start("r-2")
    assert outcomes(home.run("r-2", ["test_a.py::test"])) == ["passed"]


def test_a_kill_that_overtakes_the_start_counts(home: Home) -> None:
    home.write({"test_a.py": "def test(): pass\n"})
    home.bring("one")
    home.kill("r-1")
    home.start("r-1")
    assert home.run("r-1", [])[-1][:2] == ("failed", "r-1")


def test_a_collection_that_fails_is_the_reason_why_there_is_no_runner(home: Home) -> None:
    home.write({"conftest.py": "raise RuntimeError('no luck')\n", "test_a.py": ""})
    home.bring("one")
    home.start("r-1")
    seen = home.run("r-1", [])
    assert seen[-1][:2] == ("failed", "r-1") and "no luck" in seen[-1][2]


def test_a_package_that_is_installed_later_is_named(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    text = "def test(): pass\n"
    home.write({"test_a.py": text})
    home.bring("one")
    before = environment.describe(str(home.root))
    home.start("r-1", environment=before)
    assert home.run("r-1", ["test_a.py::test"])[-1][0] == "exited"
    folder = tmp_path / "pytest_young-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: pytest-young\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[pytest11]\nyoung = nothing_at_all\n")
    home.start("r-2", environment=before)
    seen = home.run("r-2", [])
    assert seen[-1][0] == "failed" and "pytest-young, a plugin of pytest" in seen[-1][2]


def test_another_environment_is_named(home: Home) -> None:
    home.write({"test_a.py": ""})
    home.bring("one")
    other = environment.describe(str(home.root))
    other["distributions"]["pytest"] = "1.0"
    home.start("r-1", environment=other)
    seen = home.run("r-1", [])
    assert seen[-1][0] == "failed" and "instead of 1.0" in seen[-1][2]
