"""Ends of processes: crashes, lost engines, forks and threads of tests, multiprocessing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from conftest import Project
from fake_engine import Engine, run, start


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def wait_gone(*pids: int) -> None:
    """Until all of them have ended."""
    end = time.monotonic() + 30
    while not all(gone(pid) for pid in pids):
        assert time.monotonic() < end, f"still alive: {[pid for pid in pids if not gone(pid)]}"
        os.sched_yield()


@pytest.mark.parametrize(
    ("body", "code", "number"),
    [
        ("os._exit(7)", 7, None),
        ("os.kill(os.getpid(), signal.SIGSEGV)", None, signal.SIGSEGV),
        ("os.kill(os.getpid(), signal.SIGKILL)", None, signal.SIGKILL),
        ("os.closerange(3, 4096); open(os.devnull); os.closerange(3, 4096)", 70, None),
    ],
)
def test_crashes_are_told_by_the_parent(
    project: Project, body: str, code: int | None, number: int | None
) -> None:
    engine = project({"test_a.py": f"import os, signal\ndef test_a(): {body}\ndef test_b(): pass"})
    host = engine.collected()
    runner = engine.fork(host, "runner")
    runner.wait("runner_ready")
    start(runner, ["test_a.py::test_a", "test_a.py::test_b"])
    exited = host.wait("exited", host=runner.name)
    assert (exited["code"], exited["signal"]) == (code, number)
    runner.wait_closed()
    assert [message["i"] for message in runner.all("started")] == [0]
    assert runner.all("finished") == []
    # The host is as good as before.
    name = "test_a.py::test_b"
    assert run(engine.fork(host, "runner"), [name])[name]["outcome"] == "passed"


def test_a_file_opened_in_place_of_the_socket_gets_no_message(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            import os
            def test_a():
                os.closerange(3, 4096)
                files = [os.open("victim", os.O_RDWR | os.O_CREAT) for _ in range(3, 1000)]
            """
        }
    )
    host = engine.collected()
    runner = engine.fork(host, "runner")
    runner.wait("runner_ready")
    start(runner, ["test_a.py::test_a"])
    assert host.wait("exited", host=runner.name)["code"] == 70
    assert (engine.root / "victim").read_bytes() == b""


def test_a_crash_while_collecting(project: Project) -> None:
    engine = project({"test_a.py": "import os; os.abort()"})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    assert base.wait("exited", host=host.name)["signal"] == signal.SIGABRT


FAMILY = {
    "test_a.py": """
    import os, subprocess, sys

    def test_a():
        child = subprocess.Popen([sys.executable, "-c", '''
    import os, subprocess, sys, time
    if os.fork():
        os._exit(0)
    os.setsid()
    inner = subprocess.Popen(["sleep", "1000"])
    with open("pids.part", "w") as file:
        file.write(f"{os.getpid()} {inner.pid}")
    os.rename("pids.part", "pids")
    time.sleep(1000)
    '''])
        child.wait()
        with open("gate") as gate:
            gate.read()
    """
}


def family(engine: Engine) -> list[int]:
    """The ids of daemonised grandchildren that a test left, once they are there."""
    path = engine.root / "pids"
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, "no grandchildren"
        os.sched_yield()
    return [int(pid) for pid in path.read_text().split()]


@pytest.mark.parametrize("way", ["runner", "forked session", "session"])
def test_a_lost_engine_takes_everything_with_it(project: Project, way: str) -> None:
    engine = project(FAMILY)
    os.mkfifo(engine.root / "gate")
    base = engine.base()
    base.wait("ready")
    if way == "runner":
        host = engine.fork(base, "collected")
        host.wait("collected")
        runner = engine.fork(host, "runner")
    elif way == "session":
        runner = engine.become(base, "session")
    else:
        runner = engine.fork(base, "session")
    runner.wait("runner_ready")
    start(runner, ["test_a.py::test_a"])
    pids = family(engine)
    for connected in engine.hosts.values():
        if not connected.closed:
            connected.hang_up()
    wait_gone(*(connected.pid for connected in engine.hosts.values()), *pids)


