"""`pytest-lens run` prints the text of plain pytest, also if hooks decide about it."""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import lens
from world import DEADLINE, Project, World

#: As pytest-rerunfailures: an attempt that fails is shown as one, and another follows.
REPEATS = """
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item, nextitem):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if any(report.failed for report in reports):
            for report in reports:
                report.outcome = "rerun" if report.failed else report.outcome
                item.ihook.pytest_runtest_logreport(report=report)
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_report_teststatus(report):
        if report.outcome == "rerun":
            return "rerun", "R", ("RERUN", {"yellow": True})
"""
REPEATED = """
    RUNS = []

    def test_second():
        RUNS.append(1)
        assert len(RUNS) > 1

    def test_never():
        assert 0

    def test_good():
        pass
"""
#: Every way in which a hook can show a report.
STATUSES = """
    def pytest_report_teststatus(report, config):
        name = report.nodeid.partition("::test_")[2]
        if report.when == "setup" and name.startswith("prepared") and report.passed:
            return "prepared", "p", ("PREPARED", {"purple": True, "bold": True})
        if report.when == "setup" and name == "no_fixture":
            return "broken", "b", "BROKEN"
        if report.when == "teardown" and name == "torn" and report.failed:
            return "failed", "T", "TORN"
        if report.when == "call":
            return {
                "expected": ("xfailed", "x", ("WORD", {"yellow": True})),
                "flaky": ("flaky", "K", "FLAKY"),
                "hidden": ("", "", ""),
                "counted": ("counted", "", ""),
                "uncounted": ("", "q", "QUIET"),
                "pretended": ("failed", "F", "PRETENDED"),
                "forgiven": ("passed", "+", "FORGIVEN"),
                "wrong": ("error", "!", "WRONG"),
            }.get(name)
"""
SHOWN = """
    import pytest

    @pytest.fixture
    def missing():
        assert 0, "no fixture"

    @pytest.fixture
    def left():
        yield
        assert 0, "not torn down"

    def test_plain(): pass
    def test_flaky(): assert 0
    def test_prepared(): pass
    def test_prepared_to_fail(): assert 1 == 2
    def test_no_fixture(missing): pass
    def test_torn(left): pass
    def test_uncounted(): pass
    def test_pretended(): print("pretended")
    def test_forgiven():
        print("forgiven")
        assert 0
    def test_wrong(): assert 0
    def test_bad(): assert 3 == 4
    @pytest.mark.skip(reason="not here")
    def test_skipped(): pass
    @pytest.mark.xfail(reason="known")
    def test_known(): assert 0
"""
#: Hooks that change a report when pytest has counted it.
CHANGES_REPORTS = """
    import pytest

    def change(report, name):
        if report.when == "call" and report.nodeid.endswith(name):
            report.outcome = "failed" if report.passed else "passed"

    class Last:
        @pytest.hookimpl(trylast=True)
        def pytest_runtest_logreport(self, report):
            change(report, "_last")

    class Around:
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_logreport(self, report):
            yield
            change(report, "_around")
            if report.nodeid.endswith("_known"):
                vars(report).pop("wasxfail", None)

    def pytest_configure(config):
        config.pluginmanager.register(Last())
        config.pluginmanager.register(Around())

    def pytest_runtest_logreport(report):
        change(report, "_plain")
"""
CHANGED = """
    import pytest

    def test_bad_plain(): assert 0
    def test_good_plain(): pass
    def test_bad_last(): assert 0
    def test_good_last(): pass
    def test_bad_around(): assert 0
    def test_good_around(): pass

    @pytest.mark.xfail
    def test_known(): assert 0
"""
HIDDEN = """
    def test_hidden(): pass
    def test_counted(): pass
    def test_a(): pass
"""
SECTIONS = """
    import pytest

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(item, call):
        outcome = yield
        report = outcome.get_result()
        if item.name != "test_bad":
            report.sections.append((f"Made in {report.when}", f"text of {report.when}\\n"))

    def pytest_runtest_logreport(report):
        if report.passed and "bad" not in report.nodeid:
            report.sections.append((f"Logged in {report.when}", "more"))
"""
SECTIONED = """
    import pytest

    @pytest.fixture
    def left():
        yield
        print("tearing down")

    def test_prints():
        print("out")

    def test_is_torn_down(left):
        pass

    @pytest.mark.xfail
    def test_unexpected(left):
        print("out")

    def test_bad():
        assert 0
"""
LINES = """
    import sys

    import pytest

    @pytest.fixture
    def left():
        print("set up")
        yield
        print("torn down")

    @pytest.fixture
    def torn():
        yield
        print("torn down")
        assert 0, "left"

    @pytest.fixture
    def missing():
        assert 0, "no fixture"

    def helper():
        raise ValueError("first line")

    def test_prints(left):
        print("out")
        print("err", file=sys.stderr)
        assert 0

    def test_torn(torn):
        pass

    def test_not_set_up(missing):
        pass

    def test_deep():
        helper()

    def test_both(torn):
        print("both")
        assert 1 == 2

    def test_without_trace():
        pytest.fail("no trace", pytrace=False)

    @pytest.mark.xfail(strict=True)
    def test_strict():
        pass

    @pytest.mark.xfail
    def test_expected():
        assert 3 == 4
"""
#: Failures whose text is a plugin's own.
CUSTOM = """
    import pytest

    class Item(pytest.Item):
        def runtest(self):
            raise ValueError(self.name)

        def repr_failure(self, excinfo):
            return "usage: the first line\\n  and more\\nthe last line"

        def reportinfo(self):
            return self.path, 0, f"item: {self.name}"

    class File(pytest.File):
        def collect(self):
            yield Item.from_parent(self, name="one")

    def pytest_collect_file(parent, file_path):
        if file_path.suffix == ".yaml":
            return File.from_parent(parent, path=file_path)
"""
#: Subtests of every outcome.
SUBTESTS = """
    import pytest

    def test_plain(): pass

    @pytest.mark.skip(reason="no")
    def test_skipped(): pass

    def test_parts(subtests):
        for i in range(5):
            with subtests.test(i=i):
                if i == 2: pytest.skip("two")
                if i == 3: pytest.xfail("three")
                assert i != 4
"""
#: Tests whose order shows in their names.
ORDERED = {
    "test_a.py": "class TestIn:\n    def test_c(self): pass\n\n"
    "def test_b(): pass\ndef test_a(): pass\n",
    "sub/test_c.py": "def test_c(): pass\n",
    "test_d.py": "def test_d(): assert 0\n",
}
#: Fixtures of a wide scope, by which pytest sorts.
WIDE = """
    import pytest

    @pytest.fixture(params=["x", "y"], scope="session")
    def wide(request):
        return request.param
"""
#: Projects, and the arguments with which both print the same.
CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "repeats": (
        {"conftest.py": REPEATS, "test_it.py": REPEATED},
        ["", "-v", "-q", "-rA", "--tb=no -v"],
    ),
    "statuses": (
        {"conftest.py": STATUSES, "test_it.py": SHOWN},
        ["", "-v", "-q", "-rA", "-rfEp --tb=short", "--tb=no -rsxX"],
    ),
    "changed reports": (
        {"conftest.py": CHANGES_REPORTS, "test_it.py": CHANGED},
        ["--tb=no -rN", "-v --tb=no -rN"],
    ),
    "a hidden test": (
        {"conftest.py": STATUSES, "test_it.py": HIDDEN},
        ["", "-q"],
    ),
    "sections": (
        {"conftest.py": SECTIONS, "test_it.py": SECTIONED},
        [
            "",
            "-rA",
            "-rP --show-capture=stdout",
            "-rPX --show-capture=no",
            "-rP --tb=line",
        ],
    ),
    "custom": (
        {"conftest.py": CUSTOM, "test_a.yaml": ""},
        ["", "-v --tb=short", "--tb=no"],
    ),
    "lines": (
        {"test_it.py": LINES},
        ["--tb=line", "--tb=line --show-capture=stderr", "--tb=line -q -rN --xfail-tb"],
    ),
    "verbosity of parts": (
        {"pytest.ini": "[pytest]\n", "test_it.py": SUBTESTS},
        [
            "--tb=no -v",
            "--tb=no -q",
            "--tb=no -o verbosity_test_cases=1",
            "--tb=no -v -o verbosity_test_cases=0",
            "--tb=no -o verbosity_subtests=1",
            "--tb=no -v --override-ini=verbosity_subtests=0",
        ],
    ),
    "order": (
        ORDERED,
        [
            "-v test_d.py test_a.py",
            "-v test_d.py sub test_a.py::test_a",
            "-v test_a.py::test_a test_a.py::test_b test_a.py::TestIn",
            "-v test_a.py::test_a test_d.py test_a.py::test_b",
            "-v test_d.py test_a.py::test_a .",
        ],
    ),
    "order by hooks": (
        {**ORDERED, "conftest.py": "def pytest_collection_modifyitems(items): items.reverse()\n"},
        ["-v sub test_a.py"],
    ),
    "order by fixtures": (
        {
            "conftest.py": WIDE,
            "test_a.py": "def test_a(wide): pass\n",
            "test_b.py": "def test_b(wide): pass\n",
        },
        ["-v test_a.py test_b.py"],
    ),
}


