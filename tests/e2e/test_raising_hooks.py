"""Each of pytest's hooks raises in a conftest, one after the other: nothing passes by that."""

from __future__ import annotations

from pathlib import Path

from _pytest import hookspec
from daemon import Client, Daemon
from world import DEADLINE, World

TESTS = """\
import warnings
import pytest

@pytest.fixture
def one():
    return 1

@pytest.mark.parametrize("number", [1, 2])
def test_cases(one, number):
    warnings.warn("for the hooks about them")

def test_alone():
    pass

@pytest.mark.skip
def test_skipped():
    pass
"""
CONFTEST = "def {hook}():\n    raise RuntimeError('broken plugin')\n"
IDS = ["test_cases[1]", "test_cases[2]", "test_alone", "test_skipped"]
SOUND = dict(zip(IDS, ["passed", "passed", "passed", "skipped"]))
# How plain pytest ends a session: no test runs, or no more tests run.
REFUSED, ENDED = "collection_failed", "internal_error"
BEFORE_TESTS = {
    *("addhooks", "plugin_registered", "addoption", "configure", "cmdline_main", "sessionstart"),
    *("collection", "collection_modifyitems", "collection_finish", "ignore_collect"),
    *("collect_file", "collectstart", "itemcollected", "collectreport", "make_collect_report"),
    *("pycollect_makemodule", "pycollect_makeitem", "generate_tests", "make_parametrize_id"),
    *("runtestloop", "report_header", "report_collectionfinish"),
}
AT_A_TEST = {
    *("runtest_protocol", "runtest_logstart", "runtest_logfinish", "runtest_makereport"),
    *("runtest_logreport", "report_teststatus", "warning_recorded"),
}
AT_THE_END = {"sessionfinish", "unconfigure", "terminal_summary"}
# The outcomes that are left of the tests.
OUTCOMES = {
    "pyfunc_call": ["failed", "failed", "failed", "skipped"],
    "runtest_call": ["failed", "failed", "failed", "skipped"],
    "runtest_setup": ["error", "error", "error", "skipped"],
    "runtest_teardown": ["error", "error", "error", "error"],
    "fixture_setup": ["error", "error", "passed", "skipped"],
    "fixture_post_finalizer": ["error", "error", "passed", "skipped"],
}
# Nothing calls these in such a session, or not for a conftest.
UNUSED = {
    *("cmdline_parse", "load_initial_conftests", "collect_directory", "deselected"),
    *("report_to_serializable", "report_from_serializable", "assertrepr_compare"),
    *("assertion_pass", "markeval_namespace", "internalerror", "keyboard_interrupt"),
    *("exception_interact", "enter_pdb", "leave_pdb"),
}


def _expected(hook: str) -> tuple[str, dict[str, str]]:
    """The status and the outcomes of the run."""
    name = hook.removeprefix("pytest_")
    if name in BEFORE_TESTS:
        return REFUSED, {}
    if name in AT_A_TEST:
        return ENDED, dict(zip(IDS, ["error", "not_run", "not_run", "not_run"]))
    if name in AT_THE_END:
        return "failed", SOUND
    if name in OUTCOMES:
        return "failed", dict(zip(IDS, OUTCOMES[name]))
    assert name in UNUSED, f"{hook} is new: see what plain pytest does if it raises"
    return "passed", SOUND


def _run(client: Client, context: str) -> tuple[str, dict[str, str], str]:
    """The status, the outcomes, and all that was said."""
    begun = client.ask("run_stream", context_id=context, node_ids=[])
    if begun["type"] == "error":
        return begun["code"], {}, begun["message"]
    found, said, cursor = {}, "", 0
    while True:
        answer = client.expect(
            "events", "get_events", context_id=context, cursor=cursor, wait_ms=int(DEADLINE * 1000)
        )
        cursor = answer["cursor"]
        for event in answer["events"]:
            if event.get("runId") != begun["run_id"]:
                continue
            for one in event.get("outcomes", ()):
                found[one["id"].partition("::")[2]] = one["outcome"]
                said += f"{one.get('longrepr')}\n"
            if event["event"] == "runFinished":
                return event["status"], found, f"{said}{event}"


def test_each_hook_that_raises(world: World, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    daemon = Daemon(world, "--socket", str(Path(world.runtime.name) / "hooks.sock"))
    client = daemon.client()
    context = client.open(tmp_path)
    wrong = {}
    hooks = [name for name in vars(hookspec) if name.startswith("pytest_")]
    assert "pytest_runtest_protocol" in hooks
    # Each run has a new conftest, and so shows that the one before has broken nothing.
    for hook in hooks:
        (tmp_path / "conftest.py").write_text(CONFTEST.format(hook=hook))
        status, outcomes, said = _run(client, context)
        expected = _expected(hook)
        if (status, outcomes) != expected or (
            expected[0] != "passed" and "broken plugin" not in said
        ):
            wrong[hook] = (status, outcomes, said[-500:])
    (tmp_path / "conftest.py").unlink()
    assert _run(client, context)[:2] == ("passed", SOUND)
    assert wrong == {}
    client.close()
    assert daemon.end() == 0
    assert world.wait_until_gone() == {}
