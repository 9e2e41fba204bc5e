"""Requests that must not be answered by less than they ask for, nor with a wrong reason."""

from __future__ import annotations

import asyncio
import json
import subprocess

import pytest
from agent import binary
from traps import Stage

CASES = """
    import pytest


    @pytest.mark.parametrize("case", ["x", "y"])
    def test_a(case):
        assert case == "y"


    def test_b():
        pass
"""


@pytest.fixture
def project(stage: Stage) -> Stage:
    """A stage with one more file, one of whose cases fails."""
    stage.reset()
    stage.project.write("tests/test_p.py", CASES)
    return stage


async def last_run(stage: Stage) -> str:
    """The report of the last run."""
    result = await stage.agent.client.read_resource("pytest-lens://last-run")
    return str(result.contents[0].text)  # type: ignore[union-attr]


async def test_a_case_that_is_requested_runs_with_an_expression_too(project: Stage) -> None:
    # A conftest that looks at the expression: pytest itself applies it.
    project.project.write(
        "conftest.py",
        "def pytest_collection_modifyitems(config):\n    config.getoption('keyword')\n",
    )
    ids = ["tests/test_p.py::test_a[x]", "tests/test_p.py::test_b"]
    answer = await project.agent.run(ids=ids, keyword="test_")
    assert answer.first.startswith("FAILED: 1 failed, 1 passed"), answer.text
    answer = await project.agent.run(ids=ids[:1], keyword="test_")
    assert answer.first.startswith("FAILED: 1 failed in"), answer.text


async def test_the_root_is_more_than_testpaths_and_spares_no_unknown_name(project: Stage) -> None:
    project.project.write("pytest.ini", "[pytest]\ntestpaths = t\n")
    project.project.write("t/test_t.py", "def test_t():\n    pass\n")
    project.project.write("u/test_u.py", "def test_u():\n    pass\n")
    agent = project.agent
    assert (await agent.run()).first.startswith("PASSED: 1 passed"), "as pytest without arguments"
    listed = await agent.call("list_tests", paths=["u"])
    assert "no tests in `u`, or the configuration leaves it out" in listed.text
    for paths in (["."], ["t", "."], [str(project.project.root)]):
        answer = await agent.run(paths=paths)
        assert answer.verdict == "FAILED", answer.text
    answer = await agent.run(paths=["tests/test_p.py"])
    assert answer.first.startswith("FAILED: 1 failed, 2 passed"), answer.text
    assert "nowhere.py" in await agent.refused("run_tests", paths=[".", "nowhere.py"])
    refused = await agent.refused("run_tests", ids=["tests/test_p.py::test_bb"], paths=["."])
    assert "did you mean `tests/test_p.py::test_b`" in refused


async def test_a_named_path_runs_whatever_ran_before(project: Stage) -> None:
    project.project.write("sub/check_c.py", "def test_c():\n    assert 0\n")
    project.project.write("sub/test_s.py", "def test_s():\n    pass\n")
    assert (await project.agent.run(paths=["sub"])).first.startswith("PASSED: 1 passed")
    answer = await project.agent.run(paths=["sub/check_c.py"])
    assert answer.first.startswith("FAILED: 1 failed"), answer.text


async def test_set_up_alone_is_no_pass(project: Stage) -> None:
    project.project.write("pytest.ini", "[pytest]\naddopts = --setup-only\n")
    answer = await project.agent.run(paths=["tests/test_p.py"])
    assert answer.verdict != "PASSED", answer.text
    assert "passed" not in answer.first and "only its set-up ran" in answer.text, answer.text


async def test_the_report_is_that_of_the_last_call(project: Stage) -> None:
    assert (await project.agent.run(ids=["tests/test_p.py::test_b"])).verdict == "PASSED"
    assert (await last_run(project)).startswith("PASSED")
    await project.agent.refused("run_tests", ids=["tests/test_p.py::test_none"])
    assert (await last_run(project)).startswith("NO TESTS RAN: there is no test")
    project.project.write("conftest.py", "raise RuntimeError('broken')\n")
    await project.agent.call("run_tests", paths=["tests/test_p.py"])
    assert not (await last_run(project)).startswith("PASSED")


async def test_unknown_ids_are_named_before_anything_is_selected(project: Stage) -> None:
    await project.agent.run(paths=["tests/test_p.py"])
    for narrowing in ("failed", "affected"):
        refused = await project.agent.refused(
            "run_tests", ids=["tests/test_p.py::test_none"], **{narrowing: True}
        )
        assert refused.startswith("there is no test `tests/test_p.py::test_none`"), refused


