"""Every request and every response of the protocol over a real daemon's socket, in both shapes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from control_steps import ControlSteps
from daemon import REQUESTS, RESPONSES, Client, Daemon
from world import DEADLINE, Project, World

TESTS = """
    import pytest


    def test_good():
        print("printed")


    def test_bad():
        assert 1 == 2


    @pytest.mark.parametrize("number", [1, 2])
    def test_number(number):
        pass
"""

IDS = [
    "test_it.py::test_good",
    "test_it.py::test_bad",
    "test_it.py::test_number[1]",
    "test_it.py::test_number[2]",
]

SLOW = """
    import time


    def test_slow():
        time.sleep(300)
"""


@pytest.fixture(scope="module")
def daemon(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    running = Daemon(world, "--socket", str(Path(world.runtime.name) / "protocol.sock"))
    yield running
    running.end()


class Tour(ControlSteps):
    """A way through the protocol: one step for each request, in an order that makes sense."""

    def __init__(self, client: Client, project: Project) -> None:
        self.client = client
        self.project = project
        self.context = ""
        self.run_id = ""
        self.built: dict[str, Any] = {}
        self.told: list[dict[str, Any]] = []

    def ask(self, response: str, tag: str, **fields: Any) -> dict[str, Any]:
        return self.client.expect(response, tag, context_id=self.context, **fields)

    def ping(self) -> None:
        self.client.expect("pong", "ping")

    def init_context(self) -> None:
        self.context = self.client.open(self.project.root)
        assert self.context == self.client.open(self.project.root)
        told = self.client.refused(
            "version_mismatch", "init_context", protocol_version=7, repo_path="/"
        )
        assert "7" in told

    def collect(self) -> None:
        assert self.ask("collection_complete", "collect", force=True)["node_count"] == len(IDS)

    def list(self) -> None:
        assert self.ask("test_list", "list", keyword="good or bad")["node_ids"] == IDS[:2]

    def get_inventory(self) -> None:
        inventory = self.ask("inventory_data", "get_inventory")
        assert inventory["hash"] and inventory["collected_at"] > 1_600_000_000_000
        first = inventory["nodes"][0]
        expected = {
            "node_id": IDS[0],
            "file_path": "test_it.py",
            "lineno": 4,
            "name": "test_good",
            "class_name": None,
            "markers": [],
            "skip": False,
            "xfail": False,
        }
        compact = self.client.shape == "compact"
        assert first == (list(expected.values()) if compact else expected)

    def configure_workers(self) -> None:
        assert self.ask("worker_config_ack", "configure_workers", num_workers=2)["num_workers"] == 2
        zero = self.client.refused(
            "invalid_request", "configure_workers", context_id=self.context, num_workers=0
        )
        assert "num_workers" in zero

    def run(self) -> None:
        end = self.ask("run_complete", "run", node_ids=[])
        counts = [end[name] for name in ("total", "passed", "failed", "skipped", "errors")]
        assert counts == [4, 3, 1, 0, 0]

    def debug_run(self) -> None:
        started = self.ask("debug_started", "debug_run", node_ids=IDS[:1])
        assert started["host"] == "127.0.0.1" and started["port"] > 0
        self.client.expect("control_ack", "kill_run", run_id=started["run_id"])

    def get_worker_status(self) -> None:
        # Behind a run's end its runners leave, and the history takes it in.
        end = time.monotonic() + DEADLINE
        while True:
            status = self.ask("worker_status", "get_worker_status")
            if status["tests_executed"] >= 4 and status["active_workers"] == 0:
                break
            assert time.monotonic() < end, status

    def run_stream(self) -> None:
        started = self.ask("run_started", "run_stream", node_ids=IDS[:2], options=None)
        assert started["total_tests"] == 2
        self.run_id = started["run_id"]

    def get_run_progress(self) -> None:
        cursor, ended = 0, False
        while not ended:
            events = self.ask("events", "get_events", cursor=cursor, wait_ms=60_000)
            cursor = events["cursor"]
            ended = any(
                event["event"] == "runFinished" and event["runId"] == self.run_id
                for event in events["events"]
            )
        progress = self.ask("run_progress", "get_run_progress", run_id=self.run_id)
        assert progress["done"] and (progress["total"], progress["completed"]) == (2, 2)
        assert len(progress["results"]) == 2
        again = self.ask("run_progress", "get_run_progress", run_id=self.run_id)
        assert again["results"] == [], "results are told once"

    def get_events(self) -> None:
        events = self.ask("events", "get_events", cursor=0, wait_ms=0)["events"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert {"inventory", "runStarted", "testOutcome"} <= {event["event"] for event in events}
        late = self.ask("events", "get_events", cursor=2**40, wait_ms=60_000)["events"]
        assert [event.get("whole") for event in late] == [True]

    def get_output(self) -> None:
        output = self.ask("test_output", "get_output", node_id=IDS[0])
        assert (output["outcome"], output["stdout"]) == ("passed", "printed\n")

    def get_last_failed(self) -> None:
        assert self.ask("test_list", "get_last_failed")["node_ids"] == [IDS[1]]

    def _last_outcomes(self, **fields: Any) -> dict[str, Any]:
        events = self.ask("events", "get_last_outcomes", **fields)["events"]
        return {one["id"]: one for event in events for one in event["outcomes"]}

    def get_last_outcomes(self) -> None:
        outcomes = self._last_outcomes(since_cleared=True)
        assert outcomes == self._last_outcomes(since_cleared=False) == self._last_outcomes()
        assert outcomes[IDS[1]]["outcome"] == "failed"
        assert all(one["asOf"] > 1_600_000_000_000 for one in outcomes.values())

    def clear_last_outcomes(self) -> None:
        self.ask("control_ack", "clear_last_outcomes")
        assert self._last_outcomes(since_cleared=True) == {}
        assert self.ask("test_list", "get_last_failed")["node_ids"] == []
        assert self._last_outcomes(since_cleared=False)[IDS[1]]["outcome"] == "failed"

    def get_history(self) -> None:
        history = self.client.expect("history", "get_history", repo_path=str(self.project.root))
        assert history["exists"] and history["outcomes"] >= 4 and history["tracked"] == 4
        assert history["flaky"] == [] and history["trouble"] is None

    def trust(self) -> None:
        root = str(self.project.root)
        for trusted, untrusted in [(None, None), (False, root), (None, root), (True, None)]:
            answer = self.client.expect("trust", "trust", repo_path=root, trusted=trusted)
            assert answer["untrusted"] == untrusted, trusted

    def record_run(self) -> None:
        outcome = {"id": IDS[0], "outcome": "passed", "attempt": 1, "duration_ms": 1.0}
        for known in (False, True):
            answer = self.client.expect(
                "run_recorded",
                "record_run",
                repo_path=str(self.project.root),
                report_hash=hashlib.sha256(self.client.shape.encode()).hexdigest(),
                source="ci",
                started_ms=None,
                outcomes=[outcome],
            )
            assert answer["already_recorded"] is known

    def get_affected(self) -> None:
        affected = self.ask("test_list", "get_affected", paths=["test_it.py"])
        assert affected["node_ids"] == ["test_it.py"]
        assert self.ask("test_list", "get_affected", paths=["notes.md"])["node_ids"] == []

    def get_changes(self) -> None:
        changes = self.ask("changes", "get_changes", cursor=2**64 - 1, wait_ms=0)
        assert (changes["paths"], changes["everything"]) == ([], False)

    def explain_affected(self) -> None:
        affected = self.ask("affected", "explain_affected", paths=["test_it.py", "notes.md"])
        assert affected["everything"] == []
        assert affected["files"] in (
            [{"path": "test_it.py", "through": ["test_it.py"]}],
            [["test_it.py", ["test_it.py"]]],
        )

    def get_context_status(self) -> None:
        status = self.ask("context_status", "get_context_status")
        assert status["repo_path"] == str(self.project.root)
        assert status["active_runs"] == []

    def configure_rerun(self) -> None:
        wanted = {"enabled": False, "max_reruns": 1, "only_flaky": False, "delay_ms": 0}
        ack = self.ask("config_ack", "configure_rerun", **wanted)
        assert (ack["config_type"], ack["config"]) == ("rerun", wanted)

    def get_rerun_config(self) -> None:
        config = self.ask("rerun_config", "get_rerun_config")
        assert (config["enabled"], config["max_reruns"]) == (False, 1)

    def run_with_rerun(self) -> None:
        end = self.ask("run_complete", "run_with_rerun", node_ids=IDS[1:2])
        assert (end["total"], end["failed"]) == (1, 1)

    def configure_fixture_reuse(self) -> None:
        answer = self.ask(
            "config_ack",
            "configure_fixture_reuse",
            enabled=False,
            max_age_seconds=300.0,
            teardown_on_conftest_change=True,
        )
        assert answer["config_type"] == "fixture_reuse"

    def get_fixture_config(self) -> None:
        config = self.ask("fixture_config", "get_fixture_config")
        assert (config["enabled"], config["max_fixture_age_seconds"]) == (False, 300.0)
        assert isinstance(config["scopes_to_reuse"], list)

    def get_session_status(self) -> None:
        status = self.ask("session_status", "get_session_status")
        assert status["enabled"] is False
        assert status["repo_path"] == str(self.project.root)

    def get_shard(self) -> None:
        shards = [
            self.ask(
                "sharded_tests",
                "get_shard",
                node_ids=[],
                shard_index=index,
                total_shards=3,
                strategy="round_robin",
            )["node_ids"]
            for index in range(3)
        ]
        assert sorted(id for shard in shards for id in shard) == sorted(IDS)
        for wrong, name in [
            ({"shard_index": 3, "total_shards": 3, "strategy": "hash"}, "shard_index"),
            ({"shard_index": 0, "total_shards": 0, "strategy": "hash"}, "total_shards"),
            ({"shard_index": 0, "total_shards": 2**32 - 1, "strategy": "hash"}, "total_shards"),
            ({"shard_index": 0, "total_shards": 3, "strategy": "best"}, "strategy"),
        ]:
            told = self.client.refused(
                "invalid_request", "get_shard", context_id=self.context, node_ids=[], **wrong
            )
            assert name in told

    def get_shard_info(self) -> None:
        info = self.ask(
            "shard_info",
            "get_shard_info",
            node_ids=["test_it.py::test_number"],
            total_shards=2,
            strategy="duration_balanced",
        )
        assert (info["total_tests"], info["shard_test_counts"]) == (2, [1, 1])

    def get_flakiness_report(self) -> None:
        report = self.ask("flakiness_report", "get_flakiness_report")
        assert report["flaky_tests"] == []

    def get_test_flakiness(self) -> None:
        verdict = self.ask("test_flakiness", "get_test_flakiness", node_id=IDS[1])
        assert verdict["is_flaky"] is False
        assert set(verdict["recent_outcomes"]) == {"failed"}

    def configure_context(self) -> None:
        ack = self.ask("config_ack", "configure_context", settings={"workers": 1})
        assert (ack["config_type"], ack["config"]["workers"]) == ("settings", 1)

    def stop_run(self) -> None:
        self._end_slow("stop_run", "kill_run")

    def kill_run(self) -> None:
        self._end_slow("kill_run")

    def _end_slow(self, *controls: str) -> None:
        self.project.write("test_slow.py", SLOW)
        started = self.ask("run_started", "run_stream", node_ids=["test_slow.py"])
        for control in controls:
            self.client.expect("control_ack", control, run_id=started["run_id"])
        told = self.client.refused("invalid_request", controls[0], run_id="run-none")
        assert "run-none" in told

    def shutdown(self) -> None:
        self.ask("shutdown_ack", "shutdown")
        told = self.client.refused(
            "context_not_found", "collect", context_id=self.context, force=False
        )
        assert self.context in told

    def steps(self) -> list[Callable[[], None]]:
        """The steps in the order in which they stand here."""
        own = [name for name in vars(Tour) if name in REQUESTS and name != "shutdown"]
        controls = [name for name in vars(ControlSteps) if name in REQUESTS]
        return [getattr(self, name) for name in [*own, *controls, "shutdown"]]


def test_there_is_a_step_for_every_request() -> None:
    assert set(REQUESTS) - set(dir(Tour)) == set()


@pytest.mark.parametrize("shape", ["named", "compact"])
def test_every_message_in_both_shapes(daemon: Daemon, tmp_path: Path, shape: str) -> None:
    project = Project(tmp_path / "project", {"test_it.py": TESTS})
    client = daemon.client(shape)
    for step in Tour(client, project).steps():
        step()
    assert set(REQUESTS) - client.asked == set()
    assert set(RESPONSES) - client.seen == set()
    client.close()
