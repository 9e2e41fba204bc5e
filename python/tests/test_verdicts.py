"""How pytest's reports fold into one verdict for each test."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Project
from fake_engine import Message, run

pytestmark = pytest.mark.core

SOURCE = """
import logging
import sys
import unittest
import pytest


def helper(value):
    raise LookupError(f"no {value}")


@pytest.fixture
def broken():
    raise RuntimeError("setup broke")


@pytest.fixture
def breaks_later():
    yield
    raise RuntimeError("teardown broke")


@pytest.fixture
def noisy():
    print("from setup")
    yield
    print("from teardown")


@pytest.fixture
def skipping():
    pytest.skip("not in this house")


def test_passes():
    pass


def test_fails_in_a_helper():
    helper("answer")


def test_compares():
    actual = {"a": 1, "b": [1, 2]}
    assert actual == {"a": 1, "b": [1, 3]}


def test_compares_over_lines():
    assert [
        1,
        2,
    ] == [
        1,
        3,
    ]


def test_compares_text():
    assert "one\\ntwo\\n" == "one\\nthree\\n"


def test_fails_after_an_expected_comparison():
    with pytest.raises(AssertionError):
        assert 1 == 2
    assert not [1]


def test_not_equal():
    assert 1 != 1


def test_hides_frames():
    def check():
        __tracebackhide__ = True
        assert False, "told you"

    check()


def test_setup_error(broken):
    pass


def test_teardown_error(breaks_later):
    pass


def test_fails_and_teardown_error(breaks_later):
    assert 1 == 3


def test_skips_with_teardown_error(breaks_later):
    pytest.skip("whatever")


def test_skips():
    pytest.skip("not today")


def test_skips_in_setup(skipping):
    pass


@pytest.mark.skip(reason="marked")
def test_marked_skip():
    pass


@pytest.mark.skipif("sys.version_info > (3,)", reason="python 3")
def test_skipif():
    pass


@pytest.mark.xfail(reason="known bug")
def test_xfails():
    assert 0


@pytest.mark.xfail(reason="fixed since")
def test_xpasses():
    pass


@pytest.mark.xfail(strict=True, reason="must fail")
def test_xpasses_strictly():
    pass


@pytest.mark.xfail(raises=ValueError)
def test_xfail_of_another_kind():
    raise KeyError("k")


@pytest.mark.xfail(run=False, reason="hangs")
def test_xfail_not_run():
    raise AssertionError


def test_imperative_xfail():
    pytest.xfail("given up")


def test_fail_function():
    pytest.fail("because", pytrace=False)


def test_output(noisy):
    print("to stdout")
    print("to stderr", file=sys.stderr)
    logging.getLogger("app").warning("to log")


def test_surrogates():
    print("\\udcff lone")
    assert "\\ud800" == ""


def test_long_output():
    print("x" * (3 << 20))


def test_exits():
    sys.exit(3)


def test_recurses():
    def down(n):
        return down(n + 1)
    down(0)


class TestGroup:
    def test_method(self):
        assert self is None


class Case(unittest.TestCase):
    def test_equal(self):
        self.assertEqual(1, 2)

    def test_dicts(self):
        with self.assertRaises(AssertionError):
            self.assertEqual("other", "one")
        self.assertDictEqual({"a": 1}, {"a": 2}, "in a box")

    def test_texts(self):
        self.assertEqual("one\\ntwo", "one\\nthree")

    def test_true(self):
        self.assertTrue([])

    def test_skips(self):
        self.skipTest("no unit")

    @unittest.skip("decorated")
    def test_skipped(self):
        pass

    @unittest.expectedFailure
    def test_expected(self):
        self.fail("yes")

    @unittest.expectedFailure
    def test_unexpected(self):
        pass

    def test_cleanup_fails(self):
        def clean():
            raise RuntimeError("clean-up broke")
        self.addCleanup(clean)


async def test_async_without_plugin():
    pass