async def test_a_repetition_counts_what_ran(project: Stage) -> None:
    answer = await project.agent.run(paths=["tests/test_p.py"], repeat=4)
    # Which tests run before the one that fails is open.
    assert answer.verdict == "FAILED" and " rerun" not in answer.first, answer.text
    assert "the repetition ended with round 1 of 4" in answer.text


async def test_the_last_test_that_ran_is_named_when_time_is_over(project: Stage) -> None:
    project.project.write(
        "tests/test_hang.py",
        "import time\ndef test_h():\n    time.sleep(1000)\ndef test_i(): pass\n",
    )
    answer = await project.agent.run(paths=["tests/test_hang.py"], time_limit=2)
    assert "test_h: it had run for" in answer.text, answer.text
    assert "INCOMPLETE: 2 not run" in answer.first, answer.text


async def test_a_call_that_only_collects_can_be_cancelled(project: Stage) -> None:
    project.project.write(
        "tests/test_slow.py",
        "import os, time\nif os.path.exists('slow'):\n    time.sleep(1000)\ndef test_s(): pass\n",
    )
    project.project.write("slow", "")
    try:
        call = asyncio.create_task(project.agent.call("list_tests"))
        await asyncio.wait({call}, timeout=2)
        assert not call.done()
        call.cancel()
        await asyncio.wait({call})
    finally:
        (project.project.root / "slow").unlink()
    answer = await project.agent.run(paths=["tests/test_slow.py"], time_limit=60)
    assert answer.first.startswith("PASSED: 1 passed"), answer.text


async def test_phases_frames_and_causes_are_told_apart(project: Stage) -> None:
    project.project.write(
        "tests/test_e.py",
        """
        import pytest


        @pytest.fixture
        def ends_badly():
            yield
            raise ValueError("late")


        def test_both(ends_badly):
            assert 0


        def deeper(n):
            x = n * 10
            if n == 0:
                raise RuntimeError("bottom")
            deeper(n - 1)


        def test_deep():
            deeper(2)


        def test_cause():
            try:
                {}["missing"]
            except KeyError as error:
                raise LookupError("no such thing") from error


        def test_group():
            raise ExceptionGroup("several", [ValueError("first"), TypeError("second")])
        """,
    )
    answer = await project.agent.run(ids=["tests/test_e.py::test_both"])
    assert "error in call and teardown: assert 0" in answer.text, answer.text

    async def explained(test: str) -> str:
        return (await project.agent.call("explain_failure", id=f"tests/test_e.py::{test}")).text

    assert (await explained("test_both")).startswith("ERROR in call and teardown: ")
    deep = await explained("test_deep")
    assert [f"n = {number}" in deep for number in (0, 1, 2)] == [True] * 3, deep
    first, _, last = deep.partition("n = 2")
    assert "n = 1" not in first and last.index("n = 1") < last.index("n = 0"), deep
    assert "raised from: KeyError: 'missing'" in await explained("test_cause")
    group = await explained("test_group")
    assert "in the group: ValueError: first" in group and "TypeError: second" in group, group


async def test_arguments_are_taken_as_agents_write_them(project: Stage) -> None:
    answer = await project.agent.run(ids="tests/test_p.py::test_b", paths=None, failed=None)
    assert answer.verdict == "PASSED", answer.text
    assert await project.agent.refused("run_tests", repeat=-1) == "`repeat` must be 1 to 1000"
    refused = await project.agent.refused("run_tests", time_limit=-1)
    assert refused == "`time_limit` must be 1 to 3600 seconds"


async def test_impact_takes_files(project: Stage) -> None:
    for path, word in (
        ("tests/test_p.py::test_b", "is a test"),
        ("tests", "is a folder"),
        ("../x.py", "not found"),
        ("nope.py", "not found"),
        (" ", "is empty"),
    ):
        assert word in await project.agent.refused("impact", paths=[path]), path


async def test_flakiness_is_looked_up_by_any_spelling(project: Stage) -> None:
    await project.agent.run(paths=["tests/test_p.py"])
    answer = await project.agent.call("is_it_flaky", id="./tests/test_p.py::test_b")
    assert answer.text.startswith("NOT KNOWN TO BE FLAKY: tests/test_p.py::test_b"), answer.text
    assert "is no test" in await project.agent.refused("is_it_flaky", id="tests/test_p.py")


