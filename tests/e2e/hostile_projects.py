"""The hostile projects of `tests/projects/hostile`: reads them, runs each twice, and reports.

One file is one project. Its head says in a sentence what misbehaves, and may set, in Python:

- `expected`: the outcomes of tests (by id) that no comment gives
- `status`: the end of the run, if it is not what the outcomes make of it
- `names`: what the messages must name, if no test is to blame
- `settings`: settings of the project; `changes`: files that its tests write into the repository
- `folder`: the name of the root

A line `# --- NAME` begins a file of the project. A comment behind a test's `def` is its outcome.
The section `# --- setup` is a program, which runs in the root first.
"""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon import Client, Daemon
from world import DEADLINE, REPO, World

PROJECTS = REPO / "tests" / "projects" / "hostile"

# The status of a run whose tests all did what they should.
_GOOD = {"passed", "skipped", "xfailed", "xpassed"}
_TEST = re.compile(r"^def (test_\w+)\(.*#\s*(\w+)$", re.MULTILINE)
_SECTION = re.compile(r"^# --- (.+)\n", re.MULTILINE)


@dataclass
class HostileProject:
    """A hostile project, as its file describes it."""

    name: str
    files: dict[str, str]
    expected: dict[str, str]
    status: str
    names: list[str]
    settings: dict[str, Any]
    changes: set[str]
    folder: str

    @classmethod
    def read(cls, path: Path) -> HostileProject:
        """Reads the file of a project."""
        head, *parts = _SECTION.split(path.read_text(encoding="utf-8"))
        files = dict(zip(parts[::2], parts[1::2]))
        declared: dict[str, Any] = {}
        exec(compile(head, str(path), "exec"), declared)  # The head is ours.
        expected = {
            f"{name}::{test}": outcome
            for name, text in files.items()
            for test, outcome in _TEST.findall(text)
        }
        expected.update(declared.get("expected", {}))
        passes = set(expected.values()) <= _GOOD
        return cls(
            path.stem,
            files,
            expected,
            declared.get("status", "passed" if passes else "failed"),
            declared.get("names", []),
            declared.get("settings", {}),
            set(declared.get("changes", ())),
            declared.get("folder", path.stem),
        )


def project_names() -> list[str]:
    """The names of all projects."""
    return sorted(path.stem for path in PROJECTS.glob("*.py"))


@dataclass
class Seen:
    """The result of a project's runs."""

    #: For each run the outcomes by id, and the status under no name.
    runs: list[dict[str, str]] = field(default_factory=list)
    #: What tests said, and the run's problems: for the reader of a failure.
    messages: list[str] = field(default_factory=list)
    #: Processes that are left when the project is closed.
    left: dict[int, str] = field(default_factory=dict)
    #: Files of the repository that differ.
    harm: set[str] = field(default_factory=set)
    seconds: float = 0.0
    broke: str = ""


def visit(world: World, daemon: Daemon, home: Path, name: str) -> Seen:
    """Runs a project twice in the daemon's engine, and closes it."""
    seen = Seen()
    began = time.monotonic()
    try:
        _visit(world, daemon, home / name, HostileProject.read(PROJECTS / f"{name}.py"), seen)
    except Exception:  # Each project has a test of its own, which reports this.
        seen.broke = traceback.format_exc()
    seen.seconds = time.monotonic() - began
    return seen


def _visit(world: World, daemon: Daemon, home: Path, project: HostileProject, seen: Seen) -> None:
    root = home / project.folder
    root.mkdir(parents=True)
    # Its processes inherit this variable, and others do not have it.
    own = dataclasses.replace(world, mark=f"{world.mark}-{project.name}")
    for path, text in project.files.items():
        if path == "setup":
            subprocess.run([sys.executable, "-c", text], cwd=root, check=True, timeout=DEADLINE)
            continue
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    before = _state(root)
    client = daemon.client()
    context = client.open(root)
    # Short, as many of these tests never end by themselves.
    settings = {"workers": 1, "timeoutMs": 20_000, **project.settings}
    settings["env"] = {**settings.get("env", {}), "PYTEST_LENS_E2E": own.mark}
    client.expect("config_ack", "configure_context", context_id=context, settings=settings)
    for _ in range(2):
        seen.runs.append(_run(client, context, seen.messages))
    after = _state(root)
    client.expect("shutdown_ack", "shutdown", context_id=context)
    client.close()
    seen.left = own.wait_until_gone()
    names = {name for name in {**before, **after} if before.get(name) != after.get(name)}
    seen.harm = names - project.changes


def _run(client: Client, context: str, messages: list[str]) -> dict[str, str]:
    """Runs all tests; returns the outcomes by id, and the run's status under no name."""
    begun = client.ask("run_stream", context_id=context, node_ids=[])
    if begun["type"] == "error":
        messages.append(begun["message"])
        return {"": begun["code"]}
    cursor = 0
    found: dict[str, str] = {}
    end = time.monotonic() + DEADLINE
    while "" not in found:
        assert time.monotonic() < end, f"the run does not end: {found}"
        answer = client.expect(
            "events", "get_events", context_id=context, cursor=cursor, wait_ms=10_000
        )
        cursor = answer["cursor"]
        for event in answer["events"]:
            for error in event.get("errors", ()):
                messages.append(f"{error['uri']}: {error['message'][:2000]}")
            if event.get("runId") != begun["run_id"]:
                continue
            if event["event"] == "runFinished":
                found[""] = event["status"]
                messages.append(f"the run: {event}")
            for one in event.get("outcomes", ()):
                if not one.get("willRerun"):
                    assert one["id"] not in found, f"two outcomes: {one}"
                    found[one["id"]] = one["outcome"]
                    if one.get("message"):
                        messages.append(f"{one['id'][:200]}: {one['message'][:2000]}")
    return found


def _state(root: Path) -> dict[str, tuple[int, bytes]]:
    """The files below a folder, with their modes and contents."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            content = b""
            if stat.S_ISREG(mode):
                content = Path(path).read_bytes()
            elif stat.S_ISLNK(mode):
                content = os.readlink(path).encode()
            found[os.path.relpath(path, root)] = (mode, content)
    return found
