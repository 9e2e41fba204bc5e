"""`pytest --lens`: what a terminal or a CI runs is in the history that flakiness is judged by."""

from __future__ import annotations

import json

import pytest
from conftest import World
from lsp import Server

FLIPS = {
    "test_a.py": """
    import os

    def test_flips(): assert os.environ.get("BREAK") != "1"

    def test_fine(): pass
    """
}


def flaky(world: World) -> dict[str, dict[str, object]]:
    """The report of `pytest-lens flaky --json`, by node id."""
    told = world.lens("flaky", "--json")
    assert told.returncode == 0, told
    return {test["id"]: test for test in map(json.loads, told.stdout.splitlines())}


# The engine leaves a run with `-s` to xdist.
@pytest.mark.parametrize("arguments", [[], ["-n", "2", "-s"]], ids=["plain", "xdist"])
def test_a_flip_on_the_same_code_is_proof(world: World, arguments: list[str]) -> None:
    world.write(FLIPS)
    for broken in ("0", "1"):
        told = world.python("-m", "pytest", "--lens", *arguments, BREAK=broken)
        assert "lens: recorded the outcomes of 2 tests" in told.stdout, told
        assert told.returncode == int(broken)
    assert flaky(world)["test_a.py::test_flips"]["evidence"] == "same_code"


def test_what_runs_in_a_terminal_is_a_run_in_the_editor(world: World) -> None:
    world.write(FLIPS)
    server = Server(world)
    server.request("workspace/executeCommand", {"command": "pytestLens.collect", "arguments": [{}]})
    for broken, outcome in (("0", "passed"), ("1", "failed")):
        world.python("-m", "pytest", "--lens", BREAK=broken)
        started = server.told("pytestLens/runStarted")
        assert started["ids"] == ["test_a.py::test_flips", "test_a.py::test_fine"]
        told = server.told("pytestLens/testOutcome")
        flips, fine = told["outcomes"]
        assert told["runId"] == started["runId"]
        assert (flips["outcome"], fine["outcome"]) == (outcome, "passed")
        assert ("run it here" in flips.get("message", "")) == (outcome == "failed")
        assert server.told("pytestLens/runFinished")["status"] == outcome
    (hint,) = server.told("pytestLens/flakinessHint")["hints"]
    assert (hint["id"], hint["isFlaky"]) == ("test_a.py::test_flips", True)
    assert (hint["evidence"], hint["recentOutcomes"]) == ("same_code", ["passed", "failed"])
    assert server.end() == 0


def test_nothing_is_recorded_unasked(world: World) -> None:
    world.write(FLIPS)
    told = world.python("-m", "pytest", "-p", "no:cacheprovider")
    assert "lens: " not in told.stdout
    assert list((world.root.parent / "home").rglob("*.db")) == []


def test_attempts_of_a_plugin_that_repeats_are_told_apart(world: World) -> None:
    world.write(
        {
            "test_a.py": """
            import pathlib

            def test_second_time_lucky():
                mark = pathlib.Path("mark")
                seen = mark.exists()
                mark.touch()
                assert seen
            """
        }
    )
    told = world.python("-m", "pytest", "--lens", "--reruns", "2")
    assert "1 passed, 1 rerun" in told.stdout, told
    report = flaky(world)["test_a.py::test_second_time_lucky"]
    assert report["evidence"] == "same_code"
    assert report["recentOutcomes"] == ["failed", "passed"]


def test_a_history_that_cannot_be_written_fails_no_test(world: World) -> None:
    world.write(FLIPS)
    state = world.root.parent / "no-folder"
    state.write_text("")
    told = world.python("-m", "pytest", "--lens", XDG_STATE_HOME=str(state))
    assert told.returncode == 0, told
    assert "lens: " in told.stdout and "recorded" not in told.stdout


def test_the_warm_engine_does_not_record_twice(world: World) -> None:
    world.write({**FLIPS, "pytest.ini": "[pytest]\naddopts = --lens\n"})
    assert world.lens("run").returncode == 0
    assert world.lens("run", BREAK="1").returncode == 1
    assert flaky(world)["test_a.py::test_flips"]["totalRuns"] == 2


def test_mistakes_in_the_projects_settings_are_named(world: World) -> None:
    world.write({"test_a.py": "def test_a(): pass", "pytest-lens.toml": "worker = 2"})
    told = world.python("-m", "pytest", "--lens").stdout
    assert "lens: pytest-lens.toml, line 1: `worker` is no setting; did you mean `workers`?" in told
    assert "worker" not in world.python("-m", "pytest").stdout
