"""A session that nobody asked for has no effects: not by hooks, not by imports."""

from __future__ import annotations

import pytest
from conftest import Project
from fake_engine import Engine, Host, Message, run

NAME = "test_a.py::test_a"
TEST = {"test_a.py": "def test_a(): pass"}


def unasked(engine: Engine, **options: object) -> Host:
    """A collection that nobody asked for."""
    base = engine.base(env={"PYTHONPATH": "lib"})
    base.wait("ready")
    return engine.fork(base, "collected", purpose="unasked", **options)


def effect(engine: Engine) -> Message:
    """Return the effects that such a collection was kept from."""
    host = unasked(engine)
    told = host.wait("effect")
    host.wait_closed()
    assert not host.all("collected")
    return told


HOOKS = """
import os
def note(text):
    with open("log", "a") as file:
        file.write(text + "\\n")
def pytest_sessionstart(session): note(f"start {session.config.option.collectonly}")
def pytest_sessionfinish(): note("finish")
def pytest_unconfigure(): note("unconfigure")
"""


def test_p1_session_hooks_of_the_project_are_left_out(project: Project) -> None:
    engine = project({**TEST, "conftest.py": HOOKS})
    host = unasked(engine)
    collected = host.wait("collected")
    assert [node["id"] for node in host.nodes()] == [NAME]
    assert "conftest.py implements pytest_sessionfinish" in collected["reasons"]
    host.wait_closed()
    assert not (engine.root / "log").exists()


def test_p1_so_are_those_of_unknown_plugins_and_wrappers(project: Project) -> None:
    plugin = """
    import pytest
    @pytest.hookimpl(hookwrapper=True)
    def pytest_sessionstart():
        open("started", "w").close()
        yield
    class Report:
        def pytest_sessionfinish(self):
            open("report.html", "w").close()
    def pytest_configure(config):
        config.pluginmanager.register(Report())
    """
    files = {"lib/pytest_extra.py": plugin, "pytest.ini": "[pytest]\naddopts = -p pytest_extra"}
    engine = project({**TEST, **files, "report.html": "the last one"})
    unasked(engine).wait("collected")
    assert not (engine.root / "started").exists()
    assert (engine.root / "report.html").read_text() == "the last one"


def test_p1_a_listing_is_what_collect_only_is(project: Project) -> None:
    engine = project({**TEST, "conftest.py": HOOKS})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected", purpose="list")
    host.wait("collected")
    host.wait("bye")
    assert (engine.root / "log").read_text() == "start True\nfinish\nunconfigure\n"


def test_p1_no_number_of_harmless_notes_lets_an_effect_pass(project: Project) -> None:
    notes = "".join("atexit.register(print)\n" for _ in range(20))
    code = f"import atexit\n{notes}open('written', 'w').close()\n{TEST['test_a.py']}"
    engine = project({"test_a.py": code})
    assert "opens written for writing" in effect(engine)["detail"]
    assert not (engine.root / "written").exists()


