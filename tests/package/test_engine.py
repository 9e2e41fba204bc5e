"""The engine as a library: typed methods, runs as iterators, nothing left behind."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import DEADLINE, World

import pytest_lens
from pytest_lens import Engine, LensError, _native, control, engine, runs

FILES = {
    "test_a.py": """
    import pytest

    def test_passes(): pass

    def test_fails():
        print("seen")
        assert 1 == 2

    @pytest.mark.parametrize("n", [1, 2])
    def test_cases(n): pass
    """
}


def test_every_request_has_a_method() -> None:
    source = "".join(inspect.getsource(module) for module in (engine, control, runs))
    missing = [tag for tag in _native.REQUESTS if f'"{tag}"' not in source]
    assert missing == []


def test_public_names_are_there_and_no_others() -> None:
    assert sorted(pytest_lens.__all__) == sorted(pytest_lens._HOMES)
    assert all(getattr(pytest_lens, name) for name in pytest_lens.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pytest_lens.nothing  # type: ignore[attr-defined]


def test_a_project_is_collected_listed_and_run(world: World) -> None:
    world.write(FILES)
    with Engine(world.root) as lens:
        assert lens.ping() == {"type": "pong"}
        assert lens.collect()["node_count"] == 4
        nodes = lens.inventory()["nodes"]
        assert [(node["name"], node.get("lineno")) for node in nodes][:2] == [
            ("test_passes", 3),
            ("test_fails", 5),
        ]
        assert lens.list(keyword="cases")["node_ids"] == [
            "test_a.py::test_cases[1]",
            "test_a.py::test_cases[2]",
        ]
        done = lens.run()
        assert (done["total"], done["passed"], done["failed"]) == (4, 3, 1)
        assert "seen" in lens.output("test_a.py::test_fails")["stdout"]
        assert lens.status()["python_path"] == sys.executable
        assert lens.shard_info(2, strategy="hash")["total_shards"] == 2
        shared = [
            id
            for index in range(2)
            for id in lens.shard(index, 2, strategy="round_robin")["node_ids"]
        ]
        assert sorted(shared) == sorted(node["node_id"] for node in nodes)


def test_a_run_is_an_iterator_of_its_events(world: World) -> None:
    world.write(FILES)
    with Engine(world.root) as lens:
        for _ in range(2):
            run = lens.run_stream(["test_a.py::test_fails"])
            events = list(run)
            assert [event["event"] for event in events if event["event"] != "flakinessHint"] == [
                "runStarted",
                "testStarted",
                "testOutcome",
                "runFinished",
            ]
            assert (run.total, run.finished and run.finished["status"]) == (1, "failed")
            assert list(run) == []


def test_a_run_can_be_stopped_while_it_is_read(world: World) -> None:
    world.write(
        {
            "test_a.py": """
            import pathlib, time
            import pytest
            def test_1():
                while not pathlib.Path("go").exists(): time.sleep(0.01)
            @pytest.mark.parametrize("number", range(8))
            def test_2(number): pass
            """
        }
    )
    with Engine(world.root) as lens:
        run = lens.run_stream()
        for event in run:
            if event["event"] == "testStarted":
                run.stop()
                (world.root / "go").touch()
        assert run.finished is not None and run.finished["status"] == "stopped"
        # The start of one more test may already be on its way to the runner.
        counts = run.finished["counts"]
        assert counts["passed"] in (1, 2) and counts["passed"] + counts["notRun"] == 9


def test_a_refusal_is_an_exception_with_its_code(world: World) -> None:
    world.write(FILES)
    with Engine(world.root) as lens:
        with pytest.raises(LensError, match="shard_index") as refused:
            lens.shard(2, 2)
        assert refused.value.code == "invalid_request"
        with pytest.raises(ValueError, match="field `node_ids`"):
            lens.call({"type": "run", "context_id": lens.context_id, "node_ids": 3})
        with pytest.raises(TypeError, match="not the string"):
            lens.run("test_a.py")
        assert lens.ping()["type"] == "pong"
    with pytest.raises(LensError, match="absent") as refused:
        Engine(world.root / "absent")
    assert refused.value.code == "invalid_request"


def test_other_threads_run_while_a_call_waits(world: World) -> None:
    world.write(
        {
            "test_a.py": """
            import pathlib, time
            def test_1():
                pathlib.Path("begun").touch()
                while not pathlib.Path("go").exists(): time.sleep(0.01)
            """
        }
    )

    def release() -> None:
        end = time.monotonic() + DEADLINE
        while not (world.root / "begun").exists() and time.monotonic() < end:
            pass
        (world.root / "go").touch()

    thread = threading.Thread(target=release)
    with Engine(world.root) as lens:
        thread.start()
        assert lens.run()["passed"] == 1
    thread.join()


def test_ctrl_c_interrupts_a_call_and_leaves_nothing(world: World) -> None:
    world.write({"test_a.py": "import time\ndef test_1(): time.sleep(600)\n"})
    script = """
from pytest_lens import Engine
with Engine(".") as lens:
    run = lens.run_stream()
    for event in run:
        if event["event"] == "testStarted":
            print("begun", flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=world.root,
        env=world.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=DEADLINE)
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode in (1, -signal.SIGINT, 130)


def test_suites_their_events_and_what_they_print(world: World) -> None:
    world.write({"test_b.py": "def test_prints(): print('printed')"})
    with Engine(world.root) as opened:
        cases = opened.enumerate_cases("test_b.py")
        assert cases["type"] == "case_iterator"
        assert opened.next_cases(cases["iterator_id"])["cases"] == [
            {"name": "test_b.py::test_prints"}
        ]
        built = opened.build_run(["test_b.py", {"test_url": "nowhere.py"}], max_parallel_suites=2)
        told = []
        while True:
            answer = opened.suite_events(built["suite_ids"][0])
            assert answer["type"] == "suite_events"
            if not answer["events"]:
                break
            told += [event["payload"] for event in answer["events"]]
        assert told[-1] == {"type": "suite_stopped", "status": "passed"}
        (artifact,) = (it["artifact"] for it in told if it["type"] == "case_artifact")
        assert artifact["type"] == "stdout"
        assert b"".join(opened.artifact(artifact["artifact_id"])) == b"printed\n"
        failed = opened.suite_events(built["suite_ids"][1])
        assert failed["type"] == "launch_error"
        assert failed["code"] == "instance_cannot_resolve"
        assert opened.run_events(built["run_id"])["events"]


def test_the_projects_files_hold_settings_and_the_callers_go_over_them(world: World) -> None:
    table = f"""
        [tool.pytest-lens]
        python-path = "{sys.executable}"
        env = {{ WHICH = "file" }}
        rerun.maxRerun = 3
    """
    text = "import os\ndef test_which(): assert os.environ['WHICH'] == 'file'\n"
    world.write({"pyproject.toml": table, "test_a.py": text})
    sentence = "line 4: `rerun.maxRerun` is no setting; did you mean `rerun.maxReruns`"
    with pytest.warns(UserWarning, match=sentence):
        lens = Engine(world.root)
    with lens:
        assert lens.status()["python_source"] == "`pythonPath` in pyproject.toml"
        assert lens.run()["passed"] == 1
        lens.configure({"env": {"WHICH": "caller"}})
        assert lens.run()["failed"] == 1
        lens.configure({})
        assert lens.run()["passed"] == 1