@pytest.mark.parametrize(
    ("case", "arguments"),
    [(case, arguments) for case, (_, lists) in CASES.items() for arguments in lists],
)
def test_output(world: World, tmp_path: Path, case: str, arguments: str) -> None:
    project = Project(tmp_path / "project", CASES[case][0])
    words = arguments.split()
    told = lens(world, "run", "-n1", *words, cwd=project.root)
    plain = _plain(world, project, words)
    expected, found = _comparable(plain.stdout), _comparable(told.out)
    assert found == expected, "\n".join(difflib.unified_diff(expected, found, lineterm=""))
    assert told.status == plain.returncode


@pytest.mark.parametrize(
    "words",
    [
        "-x",
        "--maxfail=2",
        "--maxfail=3",
        "-x -q",
        "-x b.py",
        "-x d.py e.py",
        "--continue-on-collection-errors",
    ],
)
def test_files_that_cannot_be_collected_end_the_collection_at_the_limit(
    world: World, tmp_path: Path, words: str
) -> None:
    good, broken = "def test_good():\n    pass\n", "import no_such_module\n"
    names = {"a.py": good, "b.py": broken, "c.py": broken, "d.py": good, "e.py": broken}
    ini = {"pytest.ini": "[pytest]\npython_files = *.py\n"}
    project = Project(tmp_path / "project", {**names, **ini})
    ours = lens(world, "run", *words.split(), cwd=project.root)
    plain = _plain(world, project, words.split())
    assert ours.status == plain.returncode, ours

    def ending(text: str) -> list[str]:
        lines = [line for line in text.splitlines() if "ERROR collecting" in line or "!!" in line]
        # A file is named where pytest counts errors.
        return [line for line in lines if "during collection" not in line]

    assert ending(ours.out) == ending(plain.stdout), ours