"""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Message]:
    from fake_engine import Engine

    root = tmp_path_factory.mktemp("verdicts")
    (root / "test_it.py").write_text(SOURCE)
    engine = Engine(root)
    try:
        host = engine.collected()
        ids = [node["id"] for node in host.nodes()]
        found = run(engine.fork(host, "runner"), ids)
        return {name.split("::", 1)[1]: verdict for name, verdict in found.items()}
    finally:
        engine.close()


def test_f3_the_first_line_keeps_its_indent(verdicts: dict[str, Message]) -> None:
    text = verdicts["test_fails_in_a_helper"]["longrepr"]
    assert text.startswith("    def test_fails_in_a_helper():\n")


def test_f2_an_interrupt_has_its_place(project: Project) -> None:
    source = "def helper():\n    raise KeyboardInterrupt\n\ndef test_it():\n    helper()\n"
    engine = project({"test_it.py": source})
    verdict = run(engine.fork(engine.collected(), "runner"), ["test_it.py::test_it"])
    told = verdict["test_it.py::test_it"]
    assert (told["outcome"], told["message"]) == ("error", "KeyboardInterrupt")
    assert [(frame["line"], frame["name"]) for frame in told["frames"]] == [
        (5, "test_it"),
        (2, "helper"),
    ]


OUTCOMES = {
    "test_passes": ("passed", None, None),
    "test_fails_in_a_helper": ("failed", "call", "LookupError: no answer"),
    "test_compares": (
        "failed",
        "call",
        "AssertionError: assert {'a': 1, 'b': [1, 2]} == {'a': 1, 'b': [1, 3]}",
    ),
    "test_compares_over_lines": ("failed", "call", "assert [1, 2] == [1, 3]"),
    "test_compares_text": (
        "failed",
        "call",
        "AssertionError: assert 'one\\ntwo\\n' == 'one\\nthree\\n'",
    ),
    "test_fails_after_an_expected_comparison": ("failed", "call", "assert not [1]"),
    "test_not_equal": ("failed", "call", "assert 1 != 1"),
    "test_hides_frames": ("failed", "call", "AssertionError: told you"),
    "test_setup_error": ("error", "setup", "RuntimeError: setup broke"),
    "test_teardown_error": ("error", "teardown", "RuntimeError: teardown broke"),
    "test_fails_and_teardown_error": ("error", "teardown", "assert 1 == 3"),
    "test_skips_with_teardown_error": ("error", "teardown", "RuntimeError: teardown broke"),
    "test_skips": ("skipped", None, "not today"),
    "test_skips_in_setup": ("skipped", None, "not in this house"),
    "test_marked_skip": ("skipped", None, "marked"),
    "test_skipif": ("skipped", None, "python 3"),
    "test_xfails": ("xfailed", None, "known bug"),
    "test_xpasses": ("xpassed", None, "fixed since"),
    "test_xpasses_strictly": ("failed", "call", "[XPASS(strict)] must fail"),
    "test_xfail_of_another_kind": ("failed", "call", "KeyError: 'k'"),
    "test_xfail_not_run": ("xfailed", "setup", "[NOTRUN] hangs"),
    "test_imperative_xfail": ("xfailed", None, "given up"),
    "test_fail_function": ("failed", "call", "Failed: because"),
    "test_output": ("passed", None, None),
    "test_surrogates": ("failed", "call", "AssertionError: assert"),
    "test_long_output": ("passed", None, None),
    "test_exits": ("failed", "call", "SystemExit: 3"),
    "test_recurses": ("failed", "call", "RecursionError: maximum recursion depth exceeded"),
    "TestGroup::test_method": ("failed", "call", "assert <test_it.TestGroup"),
    "Case::test_equal": ("failed", "call", "AssertionError: 1 != 2"),
    "Case::test_skips": ("skipped", None, "no unit"),
    "Case::test_skipped": ("skipped", None, "decorated"),
    "Case::test_expected": ("xfailed", None, ""),
    "Case::test_unexpected": ("failed", "call", "Failed: Unexpected success"),
    "Case::test_cleanup_fails": ("failed", "call", "RuntimeError: clean-up broke"),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcome(verdicts: dict[str, Message], name: str) -> None:
    outcome, phase, message = OUTCOMES[name]
    verdict = verdicts[name]
    assert verdict["outcome"] == outcome, verdict
    assert verdict.get("phase") == phase
    if message is None:
        assert "message" not in verdict
    else:
        told = verdict.get("message", "")
        assert told.startswith((message, message.replace("Failed: ", "")))  # as before pytest 8
    assert verdict["ms"] >= 0
    if outcome in ("failed", "error"):
        assert verdict["longrepr"]


def test_async_function_does_what_this_pytest_does(verdicts: dict[str, Message]) -> None:
    # Skipped with a warning up to pytest 8.3, failed since.
    assert verdicts["test_async_without_plugin"]["outcome"] in ("skipped", "failed")


def line_of(text: str) -> int:
    return SOURCE.splitlines().index(text) + 1


# pytest 7.0 names the place of the call, later ones name the test.
SKIP_IN_SETUP = (
    "def test_skips_in_setup(skipping):"
    if pytest.version_tuple >= (7, 4)
    else '    pytest.skip("not in this house")'
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("test_fails_in_a_helper", '    raise LookupError(f"no {value}")'),
        ("test_compares", '    assert actual == {"a": 1, "b": [1, 3]}'),
        ("test_setup_error", '    raise RuntimeError("setup broke")'),
        ("test_teardown_error", '    raise RuntimeError("teardown broke")'),
        ("test_fails_and_teardown_error", "    assert 1 == 3"),
        ("test_hides_frames", "    check()"),
        ("TestGroup::test_method", "        assert self is None"),
        ("Case::test_equal", "        self.assertEqual(1, 2)"),
        ("test_xfails", "    assert 0"),
        ("test_skips", '    pytest.skip("not today")'),
        ("test_skips_in_setup", SKIP_IN_SETUP),
    ],
)
def test_location(verdicts: dict[str, Message], name: str, text: str) -> None:
    location = verdicts[name]["location"]
    assert location["path"].endswith("test_it.py")
    assert location["line"] == line_of(text)


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("test_teardown_error", "passed"),
        ("test_fails_and_teardown_error", "failed"),
        ("test_skips_with_teardown_error", "skipped"),
        ("test_setup_error", None),
        ("test_passes", None),
    ],
)
def test_outcome_before_the_teardown(
    verdicts: dict[str, Message], name: str, before: str | None
) -> None:
    assert verdicts[name].get("before_teardown") == before


def test_frames_go_from_the_test_inwards(verdicts: dict[str, Message]) -> None:
    frames = verdicts["test_fails_in_a_helper"]["frames"]
    assert [(frame["name"], frame["text"]) for frame in frames] == [
        ("test_fails_in_a_helper", 'helper("answer")'),
        ("helper", 'raise LookupError(f"no {value}")'),
    ]
    assert [frame["name"] for frame in verdicts["test_hides_frames"]["frames"]] == [
        "test_hides_frames"
    ]
    assert len(verdicts["test_recurses"]["frames"]) <= 200


@pytest.mark.parametrize(
    ("name", "expected", "actual"),
    [
        ("test_compares", "{'a': 1, 'b': [1, 3]}", "{'a': 1, 'b': [1, 2]}"),
        ("test_compares_over_lines", "[1, 3]", "[1, 2]"),
        ("test_compares_text", "one\nthree\n", "one\ntwo\n"),
        ("test_fails_and_teardown_error", "3", "1"),
        ("test_fails_after_an_expected_comparison", None, None),
        ("test_not_equal", None, None),
        ("test_fails_in_a_helper", None, None),
        ("Case::test_equal", "2", "1"),
        ("Case::test_dicts", "{'a': 2}", "{'a': 1}"),
        ("Case::test_texts", "one\nthree", "one\ntwo"),
        ("Case::test_true", None, None),
    ],
)
def test_expected_and_actual(
    verdicts: dict[str, Message], name: str, expected: Any, actual: Any
) -> None:
    verdict = verdicts[name]
    assert (verdict.get("expected"), verdict.get("actual")) == (expected, actual)


def test_both_failures_are_told(verdicts: dict[str, Message]) -> None:
    verdict = verdicts["test_fails_and_teardown_error"]
    assert "teardown broke" in verdict["message"]
    assert "assert 1 == 3" in verdict["longrepr"]
    assert "teardown broke" in verdict["longrepr"]


def test_strict_is_said(verdicts: dict[str, Message]) -> None:
    assert verdicts["test_xpasses_strictly"]["strict"] is True
    assert "strict" not in verdicts["test_xpasses"]


def test_captured_output(verdicts: dict[str, Message]) -> None:
    verdict = verdicts["test_output"]
    assert verdict["stdout"] == "from setup\nto stdout\nfrom teardown\n"
    assert verdict["stderr"] == "to stderr\n"
    assert "to log" in verdict["log"]
    assert "stdout" not in verdicts["test_passes"]


def test_output_has_the_headings_that_pytest_gives_it(verdicts: dict[str, Message]) -> None:
    verdict = verdicts["test_output"]
    log = len(verdict["log"])
    assert verdict["sections"] == [
        {"name": "Captured stdout setup", "length": len("from setup\n")},
        {"name": "Captured stdout call", "length": len("to stdout\n")},
        {"name": "Captured stderr call", "length": len("to stderr\n")},
        {"name": "Captured log call", "length": log},
        {"name": "Captured stdout teardown", "length": len("from teardown\n")},
    ]
    assert "sections" not in verdicts["test_passes"]
    assert "sections" not in verdicts["test_long_output"]  # what was cut has no parts


def test_each_failed_report_is_told_if_there_are_several(verdicts: dict[str, Message]) -> None:
    both = verdicts["test_fails_and_teardown_error"]["failed_reports"]
    named = [(report["title"], report["phase"]) for report in both]
    name = "test_fails_and_teardown_error"
    assert named == [(name, "call"), (name, "teardown")]
    assert "assert 1 == 3" in both[0]["longrepr"]
    assert "teardown broke" in both[1]["message"]
    assert "failed_reports" not in verdicts["test_compares"]
    assert "failed_reports" not in verdicts["test_setup_error"]


def test_long_output_is_cut(verdicts: dict[str, Message]) -> None:
    text = verdicts["test_long_output"]["stdout"]
    assert len(text) < (1 << 20) + 100
    assert "characters left out" in text


def test_rerun_takes_the_last_attempt_and_names_those_before(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
            import pytest
            from _pytest.runner import runtestprotocol

            @pytest.hookimpl
            def pytest_runtest_protocol(item, nextitem):
                for attempt in range(3):
                    reports = runtestprotocol(item, nextitem=nextitem, log=False)
                    failed = any(report.failed for report in reports)
                    for report in reports:
                        if report.failed and attempt < 2:
                            report.outcome = "rerun"
                        item.ihook.pytest_runtest_logreport(report=report)
                    if not failed:
                        break
                return True
            """,
            "test_it.py": """
            import pytest

            tries = []

            def test_third_time():
                tries.append(1)
                print("try", len(tries))
                assert len(tries) == 3

            def test_never():
                assert 0, "still"

            @pytest.fixture
            def ready():
                tries.append(1)
                assert len(tries) > 4

            def test_setup(ready):
                pass

            def test_good():
                pass
            """,
        }
    )
    host = engine.collected()
    ids = [node["id"] for node in host.nodes()]
    verdicts = run(engine.fork(host, "runner"), ids)
    third, never, setup, good = (verdicts[name] for name in ids)
    assert (third["outcome"], never["outcome"]) == ("passed", "failed")
    assert never["message"].startswith("AssertionError: still")
    for verdict, expected in ((third, ["failed"] * 2), (never, ["failed"] * 2), (setup, ["error"])):
        assert [repeat["outcome"] for repeat in verdict["repeats"]] == expected
        assert all(repeat["ms"] > 0 for repeat in verdict["repeats"])
    assert setup["outcome"] == good["outcome"] == "passed"
    assert "repeats" not in good