PARKED = """
    import os, subprocess, types
    from pytest_lens.worker import park, wire

    class Gone:
        def poll(self): raise wire.EngineGone
        def close(self): pass

    kill_trees = park.process_tree.kill_trees
    late = ["sleep 1000 > /dev/null & echo $!"]

    def kill_all_but_one_that_comes_late(pids):
        kill_trees(pids)
        if late:
            subprocess.call(late.pop(), shell=True)

    park.process_tree.kill_trees = kill_all_but_one_that_comes_late
    parked = park.Park(types.SimpleNamespace(channel=Gone()))
    subprocess.call("sleep 1000 > /dev/null & echo $!", shell=True)
    assert parked.serve().kind == "exit"
"""


def test_a_parked_process_ends_the_orphans_that_come_while_it_ends_others() -> None:
    # A fork that ends its own children at the same time may leave one that was not seen.
    script = [sys.executable, "-c", textwrap.dedent(PARKED)]
    pids = subprocess.run(script, stdout=subprocess.PIPE, check=True).stdout.split()
    assert len(pids) == 2
    wait_gone(*map(int, pids))


def test_a_session_of_its_own_leaves_no_keeper_behind(project: Project) -> None:
    engine = project({"test_a.py": "import os\ndef test_a(): print(os.getpid())"})
    base = engine.base()
    base.wait("ready")
    session = engine.become(base, "session")
    assert run(session, ["test_a.py::test_a"])
    session.wait("bye")
    engine.processes[0].wait(10)
    end = time.monotonic() + 30
    while processes_of(engine):
        assert time.monotonic() < end
        os.sched_yield()


def processes_of(engine: Engine) -> set[int]:
    """Processes that run the boot line of this engine's workers."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and not gone(int(name)):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if os.fsencode(engine.state / "code") in file.read():
                        found.add(int(name))
            except OSError:
                continue
    return found


def test_a_killed_host_takes_its_runner_with_it(project: Project) -> None:
    engine = project(FAMILY)
    os.mkfifo(engine.root / "gate")
    host = engine.collected()
    runner = engine.fork(host, "runner")
    runner.wait("runner_ready")
    start(runner, ["test_a.py::test_a"])
    pids = family(engine)
    os.kill(host.pid, signal.SIGKILL)
    wait_gone(host.pid, runner.pid)
    for pid in pids:  # ours to clean up, where the base was not asked to look after them
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", ["timeout", "crash"])
def test_what_a_runner_leaves_behind_goes_with_it(project: Project, how: str) -> None:
    engine = project(FAMILY)
    os.mkfifo(engine.root / "gate")
    host = engine.collected()
    runner = engine.fork(host, "runner")
    runner.wait("runner_ready")
    start(runner, ["test_a.py::test_a"], timeout_ms=3000 if how == "timeout" else None)
    pids = family(engine)
    if how == "crash":
        os.kill(runner.pid, signal.SIGSEGV)
    host.wait("exited", host=runner.name)
    wait_gone(*pids)


def test_orphans_of_a_test_belong_to_its_runner(project: Project) -> None:
    engine = project(FAMILY)
    os.mkfifo(engine.root / "gate")
    host = engine.collected()
    runner = engine.fork(host, "runner")
    runner.wait("runner_ready")
    start(runner, ["test_a.py::test_a"])
    daemon = family(engine)[0]
    end = time.monotonic() + 30
    # The process between them may still be about to end.
    while (parent := parent_of(daemon)) != runner.pid:
        assert time.monotonic() < end, f"it belongs to {parent}, not to {runner.pid}"
        os.sched_yield()


def parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


PROCESSES = {
    "test_a.py": """
    import multiprocessing, os, sys, threading, subprocess
    import concurrent.futures
    import pytest

    def work(n):
        return n * n

    def test_waits_for_any_child():
        with pytest.raises(ChildProcessError):
            os.wait()
        process = subprocess.Popen(["true"])
        assert os.wait()[0] == process.pid

    @pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
    def test_pool(method):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            assert pool.map(work, [1, 2, 3]) == [1, 4, 9]

    def test_executor():
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
            assert executor.submit(work, 4).result() == 16

    def test_forks_itself():
        pid = os.fork()
        if pid == 0:
            os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3

    def test_child_comes_back():
        pid = os.fork()
        if pid == 0:
            return
        os.waitpid(pid, 0)

    def test_leaves_threads():
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        executor = concurrent.futures.ThreadPoolExecutor(1)
        executor.submit(threading.Event().wait)

    def test_reads_stdin():
        assert subprocess.run(["cat"], capture_output=True).stdout == b""

    def test_last(): pass
    """
}


def test_processes_and_threads_of_tests(project: Project) -> None:
    engine = project(PROCESSES)
    host = engine.collected()
    ids = [node["id"] for node in host.nodes()]
    runner = engine.fork(host, "runner")
    verdicts = run(runner, ids)
    failed = {name: verdict for name, verdict in verdicts.items() if verdict["outcome"] != "passed"}
    assert failed == {}
    assert list(verdicts) == ids  # nothing was told twice
    assert runner.wait("bye")["exitstatus"] == 0
    assert host.wait("exited", host=runner.name)["code"] == 0


def test_exit_does_not_wait_for_ever_for_a_thread(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            import threading
            def test_a(): threading.Thread(target=threading.Event().wait).start()
            """
        }
    )
    host = engine.collected()
    runner = engine.fork(host, "runner")
    run(runner, ["test_a.py::test_a"])
    assert host.wait("exited", host=runner.name)["code"] == 0


