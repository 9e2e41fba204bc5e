"""The rehearsal of a waiting runner: nobody sees it, and its files get their names."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from conftest import Project, write
from fake_engine import DEADLINE, Host, start

ROOT = Path(__file__).resolve().parent.parent

CONFTEST = """
import logging, os, warnings
import pytest
from pytest_lens.worker.running.rehearsal import rehearse

SEEN = []
CALLED = []

class Everything:
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid):
        SEEN.append("logstart " + nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        SEEN.append("logreport " + report.when)

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message):
        SEEN.append("warning")

def pytest_configure(config):
    config.pluginmanager.register(Everything())

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    SEEN.append("protocol " + item.nodeid)

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    SEEN.append("setup " + item.nodeid)

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    SEEN.append("call " + pyfuncitem.nodeid)

@pytest.fixture(autouse=True, scope="session")
def always():
    SEEN.append("fixture")

class Raising:
    def __del__(self):
        raise ValueError("raised in a finalizer")

def raised(config):
    # Until pytest 8.4 nothing is kept of what happens between tests.
    from _pytest import unraisableexception
    key = getattr(unraisableexception, "unraisable_exceptions", None)
    return None if key is None else len(config.stash[key])

def state(session):
    return (
        raised(session.config),
        list(session._setupstate.stack), session.testscollected, session.testsfailed,
        list(logging.getLogger().handlers), logging.getLogger().level, list(warnings.filters),
        dict(os.environ), os.getcwd(), [id(item) for item in session.items],
    )

@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    from pytest_lens.worker.running import rehearsal
    rehearsal._do_nothing = lambda: CALLED.append(1)
    Raising()
    before = state(session)
    assert before[0] in (None, 1)
    rehearse(session)
    assert CALLED == [1]
    assert state(session) == before
    assert SEEN == []
"""


def test_a_rehearsal_runs_and_nobody_sees_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "conftest.py": CONFTEST,
            "test_it.py": """
            def test_it(capsys, caplog, request):
                print("shown")
                assert capsys.readouterr().out == "shown\\n"
                assert not caplog.records
            """,
        },
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    report = tmp_path / "report.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", "-v"],
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert report.read_text().count("<testcase ") == 1


PRINTING = """
import logging, os, sys

def test_it():
    print("printed")
    os.write(2, b"written")
    logging.warning("logged")
"""


def test_files_that_are_open_in_advance_get_their_names(project: Project, tmp_path: Path) -> None:
    engine = project({"test_it.py": textwrap.dedent(PRINTING)})
    runner = engine.fork(engine.collected(), "runner")
    runner.wait("runner_ready")
    unnamed = wait_for_unnamed(runner)
    start(runner, ["test_it.py::test_it"], output=str(tmp_path / "out" / "w0"))
    runner.wait("done")
    (verdict,) = runner.all("finished")
    assert (verdict["outcome"], verdict["stdout"]) == ("passed", "printed\n")
    files = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in files] == ["w0.err", "w0.log", "w0.out"]
    assert {path.stat().st_ino for path in files} == unnamed
    assert (tmp_path / "out" / "w0.err").read_text() == "written"
    assert "logged" in (tmp_path / "out" / "w0.log").read_text()


def wait_for_unnamed(host: Host) -> set[int]:
    """The files without names in the folder of temporary files, once all three are open."""
    folder, end = str(host.engine.state / "tmp"), time.monotonic() + DEADLINE
    while time.monotonic() < end:
        links = list(Path(f"/proc/{host.pid}/fd").iterdir())
        found = {unnamed_in(link, folder) for link in links} - {None}
        if len(found) == 3:
            return {inode for inode in found if inode is not None}
    raise AssertionError(f"no files without names in {folder}")


def unnamed_in(link: Path, folder: str) -> int | None:
    """The inode of a descriptor's file, if it has no name and lies in a folder."""
    try:
        target, inode = os.readlink(link), link.stat().st_ino
    except OSError:  # closed in the meantime
        return None
    return inode if target.startswith(f"{folder}/#") and target.endswith("(deleted)") else None
