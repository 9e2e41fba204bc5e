"""Resident runners: fixtures that live from run to run, and how each of them ends, once."""

from __future__ import annotations

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
    """A runner that is ready for its first run."""
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
    """What the project's fixtures have written."""
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
