"""That `run --affected` selects by what each test depended on, with this file's Python.

Below Python 3.12 nothing is recorded: the imports decide.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
RECORDS = sys.version_info >= (3, 12)
pytestmark = pytest.mark.skipif(
    pytest.version_tuple < (9,) or sys.version_info < (3, 11),
    reason="pytest makes no difference here, and older Pythons are as 3.11",
)

FILES = {
    "pytest-lens.toml": 'runOnSave = "affected"\n',
    "pkg/__init__.py": "",
    "pkg/core.py": """
        import functools
        LIMIT = 3
        _kept = {}
        def parse(text, times=LIMIT):
            return text * times
        @functools.lru_cache
        def table():
            return parse("x")
        def get():
            if "x" not in _kept:
                _kept["x"] = build()
            return _kept["x"]
        def build():
            return 2
        def early():
            return 5
    """,
    "conftest.py": """
        import pytest
        from pkg import core
        @pytest.fixture(scope="session")
        def parsed():
            return core.parse("y")
    """,
    "data.txt": "data",
    "test_a.py": """
        import os, pathlib, subprocess
        from pkg import core
        EARLY = core.early()
        def test_first(parsed): assert parsed == "yyy"
        def test_later(parsed): assert parsed == "yyy"
        def test_get(): assert core.get() == 2
        def test_kept(): assert core.get() == 2
        def test_table(): assert core.table() == "xxx"
        def test_cached(): assert core.table() == "xxx"
        def test_data(): assert pathlib.Path("data.txt").read_text() == "data"
        def test_early(): assert EARLY == 5
        def test_size(): assert os.path.getsize("data.txt") == 4
        def test_process(): subprocess.run(["true"], check=True)
    """,
    "test_b.py": "def test_nothing(): pass\n",
}
OF_A = {
    line.split("(")[0].split()[-1]
    for line in FILES["test_a.py"].splitlines()
    if line.strip().startswith("def ")
}
# The conftest imports the package.
ALL = OF_A | {"test_nothing"}
ALWAYS = {"test_process"}


# Tests and code of whose changes neither git's list nor the imports say all.
HIDDEN = {
    "pytest-lens.toml": FILES["pytest-lens.toml"],
    ".gitignore": "*.local\n__pycache__\n",
    "pytest.ini": "[pytest]\naddopts = --doctest-glob=*.md\npythonpath = .\n",
    "pkg/__init__.py": "",
    "pkg/plugins/__init__.py": "",
    "pkg/plugins/plain.py": "from pkg import low\ndef f():\n    return low.LIMIT\n",
    "pkg/low.py": "LIMIT = 1\n",
    "pkg/registry.py": """
        import importlib, pkgutil
        from . import plugins
        def all():
            found = pkgutil.iter_modules(plugins.__path__, plugins.__name__ + ".")
            return [importlib.import_module(module.name).f() for module in found]
    """,
    "pkg/tool.py": "def run():\n    return 1\n",
    "helper.py": """
        import subprocess, sys
        def start(*words):
            return subprocess.run([sys.executable, *words], check=True)
    """,
    "docs/guide.md": ">>> 1\n1\n",
    "cases.local": "one",
    "conftest.py": """
        def pytest_generate_tests(metafunc):
            if "case" in metafunc.fixturenames:
                metafunc.parametrize("case", open("cases.local").read().split())
    """,
    "test_plugins.py": """
        from pkg import registry
        def test_plugins(): assert registry.all() == [1]
    """,
    "test_plain.py": """
        from pkg.plugins import plain
        def test_plain(): assert plain.f
    """,
    "test_tool.py": """
        from helper import start
        def test_tool(): start("-m", "pkg.tool")
    """,
    "test_cases.py": "def test_case(case): assert case\n",
    "test_skip.py": """
        import os, pytest
        def test_skip():
            if not os.environ.get("SLOW"): pytest.skip("slow")
        @pytest.mark.xfail(strict=True)
        def test_xfail(): assert open("cases.local").read() == "none"
        def test_style(): assert all(map(open, __import__("glob").glob("docs/*.md")))
        def test_none(): pass
    """,
}

# Two projects in one repository; the tests of one execute code of the other.
NESTED = {
    "pytest-lens.toml": 'runOnSave = "affected"\n',
    "shared/code_of.py": """
        from own import other
        def double(x):
            return 2 * x
        def unused():
            return 1
        def through():
            return other.LIMIT
    """,
    "api/pytest.ini": "[pytest]\npythonpath = . ../shared\npython_files = check_*.py\n",
    "api/own/__init__.py": "",
    "api/own/other.py": "LIMIT = 3\ndef own():\n    return 1\n",
    "api/check_a.py": """
        import code_of
        def test_double(): assert code_of.double(1) == 2
        def test_through(): assert code_of.through() == 3
        def test_nothing(): pass
    """,
    "web/pytest.ini": "[pytest]\n",
    "web/page.py": "def show():\n    return 1\ndef unused():\n    return 2\n",
    "web/test_w.py": """
        import page
        def test_show(): assert page.show() == 1
        def test_none(): pass
        def test_data(): assert open("../shared/data.txt").read() == "data"
    """,
    "shared/data.txt": "data",
}


# A project below the top of its repository, with files that have other names or places than usual.
PLACES = {
    "libs/common/__init__.py": "",
    "libs/common/high.py": "from . import low",
    "libs/common/low.py": "def f():\n    return 1\n",
    "libs/outer.txt": "1",
    "app/pytest-lens.toml": 'runOnSave = "affected"\n',
    "app/pytest.ini": "[pytest]\npythonpath = . ../libs\n",
    "app/README.md": "short",
    "app/real/__init__.py": "",
    "app/real/mod.py": "def g():\n    return 1\n",
    "app/pkg/__init__.py": "",
    "app/pkg/core.py": """
        import importlib
        def load(name):
            return importlib.import_module("plug_" + name)
        def other():
            return "d"
    """,
    "app/plug_x.py": "def p():\n    return 2\n",
    "app/test_common.py": """
        from common import high
        def test_common(): assert high.low.f() == 1
        def test_outer(): assert open("../libs/outer.txt").read() == "1"
    """,
    "app/test_link.py": "from link import mod\ndef test_link(): assert mod.g() == 1\n",
    "app/test_stat.py": """
        import os
        def test_stat(): assert os.path.exists("READ" + "ME.md")
    """,
    "app/test_load.py": """
        def test_load():
            from pkg import core
            assert core.load("x").p() == 2
    """,
}
ALL_PLACES = {"test_common", "test_outer", "test_link", "test_stat", "test_load"}


class Project:
    """A repository with a project whose tests have run."""

    def __init__(
        self,
        folder: Path,
        files: dict[str, str] = FILES,
        below: str = ".",
        links: dict[str, str] | None = None,
        variables: dict[str, str] | None = None,
    ) -> None:
        self.root = folder / "project"
        self._below = self.root / below
        self.env = {**os.environ, **(variables or {}), "XDG_STATE_HOME": str(folder / "state")}
        self.env["XDG_CACHE_HOME"] = str(folder / "cache")
        self.env["VIRTUAL_ENV"] = sys.prefix
        for name, text in files.items():
            self.write(name, textwrap.dedent(text).lstrip("\n"))
        for name, target in (links or {}).items():
            (self.root / name).symlink_to(target)
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
            self.git(*words)
        assert self.run().returncode == 0

    @property
    def binary(self) -> str:
        return os.environ.get("PYTEST_LENS_BIN") or str(REPO / "target" / "debug" / "pytest-lens")

    def git(self, *words: str) -> None:
        names = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *names, *words], cwd=self.root, check=True)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Call `pytest-lens run`."""
        command = [self.binary, "run", *arguments]
        env = {**self.env, **variables}
        return subprocess.run(command, cwd=self._below, env=env, capture_output=True, text=True)

    def affected(self, *arguments: str, **variables: str) -> set[str]:
        """The names of the tests that would run."""
        told = self.run("--affected", "--collect-only", "-q", *arguments, **variables)
        assert told.returncode in (0, 5), told.stdout + told.stderr
        return {line.split("::")[1] for line in told.stdout.splitlines() if "::" in line}

    def affected_by(self, name: str, old: str, new: str) -> set[str]:
        """The same, after a change that is taken back."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))
        try:
            return self.affected()
        finally:
            self.write(name, text)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("affected"))


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        (
            "pkg/core.py",
            "return text * times",
            "return text + times",
            {"test_first", "test_later", "test_table", "test_cached"},
        ),
        ("pkg/core.py", "return 2", "return 3", {"test_get", "test_kept"}),
        ("pkg/core.py", "return 5", "return 6", ALL),
        ("pkg/core.py", "LIMIT = 3", "LIMIT = 4", ALL),
        ("pkg/core.py", "times=LIMIT", "times=1", ALL),
        ("pkg/core.py", "return 2", "return 2  # two", set()),
        ("conftest.py", 'parse("y")', 'parse("z")', ALL),
        ("test_a.py", "core.get() == 2\n", "core.get() > 1\n", {"test_get", "test_kept"}),
        ("test_a.py", "EARLY == 5", "EARLY > 4", {"test_early"}),
        ("data.txt", "data", "date", {"test_data", "test_size"}),
    ],
    ids=lambda value: value if isinstance(value, str) and "\n" not in value else None,
)
def test_a_change_selects_the_tests_that_depend_on_it(
    project: Project, name: str, old: str, new: str, expected: set[str]
) -> None:
    if not RECORDS:
        expected = OF_A if name == "test_a.py" else ALL
    assert project.affected_by(name, old, new) == expected | ALWAYS


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_projects_of_a_repository_see_changes_of_each_other(tmp_path: Path) -> None:
    project = Project(tmp_path, NESTED)
    own = {"test_double", "test_through", "test_nothing"}
    assert project.affected() == set()
    # The records of a nested project have no code from outside of it: the imports decide.
    assert project.affected_by("shared/code_of.py", "2 * x", "3 * x") == own
    assert project.affected_by("api/own/other.py", "LIMIT = 3", "LIMIT = 4") == own
    assert project.affected_by("web/page.py", "return 1", "return 3") == {"test_show"}
    assert project.affected_by("web/page.py", "return 2", "return 3") == set()
    assert project.affected_by("shared/data.txt", "data", "date") == {"test_data"}
    page = project.root / "web" / "page.py"
    page.write_text(page.read_text().replace("return 1", "return 3"), encoding="utf-8")
    told = project.run("--affected", "--explain", "web/test_w.py::test_show").stdout
    assert "would run: `web/page.py::show`, which it uses, changed since " in told


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_the_reason_is_told(project: Project) -> None:
    told = project.run("--affected", "--explain", "test_a.py::test_data").stdout
    assert told.startswith(
        "test_a.py::test_data would not run: none of its 2 inputs has changed since "
    )
    path = project.root / "pkg" / "core.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("return 2", "return 3"), encoding="utf-8")
    try:
        told = project.run("--affected", "--explain", "test_a.py::test_kept").stdout
        ran = project.run("--affected", "test_b.py", "test_a.py::test_kept", "test_a.py::test_data")
    finally:
        path.write_text(text, encoding="utf-8")
    assert "would run: `pkg/core.py::build`, which it uses, changed since " in told
    assert ran.returncode == 1
    assert "2 tests left out: nothing that they depend on has changed" in ran.stdout
    project.run("test_a.py::test_kept")


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_a_test_that_failed_runs_again(project: Project) -> None:
    path = project.root / "data.txt"
    path.write_text("other", encoding="utf-8")
    assert project.run("test_a.py::test_data").returncode == 1
    path.write_text("data", encoding="utf-8")
    assert project.affected() == ALWAYS | {"test_data"}, "its last outcome is no pass"
    assert project.run("test_a.py::test_data").returncode == 0
    assert project.affected() == ALWAYS


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Project:
    links = {"app/link": "real"}
    return Project(tmp_path_factory.mktemp("places"), PLACES, below="app", links=links)


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("libs/common/low.py", "return 1", "return 2", {"test_common", "test_outer"}),
        ("libs/outer.txt", "1", "2", {"test_outer", "test_stat"}),
        ("app/real/mod.py", "return 1", "return 2", {"test_link"}),
        ("app/README.md", "short", "longer", {"test_stat"}),
        # The module can't be compiled, or the compiler warns.
        ("app/pkg/core.py", 'return "d"', "await x", {"test_load"}),
        ("app/pkg/core.py", '"d"', '"\\d"', {"test_load"}),
        ("app/pkg/core.py", '"d"', '"e"', set()),
    ],
)
def test_files_with_other_names_or_places_are_followed(
    places: Project, name: str, old: str, new: str, expected: set[str]
) -> None:
    assert places.affected_by(name, old, new) == expected


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_sources_that_come_or_go_concern_who_asks_for_files(places: Project) -> None:
    new = places.root / "app/new.py"
    new.touch()
    told = places.run("--affected", "--explain", "test_stat.py::test_stat").stdout
    assert places.affected() == {"test_stat"}
    new.unlink()
    assert "asks for the existence, size or time of files, and `new.py` changed since" in told
    package = places.root / "app/pkg/__init__.py"
    package.unlink()
    told = places.run("--affected", "--explain", "test_link.py::test_link").stdout
    assert places.affected() == ALL_PLACES
    package.touch()
    assert "`pkg/__init__.py`, on which every test may depend, came, went or changed" in told
    assert places.affected() == set()


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_other_variables_of_the_interpreter_are_another_environment(places: Project) -> None:
    assert places.affected(TZ="Asia/Tokyo") == ALL_PLACES
    told = places.run("--affected", "--explain", "test_link.py::test_link", TZ="Asia/Tokyo").stdout
    assert "the interpreter, its packages, pytest's arguments or their variables changed" in told
    assert places.affected() == set()


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_who_reads_which_variables_there_are_is_affected_by_a_further_one(tmp_path: Path) -> None:
    tests = """
        import os
        def test_all(): assert "NO_SUCH" not in list(os.environ)
        def test_one(): assert os.environ.get("LIMIT", "1") in ("1", "2")
    """
    files = {"pytest-lens.toml": FILES["pytest-lens.toml"], "test_v.py": tests}
    project = Project(tmp_path, files)
    assert project.affected() == set()
    assert project.affected(LIMIT="2") == {"test_all", "test_one"}
    assert project.affected(OTHER="") == {"test_all"}
    told = project.run("--affected", "--explain", "test_v.py::test_all", OTHER="").stdout
    assert "it reads which environment variables there are, and one came or went since" in told


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_a_library_that_changes_reaches_every_test_and_its_data_their_readers(
    tmp_path: Path,
) -> None:
    libraries = {
        "lib/__init__.py": """
            import pathlib
            def value():
                from . import low
                return low.VALUE
            def data():
                return (pathlib.Path(__file__).parent / "data.txt").read_text()
        """,
        "lib/low.py": "VALUE = 1\n",
        "lib/data.txt": "data",
        "lib-1.0.dist-info/entry_points.txt": "",
        "other.pth": "",
    }
    folder = tmp_path / "site-packages"
    for name, text in libraries.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    tests = """
        import lib
        def test_value(): assert lib.value() == 1
        def test_data(): assert lib.data() == "data"
        def test_none(): pass
    """
    files = {"pytest-lens.toml": FILES["pytest-lens.toml"], "test_l.py": tests}
    project = Project(tmp_path, files, variables={"PYTHONPATH": str(folder)})
    every = {"test_value", "test_data", "test_none"}

    def affected_by(name: str, text: str) -> set[str]:
        path = folder / name
        before = path.read_bytes() if path.exists() else None
        path.write_text(text, encoding="utf-8")
        try:
            return project.affected()
        finally:
            path.unlink() if before is None else path.write_bytes(before)

    assert project.affected() == set()
    assert affected_by("lib/low.py", "VALUE = 2\n") == every, "a test imports it late"
    assert affected_by("lib/data.txt", "date") == {"test_data"}
    assert affected_by("lib/unused.txt", "") == set()
    # A module that comes may hide another, or be one that code can do without.
    assert affected_by("lib/speed.py", "") == every
    assert affected_by("speed.py", "") == every
    assert affected_by("other.pth", "/elsewhere") == every
    assert affected_by("lib-1.0.dist-info/entry_points.txt", "[x]\n") == every
    assert project.affected() == set(), "all is as it was"
    (folder / "lib/low.py").write_text("VALUE = 2\n", encoding="utf-8")
    told = project.run("--affected", "--explain", "test_l.py::test_none").stdout
    assert f"code of a library in `{folder / 'lib'}` changed since " in told
    assert project.run("--affected").returncode == 1


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_configuration_and_links_of_which_git_does_not_say_all_are_followed(tmp_path: Path) -> None:
    tests = """
        import linked
        def test_linked(): assert linked.value() == 1
        def test_none(): pass
    """
    files = {
        "pytest-lens.toml": FILES["pytest-lens.toml"],
        ".gitignore": "pytest.ini\n",
        "pytest.ini": "[pytest]\n",
        "own/ci.ini": "[pytest]\naddopts = @own/words.txt\n",
        "own/words.txt": "-Wdefault\n",
        "test_l.py": tests,
    }
    outside = tmp_path / "outside.py"
    outside.write_text("def value(): return 1\n", encoding="utf-8")
    # The arguments of a variable name the configuration that counts.
    variables = {"PYTEST_ADDOPTS": "-c own/ci.ini --rootdir=."}
    links = {"linked.py": "../outside.py"}
    project = Project(tmp_path, files, links=links, variables=variables)
    every = {"test_linked", "test_none"}
    assert project.affected() == set()
    assert project.affected_by("own/ci.ini", "[pytest]", "[pytest]\nxfail_strict = true") == every
    assert project.affected_by("own/words.txt", "-Wdefault", "-Werror") == every
    assert project.affected_by("pytest.ini", "[pytest]", "[pytest]\nxfail_strict = true") == every
    assert project.affected() == set()
    outside.write_text("def value(): return 2\n", encoding="utf-8")
    assert project.affected() == {"test_linked"}


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_a_pass_says_nothing_about_a_run_with_other_options(tmp_path: Path) -> None:
    tests = "import code_of\ndef test_value(): assert code_of.value() == 1\n"
    files = {"pytest-lens.toml": FILES["pytest-lens.toml"], "test_v.py": tests}
    project = Project(tmp_path, {**files, "code_of.py": "def value():\n    return 1\n"})
    warns = "import warnings\ndef value():\n    warnings.warn('x')\n    return 1\n"
    project.write("code_of.py", warns)
    assert project.run().returncode == 0
    assert project.affected() == set()
    told = project.run("--affected", "--color=no", "-rA")
    assert "1 test left out: nothing that it depends on has changed" in told.stderr
    assert project.run("--affected", "-W", "error").returncode == 1


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_a_daemon_has_the_records_of_a_run_that_has_just_ended(
    project: Project, tmp_path: Path
) -> None:
    socket = str(tmp_path / "s")
    command = [project.binary, "daemon", "--socket", socket]
    with subprocess.Popen(command, env=project.env, stderr=subprocess.PIPE, text=True) as daemon:
        try:
            assert daemon.stderr and socket in daemon.stderr.readline()
            for _ in range(3):
                assert project.run("--connect", socket).returncode == 0
                assert project.affected("--connect", socket) == ALWAYS
        finally:
            daemon.terminate()


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_nobody_knows_what_a_folder_held_that_changed_during_the_run(tmp_path: Path) -> None:
    tests = """
        import contextlib, os
        def test_listed(): assert "a.md" in os.listdir("docs")
        def test_adds():
            with contextlib.suppress(FileExistsError):
                open("docs/made.md", "x").close()
    """
    files = {"pytest-lens.toml": FILES["pytest-lens.toml"], "docs/a.md": "", "test_a.py": tests}
    project = Project(tmp_path, {**files, ".gitignore": "docs/made.md\n"})
    assert "test_listed" in project.affected()
    assert project.run().returncode == 0
    assert "test_listed" not in project.affected()


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("hidden"), HIDDEN)


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("pkg/plugins/plain.py", "low.LIMIT", "-low.LIMIT", {"test_plugins"}),
        ("pkg/low.py", "LIMIT = 1", "LIMIT = 2", {"test_plugins", "test_plain"}),
        ("pkg/tool.py", "return 1", "return 2", set()),
        ("docs/guide.md", "\n1\n", "\n2\n", {"guide.md", "test_style"}),
    ],
)
def test_code_that_no_import_names_and_tests_that_are_no_source_are_followed(
    hidden: Project, name: str, old: str, new: str, expected: set[str]
) -> None:
    found = hidden.affected_by(name, old, new)
    # Without records the starter of a process may read any file but documents.
    assert found >= expected | ({"test_tool"} if name.endswith(".py") or RECORDS else set())
    assert "test_none" not in found or not RECORDS
    assert "test_case[one]" not in found


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_tests_that_never_ran_or_were_skipped_are_affected_by_what_decided_it(
    hidden: Project,
) -> None:
    always = {"test_tool"}
    assert hidden.affected() == always
    assert hidden.affected(SLOW="1") == always | {"test_skip"}
    cases = {"test_case[one]", "test_case[two]"}
    others = {"guide.md", "test_plugins", "test_plain", "test_skip", "test_style", "test_none"}
    found = hidden.affected_by("cases.local", "one", "one two")
    assert found >= always | cases | {"test_xfail"}, "the conftest reads it for each test below"
    assert found <= always | cases | {"test_xfail"} | others
