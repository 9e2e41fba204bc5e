"""Runs of suites over a real daemon's socket: several clients, and one that goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon import Client, Daemon
from world import DEADLINE, Project, World, wait_for_exit

TESTS = """
    import pathlib
    import time

    import pytest


    def wait_for(name):
        while not pathlib.Path(name).exists():
            time.sleep(0.01)


    def test_first():
        print("now")
        pathlib.Path("began").touch()
        wait_for("go")


    @pytest.mark.parametrize("number", range(1000))
    def test_more(number):
        pass
"""

# A grandchild in a session of its own, whose number is printed.
FAMILY = """
    import os
    import time


    def test_family():
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(1, b"%d\\n" % os.getpid())
                time.sleep(600)
            os._exit(0)
        time.sleep(600)
"""

OPTIONS = """
    import logging
    import time

    import pytest


    def test_logs():
        logging.error("one")
        logging.error("two")


    @pytest.mark.skip
    def test_skipped():
        assert False


    def test_waits():
        time.sleep(600)
"""


@pytest.fixture(scope="module")
def daemon(world: World) -> Iterator[Daemon]:
    running = Daemon(world, "--socket", str(Path(world.runtime.name) / "suites.sock"))
    yield running
    running.end()


def build(client: Client, context: str, **options: Any) -> tuple[str, str]:
    suites = [{"test_url": "test_it.py", "options": options}]
    built = client.expect("run_built", "build_run", context_id=context, suites=suites)
    return built["run_id"], built["suite_ids"][0]


def events(client: Client, suite_id: str, until: str) -> list[dict[str, Any]]:
    """Events until one of a kind."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] != until:
        answer = client.expect("suite_events", "get_suite_events", suite_id=suite_id)
        assert answer["events"], found
        found += [event["payload"] for event in answer["events"]]
        kinds = [event["type"] for event in found]
        if until in kinds:
            return found[: kinds.index(until) + 1]
    return found


def test_one_client_watches_and_another_stops(daemon: Daemon, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"test_it.py": TESTS})
    owner, watcher = daemon.client(), daemon.client()
    context = owner.open(project.root)
    run_id, suite_id = build(owner, context)
    artifact = events(watcher, suite_id, "case_artifact")[-1]["artifact"]
    data = watcher.expect("artifact_data", "read_artifact", artifact_id=artifact["artifact_id"])
    assert (data["data"], data["done"]) == (b"now\n", False)
    watcher.expect("control_ack", "stop_run", run_id=run_id)
    project.write("go", "")
    stops, status = told(owner, suite_id)
    assert (stops[0], stops[-1], len(stops), status) == ("passed", "skipped", 1001, "stopped")
    owner.close()
    watcher.close()


def test_a_client_that_goes_ends_its_runs_and_no_others(daemon: Daemon, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"test_it.py": TESTS})
    leaving, staying, watcher = (daemon.client() for _ in range(3))
    context = leaving.open(project.root)
    _, left = build(leaving, context)
    _, kept = build(staying, context)
    events(watcher, left, "case_artifact")
    watcher.start("get_suite_events", suite_id=left)
    leaving.close()
    while (answer := watcher.receive())["type"] == "suite_events":
        watcher.start("get_suite_events", suite_id=left)
    assert answer["type"] == "error" and left in answer["message"]
    project.write("go", "")
    assert events(staying, kept, "suite_stopped")[-1]["status"] == "passed"
    status = watcher.ask("get_context_status", context_id=context)
    assert left not in status["active_runs"]
    for client in (staying, watcher):
        client.close()


def told(client: Client, suite_id: str) -> tuple[list[str], str]:
    """The statuses of a suite's cases, and its own."""
    found = events(client, suite_id, "suite_stopped")
    return [it["status"] for it in found if it["type"] == "case_stopped"], found[-1]["status"]


