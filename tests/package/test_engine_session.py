"""`pytest --lens -n`: the engine runs the tests; what pytest shows and writes is pytest's own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from conftest import DEADLINE, World

MIXED = {
    "pytest.ini": "[pytest]\nmarkers = slow\njunit_family = legacy\n",
    "test_a.py": """
    import logging, sys, warnings
    import pytest

    def test_ok(): pass

    def test_bad():
        print("to stdout")
        print("to stderr", file=sys.stderr)
        logging.warning("to the log")
        assert [1, 2] == [1, 3]

    @pytest.mark.skip(reason="not today")
    def test_skipped(): pass

    @pytest.mark.xfail(reason="known")
    def test_xfails(): assert 0

    @pytest.mark.xfail
    def test_xpasses(): pass

    @pytest.fixture
    def broken(): raise RuntimeError("in the fixture")

    def test_error(broken): pass

    @pytest.fixture
    def falls():
        yield
        raise ValueError("in the teardown")

    def test_falls(falls): pass

    def test_warns(): warnings.warn("careful", DeprecationWarning)

    @pytest.mark.slow
    @pytest.mark.parametrize("n", range(4))
    def test_cases(n, record_property):
        record_property("n", n)
        assert n != 2

    class TestGroup:
        def test_in(self): raise KeyError("x")
    """,
    "test_b.py": "import pytest\npytest.skip('all of it', allow_module_level=True)\n",
    "sub/test_c.py": """
    import warnings
    warnings.warn("at import")

    def test_one(): pass

    def test_two(): assert "a b" == "a c", "a message"
    """,
}


def pytest_run(world: World, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the project, without colors."""
    return world.python("-m", "pytest", "--color=no", *arguments, **env)


def shown(output: str) -> dict[str, list[str]]:
    """The lines of pytest's output by section, without what differs from run to run."""
    sections: dict[str, list[str]] = {}
    lines = sections.setdefault("", [])
    for line in output.splitlines():
        line = re.sub(r" in [0-9.]+s( \([0-9:]+\))?", " in TIME", line)
        line = re.sub(r"0x[0-9a-f]+", "ADDRESS", line)
        line = re.sub(r"\s+\[ *\d+%\]$", "", line)
        heading = re.fullmatch(r"([=_-]{3,}) (.*?) [=_-]{3,}|=+ (.* in TIME) =+", line)
        if heading and line.startswith("="):
            lines = sections.setdefault(heading[2] or heading[3], [])
        elif line.strip() and not re.match("plugins: |-+ generated xml file", line):
            lines.append(line)
    return {title: sorted(lines) for title, lines in sections.items()}


def junit(path: Path) -> list[str]:
    """The cases of a JUnit report and its counts, without times."""
    root = ET.parse(path).getroot()
    for element in root.iter():
        for name in ("time", "timestamp", "hostname"):
            element.attrib.pop(name, None)
    text = [re.sub("0x[0-9a-f]+", "ADDRESS", ET.tostring(case, "unicode")) for case in root[0]]
    return [str(root[0].attrib), *sorted(text)]


def history(world: World) -> dict[str, object]:
    """The last outcome of each test, by the command line's own report."""
    told = world.lens("flaky", "--json")
    assert told.returncode == 0, told
    return {test["id"]: test for test in map(json.loads, told.stdout.splitlines())}


@pytest.mark.parametrize("others", [[], ["-p", "no:xdist"]], ids=["xdist", "no-xdist"])
def test_output_and_reports_are_those_of_plain_pytest(world: World, others: list[str]) -> None:
    hook = """
    def pytest_report_collectionfinish(items):
        return [f"goods: {len(items)}", items[0].name]
    """
    world.write({**MIXED, "conftest.py": hook})
    common = [*others, "-v", "-rA", "--durations=2", "--durations-min=100"]
    plain = pytest_run(world, *common, "--junitxml=plain.xml")
    for runners in ("1", "2", "8"):
        ours = pytest_run(world, *common, "--junitxml=ours.xml", "--lens", "-n", runners)
        assert ours.returncode == plain.returncode == 1, ours
        assert shown(ours.stdout) == shown(plain.stdout)
        assert junit(world.root / "ours.xml") == junit(world.root / "plain.xml")


OPTIONS = [
    ["-k", "cases or one"],
    ["-m", "not slow"],
    ["sub"],
    ["test_a.py::test_ok", "sub/test_c.py::test_one", "-v"],
    ["--deselect", "test_a.py::test_bad", "-x", "-k", "test_ok or xf"],
    ["-k", "nothing_of_that_name"],
    ["-k", "wrong ("],
    ["test_a.py::no_such_test"],
    ["--co"],
    ["-s", "-k", "test_ok"],
]


def test_options_mean_what_they_mean_in_pytest(world: World) -> None:
    world.write(MIXED)
    for arguments in OPTIONS:
        # Each test has its line, and the lines any order.
        usual = ["-v", "-p", "no:xdist", *arguments]
        plain = pytest_run(world, *usual)
        ours = pytest_run(world, *usual, "--lens", "-n", "2")
        assert ours.returncode == plain.returncode, ours
        lines = [line for line in ours.stdout.splitlines() if not line.startswith("lens: ")]
        assert shown("\n".join(lines)) == shown(plain.stdout), arguments
        assert shown(ours.stderr) == shown(plain.stderr)


