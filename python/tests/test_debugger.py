"""A session that waits for a debugger: its messages to the engine, and the time at which the
project is loaded.
"""

from __future__ import annotations

from conftest import Project
from fake_engine import run

# Stands in for debugpy: its client has arrived when there is a file.
DEBUGPY = """
    import os
    import time

    def listen(address):
        assert address == ("127.0.0.1", 0)
        return "127.0.0.1", 4711

    def wait_for_client():
        while not os.path.exists("client"):
            time.sleep(0.01)
"""

TESTS = """
    import pathlib

    pathlib.Path("imported").touch()

    def test_a():
        pass
"""


def test_nothing_is_imported_before_the_debugger_has_come(project: Project) -> None:
    engine = project({"debugpy.py": DEBUGPY, "test_a.py": TESTS})
    base = engine.base()
    base.wait("ready")
    session = engine.become(base, "session", args=["test_a.py"], debug=True)
    assert session.wait("listening") == {"t": "listening", "host": "127.0.0.1", "port": 4711}
    assert not (engine.root / "imported").exists()
    assert session.all("attached") == []
    (engine.root / "client").touch()
    session.wait("attached")
    assert run(session, ["test_a.py::test_a"])["test_a.py::test_a"]["outcome"] == "passed"


def test_without_debugpy_it_says_what_to_install(project: Project) -> None:
    engine = project({"debugpy.py": "raise ImportError", "test_a.py": TESTS})
    base = engine.base()
    base.wait("ready")
    session = engine.become(base, "session", debug=True)
    assert "-m pip install debugpy`" in session.wait("usage_error")["message"]
    session.wait_closed()
    assert not (engine.root / "imported").exists()


def test_a_debugger_that_can_t_listen_is_told(project: Project) -> None:
    broken = "def listen(address): raise RuntimeError('no port')"
    engine = project({"debugpy.py": broken, "test_a.py": TESTS})
    base = engine.base()
    base.wait("ready")
    session = engine.become(base, "session", debug=True)
    assert "no port" in session.wait("internal_error")["message"]
