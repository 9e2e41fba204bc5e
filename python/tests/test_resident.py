"""Resident runners: fixtures that live from run to run, and how each of them ends, once."""

from __future__ import annotations

import textwrap
from typing import Any

from conftest import Project, write
from fake_engine import Engine, Host, start

SESSION = """
    import pytest

    def log(line):
        with open("log", "a") as file:
            print(line, file=file)

    @pytest.fixture(scope="session")
    def counted():
        log("up")
        yield object()
        log("down")
"""
HELD = ["session", "package"]


def resident(engine: Engine, mode: str = "embedded", **options: Any) -> Host:
    """Return a runner that is ready for its first run."""
    if mode == "embedded":
        host = engine.fork(engine.collected(**options), "runner")
    else:
        base = engine.base()
        base.wait("ready")
        host = engine.become(base, "session", **options)
    host.wait("runner_ready")
    return host


def serve(
    host: Host,
    ids: list[str],
    scopes: list[str] | None = None,
    changed: list[str] | None = None,
    **settings: Any,
) -> list[str]:
    """One run to its end: the outcomes in order of the ids."""
    before = len(host.all("finished"))
    hold = {"scopes": HELD if scopes is None else scopes, "changed": changed or []}
    start(host, ids, hold=hold, **settings)
    done = host.wait("done")
    assert done.get("held") is True, done
    told = {message["i"]: message["outcome"] for message in host.all("finished")[before:]}
    return [told.get(index, "missing") for index in range(len(ids))]


def release(host: Host) -> None:
    """End a resident; its session finishes."""
    host.send(t="exit")
    host.wait("bye")


def log(engine: Engine) -> list[str]:
    """Return the lines that the project's fixtures have written."""
    path = engine.root / "log"
    return path.read_text().split() if path.exists() else []


def test_one_set_up_for_many_runs(project: Project) -> None:
    for mode in ("embedded", "subprocess"):
        engine = project(
            {
                "conftest.py": SESSION,
                "test_a.py": "def test_1(counted): pass\ndef test_2(counted): pass",
            },
            root=mode,
        )
        host = resident(engine, mode)
        for _ in range(3):
            assert serve(host, ["test_a.py::test_1", "test_a.py::test_2"]) == ["passed"] * 2
            assert serve(host, ["test_a.py::test_2"]) == ["passed"]
        assert log(engine) == ["up"]
        release(host)
        assert log(engine) == ["up", "down"]


def test_a_changed_test_module_is_collected_again(project: Project) -> None:
    engine = project(
        {
            "conftest.py": SESSION,
            "test_a.py": """
                import pytest
                from conftest import log

                @pytest.fixture(scope="session", autouse=True)
                def own(counted):
                    log("own-up")
                    yield 1
                    log("own-down")

                def test_1(own): assert own == 1
            """,
            "test_b.py": "def test_1(counted): pass",
        }
    )
    host = resident(engine)
    assert serve(host, ["test_a.py::test_1", "test_b.py::test_1"]) == ["passed"] * 2
    assert log(engine) == ["up", "own-up"]
    new = """
        import pytest

        @pytest.fixture(scope="session")
        def own():
            return 2

        def test_1(own, counted): assert own == 2
        def test_new(): pass
    """
    write(engine.root, {"test_a.py": new})
    ids = ["test_a.py::test_1", "test_a.py::test_new", "test_b.py::test_1"]
    assert serve(host, ids, changed=["test_a.py"]) == ["passed"] * 3
    assert log(engine) == ["up", "own-up", "own-down"]
    read = [stat[0] for message in host.all("reread") for stat in message["files"]]
    assert str(engine.root / "test_a.py") in read
    release(host)
    assert log(engine) == ["up", "own-up", "own-down", "down"]


def test_wider_scopes_stay_and_narrower_ones_go(project: Project) -> None:
    fixtures = """
        import pytest
        from conftest import log

        def make(scope):
            @pytest.fixture(scope=scope, autouse=True)
            def fixture():
                log(scope)
                yield
                log("-" + scope)
            return fixture

    """
    own = "of_package = make('package')"
    module = """
        of_module, of_class = make("module"), make("class")

        class Test:
            def test_1(self): pass
    """
    for scopes, left in (
        (["session"], ["-class", "-module", "-package"]),
        (["package"], ["-class", "-module"]),
        (["module"], ["-class"]),
        (["session", "class"], []),
    ):
        engine = project(
            {
                "conftest.py": SESSION,
                "make.py": fixtures,
                "pkg/__init__.py": "",
                "pkg/conftest.py": f"from make import make\n{own}",
                "pkg/test_a.py": "from make import make\n" + textwrap.dedent(module),
            },
            root="-".join(scopes),
        )
        host = resident(engine)
        up = ["package", "module", "class"]
        assert serve(host, ["pkg/test_a.py::Test::test_1"], scopes) == ["passed"]
        assert log(engine) == up + left, scopes
        release(host)
        assert sorted(log(engine)) == sorted([*up, "-package", "-module", "-class"])