def test_p1_an_effect_of_another_thread_is_one_while_this_one_has_them_too(
    project: Project,
) -> None:
    code = """
    import os, threading
    def write():
        for number in range(2000):
            open(os.devnull, "w").close()
    others = [threading.Thread(target=write) for _ in range(3)]
    for other in others: other.start()
    def last(): open("written", "w").close()
    thread = threading.Thread(target=last)
    thread.start()
    for other in [*others, thread]: other.join()
    def test_a(): pass
    """
    engine = project({"test_a.py": code})
    effect(engine)
    assert not (engine.root / "written").exists()


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("import os\nos.remove('kept')", "conftest.py:2 removes kept"),
        ("open('kept', 'w')", "conftest.py:1 opens kept for writing"),
        ("import shutil\nshutil.rmtree('folder')", "conftest.py:2 removes the folder folder"),
        (
            "import os\nfolder = os.open('folder', os.O_RDONLY)\nos.remove('file', dir_fd=folder)",
            "/folder/file",
        ),
        ("import pathlib\npathlib.Path('kept').write_text('')", "conftest.py:2 opens kept"),
        ("import os\nos.truncate('kept', 0)", "conftest.py:2 cuts kept"),
        ("import os\nos.rename('kept', 'other')", "conftest.py:2 renames kept"),
        ("import os\nos.makedirs('new/one')", "conftest.py:2 makes the folder new"),
        ("import subprocess\nsubprocess.run(['rm', 'kept'])", "starts a process (rm)"),
        ("import os\nos.system('rm kept')", "starts a process"),
        ("import os\nos.fork() or os._exit(0)", "starts a process"),
        ("import sqlite3\nsqlite3.connect('test.db')", "opens the database test.db"),
        (
            "import socket\nsocket.socket().bind(('127.0.0.1', 0))",
            "conftest.py:2 binds a socket to ('127.0.0.1', 0)",
        ),
        (
            "import os\ndef pytest_configure():\n    try:\n        os.remove('kept')\n"
            "    except BaseException:\n        os.remove('folder/file')",
            "conftest.py:4 removes kept",
        ),
        ("import lib_clean\nlib_clean.clean()", "conftest.py:2 removes kept"),
    ],
)
def test_p1_an_effect_at_import_is_prevented(project: Project, source: str, detail: str) -> None:
    files = {
        "kept": "x",
        "folder/file": "x",
        "lib/site-packages/lib_clean.py": "import os\ndef clean(): os.remove('kept')",
        "lib/sitecustomize.py": "import sys\nsys.path.append('lib/site-packages')",
    }
    engine = project({**TEST, **files, "conftest.py": source})
    told = effect(engine)
    assert detail in told["detail"]
    assert [stat[0] for stat in told["files"]] == [str(engine.root / "conftest.py")]
    names = sorted(path.name for path in engine.root.iterdir())
    assert names == ["conftest.py", "folder", "kept", "lib", "test_a.py"]
    assert (engine.root / "folder" / "file").exists()
    assert (engine.root / "kept").read_text() == "x"


@pytest.mark.parametrize(
    "source",
    [
        "import os, pathlib\npathlib.Path('folder').mkdir(exist_ok=True)",
        "open('/dev/null', 'w').write('x')",
        "import sqlite3\nsqlite3.connect(':memory:')",
        "import os\nos.kill(os.getpid(), 0)",
        "import contextlib, os\nwith contextlib.suppress(OSError): os.remove('never-was')",
        "import lib_import",
        "import helper",
        "import platform, ctypes.util\nplatform.processor()\nctypes.util.find_library('c')",
    ],
)
def test_p1_what_is_no_effect_is_not_prevented(project: Project, source: str) -> None:
    files = {
        "kept": "x",
        "helper.py": "VALUE = 1",
        "folder/file": "x",
        "lib/site-packages/lib_import.py": "open('/tmp/lens-lib-import', 'w').close()",
        "lib/sitecustomize.py": "import sys\nsys.path.append('lib/site-packages')",
    }
    engine = project({**TEST, **files, "conftest.py": source})
    host = unasked(engine)
    host.wait("collected")
    if not host.all("collected")[0]["reasons"]:
        assert run(engine.fork(host, "runner"), [NAME])[NAME]["outcome"] == "passed"


def test_p1_errors_for_want_of_a_hook_are_not_told(project: Project) -> None:
    conftest = "import builtins\ndef pytest_sessionstart(): builtins.DATABASE = 1"
    engine = project({"test_a.py": "DATABASE\ndef test_a(): pass", "conftest.py": conftest})
    told = effect(engine)
    assert told["detail"] == "conftest.py implements pytest_sessionstart"


def test_p1_a_log_file_is_not_emptied(project: Project) -> None:
    files = {"pytest.ini": "[pytest]\nlog_file = pytest.log", "pytest.log": "the last run's"}
    engine = project({**TEST, **files})
    unasked(engine).wait("collected")
    assert (engine.root / "pytest.log").read_text() == "the last run's"