@pytest.mark.parametrize("limit", ["-x", "--maxfail=1", "-x -n2"])
def test_a_file_that_cannot_be_collected_counts_for_the_limit_of_failures(
    world: World, tmp_path: Path, limit: str
) -> None:
    good = "def test_good(): open('ran', 'w')\n"
    files = {
        "test_a.py": good,
        "test_b.py": "import no_such_module\n",
        "test_c.py": good,
    }
    project = Project(tmp_path / "project", files)
    told = lens(world, "run", *limit.split(), cwd=project.root)
    # As with pytest-xdist, the end of a distributed run is an interruption.
    assert told.status == (2 if "-n2" in limit else 1), told
    assert "! stopping after 1 failures !" in told.out, told
    assert "2 not run, 1 error in " in told.lines[-1], told
    assert not (project.root / "ran").exists()
    told = lens(world, "run", "--maxfail=2", cwd=project.root)
    assert (told.status, "2 passed, 1 error in " in told.lines[-1]) == (2, True), told


@pytest.mark.parametrize("files", [["b.py", "d.py"], ["d.py", "e.py"]])
def test_a_run_that_errors_of_collection_end_writes_its_report(
    world: World, tmp_path: Path, files: list[str]
) -> None:
    good, broken = "def test_good():\n    open('ran', 'w')\n", "import no_such_module\n"
    project = Project(tmp_path / "project", {"b.py": broken, "d.py": good, "e.py": broken})
    words = ["-x", "--junitxml=r.xml", *files]
    ours = lens(world, "run", *words, cwd=project.root)
    report = project.root / "r.xml"
    found = report.read_text()
    report.unlink()
    plain = _plain(world, project, words)
    assert ours.status == plain.returncode, ours
    counts = re.compile('errors="1" failures="0" skipped="0" tests="1"')
    assert counts.search(found) and counts.search(report.read_text()), found
    assert not (project.root / "ran").exists()