def test_live_logs_are_shown_by_none_of_several_runners_as_with_xdist(world: World) -> None:
    test = 'import logging\ndef test_a(): logging.getLogger().warning("a record")\n'
    world.write({"pytest.ini": "[pytest]\nlog_cli = true\n", "test_a.py": test})
    for arguments in ([], ["--log-cli-level=INFO"]):
        told = pytest_run(world, "--lens", "-n", "2", *arguments)
        assert told.returncode == 0, told
        assert "by itself" not in told.stdout
        assert "test_a.py::test_a PASSED" in told.stdout
        assert "a record" not in told.stdout


def test_a_file_that_cannot_be_collected_is_an_error_as_in_pytest(world: World) -> None:
    world.write({"test_a.py": "def test_a(): pass", "test_b.py": "import no_such_module"})
    plain = pytest_run(world)
    ours = pytest_run(world, "--lens", "-n", "2")
    assert ours.returncode == plain.returncode == 2, ours
    assert "lens: pytest ran the tests by itself: " in ours.stdout
    lines = [line for line in ours.stdout.splitlines() if not line.startswith("lens: ")]
    assert shown("\n".join(lines)) == shown(plain.stdout)


def test_last_failed_is_that_of_pytests_cache(world: World) -> None:
    world.write(MIXED)
    assert pytest_run(world, "--lens", "-n", "2").returncode == 1
    plain = pytest_run(world, "--co", "-q", "--lf")
    wanted = {line for line in plain.stdout.splitlines() if "::" in line}
    ours = pytest_run(world, "--lf", "-v", "--lens", "-n", "2")
    ran = {line.split(" ")[0] for line in ours.stdout.splitlines() if re.search(r"::.*%\]$", line)}
    assert wanted and ran == wanted, ours


def test_tests_are_collected_once_whatever_the_number_of_runners(world: World) -> None:
    module = """
    import os, pytest

    COLLECTOR = os.readlink("/proc/self")

    @pytest.mark.parametrize("n", range(40))
    def test_it(n):
        with open(f"ran-{COLLECTOR}-{os.getpid()}", "a") as file: file.write("x")
    """
    world.write({"test_a.py": module, "test_b.py": module})
    told = pytest_run(world, "--lens", "-n", "8")
    assert told.returncode == 0, told
    assert "80 passed" in told.stdout
    ran = {path.name: path.read_text() for path in world.root.glob("ran-*")}
    assert len(ran) > 1 and len("".join(ran.values())) == 80
    assert len({name.split("-")[1] for name in ran}) == 1


def test_the_engine_alone_records(world: World) -> None:
    world.write(
        {"test_a.py": 'import os\ndef test_flips(): assert os.environ.get("BREAK") != "1"\n'}
    )
    for broken in ("0", "1"):
        told = pytest_run(world, "--lens", "-n", "2", BREAK=broken)
        assert told.returncode == int(broken), told
        assert "lens: " not in told.stdout
    flips = history(world)["test_a.py::test_flips"]
    assert isinstance(flips, dict)
    assert (flips["evidence"], flips["totalRuns"]) == ("same_code", 2)


def test_a_crash_is_a_failure_of_its_test_and_the_rest_runs(world: World) -> None:
    world.write(
        {
            "test_a.py": """
            import os

            def test_before(): pass

            def test_dies():
                print("last words", flush=True)
                os.kill(os.getpid(), 11)

            def test_after(): pass
            """
        }
    )
    told = pytest_run(world, "--lens", "-n", "2", "--junitxml=out.xml")
    assert told.returncode == 1, told
    assert "1 failed, 2 passed" in told.stdout
    assert "the process that ran this test" in told.stdout
    assert ET.parse(world.root / "out.xml").getroot()[0].attrib["failures"] == "1"


def test_maxfail_stops_the_run(world: World) -> None:
    world.write({"test_a.py": "\n".join(f"def test_{n:03}(): assert 0" for n in range(100))})
    told = pytest_run(world, "--lens", "-n", "2", "-x")
    assert told.returncode == 1, told
    # The other runner's test may have ended meanwhile.
    assert re.search("stopping after [12] failures", told.stdout)
    count = re.search(r"(\d+) failed", told.stdout)
    assert count is not None and int(count[1]) < 10, told


def test_an_exit_in_a_test_ends_the_session(world: World) -> None:
    world.write(
        {"test_a.py": "import pytest\ndef test_a(): pytest.exit('enough')\ndef test_b(): pass"}
    )
    told = pytest_run(world, "--lens", "-n", "1")
    assert told.returncode == 2, told
    assert "enough" in told.stdout


