"""Runs on a real Ray cluster: the outcomes of local runs, though nodes die and join."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import toolz
from control_steps import payloads
from daemon import Daemon
from editor import Editor
from nodes import Nodes, cluster
from outcomes import outcomes_of
from world import Project, World, binary

Json = dict[str, Any]

DEADLINE = 120.0


def command(world: World, project: Project, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(binary()), "run", "--root", str(project.root), *arguments],
        env=world.env(),
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(world: World, project: Project, *arguments: str) -> tuple[int, list[Json]]:
    """Run tests; returns the exit status and the outcomes."""
    process = command(world, project, "--json", *arguments)
    output, errors = process.communicate(timeout=DEADLINE)
    outcomes = list(outcomes_of(output.splitlines()))
    assert outcomes, errors
    return process.returncode, outcomes


def told(outcome: Json) -> tuple[Any, ...]:
    """The parts of an outcome that a person sees, except for times."""
    names = ("id", "outcome", "message", "location", "stdout", "stderr", "log", "phase", "subtests")
    return tuple(json.dumps(outcome.get(name)) for name in names)


def wait_for_files(
    process: subprocess.Popen[str], folder: Path, pattern: str, count: int = 1
) -> None:
    """Wait until a run's tests have made so many files of these names; it ends if they do not."""
    end = time.monotonic() + DEADLINE
    while len(list(folder.glob(pattern))) < count:
        if time.monotonic() > end or process.poll() is not None:
            process.terminate()
            there = sorted(path.name for path in folder.iterdir())
            raise AssertionError(f"no {pattern} among {there}: {process.communicate()}")
        time.sleep(0.02)