def test_the_stacks_of_a_slow_test_are_printed_at_once(world: World, tmp_path: Path) -> None:
    slow = "import time\ndef test_slow():\n    time.sleep(0.6)\n"
    ini = "[pytest]\nfaulthandler_timeout = 0.1\n"
    project = Project(tmp_path / "project", {"pytest.ini": ini, "test_slow.py": slow})
    for words in ([], ["-n2"]):
        told = lens(world, "run", *words, cwd=project.root)
        assert told.status == 0, told
        assert "Timeout (0:00:00.100000)!" in told.err and "in test_slow" in told.err, told
    assert "Timeout (0:00:00.100000)!" in _plain(world, project, []).stderr


def test_stepwise_runs_end_as_in_pytest(world: World, tmp_path: Path) -> None:
    tests = "def test_a(): assert 0\ndef test_b(): assert 0\ndef test_c(): pass\n"
    project = Project(tmp_path / "project", {"test_it.py": tests})
    why = "! Interrupted: Test failed, continuing from this test next run. !"
    for words in (["--sw"], ["--sw", "--sw-skip"]):
        told = lens(world, "run", *words, cwd=project.root)
        assert (told.status, why in told.out) == (2, True), told
    project.write("test_it.py", tests.replace("assert 0", "pass"))
    assert why not in lens(world, "run", "--sw", cwd=project.root).out


def test_what_only_pytest_can_do_is_left_to_it(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"test_it.py": "def test(): pass\n"})
    twice = ["--keep-duplicates", "test_it.py", "test_it.py"]
    told = lens(world, "run", "-q", *twice, cwd=project.root)
    assert "2 passed" in told.lines[-1], told
    told = lens(world, "run", "-q", "-n2", "--basetemp=base", cwd=project.root)
    assert (told.status, "1 passed" in told.out) == (0, True), told
    assert "without pytest-xdist it has one runner" in told.err


def test_a_status_colors_what_it_names(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", CASES["statuses"][0])
    words = ["--color=yes", "-v", "test_it.py::test_prepared"]
    told = lens(world, "run", "-n1", *words, cwd=project.root)
    shown = "\x1b[35m\x1b[1mPREPARED\x1b[0m"
    assert shown in told.out and shown in _plain(world, project, words).stdout


def test_several_runners_show_statuses(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", CASES["repeats"][0])
    told = lens(world, "run", "-n2", cwd=project.root)
    assert " 1 failed, 2 passed, 2 rerun in " in told.lines[-1]
    letters = next(line for line in told.lines if line.endswith("[100%]")).split()[0]
    assert sorted(letters) == sorted("RFR..")


def _plain(world: World, project: Project, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=project.root,
        env={**world.env(), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def _comparable(text: str) -> list[str]:
    """The lines after the heading, without times."""
    text = re.sub(r"\d+\.\d\ds\b", "0.00s", text)
    text = re.sub(r"=+ (.* in 0\.00s) =+", r"= \1 =", text)
    lines = text.splitlines()
    begun = [at for at, line in enumerate(lines) if "collected " in line and line[0] == "c"]
    shown = lines[begun[0] + 1 :] if begun else lines
    return [line.rstrip() for line in shown]
