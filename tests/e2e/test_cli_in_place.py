"""`pytest-lens` in place of `pytest`: the same words, next to plain pytest in the same project."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from command_line import KINDS, Told, lens, plain
from world import Project, World

FILES = {
    "pytest.ini": "[pytest]\nmarkers = slow: takes long\n",
    "tests/test_kinds.py": KINDS,
    "tests/sub/test_sub.py": "def test_sub():\n    pass\n",
}

#: Words of pytest's command line, with the project's own `addopts`.
LINES = [
    ("", []),
    ("", ["-v", "tests"]),
    ("", ["-q", "tests/test_kinds.py::TestGroup", "tests/sub"]),
    ("", ["-k", "number and not 2", "-v"]),
    ("", ["-m", "slow"]),
    ("", ["-x", "-v"]),
    ("", ["-x", "--maxfail=2"]),
    ("", ["--deselect", "tests/test_kinds.py::test_bad", "--ignore=tests/sub", "-v"]),
    ("", ["--ignore-glob=*/test_k*", "--rootdir", ".", "-p", "no:doctest"]),
    ("", ["-o", "python_functions=test_n*", "-v"]),
    ("", ["-W", "error", "--strict-markers"]),
    ("", ["-k", "nothing_is_called_so"]),
    ("-x -q", []),
    ("-v -k good", []),
    ("--maxfail=1", ["--maxfail=0", "-v"]),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("in-place"), FILES)


def counts(told: Told) -> dict[str, int]:
    """The numbers of the last line; tests that a stop left out are pytest-lens's alone."""
    found = re.findall(r"(\d+) ([a-z]+)", told.lines[-1])
    return {word.rstrip("s"): int(number) for number, word in found if word != "not"}


def verdicts(told: Told) -> list[str]:
    """The lines of `-v`: id and word, without the part done."""
    found = [re.match(r"(\S+::\S+) ([A-Z]+)", line) for line in told.lines]
    return sorted(f"{one[1]} {one[2]}" for one in found if one and one[2] != "NOT")


@pytest.mark.parametrize(("addopts", "words"), LINES, ids=lambda value: str(value) or "-")
def test_same_words_same_end(
    world: World, project: Project, addopts: str, words: list[str]
) -> None:
    variable = {"PYTEST_ADDOPTS": addopts} if addopts else {}
    expected = plain(world, project.root, *words, **variable)
    told = lens(world, *words, cwd=project.root, env=variable)
    assert told.status == expected.status, told.err
    if expected.status != 5:
        assert counts(told) == counts(expected)
    if "-v" in [*words, *addopts.split()]:
        assert verdicts(told) == verdicts(expected)


@pytest.mark.parametrize(
    "words",
    [
        ["--fixtures", "tests/test_kinds.py"],
        ["--fixtures-per-test", "-k", "good"],
        ["--markers"],
        ["--setup-plan", "tests/sub"],
        ["--setup-show", "tests/test_kinds.py::test_good"],
        ["--collect-only", "-q"],
        ["--co", "-qq", "tests"],
        ["run", "--version"],
        ["--fixtures", "no/such/folder"],
    ],
    ids=" ".join,
)
def test_reports_are_pytests_own(world: World, project: Project, words: list[str]) -> None:
    options = [word for word in words if word != "run"]
    told = lens(world, *words, "-p", "no:cacheprovider", cwd=project.root)
    expected = plain(world, project.root, *options)
    without_times = [re.sub(r"\d\.\d\ds", "", one.out + one.err) for one in (told, expected)]
    assert without_times[0] == without_times[1]
    assert told.status == expected.status


def test_its_own_words_stay(world: World, project: Project) -> None:
    assert lens(world, "--version", cwd=project.root).out.startswith("pytest-lens ")
    assert "Usage: pytest-lens" in lens(world, "--help", cwd=project.root).out
    told = lens(world, "--markers", "--json", cwd=project.root)
    assert told.status == 4 and "--json" in told.sentence and "--markers" in told.sentence