def test_the_base_survives_signals_meant_for_a_terminal_s_job(project: Project) -> None:
    engine = project({"test_a.py": "def test_a(): pass"})
    host = engine.collected()
    os.kill(host.pid, signal.SIGINT)
    name = "test_a.py::test_a"
    assert run(engine.fork(host, "runner"), [name])[name]["outcome"] == "passed"


@pytest.mark.parametrize("way", ["runner", "forked session"])
def test_p19_a_runner_has_a_process_group_of_its_own(project: Project, way: str) -> None:
    engine = project({"test_a.py": "import os\ndef test_a(): assert os.getpgrp() == os.getpid()"})
    base = engine.base()
    base.wait("ready")
    if way == "runner":
        host = engine.fork(base, "collected")
        host.wait("collected")
        assert os.getpgid(host.pid) == host.pid
        runner = engine.fork(host, "runner")
    else:
        runner = engine.fork(base, "session")
    name = "test_a.py::test_a"
    assert run(runner, [name])[name]["outcome"] == "passed"


IN_TERMINAL = """#!{python}
import os, pty, sys

leader, screen = pty.fork()
if not leader:
    child = os.fork()
    if not child:
        os.setpgid(0, 0)  # in the background, as the engine's processes are
        os.execv({python!r}, [{python!r}, *sys.argv[1:]])
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
try:
    while os.read(screen, 1024):
        pass
except OSError:
    pass
os.waitpid(leader, 0)
"""


@pytest.mark.parametrize("way", ["runner", "session"])
def test_r13_tests_that_want_the_terminal_are_not_stopped(project: Project, way: str) -> None:
    engine = project(
        {
            "test_a.py": """
            import getpass, subprocess, sys
            import pytest

            def test_opens():
                with pytest.raises(OSError):
                    open("/dev/tty")

            def test_asks():
                with pytest.raises((EOFError, OSError)):
                    getpass.getpass()

            def test_child():
                assert subprocess.run(["sh", "-c", "read line < /dev/tty"]).returncode
            """
        }
    )
    terminal = engine.state / "in-terminal"
    terminal.write_text(IN_TERMINAL.format(python=engine.python))
    terminal.chmod(0o755)
    engine.python = str(terminal)
    if way == "runner":
        runner = engine.fork(engine.collected(), "runner")
    else:
        base = engine.base()
        base.wait("ready")
        runner = engine.become(base, "session")
    names = [f"test_a.py::test_{name}" for name in ("opens", "asks", "child")]
    assert [run["outcome"] for run in run(runner, names).values()] == ["passed"] * 3