class Meeting:
    """Tests that report their node by a file, and go on when all have leave to."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder / "meeting"
        self._folder.mkdir()
        # An actor's copy of the project is below a folder that is named after its node.
        text = f"""
            import pathlib, time

            def meet():
                place = pathlib.Path({str(self._folder)!r})
                (place / pathlib.Path.cwd().parts[-4][:8]).touch()
                while not (place / "go").exists():
                    time.sleep(0.02)

            """
        self.project = Project(folder / "project", {"test_meet.py": text})
        tests = "".join(f"def test_{number}(): meet()\n" for number in range(count))
        self.project.write("test_meet.py", self.project.read("test_meet.py") + tests)
        self._ids = {f"test_meet.py::test_{number}" for number in range(count)}

    def wait_for(self, process: subprocess.Popen[str], node: str) -> None:
        """Wait until a test runs on a node."""
        wait_for_files(process, self._folder, node)

    def end(self, process: subprocess.Popen[str]) -> list[Json]:
        """Let the tests go on. Returns their outcomes: each passed once."""
        (self._folder / "go").touch()
        output, errors = process.communicate(timeout=DEADLINE)
        outcomes = list(outcomes_of(output.splitlines()))
        assert Counter(outcome["id"] for outcome in outcomes) == dict.fromkeys(self._ids, 1), errors
        assert {outcome["outcome"] for outcome in outcomes} == {"passed"}
        assert process.returncode == 0
        return outcomes


def test_a_package_has_the_same_outcomes_as_at_home(
    world: World, nodes: Nodes, tmp_path: Path
) -> None:
    folder = tmp_path / "toolz-project"
    folder.mkdir()
    shutil.copytree(Path(toolz.__file__).parent, folder / "toolz")
    project = Project(folder)
    project.write(
        "test_own.py",
        """
        import logging, pathlib, sys

        def test_failure():
            print("to stdout")
            print("to stderr", file=sys.stderr)
            logging.warning("to the log")
            assert pathlib.Path(__file__).name == "another"

        def test_error(missing): pass
        """,
    )
    at_home, remote = run(world, project), run(world, project, f"--executor=ray={nodes.address}")
    assert at_home[0] == remote[0] == 1
    assert sorted(map(told, at_home[1])) == sorted(map(told, remote[1]))
    assert len(at_home[1]) > 150
    assert all(outcome["node"].startswith("127.0.0.1 (") for outcome in remote[1])
    assert not any("node" in outcome for outcome in at_home[1])


def test_a_node_that_dies_loses_no_outcome(world: World, nodes: Nodes, tmp_path: Path) -> None:
    meeting = Meeting(tmp_path, 40)
    process = command(world, meeting.project, "--json", "-n3", f"--executor=ray={nodes.address}")
    doomed = nodes.others()[0]
    meeting.wait_for(process, doomed)
    nodes.kill(doomed)
    meeting.end(process)
    nodes.add()


def test_a_node_that_is_drained_finishes_its_test_and_gets_no_other(
    world: World, nodes: Nodes, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    doomed = nodes.others()[0]
    project = Project(
        tmp_path / "project",
        {
            "test_it.py": f"""
                import pathlib, time
                import pytest

                @pytest.mark.parametrize("number", range(80))
                def test_it(number):
                    place, node = pathlib.Path({str(place)!r}), pathlib.Path.cwd().parts[-4][:8]
                    (place / f"ran-{{node}}-{{number}}").touch()
                    while not (place / f"go-{{node}}").exists():
                        time.sleep(0.02)
                    time.sleep(0.1)
                """
        },
    )
    process = command(world, project, "--json", "-n3", f"--executor=ray={nodes.address}")
    wait_for_files(process, place, f"ran-{doomed}-*")
    before = len(list(place.glob("ran-*")))
    nodes.drain(doomed)
    for node in nodes.all():
        if node != doomed:
            (place / f"go-{node}").touch()
    # The engine asks Ray for such nodes every half second.
    wait_for_files(process, place, "ran-*", before + 20)
    (place / f"go-{doomed}").touch()
    output, errors = process.communicate(timeout=DEADLINE)
    outcomes = list(outcomes_of(output.splitlines()))
    assert Counter(outcome["outcome"] for outcome in outcomes) == {"passed": 80}, errors
    assert len({outcome["id"] for outcome in outcomes}) == 80 and process.returncode == 0
    assert len(list(place.glob(f"ran-{doomed}-*"))) == 1
    nodes.kill(doomed)
    nodes.add()


def test_a_node_that_joins_gets_tests(world: World, nodes: Nodes, tmp_path: Path) -> None:
    meeting = Meeting(tmp_path, 60)
    process = command(world, meeting.project, "--json", f"--executor=ray={nodes.address}")
    meeting.wait_for(process, nodes.others()[0])
    joined = nodes.add()
    meeting.wait_for(process, joined)
    outcomes = meeting.end(process)
    assert any(f"({joined})" in outcome["node"] for outcome in outcomes)
    nodes.kill(joined)


def test_a_cluster_of_one_cpu_that_grows_shares_the_tests(world: World, tmp_path: Path) -> None:
    with cluster(1) as small:
        meeting = Meeting(tmp_path, 8)
        process = command(world, meeting.project, "--json", f"--executor=ray={small.address}")
        (head,) = small.all()
        meeting.wait_for(process, head)
        meeting.wait_for(process, small.add())
        meeting.end(process)


def test_a_crash_and_an_endless_test_are_their_own_fault(
    world: World, nodes: Nodes, tmp_path: Path
) -> None:
    text = """
        import os, time

        def test_before(): pass
        def test_crash():
            print("last words", flush=True)
            os.abort()
        def test_endless(): time.sleep(600)
        def test_after(): pass
        """
    files = {"test_it.py": text, "pytest-lens.toml": "timeoutMs = 2000\n"}
    project = Project(tmp_path / "project", files)
    status, outcomes = run(world, project, "-n1", f"--executor=ray={nodes.address}")
    found = {outcome["id"].partition("::")[2]: outcome for outcome in outcomes}
    assert {name: outcome["outcome"] for name, outcome in found.items()} == {
        "test_before": "passed",
        "test_crash": "crashed",
        "test_endless": "timed_out",
        "test_after": "passed",
    }
    assert status == 1 and found["test_crash"]["stdout"] == "last words\n"
    assert "test_it.py" in found["test_endless"]["longrepr"]


async def test_an_editor_runs_edited_code_on_a_cluster(
    world: World, nodes: Nodes, tmp_path: Path
) -> None:
    project = Project(
        tmp_path / "project",
        {
            "lib.py": "value = 1\n",
            "test_it.py": "import lib\ndef test_it(): assert lib.value == 1\n",
        },
    )
    settings = {"executor": "ray", "ray": {"address": nodes.address}}
    editor = await Editor.start(world, project, settings=settings)
    first = await editor.run({"ids": ["test_it.py::test_it"]})
    assert first.outcomes == {"test_it": "passed"}
    assert first.attempts[0]["node"].startswith("127.0.0.1 (")
    project.write("lib.py", "value = 2\n")
    second = await editor.run({"ids": ["test_it.py::test_it"]})
    assert second.outcomes == {"test_it": "failed"}
    await editor.stop()
    assert world.wait_until_gone() == {}


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"),
        ("ray://127.0.0.1:10001", "is of Ray's client"),
    ],
)
def test_a_cluster_that_is_not_there(
    world: World, tmp_path: Path, address: str, sentence: str
) -> None:
    project = Project(tmp_path / "project", {"test_it.py": "def test_it(): pass\n"})
    process = command(world, project, f"--executor=ray={address}")
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 4 and sentence in errors, errors


def test_a_kill_ends_a_suite_that_connects_to_a_cluster(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"test_it.py": "def test_it(): pass\n"})
    daemon = Daemon(world)
    client = daemon.client()
    context = client.open(project.root)
    # Nothing answers there but the system, so that the connection is made and stays silent.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = {"executor": "ray", "ray": {"address": address}}
        client.expect("config_ack", "configure_context", context_id=context, settings=settings)
        suite = {"test_url": "test_it.py", "options": None}
        built = client.expect("run_built", "build_run", context_id=context, suites=[suite])
        suite_id = built["suite_ids"][0]
        silent.settimeout(DEADLINE)
        # The first connection only asks whether somebody listens.
        held = [silent.accept()[0] for _ in range(2)]
        client.expect("control_ack", "kill_suite", suite_id=suite_id)
        events = payloads(client, "get_suite_events", "suite_events", suite_id=suite_id)
        for connection in held:
            connection.close()
    assert events[-1]["status"] == "stopped"
    client.close()
    assert daemon.end() == 0
    assert world.wait_until_gone() == {}