@pytest.mark.parametrize("runners", [[], ["-n", "2"]])
def test_junit_reports_are_pytests_own(
    world: World, project: Project, tmp_path: Path, runners: list[str]
) -> None:
    words = ["--junit-prefix=pre", "-o", "junit_logging=all"]
    expected = plain(world, project.root, f"--junitxml={tmp_path}/plain.xml", *words)
    told = lens(world, f"--junit-xml={tmp_path}/ours.xml", *words, *runners, cwd=project.root)
    assert told.status == expected.status == 1, told.err

    def read(name: str) -> str:
        suites = ET.parse(tmp_path / name).getroot()
        for element in suites.iter():
            element.attrib.pop("time", None)
            element.attrib.pop("timestamp", None)
        return ET.tostring(suites, encoding="unicode")

    assert read("ours.xml") == read("plain.xml")


@pytest.mark.parametrize("style", ["progress", "count", "classic"])
def test_progress_on_a_pipe_is_that_of_pytest(world: World, project: Project, style: str) -> None:
    words = ["--tb=no", "-o", f"console_output_style={style}"]

    def progress(told: Told) -> list[str]:
        """The lines from the number of tests on, up to the first section after the tests."""
        begin = next(at for at, line in enumerate(told.lines) if line.startswith("collected "))
        rest = told.lines[begin + 1 :]
        return told.lines[begin:][: 1 + next(at for at, line in enumerate(rest) if "===" in line)]

    assert progress(lens(world, *words, cwd=project.root)) == progress(
        plain(world, project.root, *words)
    )


def test_log_records_are_shown_while_tests_run(world: World, tmp_path: Path) -> None:
    files = {
        "pytest.ini": "[pytest]\nlog_cli = true\n",
        "test_a.py": "import logging\ndef test_a(): logging.warning('in the test')\n",
    }
    project = Project(tmp_path, files)
    for words in ([], ["--log-cli-level=ERROR"], ["-o", "log_cli=false"]):
        told, expected = (
            lens(world, *words, cwd=project.root),
            plain(world, project.root, *words),
        )
        for line in ("live log call", "in the test"):
            assert (line in told.out) == (line in expected.out), (words, told.out)


def started(told: Told) -> list[str]:
    """The tests in the order in which they began."""
    return [id for line in told.json if line["event"] == "testStarted" for id in line["ids"]]


def test_failures_run_first(world: World, tmp_path: Path) -> None:
    files = {
        "test_a.py": "def test_1(): pass\ndef test_2(): pass\n",
        "test_b.py": "def test_1(): pass\ndef test_2(): assert 0\n",
    }
    log = """
        import os

        def pytest_runtest_setup(item):
            with open("began", "a") as file:
                file.write(f"{os.getpid()} {item.nodeid}\\n")
    """
    project = Project(tmp_path, {**files, "conftest.py": log})
    assert lens(world, "-q", cwd=project.root).status == 1
    for runners in ("1", "2"):
        (project.root / "began").unlink()
        told = lens(world, "--ff", "--json", "-n", runners, cwd=project.root)
        assert (len(told.outcomes), told.status) == (4, 1)
        # Which of two runners is the first to begin is left to chance.
        first: dict[str, str] = {}
        for line in project.read("began").splitlines():
            first.setdefault(*line.split())
        assert "test_b.py::test_2" in first.values()
    project.write("test_c.py", "def test_new(): pass\n")
    for option, expected in (("--nf", "test_c.py::test_new"), ("--ff", "test_b.py::test_2")):
        assert lens(world, option, "--co", "-q", cwd=project.root).lines[0] == expected
    told = lens(world, "--nf", "--json", cwd=project.root)
    assert started(told)[0] == "test_c.py::test_new"
    told = lens(world, "--ff", "-x", "--json", "--cache-clear", cwd=project.root)
    assert started(told)[0] == "test_a.py::test_1"


