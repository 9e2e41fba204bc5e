"""Reports about a whole run have all its tests, also if more than one session runs them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import Told, lens
from world import REPO, Project, World

#: `cargo xtask test e2e` makes it of tests/plugins.txt.
PLUGINS = REPO / "target" / "venvs" / "plugins"
BAD = "def test_bad():\n    print('seen')\n    assert 0\n"
CRASH = "def test_crash():\n    os._exit(3)\n"
SKIP = "@pytest.mark.skip(reason='no')\ndef test_skip():\n    pass\n"
GOOD = "def test_good(record_testsuite_property):\n    pass\n"
#: It passes when it runs for the second time.
FLAKY = """def test_flaky():
    with open("turns", "a+") as turns:
        turns.write("x")
        turns.seek(0)
        assert len(turns.read()) == 2
"""


def cases(report: Path) -> dict[str, str]:
    """The tests of a JUnit report with their outcomes, each of which is there once."""
    found = [
        (case.get("name", ""), next((child.tag for child in case), "passed"))
        for case in ElementTree.parse(report).iter("testcase")
    ]
    assert len(found) == len(dict(found)), found
    return dict(found)


def run(world: World, root: Path, *arguments: str) -> Told:
    """Run everything, with a report that an earlier run has left there."""
    (root / "turns").unlink(missing_ok=True)
    (root / "r.xml").write_text("<testsuites/>")
    return lens(world, "run", "--junitxml=r.xml", *arguments, cwd=root)


@pytest.mark.parametrize("way", ["-n1", "-n2", "-s", "--mode=subprocess"])
def test_a_crash_loses_no_outcome_before_it(world: World, tmp_path: Path, way: str) -> None:
    expected = {"test_bad": "failure", "test_skip": "skipped", "test_good": "passed"}
    expected["test_crash"] = "failure"
    for order in ([BAD, SKIP, CRASH, GOOD], [GOOD, BAD, SKIP, CRASH], [CRASH, SKIP, GOOD, BAD]):
        text = "import os, pytest\n" + "".join(order)
        project = Project(tmp_path / str(len(list(tmp_path.iterdir()))), {"test_a.py": text})
        told = run(world, project.root, way)
        assert told.status == 1, told
        assert cases(project.root / "r.xml") == expected, told
        assert told.out.count("generated xml file") == 1, told


def test_tests_run_again_with_a_report_too(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"test_a.py": f"{GOOD}{FLAKY}"})
    told = run(world, project.root, "--reruns=2")
    assert told.status == 0 and "2 passed, 1 rerun" in told.out, told
    assert cases(project.root / "r.xml") == {"test_good": "passed", "test_flaky": "passed"}
    project.write("test_a.py", f"import os\n{BAD}{GOOD}{CRASH}{FLAKY}")
    for limit in ([], ["--maxfail=3"], ["-n2"]):
        told = run(world, project.root, "--reruns=1", *limit)
        assert told.status == 1 and "2 passed, 3 rerun" in told.out, told
        assert cases(project.root / "r.xml") == {
            "test_bad": "failure",
            "test_good": "passed",
            "test_crash": "failure",
            "test_flaky": "passed",
        }


def test_coverage_is_that_of_all_sessions(world: World, tmp_path: Path) -> None:
    files = {
        "mod.py": "def first():\n    return 1\n\n\ndef second():\n    return 2\n",
        "test_a.py": f"import mod\ndef test_first():\n    mod.first()\n{FLAKY}    mod.second()\n",
    }
    project = Project(tmp_path / "project", files)
    arguments = ["run", "-p", "no:randomly", "--cov=mod", "--cov-fail-under=100", "--reruns=1"]
    env = {"VIRTUAL_ENV": str(PLUGINS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""}
    told = lens(world, *arguments, cwd=project.root, env=env)
    assert told.status == 0 and "100%" in told.out, told
    assert told.out.count("tests coverage") == 1, told


@pytest.mark.parametrize("place", ["argument", "addopts", "variable", "subprocess"])
def test_one_session_collects_and_makes_the_report(
    world: World, tmp_path: Path, place: str
) -> None:
    """The project acts while pytest collects: a second time that would fail."""
    files = {
        "conftest.py": "import os\ndef pytest_sessionstart(): os.mkdir('made')\n",
        "test_a.py": "import os\nos.mkdir('imported')\ndef test_it(): pass\n",
    }
    option = "--junitxml=report.xml"
    if place == "addopts":
        files["pytest.ini"] = f"[pytest]\naddopts = {option}\n"
    project = Project(tmp_path / "project", files)
    ways = {"argument": [option], "subprocess": ["--mode=subprocess", option]}
    env = {"PYTEST_ADDOPTS": option} if place == "variable" else {}
    told = lens(world, "run", *ways.get(place, []), cwd=project.root, env=env)
    assert told.status == 0 and "1 passed" in told.out, told
    assert 'tests="1"' in (project.root / "report.xml").read_text()
