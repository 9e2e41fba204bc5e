"""Where the time of a session goes, as a worker measures it. No test here asserts a time."""

from __future__ import annotations

from typing import Any

from conftest import Project
from fake_engine import Engine, Host, run, start

FILES = {
    "slow/__init__.py": "from . import inner",
    "slow/inner.py": "",
    "conftest.py": """
    import pytest
    @pytest.fixture(scope="session")
    def database():
        yield
    @pytest.fixture
    def user(database):
        yield
    @pytest.fixture
    def lazy(request):
        return request.getfixturevalue("user")
    """,
    "test_a.py": """
    import slow
    class TestA:
        def test_one(self, user): pass
        def test_two(self, lazy): import csv_of_mine
    """,
    "csv_of_mine.py": "",
    "test_b.py": "def test_b(): pass",
}


class Times:
    """The spans of one message, by kind and name: count, own and total time."""

    def __init__(self, host: Host) -> None:
        (message,) = host.all("timings")
        self.spans: dict[tuple[str, str], tuple[int, float, float]] = {
            (kind, name): (count, own, total) for kind, name, count, own, total in message["spans"]
        }

    def counts(self, kind: str) -> dict[str, int]:
        return {name: count for (of, name), (count, *_) in self.spans.items() if of == kind}

    def add_up_to(self, root: str) -> bool:
        """Whether no moment is missing or counts twice."""
        total = self.spans[root, ""][2]
        own = sum(own for _, own, _ in self.spans.values())
        return abs(own - total) <= 0.001 * len(self.spans)


def _collected(project: Project, files: dict[str, str], **options: Any) -> tuple[Engine, Host]:
    engine: Engine = project(files)
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected", **options)
    host.wait("collected")
    return engine, host


def _run(engine: Engine, host: Host, **settings: Any) -> Host:
    runner = engine.fork(host, "runner")
    verdicts = run(runner, [node["id"] for node in host.nodes()], **settings)
    assert {verdict["outcome"] for verdict in verdicts.values()} == {"passed"}
    return runner


def test_a_collection_reports_the_time_of_imports_and_files(project: Project) -> None:
    _, host = _collected(project, FILES, timings=True)
    times = Times(host)
    assert times.counts("file") == {"test_a.py": 1, "test_b.py": 1}
    imports = times.counts("import")
    assert {"conftest", "slow", "slow.inner", "test_a", "test_b"} <= set(imports)
    assert imports["slow"] == 1
    own, total = times.spans["import", "slow"][1:]
    assert total >= times.spans["import", "slow.inner"][2] + own - 0.002, "it contains the other"
    assert times.add_up_to("collection")


def test_a_run_reports_the_time_of_fixtures_and_bodies(project: Project) -> None:
    engine, host = _collected(project, FILES)
    assert not host.all("timings"), "nobody asked for it"
    times = Times(_run(engine, host, timings=True))
    assert times.counts("setup") == {"database": 1, "user": 2, "lazy": 1}
    assert times.counts("teardown") == {"database": 1, "user": 2, "lazy": 1}
    assert times.counts("body") == {
        "test_a.py::TestA::test_one": 1,
        "test_a.py::TestA::test_two": 1,
        "test_b.py::test_b": 1,
    }
    assert times.counts("pytest") == {"": 3}
    assert times.counts("import") == {"csv_of_mine": 1}, "tests import as well"
    assert times.counts("runner") == {"": 1}
    assert times.add_up_to("runner")


def test_a_run_that_nobody_measures_reports_nothing(project: Project) -> None:
    engine, host = _collected(project, FILES, timings=True)
    assert not _run(engine, host).all("timings")


def test_a_session_that_runs_its_tests_itself_reports_both(project: Project) -> None:
    engine: Engine = project(FILES)
    base = engine.base()
    base.wait("ready")
    session = engine.fork(base, "session", timings=True)
    run(session, ["test_b.py::test_b"], timings=True)
    first, second = session.all("timings")
    assert "collection" in [span[0] for span in first["spans"]]
    assert ["body", "test_b.py::test_b", 1] in [span[:3] for span in second["spans"]]


def test_a_resident_measures_only_the_runs_that_ask_for_it(project: Project) -> None:
    engine, host = _collected(project, FILES)
    runner = engine.fork(host, "runner")
    runner.wait("runner_ready")
    hold = {"scopes": ["session"], "changed": []}
    for timings, reports in [(True, 1), (False, 1), (True, 2)]:
        start(runner, ["test_a.py::TestA::test_one"], hold=hold, timings=timings)
        runner.wait("done")
        assert len(runner.all("timings")) == reports
    (_, again) = runner.all("timings")
    setups = {name for kind, name, *_ in again["spans"] if kind == "setup"}
    assert setups == {"user"}, "the other one stays set up"


def test_a_failed_import_looks_the_same(project: Project) -> None:
    files = {
        "broken.py": "import no_such_module",
        "test_a.py": "import broken",
        "test_b.py": """
        def test_b():
            try:
                import broken
            except ImportError as error:
                frame, names = error.__traceback__, []
                while frame:
                    names.append(frame.tb_frame.f_code.co_filename.rpartition("/")[2])
                    frame = frame.tb_next
            assert names == ["test_b.py", "broken.py"], names
        """,
    }
    engine, host = _collected(project, files)
    other = engine.fork(engine.host("base-1"), "collected", timings=True)
    assert other.wait("collected")["errors"] == host.all("collected")[0]["errors"]
    _run(engine, other, timings=True)


def test_the_line_of_a_warning_at_import_is_the_same(project: Project) -> None:
    files = {
        "old.py": "import warnings; warnings.warn('old', DeprecationWarning, stacklevel=2)",
        "test_a.py": "def test_a():\n    import old",
    }
    engine, host = _collected(project, files)
    (warning,) = _run(engine, host, timings=True).all("done")[0]["warnings"]
    assert warning["path"].rpartition("/")[2] == "test_a.py"