async def test_no_report_is_made_and_no_gate_is_checked(project: Stage) -> None:
    options = "--junitxml=report.xml --cov-fail-under=90"
    project.project.write("pytest.ini", f"[pytest]\naddopts = {options}\n")
    # As pytest-cov's, which the tests' environment need not have.
    project.project.write(
        "conftest.py",
        """
        import pytest


        def pytest_addoption(parser):
            parser.addoption("--cov-fail-under", dest="cov_fail_under", type=float)
            parser.addoption("--no-cov", dest="no_cov", action="store_true")


        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtestloop(session):
            yield
            session.testsfailed += not session.config.option.no_cov
        """,
    )
    answer = await project.agent.run(ids=["tests/test_p.py::test_b"])
    assert answer.first.startswith("PASSED: 1 passed in"), answer.text
    assert "not checked here: `--cov-fail-under=90` of addopts" in answer.text
    answer = await project.agent.call("explain_failure", id="tests/test_p.py::test_b")
    assert answer.first.startswith("PASSED: 1 passed in"), answer.text
    assert not (project.project.root / "report.xml").exists()


async def test_repeats_of_a_plugin_are_named_and_prove_flakiness(project: Stage) -> None:
    # As pytest-rerunfailures, which the tests' environment need not have.
    project.project.write(
        "conftest.py",
        """
        from _pytest.runner import runtestprotocol


        def pytest_runtest_protocol(item, nextitem):
            for left in (2, 1, 0):
                reports = runtestprotocol(item, nextitem=nextitem, log=False)
                is_repeated = left and any(report.failed for report in reports)
                for report in reports:
                    if is_repeated and report.failed:
                        report.outcome = "rerun"
                    item.ihook.pytest_runtest_logreport(report=report)
                if not is_repeated:
                    return True


        def pytest_report_teststatus(report):
            if report.outcome == "rerun":
                return "rerun", "R", ("RERUN", {"yellow": True})
        """,
    )
    project.project.write(
        "tests/test_third.py",
        """
        tries = []


        def test_third():
            tries.append(1)
            assert len(tries) == 3


        def test_good():
            pass
        """,
    )
    answer = await project.agent.run(paths=["tests/test_third.py"])
    assert answer.first.startswith("PASSED: 2 passed, 2 rerun in"), answer.text
    verdict = await project.agent.call("is_it_flaky", id="tests/test_third.py::test_third")
    known = "FLAKY: tests/test_third.py::test_third passed and failed on the same code"
    assert verdict.first.startswith(f"{known}: failed in 67% of 3 runs, 1 flip"), verdict.text
    verdict = await project.agent.call("is_it_flaky", id="tests/test_third.py::test_good")
    assert verdict.first.startswith("NOT KNOWN TO BE FLAKY"), verdict.text


async def test_mistakes_in_the_settings_are_named_with_the_answer(project: Stage) -> None:
    invalid = "pytest-lens.toml, line 1: invalid TOML: "
    unknown = "pytest-lens.toml, line 2: `nope` is no setting; "
    unmatched = "pytest-lens.toml, line 1: `projects`: no folder below the root matches `zz/*`; "
    for text, sentences in (
        ("[oops\n", [invalid]),
        ("workers = 'many'\nnope = 1\n", ["pytest-lens.toml, line 1: `workers`: ", unknown]),
        ("projects = ['zz/*']\n", [unmatched]),
        ("workers = 2\n", []),
    ):
        project.project.write("pytest-lens.toml", text)
        ran = await project.agent.run(ids=["tests/test_p.py::test_b"])
        assert ran.first.startswith("PASSED: 1 passed"), ran.text
        listed = await project.agent.call("list_tests")
        for answer in (ran, listed):
            found = [line for line in answer.text.splitlines() if "pytest-lens.toml" in line]
            assert len(found) == len(sentences), answer.text
            assert all(map(str.startswith, found, sentences)), answer.text


async def test_cases_have_their_outcomes_in_the_judgement_of_their_function(project: Stage) -> None:
    unsteady = "tests/test_p.py::test_a"
    project.project.write("tests/test_k.py", "class TestK:\n    def test_k(self):\n        pass\n")
    none = await project.agent.call("is_it_flaky", id="tests/test_k.py::TestK")
    assert none.text.startswith("UNKNOWN: tests/test_k.py::TestK has no recorded"), none.text
    await project.agent.run(ids=[unsteady, "tests/test_k.py::TestK"])
    answer = await project.agent.call("is_it_flaky", id=unsteady)
    assert (
        answer.first
        == f"NOT KNOWN TO BE FLAKY: {unsteady}: 2 of 2 tests in it have recorded outcomes"
    )
    lines = answer.text.splitlines()
    assert lines[1].startswith(f"- {unsteady}[x] failed in 100% of"), answer.text
    assert lines[2].startswith(f"- {unsteady}[y] failed in 0% of"), answer.text
    answer = await project.agent.call("is_it_flaky", id="tests/test_k.py::TestK")
    assert answer.first.startswith("NOT KNOWN TO BE FLAKY: tests/test_k.py::TestK: 1 of 1 test")