@pytest.mark.parametrize("how", ["end", "crash", "kill"])
def test_r3_what_a_session_of_its_own_leaves_behind_goes_with_it(
    project: Project, how: str
) -> None:
    # The daemon holds the interpreter's pipes too.
    engine = project({"test_a.py": FAMILY["test_a.py"].replace("child =", "print(end='');child =")})
    os.mkfifo(engine.root / "gate")
    base = engine.base()
    base.wait("ready")
    session = engine.become(base, "session")
    session.wait("runner_ready")
    start(session, ["test_a.py::test_a"])
    pids = family(engine)
    if how == "end":
        with open(engine.root / "gate", "w"):
            pass
        session.wait("bye")
    else:
        os.kill(session.pid, signal.SIGSEGV if how == "crash" else signal.SIGKILL)
    wait_gone(session.pid, *pids)
    # The engine receives its exit as if the session had been its own child.
    code = {"end": 0, "crash": -signal.SIGSEGV, "kill": -signal.SIGKILL}[how]
    assert engine.processes[0].wait(10) == code


def test_r3_a_killed_idle_interpreter_leaves_its_forks_alone(project: Project) -> None:
    engine = project({"test_a.py": "def test_a(): pass"})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    host.wait("collected")
    os.kill(base.pid, signal.SIGKILL)
    assert engine.processes[0].wait(10) == -signal.SIGKILL
    name = "test_a.py::test_a"
    assert run(engine.fork(host, "runner"), [name])[name]["outcome"] == "passed"


@pytest.mark.parametrize("number", ["SIGSTOP", "SIGTERM", "SIGINT", "SIGHUP"])
def test_p19_a_session_of_its_own_has_a_parent_that_can_be_signalled(
    project: Project, number: str
) -> None:
    engine = project(
        {
            "test_a.py": f"""
            import os, signal
            def test_a(): os.kill(os.getppid(), signal.{number})
            def test_b(): pass
            """
        }
    )
    base = engine.base()
    base.wait("ready")
    names = ["test_a.py::test_a", "test_a.py::test_b"]
    verdicts = run(engine.become(base, "session"), names)
    assert [verdicts[name]["outcome"] for name in names] == ["passed", "passed"]
    base.wait("bye")
    if number == "SIGSTOP":
        engine.processes[0].kill()
    engine.processes[0].wait(10)


def test_r15_a_keeper_killed_while_the_interpreter_starts_ends_it(project: Project) -> None:
    engine = project({"test_a.py": "def test_a(): pass"})
    base = engine.base()
    assert engine.processes[0].pid != base.pid
    engine.processes[0].kill()
    wait_gone(base.pid)
    base.wait_closed()


@pytest.mark.parametrize(
    ("capture", "harm"),
    [
        ("fd", "sys.stdout.close()"),
        ("sys", "sys.stderr.close()"),
        ("fd", "os.closerange(3, 2000)"),
        ("fd", "sys.modules.clear()"),
    ],
)
def test_a_runner_that_can_run_no_other_test_is_replaced(
    project: Project, capture: str, harm: str
) -> None:
    engine = project({"test_a.py": f"import os, sys\ndef test_a(): {harm}\ndef test_b(): pass"})
    collected = engine.collected(arguments=[f"--capture={capture}"])
    runner = engine.fork(collected, "runner")
    runner.wait("runner_ready")
    names = ["test_a.py::test_a", "test_a.py::test_b"]
    start(runner, names, output=str(engine.state / "tmp" / "w0"), timeout_ms=30_000)
    runner.wait_closed()
    assert [message["i"] for message in runner.all("started")] == [0]


@pytest.mark.parametrize("way", ["runner", "session"])
@pytest.mark.parametrize("capture", ["fd", "sys"])
def test_r3_a_runner_whose_output_a_test_has_closed_is_replaced(
    project: Project, way: str, capture: str
) -> None:
    engine = project(
        {"test_a.py": "import os\ndef test_a(): os.closerange(0, 256)\ndef test_b(): print('said')"}
    )
    arguments = [f"--capture={capture}"]
    if way == "runner":
        runner = engine.fork(engine.collected(arguments=arguments), "runner")
    else:
        base = engine.base()
        base.wait("ready")
        runner = engine.become(base, "session", arguments=arguments)
    runner.wait("runner_ready")
    names = ["test_a.py::test_a", "test_a.py::test_b"]
    start(runner, names, output=str(engine.state / "tmp" / "w0"))
    runner.wait_closed()
    assert [message["i"] for message in runner.all("started")] == [0]