def test_a_ctrl_c_while_an_outcome_is_shown_does_not_lose_it(world: World) -> None:
    world.write(
        {
            "conftest.py": """
            import os, pytest, signal

            @pytest.hookimpl(tryfirst=True)
            def pytest_runtest_logreport(report):
                if os.getpid() == int(os.environ["PYTEST_PID"]) and report.when == "call":
                    os.kill(os.getpid(), signal.SIGINT)
            """,
            "test_a.py": QUICK_AND_ENDLESS,
        }
    )
    ended = pytest_run_with_pid(world)
    assert ended.returncode == 2, ended.stdout
    assert "KeyboardInterrupt" in ended.stdout and "1 passed" in ended.stdout


@pytest.mark.parametrize(
    "before",
    [
        "",
        "session = pytest_lens.engine_session.EngineSession\n"
        "plain = session._show_collection\n"
        "session._show_collection = lambda *args: (interrupt(), plain(*args))\n",
        "session = pytest_lens.engine_session.EngineSession\n"
        "plain = session._start\n"
        "session._start = lambda self: (plain(self), setattr(self, '_run', None), interrupt())\n",
    ],
    ids=["between the hooks", "before the collection is shown", "before the run is known"],
)
def test_a_ctrl_c_soon_after_the_start_loses_no_outcome(world: World, before: str) -> None:
    world.write(
        {
            "conftest.py": """
            import os

            if os.getpid() == int(os.environ["PYTEST_PID"]):
                def pytest_collection_finish(session):
                    import __main__
                    __main__.interrupt()
            """,
            "test_a.py": QUICK_AND_ENDLESS,
        }
    )
    program = (
        "import pathlib, signal, time, pytest_lens.engine_session\n"
        "def interrupt(already=[]):\n"
        "    if already: return\n"
        "    already.append(True)\n"
        f"    until = time.monotonic() + {DEADLINE}\n"
        "    while not pathlib.Path('running').exists():\n"
        "        assert time.monotonic() < until\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        f"{before}"
    )
    ended = pytest_run_with_pid(world, program)
    assert ended.returncode == 2, ended.stdout
    assert "KeyboardInterrupt" in ended.stdout and "1 passed" in ended.stdout


QUICK_AND_ENDLESS = """
import pathlib, time

def test_quick(): pass

def test_endless():
    pathlib.Path("running").touch()
    time.sleep(600)
"""


def pytest_run_with_pid(world: World, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run pytest on an engine; its hooks know its own process by `PYTEST_PID`."""
    program = (
        "import os, sys, pytest; os.environ['PYTEST_PID'] = str(os.getpid())\n"
        f"{before}\n"
        "sys.exit(pytest.main(['--color=no', '--lens', '-n', '1']))"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=world.root,
        env=world.env,
        stdout=subprocess.PIPE,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_ctrl_c_ends_everything_and_keeps_what_ran(world: World) -> None:
    world.write(
        {
            "test_a.py": """
            import os, pathlib, time

            def test_quick(): pass

            def test_endless():
                pathlib.Path("running").write_text(str(os.getpid()))
                time.sleep(600)
            """
        }
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--color=no", "--lens", "-n", "1"],
        cwd=world.root,
        env=world.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    running = world.root / "running"
    until = time.monotonic() + DEADLINE
    while not (running.exists() and running.read_text()):
        assert time.monotonic() < until and process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2, output
    assert "KeyboardInterrupt" in output and "1 passed" in output
    pid = int(running.read_text())
    while is_alive(pid):
        assert time.monotonic() < until


def is_alive(pid: int) -> bool:
    """Whether a process runs, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_without_the_engine_the_tests_run_in_pytest(world: World) -> None:
    conftest = """
    import pytest_lens._native

    class Engine:
        def __init__(self, **options): raise OSError("the disk is full")

    pytest_lens._native.Engine = Engine
    """
    world.write({"test_a.py": "def test_a(): pass", "conftest.py": conftest})
    told = pytest_run(world, "--lens", "-n", "2")
    assert told.returncode == 0, told
    assert "1 passed" in told.stdout
    assert "lens: pytest ran the tests by itself: the disk is full" in told.stdout


def test_an_engine_that_ends_in_the_middle_is_one_clear_end(world: World) -> None:
    conftest = """
    import pytest_lens.runs
    from pytest_lens.errors import LensError

    read = pytest_lens.runs.Run._read

    def failing(run):
        read(run)
        if any(event["event"] == "testOutcome" for event in run._pending):
            raise LensError("internal_error", "the engine has ended")

    pytest_lens.runs.Run._read = failing
    """
    world.write({"test_a.py": "def test_a(): pass", "conftest.py": conftest})
    told = pytest_run(world, "--lens", "-n", "1")
    assert told.returncode == 2, told
    assert "the engine ended with 1 test still to come: the engine has ended" in told.stdout


def test_n_without_lens_needs_xdist(world: World) -> None:
    world.write({"test_a.py": "def test_a(): pass"})
    told = pytest_run(world, "-p", "no:xdist", "-n", "2")
    assert told.returncode == 4
    assert "-n needs --lens, or pytest-xdist" in told.stderr
    assert os.listdir(world.root) == ["test_a.py"]