def test_p1_a_session_ahead_of_its_order_is_as_careful(project: Project) -> None:
    engine = project({**TEST, "conftest.py": HOOKS})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "configured", purpose="unasked")
    assert host.wait("effect")["detail"].startswith("conftest.py implements")
    host.wait_closed()
    assert not (engine.root / "log").exists()


def test_p1_and_acts_when_it_is_asked(project: Project) -> None:
    source = "import os\nos.remove('kept')\ndef test_a(): assert not os.path.exists('kept')"
    engine = project({"test_a.py": source, "kept": ""})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "configured", purpose="unasked")
    host.wait("configured")
    host = engine.fork(host, "prestarted")
    host.send(t="collect", purpose="run")
    assert host.wait("collected")["reasons"] == [
        "test_a.py:2 removes kept while tests are collected"
    ]
    assert run(engine.go_on(host), [NAME])[NAME]["outcome"] == "passed"


def test_p1_in_a_fresh_interpreter_too(project: Project) -> None:
    engine = project({**TEST, "conftest.py": HOOKS})
    base = engine.base()
    base.wait("ready")
    engine.become(base, "collect", purpose="unasked").wait("collected")
    base.wait_closed()
    assert not (engine.root / "log").exists()


REPORT = """
import argparse, sys
def pytest_addoption(parser):
    parser.addoption("--benchmark-json", type=argparse.FileType("wb"))
    parser.addoption("--outline", dest="outline", type=argparse.FileType("a", encoding="utf-8"))
    parser.addoption("--talk", type=argparse.FileType("w"))
class Writes:
    def pytest_runtest_logreport(self, report):
        if report.when == "call":
            self.option.outline.write(f"{report.nodeid}\\n")
            self.option.outline.flush()
            if self.option.benchmark_json:
                self.option.benchmark_json.write(b"told")
                self.option.benchmark_json.flush()
def pytest_configure(config):
    assert config.option.talk is sys.stdout
    assert config.option.outline.name == "outline.txt"
    plugin = Writes()
    plugin.option = config.option
    config.pluginmanager.register(plugin)
"""
REPORTING = {
    "lib/pytest_report.py": REPORT,
    "pytest.ini": "[pytest]\naddopts = -p pytest_report --debug=trace.log --outline outline.txt "
    "--benchmark-json=report.json --talk=-",
    "report.json": "the last one",
    "trace.log": "the last one",
}
OWN_PARSER = """
import argparse, pathlib
def test_a():
    assert pathlib.Path("report.json").read_text() == "the last one"
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=argparse.FileType("w"))
    print("mine", file=parser.parse_args(["own.txt"]).out, flush=True)
    assert pathlib.Path("own.txt").read_text() == "mine\\n"
"""


def test_p9_files_of_options_are_opened_only_where_a_report_is_wanted(project: Project) -> None:
    engine = project({**REPORTING, "test_a.py": OWN_PARSER})

    def left() -> list[str]:
        names = ("report.json", "trace.log", "outline.txt")
        return [(engine.root / name).read_text() for name in names if (engine.root / name).exists()]

    host = unasked(engine)
    collected = host.wait("collected")
    assert collected["reasons"] == []
    assert collected["reports"] == ["--benchmark-json", "--outline"]
    assert left() == ["the last one"] * 2
    assert run(engine.fork(host, "runner"), [NAME])[NAME]["outcome"] == "passed"
    base = engine.base(env={"PYTHONPATH": "lib"})
    base.wait("ready")
    session = engine.fork(base, "session")
    assert run(session, [NAME])[NAME]["outcome"] == "passed"
    session.wait("bye")
    assert left() == ["the last one"] * 2
    session = engine.fork(base, "session", reports=True)
    run(session, [NAME])
    session.wait("bye")
    told, trace, outline = left()
    assert (told, outline) == ("told", f"{NAME}\n")
    assert trace.startswith("versions pytest")
