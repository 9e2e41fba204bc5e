"""The tools as an agent uses them: their answers, refusals, limits, and what is left of them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import anyio
import pytest
from agent import Project, World, binary, connected
from traps import Stage

TOOLS = {"run_tests", "list_tests", "explain_failure", "is_it_flaky", "impact"}

FAILING = """
    import pytest

    from core import total


    @pytest.fixture
    def numbers():
        print("made numbers")
        return [1, 2]


    @pytest.mark.parametrize("extra", [1, 2, 3, 4])
    def test_cases(extra):
        raise ValueError("all alike")


    def test_total(numbers):
        expected = 4
        print("x" * 9000)
        assert total(numbers) == expected


    def test_text():
        assert "one\\ntwo\\nthree" == "one\\n2\\nthree"
"""

WAITING = """
    import pathlib
    import subprocess


    def test_x():
        pathlib.Path("started").touch()
        subprocess.run(["sleep", "1000"])
"""


async def test_the_server_describes_itself(stage: Stage) -> None:
    info = stage.agent.client.server_info
    assert info is not None and info.name == "pytest-lens"
    tools = (await stage.agent.client.list_tools()).tools
    assert {tool.name for tool in tools} == TOOLS
    for tool in tools:
        assert tool.description, tool.name
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), f"{tool.name}.{name}"
    # All that an agent reads before its first call.
    size = sum(len(json.dumps([tool.description, tool.input_schema])) for tool in tools)
    assert size < 6_000


async def test_an_answer_is_short_and_folds_what_is_alike(stage: Stage) -> None:
    stage.reset()
    stage.project.write("tests/test_bad.py", FAILING)
    answer = await stage.agent.run(paths=["tests/test_bad.py"])
    lines = answer.text.splitlines()
    assert re.fullmatch(r"FAILED: 6 failed in [\d.]+s, code [0-9a-f]{8}", lines[0]), answer.text
    alike = "[and 3 alike: test_cases[2], test_cases[3], test_cases[4]]"
    assert lines[1] == f"- tests/test_bad.py::test_cases[1]:14 ValueError: all alike {alike}"
    assert lines[2] == '  > raise ValueError("all alike")'
    assert lines[3:5] == [
        "- tests/test_bad.py::test_total:20 assert 3 == 4",
        "  > assert total(numbers) == expected",
    ]
    assert "xxx" not in answer.text
    assert len(answer.text) < 1_500


async def test_the_last_run_is_a_resource(stage: Stage) -> None:
    stage.reset()
    (resource,) = (await stage.agent.client.list_resources()).resources
    stage.project.write("tests/test_bad.py", FAILING)
    answer = await stage.agent.run(paths=["tests/test_bad.py"])
    (content,) = (await stage.agent.client.read_resource(str(resource.uri))).contents
    text = getattr(content, "text", "")
    assert text.startswith(answer.text)
    assert "short test summary info" in text and "made numbers" in text


async def test_a_failure_is_explained(stage: Stage) -> None:
    stage.reset()
    stage.project.write("tests/test_bad.py", FAILING)
    text = (await stage.agent.call("explain_failure", id="tests/test_bad.py::test_total")).text
    for part in (
        "FAILED in call: tests/test_bad.py::test_total\nassert 3 == 4\n",
        "tests/test_bad.py:20 in test_total\n",
        ">     assert total(numbers) == expected\n    expected = 4\n    numbers = [1, 2]\n",
        "captured stdout:\nmade numbers\nxxx",
        "output page 1 of 3\n",
    ):
        assert part in text, text
    rest = await stage.agent.call("explain_failure", id="tests/test_bad.py::test_total", page=3)
    assert rest.text.startswith("xxx") and rest.text.endswith("output page 3 of 3\n")
    assert "last is 3" in await stage.agent.refused(
        "explain_failure", id="tests/test_bad.py::test_total", page=4
    )
    text = (await stage.agent.call("explain_failure", id="tests/test_bad.py::test_text")).text
    assert "-2\n+two\n" in text
    passing = await stage.agent.call("explain_failure", id="tests/test_other.py::test_other")
    assert passing.verdict == "PASSED"


async def test_what_passes_alone_is_told_with_its_failure(stage: Stage) -> None:
    stage.reset()
    text = "import pathlib\ndef test_x():\n    assert not pathlib.Path('bad').exists()\n"
    stage.project.write("tests/test_x.py", text)
    stage.project.write("bad", "")
    assert (await stage.agent.run(paths=["tests/test_x.py"])).verdict == "FAILED"
    (stage.project.root / "bad").unlink()
    answer = await stage.agent.call("explain_failure", id="tests/test_x.py::test_x")
    assert answer.verdict == "PASSED" and "it failed before at tests/test_x.py:3" in answer.text


async def test_flakiness_is_told_with_its_evidence(stage: Stage) -> None:
    stage.reset()
    text = """
        import os
        import pathlib

        def test_unsteady():
            seen = pathlib.Path(os.environ["HOME"]) / "seen"
            if seen.exists():
                seen.unlink()
                raise ValueError
            seen.touch()

        def test_steady():
            pass
    """
    stage.project.write("tests/test_unsteady.py", text)
    unsteady = "tests/test_unsteady.py::test_unsteady"
    for _ in range(50):
        await stage.agent.run(ids=[unsteady, "tests/test_unsteady.py::test_steady"])
        answer = await stage.agent.call("is_it_flaky", id=unsteady)
        if answer.text.startswith("FLAKY"):
            break
    else:
        pytest.fail(answer.text)
    assert "on the same code" in answer.text
    steady = await stage.agent.call("is_it_flaky", id="tests/test_unsteady.py::test_steady")
    assert steady.text.startswith("NOT KNOWN TO BE FLAKY")
    listed = await stage.agent.call("is_it_flaky")
    assert unsteady in listed.text and "test_steady" not in listed.text
    nowhere = await stage.agent.refused("is_it_flaky", id="tests/test_core.py::test_totl")
    assert "did you mean `tests/test_core.py::test_total`" in nowhere


async def test_the_impact_of_a_change_is_told_with_the_way(stage: Stage) -> None:
    stage.reset()
    stage.project.write("helper.py", "def value():\n    return 1\n")
    stage.project.write("impact.py", "import helper\n\ndef value():\n    return helper.value()\n")
    test = "import impact\n\ndef test_x():\n    assert impact.value() == 1\n"
    stage.project.write("tests/test_impact.py", test)
    await stage.agent.run()
    stage.commit()
    stage.project.write("helper.py", "def value():\n    return 2\n")
    text = (await stage.agent.call("impact")).text
    way = "tests/test_impact.py imports impact.py, which imports helper.py, which changed"
    assert text == (
        f"1 of 4 tests may be reached by 1 changed file (helper.py):\n"
        f"- tests/test_impact.py (1 test): {way}\n"
    )
    answer = await stage.agent.run(affected=True)
    assert answer.first.startswith("FAILED: 1 failed in "), answer.text
    assert "3 tests left out" in answer.text
    again = await stage.agent.run(failed=True)
    assert again.first.startswith("FAILED: 1 failed in "), again.text


async def test_where_collecting_has_effects_a_new_file_is_affected(stage: Stage) -> None:
    stage.reset()
    stage.project.write("conftest.py", "import pathlib\npathlib.Path('log.txt').write_text('x')\n")
    stage.project.write(".gitignore", "log.txt\n__pycache__\n")
    await stage.agent.run()
    stage.commit()
    stage.project.write("tests/test_new.py", "def test_new():\n    pass\n")
    assert "test_new.py changed" in (await stage.agent.call("impact")).text
    answer = await stage.agent.run(affected=True)
    assert answer.first.startswith("PASSED: 1 passed in "), answer.text


async def test_tests_are_listed_by_page(stage: Stage) -> None:
    stage.reset()
    functions = "".join(f"def test_{number}():\n    pass\n" for number in range(300))
    stage.project.write("tests/test_many.py", functions)
    listed = await stage.agent.call("list_tests", paths=["tests/test_many.py"])
    lines = listed.text.splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("300 tests", 202, "page 1 of 2")
    second = await stage.agent.call("list_tests", paths=["tests/test_many.py"], page=2)
    assert len(second.text.splitlines()) == 102
    matched = await stage.agent.call("list_tests", keyword="test_other")
    assert matched.text == "1 test\ntests/test_other.py::test_other\n"


async def test_bad_arguments_get_one_sentence(stage: Stage) -> None:
    stage.reset()
    refused = stage.agent.refused
    await stage.agent.run()
    for tool, arguments, part in [
        (
            "run_tests",
            {"ids": ["tests/test_core.py::test_totl"]},
            "did you mean `tests/test_core.py::test_total`",
        ),
        ("run_tests", {"paths": ["tests/test_cor.py"]}, "did you mean `tests/test_core.py`"),
        ("run_tests", {"paths": ["/etc/passwd"]}, "outside of the root"),
        ("run_tests", {"keyword": "(("}, "(("),
        ("run_tests", {"ids": [""]}, "is empty"),
        ("run_tests", {"time_limit": 0}, "time_limit"),
        ("run_tests", {"repeat": 0}, "repeat"),
        ("run_tests", {"base": "main"}, "affected"),
        ("list_tests", {"page": 9}, "the last is 1"),
        ("list_tests", {"paths": ["tests/test_core.py::test_totl"]}, "did you mean"),
        ("explain_failure", {"id": "tests/test_core.py"}, "is no test"),
        ("explain_failure", {"id": "tests/test_core.py::test_total", "page": 2}, "page 1"),
        ("impact", {"base": "nowhere"}, "nowhere"),
    ]:
        assert part in await refused(tool, **arguments), (tool, arguments)


async def test_progress_is_told_to_a_client_that_asks(stage: Stage) -> None:
    stage.reset()
    stage.add("import pytest\n@pytest.mark.parametrize('n', range(50))\ndef test_x(n):\n    pass\n")
    seen: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    await stage.agent.client.call_tool("run_tests", {}, progress_callback=note)
    assert seen and all(total == 53 and 0 < progress <= 53 for progress, total in seen)


async def started(project: Project) -> None:
    """Waits until the waiting test runs."""
    while not (project.root / "started").exists():
        await asyncio.sleep(0.005)


async def test_a_canceled_run_leaves_nothing(stage: Stage) -> None:
    stage.reset()
    path = stage.add(WAITING)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: stage.agent.run(paths=[path]))
            await started(stage.project)
            scope.cancel()
    assert not await asyncio.to_thread(stage.world.wait_until_gone, "sleep 1000")
    after = await stage.agent.run(paths=["tests/test_other.py"])
    assert after.verdict == "PASSED", after.text


@pytest.mark.parametrize("how", ["leaves", "is killed"])
async def test_a_client_that_goes_leaves_nothing(stage: Stage, how: str) -> None:
    stage.reset()
    path = stage.add(WAITING)
    before = set(stage.world.processes("pytest-lens mcp"))
    try:
        async with connected(stage.world, stage.project.root) as second:
            running = asyncio.ensure_future(second.call("run_tests", paths=[path]))
            await started(stage.project)
            if how == "is killed":
                (server,) = set(stage.world.processes("pytest-lens mcp")) - before
                os.kill(server, signal.SIGKILL)
                assert not await asyncio.to_thread(stage.world.wait_until_gone, "sleep 1000")
            running.cancel()
    except Exception:
        # The official client complains of a connection that is cut.
        assert how == "is killed"
    assert not await asyncio.to_thread(stage.world.wait_until_gone, "sleep 1000")
    assert set(stage.world.processes("pytest-lens mcp")) == before
    assert (await stage.agent.run(paths=["tests/test_other.py"])).verdict == "PASSED"


async def test_two_agents_at_once_get_their_own_verdicts(stage: Stage) -> None:
    stage.reset()
    bad = stage.add("def test_x():\n    assert 0\n")
    async with connected(stage.world, stage.project.root) as second:
        for _ in range(3):
            one, two, both = await asyncio.gather(
                stage.agent.run(paths=[bad]),
                second.run(paths=["tests/test_core.py"]),
                second.run(paths=["tests/test_core.py", bad]),
            )
            assert one.first.startswith("FAILED: 1 failed in "), one.text
            assert two.first.startswith("PASSED: 2 passed in "), two.text
            assert both.first.startswith("FAILED: 1 failed, 2 passed in "), both.text


async def test_a_daemon_that_was_killed_is_replaced(stage: Stage) -> None:
    stage.reset()
    await stage.agent.run()
    for _ in range(3):
        for pid in stage.world.processes(" daemon "):
            os.kill(pid, signal.SIGKILL)
        assert (await stage.agent.run(paths=["tests/test_other.py"])).verdict == "PASSED"


async def test_an_untrusted_project_is_left_alone(stage: Stage, tmp_path: Path) -> None:
    trace = "import pathlib\npathlib.Path(__file__).with_name('executed').touch()\n"
    project = Project(tmp_path, {"conftest.py": trace, "test_x.py": "def test_x():\n    pass\n"})
    await trust(stage.world, project, trusted=False)
    async with connected(stage.world, project.root) as agent:
        for tool in sorted(TOOLS):
            arguments = {"id": "test_x.py::test_x"} if tool == "explain_failure" else {}
            sentence = await agent.refused(tool, **arguments)
            assert "not trusted in the user's editor" in sentence and str(project.root) in sentence
        assert not (project.root / "executed").exists()
        await trust(stage.world, project, trusted=True)
        assert (await agent.run()).verdict == "PASSED"


async def trust(world: World, project: Project, *, trusted: bool) -> None:
    """Opens the project in an editor whose user trusts it, or not; returns when that is stored."""
    server = await asyncio.create_subprocess_exec(
        str(binary()), "lsp", env=world.env(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert server.stdin is not None
    folder = {"uri": project.uri(), "name": "p"}
    begin = {
        "processId": None,
        "capabilities": {},
        "workspaceFolders": [folder],
        "initializationOptions": {"trusted": trusted},
    }
    for message in (
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": begin},
        {"jsonrpc": "2.0", "method": "initialized", "params": {}},
    ):
        body = json.dumps(message).encode()
        server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    marks = Path(world.env()["XDG_STATE_HOME"]) / "pytest-lens" / "untrusted"
    while trusted == (marks.exists() and any(marks.iterdir())):
        await asyncio.sleep(0.005)
    server.stdin.close()
    await server.wait()