def test_another_package_tears_the_first_one_down(project: Project) -> None:
    files = {"conftest.py": SESSION}
    for name in ("one", "two"):
        files[f"{name}/__init__.py"] = ""
        files[f"{name}/test_it.py"] = "def test(): pass"
        files[f"{name}/conftest.py"] = f"""
            import pytest

            @pytest.fixture(scope="package", autouse=True)
            def of_package(counted):
                with open("log", "a") as file: print("{name}", file=file)
                yield
                with open("log", "a") as file: print("-{name}", file=file)
        """
    engine = project(files)
    host = resident(engine, args=["one"])
    assert serve(host, ["one/test_it.py::test"]) == ["passed"]
    assert serve(host, ["one/test_it.py::test"]) == ["passed"]
    # Not collected yet, nor is its conftest loaded.
    assert serve(host, ["two/test_it.py::test"]) == ["passed"]
    assert log(engine) == ["up", "one", "-one", "two"]
    assert serve(host, ["two/test_it.py::test", "one/test_it.py::test"]) == ["passed"] * 2
    assert log(engine) == ["up", "one", "-one", "two", "-two", "one"]
    release(host)
    assert log(engine)[-2:] == ["-one", "down"]


def test_a_folders_fixtures_reach_a_module_that_was_taken_afresh(project: Project) -> None:
    engine = project(
        {
            "sub/conftest.py": SESSION,
            "sub/test_a.py": "def test_1(counted): pass",
        }
    )
    host = resident(engine)
    assert serve(host, ["sub/test_a.py::test_1"]) == ["passed"]
    write(engine.root, {"sub/test_a.py": "def test_2(counted): pass"})
    ids = ["sub/test_a.py::test_2", "sub/test_a.py::test_1"]
    assert serve(host, ids, changed=["sub/test_a.py"]) == ["passed", "missing"]
    assert log(engine) == ["up"]
    release(host)
    assert log(engine) == ["up", "down"]


def test_a_fixture_of_a_conftest_goes_with_what_it_rests_on(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
                import pytest

                @pytest.fixture(scope="session")
                def rests(ground):
                    with open("log", "a") as file: print("up", ground, file=file)
                    yield ground
                    with open("log", "a") as file: print("down", ground, file=file)
            """,
            "test_a.py": """
                import pytest

                @pytest.fixture(scope="session")
                def ground(): return 1

                def test(rests): assert rests == 1
            """,
        }
    )
    host = resident(engine)
    assert serve(host, ["test_a.py::test"]) == ["passed"]
    path = engine.root / "test_a.py"
    path.write_text(path.read_text().replace("1", "2"))
    assert serve(host, ["test_a.py::test"], changed=["test_a.py"]) == ["passed"]
    release(host)
    assert log(engine) == ["up", "1", "down", "1", "up", "2", "down", "2"]


def test_a_limit_of_failures_is_one_runs_own(project: Project) -> None:
    engine = project(
        {
            "conftest.py": SESSION,
            "test_a.py": """
                def test_1(counted): assert 0
                def test_2(counted): assert 0
                def test_3(counted): pass
            """,
        }
    )
    host = resident(engine)
    ids = [f"test_a.py::test_{number}" for number in (1, 2, 3)]
    assert serve(host, ids, maxfail=1) == ["failed", "missing", "missing"]
    assert serve(host, ids) == ["failed", "failed", "passed"]
    assert serve(host, ids, maxfail=2) == ["failed", "failed", "missing"]
    release(host)
    assert log(engine) == ["up", "down"]


def test_an_item_that_runs_again_is_as_new(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
                import pytest, unittest

                class TestPlain:
                    seen = ()
                    def test_1(self, request, record_property):
                        assert not request.node.own_markers and not request.node.user_properties
                        assert not self.seen
                        self.seen = [1]
                        record_property("a", "b")
                        request.node.add_marker(pytest.mark.xfail)
                        print("once")
                        assert 0

                class TestCase(unittest.TestCase):
                    def test_1(self):
                        assert not hasattr(self, "seen")
                        self.seen = True
            """
        }
    )
    host = resident(engine)
    ids = ["test_a.py::TestPlain::test_1", "test_a.py::TestCase::test_1"]
    for _ in range(3):
        assert serve(host, ids) == ["xfailed", "passed"]
    printed = [message["stdout"] for message in host.all("finished") if message["i"] == 0]
    assert printed == ["once\n"] * 3
    release(host)


