"""The arguments of a run, as the project's fixtures and hooks see them."""

from __future__ import annotations

import pytest
from conftest import Project
from fake_engine import run

LOOKING = {
    "test_it.py": """
    import sys

    def test_it(pytestconfig, request):
        config = pytestconfig
        print(config.getoption("-k"), config.getoption("keyword"), config.getoption("-m"))
        print(config.option.markexpr, config.args, config.option.file_or_dir)
        print(list(config.invocation_params.args))
        print(len(request.session.items))
        assert sys.argv[1:] == list(config.invocation_params.args)

    def test_other(): pass
    """
}


def test_p7_a_fixture_sees_what_the_run_was_called_with(project: Project) -> None:
    engine = project(LOOKING)
    host = engine.collected()
    told = host.all("collected")[0]
    assert told["looks"] is False
    asked = {"args": ["test_it.py::test_it"], "keyword": "it", "marker": "not slow"}
    name = "test_it.py::test_it"
    verdict = run(engine.fork(host, "runner"), [name], asked=asked)[name]
    assert verdict["stdout"].splitlines() == [
        "it it not slow",
        "not slow ['test_it.py::test_it'] ['test_it.py::test_it']",
        "['-k', 'it', '-m', 'not slow', 'test_it.py::test_it']",
        "1",
    ]
    verdict = run(engine.fork(host, "runner"), [name])[name]
    root = str(engine.root)
    assert verdict["stdout"].splitlines() == ["  ", f" {[root]} []", "[]", "1"]


@pytest.mark.parametrize(
    ("conftest", "ini", "looks"),
    [
        ("import sys\nWORDS = sys.argv[1:]", "", True),
        ("import sys\nclass Words:\n    all = [word for word in sys.argv]", "", True),
        ("import sys\ndef words(): return sys.argv", "", False),
        ("import sys\nif __name__ == '__main__':\n    print(sys.argv)", "", False),
        ("import pytest\n@pytest.fixture\ndef one(): pass", "", False),
        ("def pytest_runtest_setup(item): pass", "", False),
        ("def pytest_collection_modifyitems(config): config.getoption('-m')", "", True),
        ("def pytest_configure(config): pass", "", True),
        ("", "addopts = -m 'not slow'", True),
    ],
)
def test_p7_it_is_known_who_may_look_before_tests_run(
    project: Project, conftest: str, ini: str, looks: bool
) -> None:
    engine = project({**LOOKING, "conftest.py": conftest, "pytest.ini": f"[pytest]\n{ini}"})
    host = engine.collected()
    assert host.all("collected")[0]["looks"] is looks


HELPER = "def is_named(config): return any('::' in arg for arg in config.args)"


@pytest.mark.parametrize(
    ("conftest", "keeps"),
    [
        ("def pytest_collection_modifyitems(config): config.args", True),
        ("def pytest_collection_modifyitems(config): config.getoption('file_or_dir')", True),
        ("import helper\ndef pytest_configure(config): helper.is_named(config)", True),
        ("from helper import is_named\ndef pytest_configure(config): is_named(config)", True),
        (
            "class Hooks:\n"
            "    def pytest_collection_finish(self, session): self.look(session.config)\n"
            "    def look(self, config): config.invocation_params\n"
            "def pytest_configure(config): config.pluginmanager.register(Hooks())",
            True,
        ),
        ("import sys\nWORDS = sys.argv[1:]", True),
        ("def pytest_collection_modifyitems(items): items.reverse()", False),
        ("def pytest_runtest_setup(item): item.config.args", False),
    ],
)
def test_a_session_keeps_the_ids_of_a_run_where_the_project_may_read_them(
    project: Project, conftest: str, keeps: bool
) -> None:
    engine = project({**LOOKING, "conftest.py": conftest, "helper.py": HELPER})
    ids = ["test_it.py::test_it"]
    host = engine.collected(args=ids, files=["test_it.py"])
    told = host.all("collected")[0]
    assert (told["keeps_args"], told["reads_args"], told["dropped"]) == (keeps, keeps, 0)
    assert told["args"] == (ids if keeps else ["test_it.py"])
    assert len(host.nodes()) == (1 if keeps else 2)


def test_a_project_keeps_the_arguments_that_it_sets(project: Project) -> None:
    test = """
    import sys
    def test_it(): assert sys.argv == ["own", "words"]
    """
    engine = project({"conftest.py": "import sys\nsys.argv = ['own', 'words']", "test_it.py": test})
    name = "test_it.py::test_it"
    runner = engine.fork(engine.collected(), "runner")
    verdict = run(runner, [name], asked={"args": [name], "keyword": "it"})[name]
    assert verdict["outcome"] == "passed", verdict


def test_an_option_with_any_number_of_values_does_not_take_the_ids(project: Project) -> None:
    conftest = """
    def pytest_addoption(parser):
        parser.addoption("--many", nargs="*")
    """
    test = """
    def test_it(pytestconfig):
        assert pytestconfig.getoption("--many") == ["a", "b"]

    def test_other(): pass
    """
    engine = project({"conftest.py": conftest, "test_it.py": test})
    name = "test_it.py::test_it"
    host = engine.collected(arguments=["--many", "a", "b"], args=[name])
    verdict = run(engine.fork(host, "runner"), [name])[name]
    assert verdict["outcome"] == "passed", verdict