def test_a_stop_lets_finish_and_a_kill_does_not(daemon: Daemon, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"test_it.py": TESTS, "test_family.py": FAMILY})
    owner, watcher, reader = (daemon.client() for _ in range(3))
    context = owner.open(project.root)
    suites = [
        {"test_url": "test_it.py"},
        {"test_url": "test_family.py"},
        {"test_url": "test_it.py"},
    ]
    built = owner.expect("run_built", "build_run", context_id=context, suites=suites)
    stopped, killed, last = built["suite_ids"]
    events(reader, stopped, "case_artifact")
    watcher.expect("control_ack", "stop_suite", suite_id=stopped)
    project.write("go", "")
    stops, status = told(owner, stopped)
    assert (stops[0], stops[-1], status) == ("passed", "skipped", "stopped")
    artifact = events(reader, killed, "case_artifact")[-1]["artifact"]
    printed = b""
    while not printed.endswith(b"\n"):
        printed += reader.expect(
            "artifact_data", "read_artifact", artifact_id=artifact["artifact_id"]
        )["data"]
    watcher.expect("control_ack", "kill_suite", suite_id=killed)
    assert told(owner, killed) == (["skipped"], "stopped")
    wait_for_exit(int(printed), DEADLINE)
    assert told(owner, last) == (["passed"] * 1001, "passed")
    for client in (owner, watcher, reader):
        client.close()


def test_options_hold_for_their_suite(daemon: Daemon, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"test_it.py": OPTIONS})
    client = daemon.client()
    context = client.open(project.root)
    expected: list[tuple[dict[str, Any], tuple[list[str], str]]] = [
        (
            {"case_filters_to_run": ["*logs", "*skipped"]},
            (["passed", "skipped"], "passed"),
        ),
        ({"case_filters_to_run": ["-*logs", "-*waits"]}, (["skipped"], "passed")),
        (
            {"case_filters_to_run": ["*test_*", "-*waits"], "run_disabled_tests": True},
            (["passed", "failed"], "failed"),
        ),
        (
            {"case_filters_to_run": ["*waits"], "timeout": 2.0},
            (["timed_out"], "timed_out"),
        ),
    ]
    suites = [{"test_url": "test_it.py", "options": options} for options, _ in expected]
    scheduling = {"max_parallel_suites": 2}
    built = client.expect(
        "run_built",
        "build_run",
        context_id=context,
        suites=suites,
        scheduling_options=scheduling,
    )
    assert [told(client, suite) for suite in built["suite_ids"]] == [it for _, it in expected]
    client.close()


@pytest.mark.parametrize("kind", ["batch", "archive"])
def test_logs_come_as_they_were_asked_for(daemon: Daemon, tmp_path: Path, kind: str) -> None:
    project = Project(tmp_path / "project", {"test_it.py": OPTIONS})
    client = daemon.client()
    context = client.open(project.root)
    _, suite_id = build(client, context, log_iterator=kind, case_filters_to_run=["*logs"])
    found = events(client, suite_id, "suite_stopped")
    (log,) = (it["artifact"] for it in found if it["type"] == "case_artifact")
    assert log["type"] == "log"
    data = client.expect("artifact_data", "read_artifact", artifact_id=log["artifact_id"])
    assert data["done"]
    if kind == "batch":
        assert [record["message"] for record in json.loads(data["data"])] == [
            "one",
            "two",
        ]
    else:
        assert [line.split()[-1] for line in data["data"].decode().splitlines()] == [
            "one",
            "two",
        ]
    client.close()


def test_wrong_options_name_the_field(daemon: Daemon, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"test_it.py": TESTS})
    client = daemon.client()
    context = client.open(project.root)
    for options, field in [
        ({"parallel": 0}, "suites[0].options.parallel"),
        ({"parallel": "two"}, "suites[0].options.parallel"),
        ({"timeout": -1.0}, "suites[0].options.timeout"),
        ({"log_iterator": "none"}, "suites[0].options.log_iterator"),
        ({"unknown": 1}, "suites[0].options.unknown"),
    ]:
        told = client.refused(
            "invalid_request",
            "build_run",
            context_id=context,
            suites=[{"test_url": "test_it.py", "options": options}],
        )
        assert field in told or field.rpartition(".")[2] in told
    assert client.ask("ping")["type"] == "pong"
    client.close()