@pytest.mark.parametrize("clearing", [["test_a.py"], ["--co", "-q"]], ids=["run", "listing"])
def test_cleared_outcomes_select_and_order_no_later_run(
    world: World, tmp_path: Path, clearing: list[str]
) -> None:
    files = {
        "test_a.py": "def test_1(): pass\ndef test_2(): pass\n",
        "test_b.py": "def test_1(): pass\ndef test_2(): assert 0\n",
    }
    project = Project(tmp_path, files)
    assert lens(world, "-q", cwd=project.root).status == 1
    told = lens(world, "--lf", "--lfnf=none", "test_a.py", cwd=project.root)
    assert "run-last-failure: 1 known failures not in selected tests" in told.lines, told
    assert (told.status, len(told.out.split(" 2 passed "))) == (0, 2)
    assert lens(world, "--cache-clear", *clearing, cwd=project.root).status == 0
    told = lens(world, "--lf", "--json", cwd=project.root)
    assert "no selected test failed when it last ran" in told.err
    assert len(told.outcomes) == 4


def test_addopts_reach_the_engine(world: World, tmp_path: Path) -> None:
    files = {
        "pytest.ini": "[pytest]\naddopts = -q --lf\n",
        "test_a.py": "def test_1(): pass\ndef test_2(): assert 0\n",
    }
    project = Project(tmp_path, files)
    first = lens(world, cwd=project.root)
    assert first.lines[-1].startswith("1 failed, 1 passed in")
    second = lens(world, cwd=project.root)
    assert second.lines[-1].startswith("1 failed in")


def test_bad_input_is_one_sentence(world: World, tmp_path: Path) -> None:
    broken = "[tool.pytest.ini_options\n"
    files = {"sound/pytest.ini": "[pytest]\n", "broken/pyproject.toml": broken}
    tests = {f"{folder}/test_a.py": "def test_a(): pass\n" for folder in ("sound", "broken")}
    root = Project(tmp_path / "project", {**files, **tests}).root
    for folder, words, env, named in (
        ("sound", ["-ojunit_family=x", "--junitxml=r.xml"], {}, "'junit_family' expects"),
        ("sound", ["--log-cli-level=foo"], {}, "'FOO' is not recognized"),
        ("sound", ["-p", "no:logging", "--log-cli-level=1"], {}, "knows `--log-cli-level=1`"),
        ("sound", [], {"PYTHONHASHSEED": "x"}, "PYTHONHASHSEED must be"),
        ("broken", [], {}, "pyproject.toml"),
        ("broken", ["--co"], {}, "pyproject.toml"),
        ("sound", ["--durations=-1", "--durations-min", "-1", "--durations", "-1"], {}, ""),
    ):
        expected = plain(world, root / folder, "-q", *words, **env)
        told = lens(world, "run", "-q", *words, cwd=root / folder, env=env)
        # Python itself ends with 1.
        assert told.status == (4 if env else expected.status), (told, expected)
        if named:
            lines = [line for line in (told.out + told.err).splitlines() if line.strip()]
            about = [line for line in lines if named in line]
            assert len(about) == 1 and "internal" not in about[0], told
            assert not told.err.strip() or len(told.err.strip().splitlines()) == 1, told


def test_the_cache_that_is_shown_is_the_one_of_the_tests(world: World, tmp_path: Path) -> None:
    test = """
        def test_a(pytestconfig):
            seen = pytestconfig.cache.get("shop/count", 0)
            pytestconfig.cache.set("shop/count", seen + 1)
    """
    root = Project(tmp_path / "project", {"pytest.ini": "[pytest]\n", "test_a.py": test}).root
    for words in ([], ["-s"], ["--mode", "subprocess"]):
        assert lens(world, "run", *words, cwd=root).status == 0
    shown = lens(world, "run", "--cache-show", cwd=root)
    assert re.search(r"shop/count contains:\n +3$", shown.out, re.MULTILINE), shown
    assert lens(world, "run", "--setup-show", "--cache-clear", cwd=root).status == 0
    shown = lens(world, "run", "--cache-show", "shop/*", cwd=root)
    assert re.search(r"shop/count contains:\n +1$", shown.out, re.MULTILINE), shown
    assert not (root / ".pytest_cache").exists()
