"""Run control as steps of a tour through the protocol, in both shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from daemon import Client, Json
from world import Project

URL = "test_it.py"

# The fields of nested objects in messages, after the tag: the compact shape has no names.
PAYLOADS = {
    "run_started": [],
    "run_stopped": [],
    "artifact": ["artifact"],
    "suite_started": [],
    "suite_stopped": ["status"],
    "suite_artifact": ["artifact"],
    "case_found": ["test_case_name", "identifier"],
    "case_started": ["identifier"],
    "case_stopped": ["identifier", "status"],
    "case_finished": ["identifier"],
    "case_artifact": ["identifier", "artifact"],
}
ARTIFACTS = {
    "stdout": ["artifact_id"],
    "stderr": ["artifact_id"],
    "log": ["artifact_id"],
    "custom": ["directory", "token", "component_moniker"],
    "debug_data": ["iterator_id"],
}
OPTIONS = [
    "run_disabled_tests",
    "parallel",
    "arguments",
    "timeout",
    "case_filters_to_run",
    "log_iterator",
]


def named(value: Any, fields: dict[str, list[str]]) -> Json:
    """A tagged value by the names of its fields, in either shape."""
    if isinstance(value, dict):
        return value
    tag, *rest = value
    assert len(rest) == len(fields[tag]), value
    return {"type": tag, **dict(zip(fields[tag], rest))}


class Tourist(Protocol):
    """The parts of the tour that the steps use."""

    client: Client
    project: Project
    context: str
    built: Json
    told: list[Json]

    def ask(self, response: str, tag: str, **fields: Any) -> Json:
        """One request about the context."""


def suite(client: Client, **options: Any) -> Any:
    """A suite of the tour's file, as the shape has it."""
    if client.shape == "named":
        return {"test_url": URL, "options": options or None}
    return [URL, [options.get(name) for name in OPTIONS] if options else None]


def payloads(client: Client, tag: str, response: str, **fields: str) -> list[Json]:
    """Every event of a run or suite, to its end."""
    found: list[Json] = []
    while events := client.expect(response, tag, **fields)["events"]:
        for event in events:
            timestamp, payload = event if isinstance(event, list) else event.values()
            assert isinstance(timestamp, int)
            payload = named(payload, PAYLOADS)
            if "artifact" in payload:
                payload["artifact"] = named(payload["artifact"], ARTIFACTS)
            found.append({"timestamp": timestamp, **payload})
    assert [event["timestamp"] for event in found] == sorted(event["timestamp"] for event in found)
    return found


class ControlSteps:
    """The steps, in an order that makes sense."""

    def enumerate_cases(self: Tourist) -> None:
        wrong = self.ask("launch_error", "enumerate_cases", test_url="nowhere.py")
        assert wrong["code"] == "instance_cannot_resolve" and "nowhere.py" in wrong["message"]
        found = self.ask("case_iterator", "enumerate_cases", test_url=URL)
        self.built = {"cases": found["iterator_id"]}

    def next_cases(self: Tourist) -> None:
        iterator = self.built["cases"]
        cases = self.client.expect("cases", "next_cases", iterator_id=iterator)["cases"]
        names = [case[0] if isinstance(case, list) else case["name"] for case in cases]
        assert len(names) == 4 and names[0] == "test_it.py::test_good"
        assert self.client.expect("cases", "next_cases", iterator_id=iterator)["cases"] == []

    def build_run(self: Tourist) -> None:
        suites = [
            suite(self.client, case_filters_to_run=["*", "-*number*"], timeout=300),
            suite(self.client, case_filters_to_run=["*good"], arguments=["--cov"]),
            suite(self.client, case_filters_to_run=["nothing"]),
        ]
        scheduling: Any = {"max_parallel_suites": 2}
        if self.client.shape == "compact":
            scheduling = [2]
        self.built = self.ask(
            "run_built", "build_run", suites=suites, scheduling_options=scheduling
        )
        assert len(self.built["suite_ids"]) == len(suites)

    def get_suite_events(self: Tourist) -> None:
        first, second, third = self.built["suite_ids"]
        told = payloads(self.client, "get_suite_events", "suite_events", suite_id=first)
        kinds = [event["type"] for event in told]
        assert kinds[:3] == ["suite_started", "case_found", "case_found"]
        assert kinds[-1] == "suite_stopped" and told[-1]["status"] == "failed"
        stops = [event["status"] for event in told if event["type"] == "case_stopped"]
        assert stops == ["passed", "failed"]
        self.told = told
        told = payloads(self.client, "get_suite_events", "suite_events", suite_id=second)
        assert told[-1]["status"] == "passed"
        self.told += told
        wrong = self.client.expect("launch_error", "get_suite_events", suite_id=third)
        assert wrong["code"] == "no_matching_cases"

    def get_run_events(self: Tourist) -> None:
        run_id = self.built["run_id"]
        told = payloads(self.client, "get_run_events", "run_events", run_id=run_id)
        kinds = [event["type"] for event in told]
        assert kinds == ["run_started", "artifact", "run_stopped"]

    def next_debug_data(self: Tourist) -> None:
        (iterator,) = (
            event["artifact"]["iterator_id"]
            for event in self.told
            if event["type"] == "suite_artifact" and event["artifact"]["type"] == "debug_data"
        )
        data = self.client.expect("debug_data", "next_debug_data", iterator_id=iterator)["data"]
        files = [file if isinstance(file, list) else list(file.values()) for file in data]
        assert [name for name, _ in files] == [".coverage", "coverage.json"]
        self.built["report"] = files[1][1]
        again = self.client.expect("debug_data", "next_debug_data", iterator_id=iterator)
        assert again["data"] == []

    def read_artifact(self: Tourist) -> None:
        stdout = next(
            event["artifact"]["artifact_id"]
            for event in self.told
            if event["type"] == "case_artifact" and event["artifact"]["type"] == "stdout"
        )
        read = self.client.expect("artifact_data", "read_artifact", artifact_id=stdout)
        assert (read["data"], read["done"]) == (b"printed\n", True)
        report = self.client.expect(
            "artifact_data", "read_artifact", artifact_id=self.built["report"]
        )
        assert report["data"].startswith(b"{")

    def release_directory(self: Tourist) -> None:
        self.project.write("test_artful.py", ARTFUL)
        built = self.ask("run_built", "build_run", suites=[artful(self.client)])
        (suite_id,) = built["suite_ids"]
        told = payloads(self.client, "get_suite_events", "suite_events", suite_id=suite_id)
        (left,) = (event["artifact"] for event in told if event["type"] == "case_artifact")
        folder = Path(left["directory"])
        assert (folder / "left.txt").read_text() == "left"
        assert left["component_moniker"] == "test_artful.py::test_leaves"
        self.client.expect("control_ack", "release_directory", token=left["token"])
        assert not folder.exists()

    def stop_suite(self: Tourist) -> None:
        self.client.expect("control_ack", "stop_suite", suite_id=self.built["suite_ids"][0])
        told = self.client.refused("invalid_request", "stop_suite", suite_id="run-none")
        assert "run-none" in told

    def kill_suite(self: Tourist) -> None:
        self.client.expect("control_ack", "kill_suite", suite_id=self.built["suite_ids"][0])
        told = self.client.refused("invalid_request", "kill_suite", suite_id="run-none")
        assert "run-none" in told


ARTFUL = """
    def test_leaves(lens_artifacts):
        (lens_artifacts / "left.txt").write_text("left")
"""


def artful(client: Client) -> Any:
    """The suite of the file above."""
    url = "test_artful.py"
    return {"test_url": url, "options": None} if client.shape == "named" else [url, None]