def test_a_stop_behind_the_end_is_no_stop_of_the_next_run(project: Project) -> None:
    engine = project({"conftest.py": SESSION, "test_a.py": "def test_1(counted): pass"})
    host = resident(engine)
    for _ in range(2):
        assert serve(host, ["test_a.py::test_1"]) == ["passed"]
        host.send(t="stop")
    release(host)
    assert log(engine) == ["up", "down"]


def test_a_teardown_that_fails_between_runs_fails_no_test(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
                import pytest

                @pytest.fixture(scope="session")
                def bad():
                    yield
                    raise ValueError("cannot clean up")

                @pytest.fixture(scope="session")
                def bad_at_last():
                    yield
                    print("still printed")
                    raise ValueError("cannot end")

                def test_1(bad): pass
                def test_2(): pass
                def test_3(bad_at_last): pass
            """
        }
    )
    host = resident(engine)
    assert serve(host, ["test_a.py::test_1"]) == ["passed"]
    assert serve(host, ["test_a.py::test_2"], changed=["test_a.py"]) == ["passed"]
    assert serve(host, ["test_a.py::test_3"]) == ["passed"]
    release(host)
    output = engine.output(next(iter(engine.hosts.values())))
    for text in ("cannot clean up", "ValueError: cannot end", "still printed"):
        assert text in output


def test_a_set_up_that_failed_is_tried_again_in_the_next_run(project: Project) -> None:
    engine = project(
        {
            "conftest.py": SESSION
            + """
    import os

    @pytest.fixture(scope="session")
    def ground():
        log("ground-up")
        yield 1
        log("ground-down")

    @pytest.fixture(scope="session")
    def breaks(ground, request):
        request.addfinalizer(lambda: log("broken-down"))
        assert os.path.exists("go")
        return 1

    @pytest.fixture(scope="session")
    def skips():
        if not os.path.exists("go"): pytest.skip("no server")

    @pytest.fixture(scope="session")
    def rests(breaks):
        assert os.path.exists("go further")
""",
            "test_a.py": """
                def test_breaks(breaks): pass
                def test_skips(skips): pass
                def test_rests(rests): pass
                def test_ground(ground, counted): pass
            """,
            "package/__init__.py": """
                import os

                def setup_module():
                    assert os.path.exists("go")
            """,
            "package/test_b.py": "def test_package(): pass",
        }
    )
    names = ["breaks", "skips", "rests", "ground"]
    ids = [*(f"test_a.py::test_{name}" for name in names), "package/test_b.py::test_package"]
    host = resident(engine)
    for _ in range(2):
        assert serve(host, ids) == ["error", "skipped", "error", "passed", "error"]
    assert log(engine) == ["ground-up", "up", "broken-down", "broken-down"]
    write(engine.root, {"go": ""})
    for _ in range(2):
        assert serve(host, ids) == ["passed", "passed", "error", "passed", "passed"]
    write(engine.root, {"go further": ""})
    assert serve(host, ids) == ["passed"] * 5
    release(host)
    assert sorted(log(engine)[4:]) == ["broken-down", "down", "ground-down"]


def test_exit_in_a_test_ends_the_resident_with_its_fixtures(project: Project) -> None:
    engine = project(
        {
            "conftest.py": SESSION,
            "test_a.py": "import pytest\ndef test_1(counted): pytest.exit('enough')",
        }
    )
    host = resident(engine)
    start(host, ["test_a.py::test_1"], hold={"scopes": HELD, "changed": []})
    done = host.wait("done")
    assert (done["reason"], done.get("held")) == ("interrupted", None)
    host.wait("bye")
    assert log(engine) == ["up", "down"]


def test_b2_a_module_outside_of_the_rootdir_is_forgotten_alone(project: Project) -> None:
    module = """
    import pytest

    @pytest.fixture
    def own(): return 1

    def test_own(own, tmp_path): assert own == 1
    """
    files = {f"tests/test_{name}.py": module for name in "ab"}
    engine = project({"config/pytest.ini": "[pytest]", **files})
    ids = [f"{path}::test_own" for path in files]
    host = resident(engine, arguments=["-c", "config/pytest.ini"], args=list(files))
    assert serve(host, ids) == ["passed", "passed"]
    changed = module.replace("return 1", "return 2")
    write(engine.root, {"tests/test_a.py": changed})
    assert serve(host, ids, changed=["tests/test_a.py"]) == ["failed", "passed"]
    write(engine.root, {"tests/test_a.py": module})
    assert serve(host, ids, changed=["tests/test_a.py"]) == ["passed", "passed"]
    release(host)
