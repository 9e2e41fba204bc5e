"""A folder with several projects: each test runs as in its own project, all in one command."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest
from command_line import lens
from editor import Editor
from world import DEADLINE, Project, World

FILES = {
    "test_top.py": "def test_top():\n    pass\n",
    "pkg/api/pyproject.toml": """
        [tool.pytest.ini_options]
        pythonpath = ["src"]
        markers = ["slow"]
    """,
    "pkg/api/src/api_code.py": "VALUE = 1\n",
    "pkg/api/tests/test_v.py": """
        import pytest
        from api_code import VALUE


        def test_v():
            assert VALUE == 1


        @pytest.mark.slow
        def test_bad():
            assert VALUE == 2
    """,
    "pkg/web/pytest.ini": "[pytest]\naddopts = -m 'not slow'\nmarkers = slow\n",
    "pkg/web/tests/test_v.py": """
        import pytest


        def test_v():
            pass


        @pytest.mark.slow
        def test_slow():
            raise SystemError("it is deselected here")
    """,
}

OUTCOMES = {
    "test_top.py::test_top": "passed",
    "pkg/api/tests/test_v.py::test_v": "passed",
    "pkg/api/tests/test_v.py::test_bad": "failed",
    "pkg/web/tests/test_v.py::test_v": "passed",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("mono"), FILES)


def run(world: World, project: Project, *arguments: str) -> tuple[dict[str, str], int]:
    told = lens(world, "run", "--json", *arguments, cwd=project.root)
    return told.outcomes, told.status


def test_b11_one_command_runs_every_project_as_in_its_folder(
    world: World, project: Project
) -> None:
    assert run(world, project) == (OUTCOMES, 1)
    # `python -m pytest` in each folder.
    for folder in (".", "pkg/api", "pkg/web"):
        plain = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]
        plain += ["--ignore=pkg"] if folder == "." else []
        cwd = project.root / folder
        out = subprocess.run(plain, cwd=cwd, capture_output=True, text=True, timeout=DEADLINE)
        lines = [
            line.split(" - ")[0].split(" ") for line in out.stdout.splitlines() if "::" in line
        ]
        told = {str(Path(folder) / line[1]): line[0].lower() for line in lines if len(line) == 2}
        own = OUTCOMES.items()
        deeper = {
            id: outcome for id, outcome in own if folder == "." or id.startswith(f"{folder}/")
        }
        expected = {id: it for id, it in deeper.items() if folder != "." or "/" not in id}
        assert told == expected, out.stdout

    one = {"pkg/api/tests/test_v.py::test_v": "passed"}
    assert run(world, project, "pkg/api/tests/test_v.py::test_v") == (one, 0)
    assert run(world, project, "pkg/api", "-m", "not slow") == (one, 0)


def test_b11_options_work_across_projects(world: World, project: Project) -> None:
    passed = {id: it for id, it in OUTCOMES.items() if it == "passed"}
    assert run(world, project, "-k", "not bad", "-n", "2") == (passed, 0)
    run(world, project)
    bad = {"pkg/api/tests/test_v.py::test_bad": "failed"}
    assert run(world, project, "--lf") == (bad, 1)
    assert run(world, project, "-k", "nothing_of_that_name") == ({}, 5)
    told = lens(world, "run", "--co", "-q", cwd=project.root)
    assert told.lines == list(OUTCOMES)

    report = project.root / "report.xml"
    run(world, project, "--junitxml=report.xml")
    cases = {
        f"{case.get('classname')}.{case.get('name')}" for case in xml.parse(report).iter("testcase")
    }
    names = {id.replace(".py::", ".").replace("/", ".") for id in OUTCOMES}
    assert cases == names
    assert not (project.root / "pkg/api/report.xml").exists()

    unknown = lens(world, "run", "pkg/api/tests/test_v.py::test_w", cwd=project.root)
    assert unknown.sentence.startswith("there is no test `pkg/api/tests/test_v.py::test_w`")


def test_b11_a_fault_of_one_project_is_one_sentence_and_the_others_run(
    world: World, tmp_path: Path
) -> None:
    project = Project(tmp_path / "mono", FILES)
    environment = project.root / "pkg/web/.venv"
    make = [sys.executable, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(make, check=True, timeout=DEADLINE, capture_output=True)
    project.write("pkg/api/pytest.ini", "[pytest]\npythonpath = src\nmarkers = slow\n")
    (project.root / "pkg/api/loop").symlink_to(project.root, target_is_directory=True)
    (project.root / "again").symlink_to(project.root, target_is_directory=True)

    told = lens(world, "run", cwd=project.root)
    text = told.out + told.err
    assert told.status == 2, text
    assert "3 passed" not in text and "1 failed, 2 passed" in text, text
    (sentence,) = [line for line in told.out.splitlines() if str(environment) in line][:1]
    assert "pkg/web" in sentence and "pytest" in sentence
    disagree = "pkg/api: pytest reads pytest.ini, so its configuration in pyproject.toml does not"
    assert disagree in told.err
    assert "again is a link to a folder that contains it" in told.err

    project.write("pytest-lens.toml", "projects = ['lib/*', 'pkg/api']\n")
    told = lens(world, "run", "--json", cwd=project.root)
    assert told.outcomes["pkg/api/tests/test_v.py::test_bad"] == "failed"
    assert told.outcomes["pkg/web/tests/test_v.py::test_v"] == "passed"
    unmatched = "pytest-lens.toml, line 1: `projects`: no folder below the root matches `lib/*`;"
    assert told.err.count(f"pytest-lens: {unmatched} correct it, or leave it out\n") == 1
    assert unmatched in lens(world, "doctor", cwd=project.root).out


@pytest.mark.parametrize(
    "testpaths",
    [
        "packages/a ./packages/b/",
        "packages/*",
        "packages/*/tests",
        "packages/a/tests own packages/b",
    ],
)
def test_testpaths_within_nested_projects_make_no_test_run_twice(
    world: World, tmp_path: Path, testpaths: str
) -> None:
    passes = "def test_x():\n    pass\n"
    files = {"pytest.ini": f"[pytest]\ntestpaths = {testpaths}\n", "test_top.py": passes}
    files |= {"own/test_own.py": passes}
    for name in "ab":
        files |= {f"packages/{name}/pytest.ini": "[pytest]\n"}
        files |= {f"packages/{name}/tests/test_{name}.py": passes}
        # The session of the root has no such option.
        conftest = "def pytest_configure(config):\n    assert config.rootpath.name != 'mono'\n"
        files |= {f"packages/{name}/conftest.py": conftest}
    project = Project(tmp_path / "mono", files)
    own = ["own/test_own.py::test_x"] if "own" in testpaths else []
    all_ids = sorted([*own, *(f"packages/{it}/tests/test_{it}.py::test_x" for it in "ab")])

    told = lens(world, "run", "-v", cwd=project.root)
    lines = [line.split()[0] for line in told.out.splitlines() if "::test_x PASSED" in line]
    assert (sorted(lines), told.status) == (all_ids, 0), told.out + told.err
    assert f"{len(all_ids)} passed" in told.out
    for options in ([], ["--static"]):
        told = lens(world, "list", *options, cwd=project.root)
        assert sorted(line for line in told.lines if "::" in line) == all_ids, told.out
    one = {"packages/a/tests/test_a.py::test_x": "passed"}
    assert run(world, project, "packages/a") == (one, 0)
    assert run(world, project, "packages/a/tests") == (one, 0)


async def test_b11_an_editor_sees_one_item_for_each_project(world: World, project: Project) -> None:
    editor = await Editor.start(world, project)
    await editor.command("pytestLens.collect", {"force": True})
    tree = await editor.tree()
    tops = {id for id, item in tree.items() if "parent" not in item}
    assert tops == {"test_top.py", "pkg/api", "pkg/web"}
    assert set(OUTCOMES) <= set(tree)
    document = editor.open("pkg/api/tests/test_v.py")
    ran = await editor.run(document.cursor("def test_v"))
    assert ran.outcomes == {"test_v": "passed"}
    await editor.stop()


def test_a_report_has_the_projects_and_files_that_cannot_be_collected(
    world: World, tmp_path: Path
) -> None:
    files = {
        "pytest.ini": "[pytest]\n",
        "test_root.py": "def test_r(): pass\n",
        "b/pytest.ini": "[pytest]\n",
        "b/conftest.py": "raise RuntimeError('<no>')\n",
        "b/test_b.py": "def test_b(): pass\n",
        "e/pytest.ini": "[pytest]\n",
        "e/test_e.py": "import no_such_module\n",
    }
    project = Project(tmp_path / "project", files)
    told = lens(world, "run", "--junitxml=report.xml", cwd=project.root)
    assert told.status == 2, told
    suites = list(xml.parse(project.root / "report.xml").iter("testsuite"))
    assert sum(int(suite.get("errors", 0)) for suite in suites) == 2
    errors = {
        case.get("name"): error.text or ""
        for suite in suites
        for case in suite.iter("testcase")
        for error in case.iter("error")
    }
    assert set(errors) == {"b.conftest", "e.test_e"}
    assert "<no>" in errors["b.conftest"] and "no_such_module" in errors["e.test_e"]
    named = [line.strip("- ") for line in told.lines if "generated xml file" in line]
    assert named == [f"generated xml file: {project.root / 'report.xml'}"]


def test_a_listing_leaves_out_an_ignored_project_with_its_errors(
    world: World, tmp_path: Path
) -> None:
    files = {
        "pytest.ini": "[pytest]\n",
        "test_root.py": "def test_r(): pass\n",
        "b/pytest.ini": "[pytest]\n",
        "b/test_b.py": "def test_b(): pass\n",
        "b/test_broken.py": "import no_such_module\n",
    }
    project = Project(tmp_path / "project", files)
    told = lens(world, "run", "--co", "-q", "--ignore=b", cwd=project.root)
    assert (told.lines, told.status, told.err) == (["test_root.py::test_r"], 0, "")
    told = lens(world, "run", "--co", "-q", "--ignore=b", "b/test_b.py", cwd=project.root)
    assert (told.lines, told.status) == (["b/test_b.py::test_b"], 0)


def test_broken_files_of_all_projects_count_for_the_limit_of_failures(
    world: World, tmp_path: Path
) -> None:
    files = {"pytest.ini": "[pytest]\n", "test_root.py": "import no_such_module\n"}
    for name in "bc":
        files[f"{name}/pytest.ini"] = "[pytest]\n"
        files[f"{name}/test_{name}.py"] = "def test(): pass\n"
    files["test_good.py"] = "def test(): pass\n"
    project = Project(tmp_path / "project", files)
    told = lens(world, "run", "-x", "--json", "-n1", cwd=project.root)
    assert told.status == 2
    assert set(told.outcomes.values()) <= {"not_run"}, told.outcomes


@pytest.mark.parametrize("style", ["long", "short", "line"])
def test_places_in_tracebacks_are_those_from_the_folder_of_the_command(
    world: World, tmp_path: Path, style: str
) -> None:
    files = {
        "pytest.ini": "[pytest]\n",
        "test_root.py": "def test_r(): pass\n",
        "in/b/pytest.ini": "[pytest]\npythonpath = . ..\n",
        "in/b/test_b.py": "import outer\ndef test_b():\n    outer.f()\n",
        "in/b/deeper.py": "def g():\n    assert 0, 'test_x.py:1: no place'\n",
        "in/outer.py": "import deeper\ndef f():\n    deeper.g()\n",
    }
    project = Project(tmp_path / "project", files)
    words = ["-q", f"--tb={style}", "in/b/test_b.py"]
    told = lens(world, "run", *words, cwd=project.root)
    plain = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=project.root,
        env=world.env(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert told.lines[:-1] == plain.stdout.splitlines()[:-1]