async def test_a_case_whose_function_has_others_by_now_is_named_so(project: Stage) -> None:
    case = "tests/test_p.py::test_c[before-the-edit]"
    text = (
        "import pytest\n@pytest.mark.parametrize('c', ['{}'])\ndef test_c(c):\n    assert not c\n"
    )
    project.project.write("tests/test_p.py", text.format("before-the-edit"))
    assert (await project.agent.run(ids=[case])).verdict == "FAILED"
    project.project.write("tests/test_p.py", text.format("0123456789"))
    reason = "the cases of `tests/test_p.py::test_c` are others now (1); "
    assert reason in await project.agent.refused("run_tests", ids=[case])
    assert reason in await project.agent.refused("list_tests", paths=[case])
    answer = await project.agent.run(paths=["tests/test_p.py"], failed=True)
    assert answer.verdict == "NO TESTS RAN"
    assert f"except for cases that are gone since: {case}" in answer.text


async def test_a_place_is_written_once_and_a_missing_one_leaves_no_line(project: Stage) -> None:
    project.project.write("n/pytest.ini", "[pytest]\n")
    project.project.write("n/conftest.py", "x = 1\n1 / 0\n")
    project.project.write("n/test_n.py", "def test_n():\n    pass\n")
    listed = await project.agent.call("list_tests")
    error = "does not import: ZeroDivisionError: division by zero"
    assert f"\ncan't be collected: n/conftest.py:2 {error}\n" in listed.text
    answer = await project.agent.run()
    assert f"\n- n/conftest.py:2 can't be collected: {error}\n" in answer.text

    project.reset()
    project.project.write("pytest-lens.toml", "timeoutMs = 300\n")
    project.project.write("tests/test_h.py", "import time\ndef test_h():\n    time.sleep(1000)\n")
    answer = await project.agent.run(paths=["tests/test_h.py"])
    assert answer.verdict == "FAILED", answer.text
    assert not any(line.strip() == ">" for line in answer.text.splitlines()), answer.text


async def test_a_missing_fixture_is_explained_with_the_others_and_a_recursion_is_deep(
    project: Stage,
) -> None:
    text = """
        def test_f(no_such_one):
            pass

        def deeper():
            deeper()

        def test_r():
            deeper()
    """
    project.project.write("tests/test_f.py", text)
    explained = await project.agent.call("explain_failure", id="tests/test_f.py::test_f")
    assert "fixture 'no_such_one' not found\n" in explained.text
    assert "tests/test_f.py, line 1\n" in explained.text
    assert "available fixtures: " in explained.text
    assert "tmp_path_factory" in explained.text
    explained = await project.agent.call("explain_failure", id="tests/test_f.py::test_r")
    assert "... at least 194 frames ...\n" in explained.text


async def test_a_changed_file_outside_of_the_project_can_be_named(project: Stage) -> None:
    outside = project.project.root.parent / "outside" / "beyond.py"
    outside.parent.mkdir(exist_ok=True)
    outside.write_text("VALUE = 1\n", encoding="utf-8")
    project.project.write("pytest.ini", "[pytest]\npythonpath = ../outside\n")
    test = "import beyond\n\n\ndef test_o():\n    assert beyond.VALUE\n"
    project.project.write("tests/test_o.py", test)
    assert (await project.agent.run(paths=["tests/test_o.py"])).verdict == "PASSED"
    for path in ("../outside/beyond.py", str(outside)):
        answer = await project.agent.call("impact", paths=[path])
        assert "tests/test_o.py imports " in answer.text and not answer.is_error, answer.text
    refused = await project.agent.refused("impact", paths=["../outside/none.py"])
    assert refused.startswith("file or folder not found"), refused


def test_parameters_of_another_form_are_named_as_the_fault(stage: Stage) -> None:
    about = {"name": "a", "version": "1"}
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about}
    calls: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "run_tests", "arguments": "x"}},
        {"id": 3, "method": "no/such", "params": {}},
    ]
    text = "".join(json.dumps({"jsonrpc": "2.0", **call}) + "\n" for call in calls)
    command, env = [str(binary()), "mcp"], stage.world.env()
    ended = subprocess.run(
        command,
        input=text,
        cwd=stage.project.root,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    answers = {message["id"]: message for message in map(json.loads, ended.stdout.splitlines())}
    assert answers[2]["error"]["code"] == -32602
    assert answers[2]["error"]["message"].startswith("the parameters of `tools/call` ")
    assert answers[3]["error"]["code"] == -32601
