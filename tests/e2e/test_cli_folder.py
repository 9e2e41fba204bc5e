"""`pytest-lens run ../other` in a sub-folder: tests run where pytest runs them, under its names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import Told, lens, plain
from world import Project, World

FILES = {
    "pytest.ini": "[pytest]\n",
    "sub/data.txt": "data",
    "sub/helper.py": "NAME = 'helper'\n",
    "sub/test_here.py": "def test_here():\n    pass\n",
    "other/test_it.py": """
        import warnings

        import pytest

        @pytest.fixture
        def broken():
            raise ValueError

        def test_reads():
            with open("data.txt") as file:
                assert file.read() == "data"

        def test_arguments(request):
            import helper
            assert str(request.config.invocation_params.dir).endswith("sub")
            assert all(arg[:2] in ("..", "te") for arg in request.config.args), request.config.args

        def test_bad():
            print("printed")
            assert 0

        def test_error(broken):
            pass

        @pytest.mark.skip(reason="no")
        def test_skipped():
            pass

        def test_warns():
            warnings.warn("hey")
    """,
}


def _lines(told: Told) -> list[str]:
    text = re.sub(r"^=+ (.*) in \d.*s =+$", r"\1", told.out, flags=re.MULTILINE)
    text = re.sub(r"^\d\.\d\ds ", "0.00s ", text, flags=re.MULTILINE)
    text = re.sub(r"^platform .*$", "platform", text, flags=re.MULTILINE)
    return text.splitlines()


@pytest.mark.parametrize(
    "words",
    [
        ["../other/test_it.py"],
        ["-v", "-rA", "test_here.py", "../other"],
        ["-v", ".."],
        ["../other/test_it.py::test_reads", "../other/test_it.py::test_arguments"],
        ["..", "--ignore=../other", "--junitxml=made.xml"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("mode", [[], ["--mode", "subprocess"]], ids=["embedded", "subprocess"])
def test_tests_outside_of_the_current_folder_run_in_it(
    world: World, tmp_path: Path, words: list[str], mode: list[str]
) -> None:
    project = Project(tmp_path / "project", FILES)
    sub = project.root / "sub"
    expected = plain(world, sub, *words, "-p", "no:cacheprovider", "-W", "default")
    made = sorted(path.name for path in sub.glob("*.xml"))
    for path in sub.glob("*.xml"):
        path.unlink()
    ours = lens(world, "run", *mode, *words, "-p", "no:cacheprovider", "-W", "default", cwd=sub)
    assert _lines(ours) == _lines(expected), ours
    assert ours.status == expected.status
    assert sorted(path.name for path in sub.glob("*.xml")) == made


def test_runners_and_collections_of_their_own_run_there_as_well(
    world: World, tmp_path: Path
) -> None:
    effect = "open('made.txt', 'a').write('x')\n"
    project = Project(tmp_path / "project", {**FILES, "other/conftest.py": effect})
    ours = lens(world, "run", "-n2", "../other", cwd=project.root / "sub")
    assert ours.status == 1 and "FAILED ../other/test_it.py::test_bad" in ours.out, ours
    assert "1 failed, 3 passed, 1 skipped, 1 warning, 1 error" in ours.out, ours
    assert (project.root / "sub/made.txt").exists() and not (project.root / "made.txt").exists()


def test_the_configuration_is_that_of_the_arguments_project(world: World, tmp_path: Path) -> None:
    """An xfail that passes fails the run there, whatever the current folder's configuration is."""
    test = "import pytest\n@pytest.mark.xfail\ndef test_it():\n    pass\n"
    files = {
        "other/pytest.ini": "[pytest]\n",
        "theirs/pytest.ini": "[pytest]\nxfail_strict = true\n",
        "theirs/test_it.py": test,
        "theirs/made/test_made.py": test,
        "bare/none.txt": "",
    }
    project = Project(tmp_path / "project", files)
    lines = [
        ("other", ["../theirs/test_it.py::test_it"]),
        ("bare", ["../theirs"]),
        ("bare", ["../theirs/made"]),
        ("bare", ["-s", str(project.root / "theirs/test_it.py")]),
        ("bare", ["-n2", "../theirs"]),
        ("bare", ["-c", "../other/pytest.ini", "../theirs/test_it.py"]),
    ]
    for folder, words in lines:
        without = [word for word in words if word != "-n2"]
        expected = plain(world, project.root / folder, "-q", *without)
        ours = lens(world, "run", "-q", *words, cwd=project.root / folder)
        assert ours.status == expected.status, (words, ours, expected)
        assert re.sub(r" in .*", "", ours.lines[-1]) == re.sub(r" in .*", "", expected.lines[-1])
