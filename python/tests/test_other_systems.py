"""The worker without what only Linux, or only Unix, has: one session in a process of its own.

These tests hide modules and functions. They prove that the worker does without them, not that it
runs on another system.
"""

from __future__ import annotations

import pytest
from conftest import Project
from fake_engine import run

pytestmark = pytest.mark.core

PROJECT = {
    "conftest.py": """
    import pytest

    @pytest.fixture(scope="session")
    def answer():
        yield 42
        print("torn down")
    """,
    "test_a.py": """
    import os, subprocess, sys

    def test_pass(answer, tmp_path):
        (tmp_path / "file").write_text("text")
        print("said", answer)

    def test_fail(answer):
        assert answer == 43

    def test_program():
        subprocess.run([sys.executable, "-c", "print('from a program')"], check=True)
    """,
}

# /proc is hidden by replacing the functions that read it.
MACOS = """
# Up to Python 3.10, pathlib keeps functions of os in a class: it needs the genuine ones.
import builtins, os, pathlib, subprocess, sys, sysconfig, tempfile
sysconfig.get_config_vars()
tempfile._O_TMPFILE_WORKS = False
for name in ("pidfd_open", "O_TMPFILE", "sched_getaffinity", "posix_fallocate"):
    if hasattr(os, name):
        delattr(os, name)
sys.platform = "darwin"
def without_proc(call):
    def wrapper(path, *rest, **named):
        if isinstance(path, str) and path.startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return call(path, *rest, **named)
    return wrapper
for name in ("listdir", "readlink", "stat", "open", "link"):
    setattr(os, name, without_proc(getattr(os, name)))
builtins.open = without_proc(builtins.open)
"""

WINDOWS = (
    MACOS
    + """
import _signal, _socket, select, signal
for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
for name in ("fork", "forkpty", "register_at_fork", "setpgid", "setsid", "killpg", "getuid",
             "geteuid", "getpgid", "waitid", "WNOHANG", "WIFSIGNALED", "O_CLOEXEC", "O_NOCTTY",
             "O_NONBLOCK", "chown", "mkfifo"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGCHLD", "SIGUSR1", "SIGKILL", "SIGSTOP", "SIGHUP", "SIGQUIT", "SIGALRM",
             "pthread_sigmask", "pthread_kill", "setitimer", "SIG_BLOCK", "SIG_SETMASK"):
    for module in (signal, _signal):
        if hasattr(module, name):
            delattr(module, name)
for name in ("poll", "epoll", "POLLIN"):
    if hasattr(select, name):
        delattr(select, name)
del _socket.AF_UNIX
"""
)


@pytest.mark.parametrize("system", ["macos", "windows"])
def test_a_session_runs_without_the_functions_of_other_systems(
    project: Project, system: str
) -> None:
    engine = project(PROJECT)
    # Programs of the standard library that tests start need what is hidden on Windows.
    names = ["pass", "fail", "program"] if system == "macos" else ["pass", "fail"]
    ids = [f"test_a.py::test_{name}" for name in names]
    prelude = {"macos": MACOS, "windows": WINDOWS}[system]
    if system == "macos":
        base = engine.base(prelude=prelude)
    else:
        base = engine.base(prelude=prelude, socket=engine.listen_on_loopback())
    base.wait("ready")
    session = engine.become(base, "session")
    verdicts = run(session, ids)
    assert [verdicts[name]["outcome"] for name in ids] == [
        {"pass": "passed", "fail": "failed", "program": "passed"}[name] for name in names
    ]
    assert verdicts[ids[0]]["stdout"] == "said 42\n"
    assert "assert 42 == 43" in str(verdicts[ids[1]])
    session.wait_closed()
