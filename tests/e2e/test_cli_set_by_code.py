"""`pytest-lens run` prints what pytest prints if code of the project or of a CI service decides."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import Told, lens, plain
from world import Project, World

MIXED = """
    import pytest

    def test_good():
        pass

    def test_bad():
        print("printed")
        assert 1 == 2

    @pytest.mark.skip(reason="no")
    def test_skipped():
        pass

    @pytest.mark.xfail(reason="first line\\nsecond line")
    def test_expected():
        assert 0
"""
#: Options that a conftest may set after pytest has read the command line.
SET = {
    "verbose": "1",
    "reportchars": "'A'",
    "durations": "0",
    "no_header": "True",
    "no_summary": "True",
    "tbstyle": "'no'",
    "showcapture": "'no'",
    "fold_skipped": "False",
}
#: The plugins that `plain` leaves out, without a warning about that.
CACHE = ["-p", "cacheprovider", "-p", "stepwise", "-W", "ignore"]


def _same(ours: Told, expected: Told) -> None:
    assert _masked(ours.out) == _masked(expected.out), ours
    assert ours.status == expected.status


def _masked(text: str) -> list[str]:
    """The lines without what differs between two runs."""
    text = re.sub(r"^=+ (.*) in \d.*s =+$", r"== \1 ==", text, flags=re.MULTILINE)
    # On a busy machine a phase may take longer than the shortest duration that pytest shows.
    text = re.sub(r"^\d\.\d\ds (call|setup|teardown) .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\(\d+ durations", "(n durations", text, flags=re.MULTILINE)
    text = re.sub(r" in \d\.\d+s$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^platform .*$", "platform", text, flags=re.MULTILINE)
    return [line for line in text.splitlines() if not line.startswith("cachedir: ")]


@pytest.mark.parametrize("hook", ["pytest_configure", "pytest_cmdline_main"])
@pytest.mark.parametrize("name", SET)
def test_code_of_the_project_sets_options(
    world: World, tmp_path: Path, hook: str, name: str
) -> None:
    if hook == "pytest_cmdline_main" and name != "verbose":
        pytest.skip("one option shows that the hook counts")
    conftest = f"def {hook}(config):\n    config.option.{name} = {SET[name]}\n"
    project = Project(tmp_path / "project", {"conftest.py": conftest, "test_it.py": MIXED})
    if name == "fold_skipped":
        project.write("pytest.ini", "[pytest]\naddopts = -rs\n")
    _same(lens(world, "run", cwd=project.root), plain(world, project.root))


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("CI", ""),
        ("BUILD_NUMBER", "-rA"),
        ("", "-vv"),
        ("CI", "--force-short-summary"),
        ("", ""),
    ],
)
def test_the_short_summary_has_whole_messages_where_pytest_has_them(
    world: World, tmp_path: Path, variable: str, words: str
) -> None:
    tests = """
        import pytest

        @pytest.fixture
        def broken():
            raise ValueError("first\\nsecond")

        def test_bad():
            assert 0, "first\\nsecond"

        def test_broken(broken):
            pass
    """
    project = Project(tmp_path / "project", {"test_it.py": tests})
    # The variables of the machine that runs this test do not count.
    env = {"CI": "", "BUILD_NUMBER": ""} | ({variable: "true"} if variable else {})
    ours = lens(world, "run", *words.split(), cwd=project.root, env=env)
    _same(ours, plain(world, project.root, *words.split(), **env))
    assert ours.out.count("\nsecond\n") == (1 if variable and "force" not in words else 0) or words


def test_reasons_have_all_their_lines(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"test_it.py": MIXED})
    _same(lens(world, "run", "-rxs", cwd=project.root), plain(world, project.root, "-rxs"))


@pytest.mark.parametrize("words", ["", "-v", "-q", "-k good"])
def test_tests_that_a_hook_drops_were_collected(world: World, tmp_path: Path, words: str) -> None:
    for kept in (0, 1):
        conftest = f"def pytest_collection_modifyitems(items):\n    items[:] = items[:{kept}]\n"
        project = Project(tmp_path / f"kept-{kept}", {"conftest.py": conftest, "test_it.py": MIXED})
        ours = lens(world, "run", *words.split(), cwd=project.root)
        _same(ours, plain(world, project.root, *words.split()))


@pytest.mark.parametrize("words", ["--lf", "--sw", "--ff", "--lf -q"])
def test_the_heading_says_that_no_test_failed_before(
    world: World, tmp_path: Path, words: str
) -> None:
    project = Project(tmp_path / "project", {"test_it.py": "def test_good():\n    pass\n"})
    ours = lens(world, "run", *words.split(), cwd=project.root)
    _same(ours, plain(world, project.root, *CACHE, *words.split()))


@pytest.mark.parametrize("words", ["--lf", "--ff"])
def test_the_heading_counts_the_tests_that_failed_before(
    world: World, tmp_path: Path, words: str
) -> None:
    project = Project(tmp_path / "project", {"test_it.py": "def test_bad():\n    assert 0\n"})
    told = [lens(world, "run", words, cwd=project.root) for _ in range(2)]
    expected = [plain(world, project.root, *CACHE, words) for _ in range(2)]
    for ours, theirs in zip(told, expected):
        _same(ours, theirs)


def test_the_last_line_of_letters_is_whole_before_text_of_the_end(
    world: World, tmp_path: Path
) -> None:
    conftest = "def pytest_sessionfinish():\n    print('the end')\n"
    project = Project(tmp_path / "project", {"conftest.py": conftest, "test_it.py": MIXED})
    ours = lens(world, "run", cwd=project.root)
    end = ours.lines.index("the end")
    assert ours.lines[end - 1].endswith("[100%]") and ours.lines[end + 1] == "", ours


def test_a_warning_elsewhere_has_pytests_path(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"pytest.ini": "[pytest]\nunknown = 1\n"})
    project.write("test_it.py", "def test_good():\n    pass\n")
    place = re.compile(r"^\S*_pytest/config/__init__.py:\d+$", re.MULTILINE)
    found = [place.findall(told.out) for told in (lens(world, "run", cwd=project.root),)]
    assert found == [place.findall(plain(world, project.root).out)] and found[0]


@pytest.mark.parametrize("words", ["", "-v", "-q -n1"])
def test_a_skip_in_a_teardown_counts_as_in_pytest(world: World, tmp_path: Path, words: str) -> None:
    tests = """
        import pytest

        @pytest.fixture
        def left():
            yield
            pytest.skip("not torn down")

        def test_good(left):
            pass

        def test_bad(left):
            assert 0

        def test_last():
            pass
    """
    project = Project(tmp_path / "project", {"test_it.py": tests})
    expected = plain(world, project.root, *words.replace("-n1", "").split())
    _same(lens(world, "run", *words.split(), cwd=project.root), expected)
    listed = lens(world, "run", "-rs", cwd=project.root).out
    assert listed.count("SKIPPED [2] test_it.py: not torn down") == 1, listed