def test_plugins_may_change_and_withhold_reports(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
            import pytest

            @pytest.hookimpl(hookwrapper=True)
            def pytest_runtest_makereport(item):
                outcome = yield
                report = outcome.get_result()
                if report.when == "call" and item.name == "test_turned":
                    report.outcome = "failed"
                    report.longrepr = "turned around"
                    report.sections.append(("Notes", "a note"))

            def pytest_runtest_protocol(item):
                return True if item.name == "test_silent" else None
            """,
            "test_it.py": "def test_turned(): pass\ndef test_silent(): pass",
        }
    )
    host = engine.collected()
    ids = [node["id"] for node in host.nodes()]
    verdicts = run(engine.fork(host, "runner"), ids)
    turned, silent = (verdicts[name] for name in ids)
    assert (turned["outcome"], turned["message"]) == ("failed", "turned around")
    assert "a note" in turned["longrepr"]
    assert silent["outcome"] == "skipped"
    assert "reported nothing" in silent["message"]


def test_c_code_without_a_file_is_no_place_of_a_failure(project: Project) -> None:
    # As in `os.environ["X"]`, which Python 3.11 and newer have frozen.
    engine = project(
        {
            "conftest.py": """
            import pytest
            made = {}
            exec(compile("def fail():\\n    raise KeyError('X')", "<frozen os>", "exec"), made)

            @pytest.fixture
            def value():
                return made["fail"]()
            """,
            "test_it.py": "def test_it(value): pass",
        }
    )
    name = "test_it.py::test_it"
    verdict = run(engine.fork(engine.collected(), "runner"), [name])[name]
    conftest = str(engine.root / "conftest.py")
    assert verdict["location"] == {"path": conftest, "line": 7}
    assert [frame["path"] for frame in verdict["frames"]] == [conftest]
